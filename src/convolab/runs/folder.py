"""A run's folder: the truth about a run that is under way, for every process that looks at it or steers it.

``run.json`` what was asked for · ``events.jsonl`` what happened, with exact values · ``state.json`` how it
stands · ``control.json`` what is wanted of it · ``checkpoint.safetensors``, ``weights.safetensors`` ·
``lock``, held by the process that trains · ``reserve``, room for the last words on a full disk ·
``mlflow.json`` how far MLflow knows of it · ``error.txt`` a traceback, after a failure nobody foresaw.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from convolab.errors import RunError
from convolab.home import runs_dir
from convolab.networks import Network
from convolab.runs.control import Wishes, change_wishes, read_wishes
from convolab.runs.files import is_locked, lives, now, process_start, replace_text, whoami, why
from convolab.training.events import Event, event_from_dict
from convolab.training.settings import TrainingSettings

State = Literal["queued", "running", "paused", "finished", "stopped", "failed", "interrupted"]
RESUMABLE: tuple[State, ...] = ("paused", "stopped", "failed", "interrupted")
"""States of which `execute` goes on from the last checkpoint."""
RESERVE_BYTES = 256 * 1024
LOCK_SECONDS = 1.0
"""How long a process tries for the lock: someone may be just looking whether it is held."""


class RunSpec(BaseModel):
    """What was asked for; written once."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    run_id: str
    name: str
    dataset: str
    network: Network
    settings: TrainingSettings
    created: str
    """UTC, ISO 8601."""
    version: str
    """Of convolab."""
    started_from: str | None = None
    """Where the initial weights came from, if not from the seed: a run's id or a file's name."""


class Figures(BaseModel):
    """The latest figures of a run."""

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


class RunState(BaseModel):
    """How a run stands."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    state: State
    reason: str = ""
    """A sentence where something other than the user brought the run into this state."""
    when: str = ""
    """Since when; UTC, ISO 8601."""
    pid: int = 0
    """The process that wrote this."""
    pid_started: float = 0.0
    machine: str = ""
    died: bool = False
    """It waits for a worker because the one that had it died; it goes on by itself."""
    figures: Figures = Figures()


class RunFolder:
    """The folder of one run. Cheap to make; nothing is read before it is asked for."""

    def __init__(self, run_id: str) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", run_id):
            raise RunError(f'"{run_id}" is no run id.')
        self.run_id = run_id
        self.path = runs_dir() / run_id
        self.checkpoint_path = self.path / "checkpoint.safetensors"
        self.weights_path = self.path / "weights.safetensors"
        self.initial_weights_path = self.path / "initial.safetensors"
        self.events_path = self.path / "events.jsonl"
        self.control_path = self.path / "control.json"
        self.error_path = self.path / "error.txt"
        self.tracking_path = self.path / "mlflow.json"
        self._lock_path = self.path / "lock"
        self._reserve_path = self.path / "reserve"

    @classmethod
    def all(cls) -> list[RunFolder]:
        """The folders of all runs in the lab's home, in no particular order."""
        try:
            entries = list(runs_dir().iterdir())
        except FileNotFoundError:
            return []
        return [cls(entry.name) for entry in entries if (entry / "run.json").exists()]

    @property
    def exists(self) -> bool:
        """Whether there is such a run in the lab's home."""
        return (self.path / "run.json").exists()

    # ---------------------------------------------------------------- what was asked for

    def create(self, spec: RunSpec, initial_weights: Path | None = None) -> None:
        """Make the folder of a new run, in state queued. RunError if the disk does not let us."""
        try:
            self.path.mkdir(parents=True)
            self.make_reserve()
            self.set_state("queued")
            if initial_weights is not None:
                shutil.copyfile(initial_weights, self.initial_weights_path)
            self.write_spec(spec)  # last: a folder without it is no run
        except OSError as error:
            shutil.rmtree(self.path, ignore_errors=True)
            raise RunError(f"The run's folder {self.path} cannot be made: {why(error)}.") from error

    def spec(self) -> RunSpec:
        """What was asked for. RunError if there is no such run or its folder is damaged."""
        try:
            return RunSpec.model_validate_json((self.path / "run.json").read_bytes())
        except FileNotFoundError:
            raise RunError(
                f"There is no run {self.run_id} in {runs_dir()}; 'convolab runs' lists them."
            ) from None
        except (OSError, ValidationError) as error:
            raise RunError(
                f"The run {self.run_id} cannot be read: run.json in its folder {self.path} is damaged."
            ) from error

    def write_spec(self, spec: RunSpec) -> None:
        """Write ``run.json`` whole. Raises OSError."""
        replace_text(self.path / "run.json", spec.model_dump_json(indent=1), durable=True)

    # ---------------------------------------------------------------- what happened

    def events(self, after: int = 0) -> tuple[list[Event], int]:
        """The events after a place in the file, and the place after them, to be given the next time.

        A last line that is not written to its end yet is left for the next time.
        """
        entries, end = self.entries(after)
        found = []
        for entry in entries:
            with contextlib.suppress(KeyError, TypeError):  # of a newer lab
                found.append(event_from_dict(entry))
        return found, end

    def entries(self, after: int = 0) -> tuple[list[dict[str, Any]], int]:
        """As `events`, but as dicts which also tell the ``time`` (seconds since 1970)."""
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
        by: str = "",
    ) -> None:
        """Say what is wanted of the run; None leaves a wish as it is. From any process.

        ``steps`` are batches to run though paused (it pauses a running run). ``by`` names who asks, for the
        record. Raises SettingsError for a nonsensical learning rate, RunError if the wish cannot be noted.
        """
        if not self.exists:
            self.spec()
        try:
            change_wishes(
                self.control_path,
                paused=paused,
                stop=stop,
                steps=steps,
                learning_rate=learning_rate,
                release=release,
                by=by or (whoami() if stop else ""),
                make_room=self.give_up_reserve,
            )
        except OSError as error:
            raise RunError(
                f"The run cannot be told: {self.path} cannot be written ({why(error)})."
            ) from error

    def wishes(self) -> Wishes:
        """What is wanted of the run at present."""
        return read_wishes(self.control_path)

    # ---------------------------------------------------------------- how it stands

    def state(self) -> RunState:
        """How the run stands. One whose process died without a word reads as interrupted."""
        state = self.written_state()
        if state.state == "running" and not self.held():
            # It may have ended between the two looks.
            state = self.written_state()
            if state.state == "running":
                return _interrupted(state, "The process that trained it is gone.")
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
            if not self.exists:
                self.spec()
            return RunState(state="interrupted", reason="Its state could not be read.")

    def set_state(
        self, state: State, reason: str = "", figures: Figures | None = None, died: bool = False
    ) -> RunState:
        """Write how the run stands; figures are kept where none are given. Raises OSError."""
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
        """Hold the run: only who holds it may train it. RunError if another process does."""
        lock = FileLock(self._lock_path, thread_local=False)
        try:
            lock.acquire(timeout=LOCK_SECONDS, poll_interval=0.02)
        except Timeout:
            holder = self.written_state()
            raise RunError(
                f"This run is being trained already, by process {holder.pid} on {holder.machine}; "
                "wait for it or stop it there."
            ) from None
        try:
            yield
        finally:
            lock.release()

    def held(self) -> bool:
        """Whether a living process holds the run."""
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
        """Remove the folder with all that is in it. RunError while a process trains it."""
        with self.lock():
            (self.path / "run.json").unlink(missing_ok=True)  # first: from now on it is no run
        shutil.rmtree(self.path, ignore_errors=True)


def _interrupted(state: RunState, reason: str) -> RunState:
    return state.model_copy(update={"state": "interrupted", "reason": reason})
