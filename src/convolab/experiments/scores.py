"""High scores: how far a network came in so many minutes of training, where, and how to repeat it."""

from __future__ import annotations

import json
import re
import secrets
from pathlib import Path
from typing import Any

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from convolab.errors import ExperimentError
from convolab.home import home
from convolab.networks import Network
from convolab.runs.files import replace_text, why
from convolab.training.settings import TrainingSettings

FORMAT = "convolab score 1"
LARGEST = 5_000_000
"""Bytes of a score file that is read."""


class Machine(BaseModel):
    """What trained: enough to compare scores of different machines."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    processor: str = ""
    cores: int = 0
    """That the training could use."""
    device: str = ""
    precision: str = ""
    gflops: float = Field(default=0.0, ge=0)
    """Measured speed of its convolutions, in 10⁹ operations (multiplications and additions) a second."""
    system: str = ""
    versions: dict[str, str] = {}


class Check(BaseModel):
    """What came of repeating a score."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    when: str
    accuracy: float = Field(ge=0, le=1)
    seconds: float
    """Of training, on the machine that repeated it."""
    gflops: float = 0.0
    tolerance: float
    """The largest difference that counts as the same."""
    confirmed: bool
    run_id: str = ""


class Score(BaseModel):
    """One result of the challenge, with everything needed to repeat it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: str = FORMAT
    id: str = Field(pattern=r"^[0-9a-f]{12}$")
    name: str = Field(default="", max_length=100)
    """Of who took the challenge, or what they call it."""
    when: str
    dataset: str
    budget: float = Field(gt=0)
    """Seconds of training that were allowed; evaluation and loading do not count."""
    target: float = Field(default=0.6, gt=0, le=1)
    network: Network
    settings: TrainingSettings
    accuracy: float = Field(ge=0, le=1)
    """On the whole test set, at the end."""
    test_images: int = Field(gt=0)
    examples: int = Field(gt=0)
    seconds: float = Field(gt=0)
    """Of training."""
    reached_seconds: float | None = None
    """Training time at the first evaluation with at least the target; None if it was not reached."""
    reached_examples: int | None = None
    curve: tuple[tuple[float, float], ...] = ()
    """(seconds of training, test accuracy)."""
    machine: Machine = Machine()
    run_id: str = ""
    """On the machine where it was made."""
    imported: bool = False
    """Whether it came from another machine."""
    checks: tuple[Check, ...] = ()

    @property
    def title(self) -> str:
        """Its name, or the network's."""
        return self.name or self.network.name or "custom"

    @property
    def minutes(self) -> float:
        """Of training that were allowed."""
        return self.budget / 60

    @property
    def work(self) -> float:
        """10¹² operations that the machine could have done in the time: what a score had at its disposal."""
        return self.machine.gflops * self.budget / 1000

    @property
    def confirmed(self) -> bool | None:
        """Whether the newest repetition came to the same; None if it was never repeated."""
        return self.checks[-1].confirmed if self.checks else None


def high_scores(dataset: str | None = None, budget: float | None = None) -> list[Score]:
    """The table: by data set and time, the highest accuracy first. Entries that cannot be read are left out.

    ExperimentError if the file is no table of scores; it is never overwritten then.
    """
    found = []
    for entry in _entries():
        try:
            found.append(Score.model_validate(entry))
        except ValidationError:
            continue  # of a newer lab
    kept = [
        one for one in found if dataset in (None, one.dataset) and (budget is None or one.budget == budget)
    ]
    return sorted(kept, key=lambda one: (one.dataset, one.budget, -one.accuracy, one.when))


def find_score(text: str) -> Score:
    """The score with this id, its start, or this name. ExperimentError if there is none, or several."""
    wanted = text.strip()
    there = high_scores()
    matches = [one for one in there if wanted and (one.id.startswith(wanted.lower()) or one.name == wanted)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        ids = ", ".join(one.id for one in matches[:5])
        raise ExperimentError(f'{len(matches)} scores are called "{wanted}": {ids}; give an id.')
    raise ExperimentError(f"There is no score \"{wanted}\"; 'convolab scores' lists them.")


def keep_score(score: Score) -> Score:
    """Put a score into the table, in place of an older version of itself."""

    def changed(entries: list[Any]) -> list[Any]:
        others = [entry for entry in entries if not (isinstance(entry, dict) and entry.get("id") == score.id)]
        return [*others, score.model_dump(mode="json")]

    _change(changed)
    return score


def remove_score(score: Score) -> None:
    """Take a score out of the table; its run stays."""
    _change(lambda entries: [e for e in entries if not (isinstance(e, dict) and e.get("id") == score.id)])


def export_score(score: Score) -> str:
    """A score as JSON text, with all that is needed to repeat it; `import_score` reads it."""
    return score.model_dump_json(indent=1) + "\n"


def import_score(text: str) -> Score:
    """Put a score that was exported, here or elsewhere, into the table. ExperimentError if it is none.

    It is taken at its word until it is repeated.
    """
    if len(text) > LARGEST:
        raise ExperimentError("This file is too large to be a score.")
    try:
        content = json.loads(text)
    except ValueError:
        raise ExperimentError("This is no score: the file is not JSON.") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ExperimentError("This is no score of convolab, or one of a newer version.")
    try:
        score = Score.model_validate(content)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise ExperimentError(f'This score is damaged: "{place}" is missing or makes no sense.') from None
    for there in high_scores():
        if there.id == score.id:
            return there  # one's own that comes home, or the same file twice
    return keep_score(score.model_copy(update={"imported": True}))


def new_score_id() -> str:
    """An id that no score has."""
    return secrets.token_hex(6)


def scores_path() -> Path:
    """The file of the table."""
    return home() / "scores.json"


def _entries() -> list[Any]:
    path = scores_path()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise ExperimentError(
            f"The table of scores {path} is damaged; move it away to begin anew."
        ) from error
    if not isinstance(content, list):
        raise ExperimentError(f"{path} is no table of scores; move it away to begin a new one.")
    return content


def _change(change: Any) -> None:
    path = scores_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(".scores.lock"), timeout=10):
            replace_text(path, json.dumps(change(_entries()), ensure_ascii=False, indent=1), durable=True)
    except OSError as error:
        raise ExperimentError(f"The score could not be kept in {path}: {why(error)}.") from error


def file_name(score: Score) -> str:
    """What to call its file: ``cifar10-1min-62.3-9f2c….json``."""
    name = re.sub(r"[^A-Za-z0-9-]+", "-", f"{score.dataset}-{score.minutes:g}min").strip("-")
    return f"{name}-{100 * score.accuracy:.1f}-{score.id}.json"
