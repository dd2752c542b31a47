"""Executing a run: from the beginning or from its last checkpoint, recorded, in whichever process this is."""

from __future__ import annotations

import math
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from convolab.errors import ConvolabError, RunError, SettingsError
from convolab.runs.control import FolderControl
from convolab.runs.folder import RunFolder, RunState
from convolab.runs.recorder import Recorder
from convolab.training.events import Event, Finished, Recovered

if TYPE_CHECKING:
    from convolab.training import Training

CHECKPOINT_SECONDS = 15.0
"""Seconds of training between two checkpoints, unless ``CONVOLAB_CHECKPOINT_SECONDS`` says otherwise."""


def execute(
    run_id: str,
    on_event: Callable[[Event], None] | None = None,
    *,
    linger: float | None = None,
    keep_wishes: bool = False,
) -> Finished | None:
    """Train a run to its end, from its last checkpoint if there is one; ``on_event`` sees each event.

    A run that is finished already is left as it is, so calling this twice does no harm. While the run is
    paused this waits, at most ``linger`` seconds if that is given, and returns None when the run is to be
    released (``RunFolder.control(release=True)``): it can be executed again later.

    A pause or stop that was asked for in an earlier execution is forgotten, except with ``keep_wishes``.

    Raises RunError if another process executes the run, any ConvolabError that training ends with, and
    RunError for an error nobody foresaw, whose traceback is then in the folder's ``error.txt``.
    """
    folder = RunFolder(run_id)
    folder.spec()
    with folder.lock():
        before = folder.written_state()
        if before.state == "finished" and (end := last_finish(folder)):
            return end
        if before.state != "queued" and not keep_wishes:
            folder.control(paused=False, stop=False, release=False)
        try:
            folder.set_state("running")
        except OSError:
            folder.give_up_reserve()  # the recorder pauses the run if this was not enough
        folder.error_path.unlink(missing_ok=True)
        return _execute(folder, before, on_event or (lambda _: None), linger)


def last_finish(folder: RunFolder) -> Finished | None:
    """The latest Finished event of a run."""
    found, _ = folder.events()
    return next((event for event in reversed(found) if isinstance(event, Finished)), None)


class _Watching(Exception):
    """Whoever watches the events failed; the run itself did not."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def _execute(
    folder: RunFolder, before: RunState, on_event: Callable[[Event], None], linger: float | None
) -> Finished | None:
    control = FolderControl(folder.control_path, folder.give_up_reserve, linger)
    recorder = Recorder(folder, control)

    def report(event: Event) -> None:
        event = recorder.record(event)
        try:
            on_event(event)
        except Exception as error:
            raise _Watching(error) from error

    end: Finished | None = None
    try:
        training = _training(folder, control)
        recorder.save_weights = training.save_weights
        if before.died or before.state == "running":  # and yet the lock was free: its process died
            report(_recovered(folder, training.examples))
        for event in training.events():
            if isinstance(event, Finished):
                end = event
            report(event)
        if end is None:
            _note_release(folder, recorder)
        return end
    except ConvolabError as error:
        recorder.write_state("failed", str(error))
        raise
    except _Watching as error:
        recorder.write_state("interrupted", "The program that watched it failed.")
        raise error.error from None
    except Exception as error:
        sentence = f"Training failed unexpectedly ({type(error).__name__}: {_short(error)})."
        _keep_traceback(folder.error_path)
        recorder.write_state("failed", f"{sentence} The details are in {folder.error_path}.")
        raise RunError(f"{sentence} The details are in {folder.error_path}.") from error
    except BaseException:  # Ctrl-C and the like
        if recorder.state in ("running", "queued"):
            recorder.write_state("interrupted", "It was ended at once.")
        raise
    finally:
        recorder.close()


def _training(folder: RunFolder, control: FolderControl) -> Training:
    from convolab.datasets import load
    from convolab.training import Training

    spec = folder.spec()
    initial: Path | None = folder.initial_weights_path
    return Training(
        spec.network,
        load(spec.dataset),
        spec.settings,
        control=control,
        checkpoint_path=folder.checkpoint_path,
        checkpoint_every=_checkpoint_seconds(),
        initial_weights=initial if initial and initial.exists() else None,
    )


def _checkpoint_seconds() -> float:
    text = os.environ.get("CONVOLAB_CHECKPOINT_SECONDS", "")
    try:
        seconds = float(text or CHECKPOINT_SECONDS)
    except ValueError:
        seconds = math.nan
    if not seconds > 0:
        raise SettingsError(f'CONVOLAB_CHECKPOINT_SECONDS must be a number above 0, not "{text}".')
    return seconds


def _recovered(folder: RunFolder, examples: int) -> Recovered:
    entries, _ = folder.entries()
    where = f"from its checkpoint at {examples:,} examples" if examples else "from the beginning"
    return Recovered(
        examples=entries[-1].get("examples", 0) if entries else 0,
        message=f"The process that trained this run died; it goes on by itself {where}.",
    )


def _note_release(folder: RunFolder, recorder: Recorder) -> None:
    """The loop was asked to let go: the run stays paused, or was interrupted if nobody had paused it."""
    if recorder.state == "paused" and (recorder.reason or folder.wishes().paused):
        recorder.write_state("paused", recorder.reason)
    else:
        recorder.write_state("interrupted", "The lab was closed while it trained.")


def _keep_traceback(path: Path) -> None:
    try:
        path.write_text(traceback.format_exc(), encoding="utf-8")
    except OSError:
        return


def _short(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200].rstrip(".") if lines else "no more is known"
