"""A run's folder: the truth about a run that is under way, for every process that looks at it or steers it.

``run.json`` what was asked for · ``events.jsonl`` what happened, with exact values · ``state.json`` how it
stands · ``control.json`` what is wanted of it · ``checkpoint.safetensors``, ``weights.safetensors`` ·
``lock``, held by the process that trains · ``reserve``, room for the last words on a full disk ·
``mlflow.json`` how far MLflow knows of it · ``error.txt`` a traceback, after a failure nobody foresaw.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from convolab.errors import ConvolabError, RunError
from convolab.home import runs_dir
from convolab.networks import Network
from convolab.runs.files import replace_text, why
from convolab.runs.job_folder import RESUMABLE as RESUMABLE
from convolab.runs.job_folder import Figures as Figures
from convolab.runs.job_folder import JobFolder
from convolab.runs.job_folder import RunState as RunState
from convolab.runs.job_folder import State as State
from convolab.training.events import Event, event_from_dict
from convolab.training.settings import TrainingSettings


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
    tags: dict[str, str] = {}
    """What the run is part of: ``experiment`` and what was varied in it. MLflow gets them as tags."""


class RunFolder(JobFolder):
    """The folder of one run. Cheap to make; nothing is read before it is asked for."""

    what = "run"
    did = done = "trained"
    spec_name = "run.json"

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id, runs_dir())
        self.weights_path = self.path / "weights.safetensors"
        self.initial_weights_path = self.path / "initial.safetensors"
        self.tracking_path = self.path / "mlflow.json"

    @classmethod
    def all(cls) -> list[RunFolder]:
        """The folders of all runs in the lab's home, in no particular order."""
        try:
            entries = list(runs_dir().iterdir())
        except FileNotFoundError:
            return []
        return [cls(entry.name) for entry in entries if (entry / "run.json").exists()]

    @property
    def name(self) -> str:
        """The run's name. RunError if there is no such run or its folder is damaged."""
        return self.spec().name

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

    # ---------------------------------------------------------------- what the queue says

    def stopped_sentence(self) -> str:
        """Where training was when it was stopped."""
        examples = self.written_state().figures.examples
        where = f"after {examples:,} examples" if examples else "before it began"
        return f"Training was stopped {where}."

    def lost_sentence(self) -> str:
        """That its workers died, and what to do."""
        return (
            "The process that trained this run died again and again; memory may be short. Choose a "
            "smaller batch size or network, or resume from its checkpoint."
        )

    def ended(self) -> None:
        """Tell MLflow."""
        from convolab.runs.feeding import push

        with contextlib.suppress(ConvolabError, OSError):
            push(self, wait=10)
