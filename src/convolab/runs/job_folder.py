"""A job's folder: the truth about a job that is under way, for every process that looks at it or steers it.

``events.jsonl`` what happened, with exact values · ``state.json`` how it stands · ``control.json`` what is
wanted of it · ``lock``, held by the process that executes it · ``reserve``, room for the last words on a full
disk · ``error.txt`` a traceback, after a failure nobody foresaw · ``checkpoint.safetensors``. What was asked
for, and what comes of it, is the business of the kinds of jobs: `convolab.runs.folder`,
`convolab.style.job_folder`.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from convolab.errors import RunError
from convolab.runs.control import Wishes, change_wishes, read_wishes
from convolab.runs.files import is_locked, lives, now, process_start, replace_text, whoami, why

State = Literal["queued", "running", "paused", "finished", "stopped", "failed", "interrupted"]
RESUMABLE: tuple[State, ...] = ("paused", "stopped", "failed", "interrupted")
"""States of which `execute` goes on from the last checkpoint."""
RESERVE_BYTES = 256 * 1024
LOCK_SECONDS = 1.0
"""How long a process tries for the lock: someone may be just looking whether it is held."""


class Figures(BaseModel):
    """The latest figures of a job: of a run, or (``steps``, ``style``, ``content``) of a transfer."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    parameters: int | None = None
    examples: int = 0
    batches: int = 0
    seconds: float = 0.0
    """Of training alone."""
    fraction: float | None = None
    """Share of the planned length that is done, 0 to 1; None when training goes on until stopped."""
    seconds_left: float | None = None
    examples_per_second: float | None = None
    train_accuracy: float | None = None
    train_loss: float | None = None
    test_accuracy: float | None = None
    test_loss: float | None = None
    device: str | None = None
    precision: str | None = None
    stopped_because: str | None = None
    steps: int = 0
    """How many times a transfer has judged its picture."""
    style: float | None = None
    content: float | None = None
    """The normalised differences of a transfer's picture."""


class RunState(BaseModel):
    """How a job stands."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    state: State
    reason: str = ""
    """A sentence where something other than the user brought the job into this state."""
    when: str = ""
    """Since when; UTC, ISO 8601."""
    pid: int = 0
    """The process that wrote this."""
    pid_started: float = 0.0
    machine: str = ""
    died: bool = False
    """It waits for a worker because the one that had it died; it goes on by itself."""
    figures: Figures = Figures()


class JobFolder(ABC):
    """The folder of one job. Cheap to make; nothing is read before it is asked for."""

    what: ClassVar[str]
    """What its kind is called: ``run``."""
    did: ClassVar[str]
    done: ClassVar[str]
    """What a process did to it, and has done: ``trained``."""
    spec_name: ClassVar[str]
    """The file that says what was asked for; a folder without it is no job."""

    def __init__(self, run_id: str, parent: Path) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", run_id):
            raise RunError(f'"{run_id}" is no {self.what} id.')
        self.run_id = run_id
        self.path = parent / run_id
        self.checkpoint_path = self.path / "checkpoint.safetensors"
        self.events_path = self.path / "events.jsonl"
        self.control_path = self.path / "control.json"
        self.error_path = self.path / "error.txt"
        self._lock_path = self.path / "lock"
        self._reserve_path = self.path / "reserve"

    @property
    def exists(self) -> bool:
        """Whether there is such a job in the lab's home."""
        return (self.path / self.spec_name).exists()

    @property
    @abstractmethod
    def name(self) -> str:
        """What it is called. RunError if there is no such job or its folder is damaged."""

    def check(self) -> None:
        """RunError if there is no such job or its folder is damaged."""
        if not self.exists:
            _ = self.name  # reads what was asked for, which says what is wrong

    # What the queue says about jobs of this kind.

    @abstractmethod
    def stopped_sentence(self) -> str:
        """That it was stopped while nobody executed it."""

    @abstractmethod
    def lost_sentence(self) -> str:
        """That the processes which executed it died again and again, and what to do."""

    def ended(self) -> None:  # noqa: B027 - most kinds have nobody to tell
        """Called off the queue's thread after a job was stopped that nobody executed."""

    def entries(self, after: int = 0) -> tuple[list[dict[str, Any]], int]:
        """The events after a place in the file as dicts, and the place after them, to be given the next time.

        Beside what `Event.to_dict` wrote they tell the ``time`` (seconds since 1970). A last line that is not
        written to its end yet is left for the next time.
        """
        try:
            with self.events_path.open("rb") as file:
                file.seek(after)
                content = file.read()
        except FileNotFoundError:
            return [], 0
        whole = content[: content.rfind(b"\n") + 1]
        found = []
        for line in whole.splitlines():
            with contextlib.suppress(ValueError):  # a line damaged by a crash of the machine
                entry = json.loads(line)
                if isinstance(entry, dict):
                    found.append(entry)
        return found, after + len(whole)

    # ---------------------------------------------------------------- what is wanted

    def control(
        self,
        *,
        paused: bool | None = None,
        stop: bool | None = None,
        steps: int | None = None,
        learning_rate: float | None = None,
        release: bool | None = None,
        weight: float | None = None,
        style_weights: tuple[float, ...] | None = None,
        tv: float | None = None,
        by: str = "",
    ) -> None:
        """Say what is wanted of the job; None leaves a wish as it is. From any process.

        ``steps`` are batches to run though paused (it pauses a running run). ``weight``, ``style_weights``
        and ``tv`` are for transfers. ``by`` names who asks, for the record. Raises SettingsError for a
        nonsensical learning rate or weight, RunError if the wish cannot be noted.
        """
        self.check()
        try:
            change_wishes(
                self.control_path,
                paused=paused,
                stop=stop,
                steps=steps,
                learning_rate=learning_rate,
                release=release,
                weight=weight,
                style_weights=style_weights,
                tv=tv,
                by=by or (whoami() if stop else ""),
                make_room=self.give_up_reserve,
            )
        except OSError as error:
            raise RunError(
                f"The {self.what} cannot be told: {self.path} cannot be written ({why(error)})."
            ) from error

    def wishes(self) -> Wishes:
        """What is wanted of the job at present."""
        return read_wishes(self.control_path)

    # ---------------------------------------------------------------- how it stands

    def state(self) -> RunState:
        """How the job stands. One whose process died without a word reads as interrupted."""
        state = self.written_state()
        if state.state == "running" and not self.held():
            # It may have ended between the two looks.
            state = self.written_state()
            if state.state == "running":
                return _interrupted(state, f"The process that {self.did} it is gone.")
        if (
            state.state == "queued"
            and not self.held()
            and not lives(state.pid, state.pid_started, state.machine)
        ):
            return _interrupted(state, "The lab was closed before its turn came.")
        return state

    def written_state(self) -> RunState:
        """What ``state.json`` says, true or not."""
        try:
            return RunState.model_validate_json((self.path / "state.json").read_bytes())
        except (OSError, ValidationError):
            self.check()
            return RunState(state="interrupted", reason="Its state could not be read.")

    def set_state(
        self, state: State, reason: str = "", figures: Figures | None = None, died: bool = False
    ) -> RunState:
        """Write how the job stands; figures are kept where none are given. Raises OSError."""
        before = None
        with contextlib.suppress(OSError, ValidationError):
            before = RunState.model_validate_json((self.path / "state.json").read_bytes())
        same = before is not None and (before.state, before.reason) == (state, reason)
        new = RunState(
            state=state,
            reason=reason,
            when=before.when if same and before else now(),
            pid=os.getpid(),
            pid_started=process_start(os.getpid()),
            machine=platform.node(),
            died=died,
            figures=figures or (before.figures if before else Figures()),
        )
        self.write_state(new)
        return new

    def write_state(self, state: RunState) -> None:
        """Write ``state.json`` whole. Raises OSError."""
        replace_text(self.path / "state.json", state.model_dump_json())

    # ---------------------------------------------------------------- lock and reserve

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the job: only who holds it may execute it. RunError if another process does."""
        lock = FileLock(self._lock_path, thread_local=False)
        try:
            lock.acquire(timeout=LOCK_SECONDS, poll_interval=0.02)
        except Timeout:
            holder = self.written_state()
            raise RunError(
                f"This {self.what} is being {self.done} already, by process {holder.pid} "
                f"on {holder.machine}; wait for it or stop it there."
            ) from None
        try:
            yield
        finally:
            lock.release()

    def held(self) -> bool:
        """Whether a living process holds the job."""
        return is_locked(self._lock_path)

    def make_reserve(self) -> None:
        """Set room aside for the last words on a full disk. Raises OSError if there is none."""
        if self._reserve_path.exists() and self._reserve_path.stat().st_size == RESERVE_BYTES:
            return
        try:
            # Random, so that no file system saves the room by compressing it.
            self._reserve_path.write_bytes(os.urandom(RESERVE_BYTES))
        except OSError:
            self.give_up_reserve()
            raise

    def give_up_reserve(self) -> None:
        """Free the room that was set aside."""
        with contextlib.suppress(OSError):
            self._reserve_path.unlink(missing_ok=True)

    def delete(self) -> None:
        """Remove the folder with all that is in it. RunError while a process executes it."""
        with self.lock():
            (self.path / self.spec_name).unlink(missing_ok=True)  # first: from now on it is no job
        shutil.rmtree(self.path, ignore_errors=True)


def _interrupted(state: RunState, reason: str) -> RunState:
    return state.model_copy(update={"state": "interrupted", "reason": reason})
