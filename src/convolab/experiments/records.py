"""Experiments as records: which runs belong together and why; one folder each in the lab's home.

The runs themselves are ordinary runs, tagged with the experiment, and may be looked at, stopped or deleted
like any other; a record only says what was asked for.
"""

from __future__ import annotations

import re
import secrets
import shutil
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from convolab.errors import ExperimentError, nearest
from convolab.experiments.variants import Value
from convolab.home import experiments_dir
from convolab.runs.files import now, replace_text, why

Kind = Literal["variants", "repeats", "sweep"]
NAME_LENGTH = 60


class Member(BaseModel):
    """One run of an experiment."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    run_id: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    label: str
    """What is special about it: ``learning rate 0.03``."""
    value: Value | None = None
    """Of what was varied; None where nothing was."""
    seed: int = 0


class Experiment(BaseModel):
    """Runs that belong together."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(pattern=r"^[0-9a-f]{8}$")
    kind: Kind
    name: str
    dataset: str
    created: str
    """UTC, ISO 8601."""
    started_from: str = ""
    """The name of the run, or of the network, that it began with."""
    base_run: str | None = None
    """The id of that run."""
    varied: str = ""
    """The key of what was varied: `convolab.experiments.Proposal.key`."""
    title: str = ""
    """That in words: ``Learning rate``."""
    unit: str = ""
    examples: int | None = None
    """How many training examples each run sees, where that was set."""
    members: tuple[Member, ...] = ()
    """Its runs in the order in which they are trained; a sweep's are in `Sweep.trials`."""

    @property
    def folder(self) -> Path:
        """Where it is kept."""
        return experiments_dir() / self.id

    @property
    def run_ids(self) -> tuple[str, ...]:
        """Of its members."""
        return tuple(member.run_id for member in self.members)

    def tags(self, value: object = None) -> dict[str, str]:
        """What its runs are tagged with."""
        found = {"experiment": self.id, "experiment.kind": self.kind, "experiment.name": self.name}
        if self.varied:
            found |= {"varied": self.varied, "value": "" if value is None else str(value)}
        return found

    def save(self) -> Experiment:
        """Keep it. ExperimentError if the disk does not take it."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            replace_text(self.folder / "experiment.json", self.model_dump_json(indent=1), durable=True)
        except OSError as error:
            raise ExperimentError(f"The experiment {self.folder} cannot be kept: {why(error)}.") from error
        return self

    def with_member(self, member: Member) -> Experiment:
        """With one more run, saved."""
        return self.model_copy(update={"members": (*self.members, member)}).save()

    def forget(self) -> None:
        """Delete the record; the runs stay."""
        shutil.rmtree(self.folder, ignore_errors=True)


def new_id() -> str:
    """An id that no experiment has."""
    return secrets.token_hex(4)


def begin(kind: Kind, name: str, dataset: str, **more: object) -> Experiment:
    """A new experiment without runs, saved. ExperimentError for a name of more than 60 characters."""
    called = " ".join(name.split())
    if len(called) > NAME_LENGTH:
        raise ExperimentError(
            f"An experiment's name may have {NAME_LENGTH} characters at most, not {len(called)}."
        )
    made = {"id": new_id(), "kind": kind, "name": called, "dataset": dataset, "created": now(), **more}
    return Experiment.model_validate(made).save()


def experiments(kind: Kind | None = None) -> list[Experiment]:
    """All experiments, or those of one kind, newest first. Damaged ones are left out."""
    folder = experiments_dir()
    found = []
    for entry in folder.iterdir() if folder.is_dir() else ():
        try:
            found.append(_read(entry))
        except ExperimentError:
            continue
    wanted = [one for one in found if kind is None or one.kind == kind]
    return sorted(wanted, key=lambda one: one.created, reverse=True)


def find_experiment(text: str, kind: Kind | None = None) -> Experiment:
    """The experiment with this name or the start of its id. ExperimentError if there is none, or several."""
    wanted = text.strip()
    if re.fullmatch(r"[0-9a-f]{8}", wanted) and (experiments_dir() / wanted).is_dir():
        return _read(experiments_dir() / wanted)
    there = experiments(kind)
    matches = [one for one in there if one.name == wanted]
    matches = matches or [one for one in there if wanted and one.id.startswith(wanted.lower())]
    what = kind or "experiment"
    if len(matches) == 1:
        return matches[0]
    if matches:
        ids = ", ".join(one.id for one in matches[:5])
        raise ExperimentError(f'{len(matches)} experiments are called "{wanted}": {ids}; give an id.')
    guess = nearest(wanted, [one.name for one in there])
    hint = f'; did you mean "{guess}"?' if guess else "; 'convolab experiments' lists them."
    raise ExperimentError(f'There is no {what} "{wanted}"{hint}')


def _read(folder: Path) -> Experiment:
    try:
        return Experiment.model_validate_json((folder / "experiment.json").read_bytes())
    except FileNotFoundError:
        raise ExperimentError(f"There is no experiment in {folder}.") from None
    except (OSError, ValidationError) as error:
        raise ExperimentError(
            f"The experiment {folder.name} cannot be read: experiment.json in {folder} is damaged."
        ) from error
