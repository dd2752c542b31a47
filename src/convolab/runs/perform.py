"""Executing a job of any kind: its events recorded, its errors turned into a state, its end noted."""

from __future__ import annotations

import math
import os
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from convolab.errors import ConvolabError, RunError, SettingsError
from convolab.runs.job_folder import JobFolder, RunState
from convolab.runs.journal import Journal

CHECKPOINT_SECONDS = 15.0
"""Seconds of work between two checkpoints, unless ``CONVOLAB_CHECKPOINT_SECONDS`` says otherwise."""

E = TypeVar("E")
End = TypeVar("End", covariant=True)


class Work(Protocol, Generic[E, End]):
    """One execution of a job, as `perform` drives it."""

    failed: str
    """``Training failed unexpectedly``."""
    closed: str
    """What is said where the lab was closed meanwhile."""

    @property
    def folder(self) -> JobFolder:
        """Of the job."""
        ...

    @property
    def journal(self) -> Journal:
        """What writes the events down."""
        ...

    def prepare(self) -> None:
        """Get everything ready, from the last checkpoint if there is one. Raises ConvolabError."""
        ...

    def recovered(self) -> E:
        """An event that says from where it goes on after its process died."""
        ...

    def events(self) -> Iterator[E]:
        """Do the work. Ends early when the job is to be released."""
        ...

    def record(self, event: E) -> E:
        """Write one event down; returns it, perhaps with a reason filled in."""
        ...

    def end(self, event: E) -> End | None:
        """What the job came to, if this is its last event."""
        ...


class _Watching(Exception):
    """Whoever watches the events failed; the job itself did not."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def take_up(folder: JobFolder, keep_wishes: bool) -> RunState:
    """Note that this process executes a job, whose lock it holds; returns how the job stood before.

    A pause or stop that was asked for in an earlier execution is forgotten, except with ``keep_wishes``.
    """
    before = folder.written_state()
    if before.state != "queued" and not keep_wishes:
        folder.control(paused=False, stop=False, release=False)
    try:
        folder.set_state("running")
    except OSError:
        folder.give_up_reserve()  # the journal pauses the job if this was not enough
    folder.error_path.unlink(missing_ok=True)
    return before


def perform(work: Work[E, End], before: RunState, on_event: Callable[[E], None]) -> End | None:
    """Do a job's work to its end; None if it was released before that.

    Raises any ConvolabError that the work ends with, and RunError for an error nobody foresaw, whose
    traceback is then in the folder's ``error.txt``.
    """
    folder, journal = work.folder, work.journal

    def report(event: E) -> None:
        event = work.record(event)
        try:
            on_event(event)
        except Exception as error:
            raise _Watching(error) from error

    end: End | None = None
    try:
        work.prepare()
        if before.died or before.state == "running":  # and yet the lock was free: its process died
            report(work.recovered())
        for event in work.events():
            end = work.end(event) or end
            report(event)
        if end is None:
            _note_release(work)
        return end
    except ConvolabError as error:
        journal.write_state("failed", str(error))
        raise
    except _Watching as error:
        journal.write_state("interrupted", "The program that watched it failed.")
        raise error.error from None
    except Exception as error:
        sentence = f"{work.failed} ({type(error).__name__}: {_short(error)})."
        _keep_traceback(folder.error_path)
        journal.write_state("failed", f"{sentence} The details are in {folder.error_path}.")
        raise RunError(f"{sentence} The details are in {folder.error_path}.") from error
    except BaseException:  # Ctrl-C and the like
        if journal.state in ("running", "queued"):
            journal.write_state("interrupted", "It was ended at once.")
        raise
    finally:
        journal.close()


def checkpoint_seconds() -> float:
    """How often to save. SettingsError if the environment says nonsense."""
    text = os.environ.get("CONVOLAB_CHECKPOINT_SECONDS", "")
    try:
        seconds = float(text or CHECKPOINT_SECONDS)
    except ValueError:
        seconds = math.nan
    if not seconds > 0:
        raise SettingsError(f'CONVOLAB_CHECKPOINT_SECONDS must be a number above 0, not "{text}".')
    return seconds


def _note_release(work: Work[E, End]) -> None:
    """The job was asked to let go: it stays paused, or was interrupted if nobody had paused it."""
    journal = work.journal
    if journal.state == "paused" and (journal.reason or work.folder.wishes().paused):
        journal.write_state("paused", journal.reason)
    else:
        journal.write_state("interrupted", work.closed)


def _keep_traceback(path: Path) -> None:
    try:
        path.write_text(traceback.format_exc(), encoding="utf-8")
    except OSError:
        return


def _short(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200].rstrip(".") if lines else "no more is known"
