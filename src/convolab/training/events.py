"""What training reports: small frozen records that travel as JSON from the loop to whoever watches."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar


@dataclass(frozen=True, kw_only=True)
class Event:
    """Base of all events. ``examples`` counts training examples seen so far in the run."""

    kind: ClassVar[str] = "event"
    examples: int = 0

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dict with the event's ``kind``."""
        return {"kind": self.kind, **asdict(self)}


@dataclass(frozen=True, kw_only=True)
class Started(Event):
    """Training (re)starts: what was chosen for it. ``examples`` > 0 means resumed from a checkpoint."""

    kind: ClassVar[str] = "started"
    parameters: int
    train_size: int
    test_size: int
    device: str
    precision: str
    precision_reason: str
    threads: int
    planned_examples: int | None = None


@dataclass(frozen=True, kw_only=True)
class Progress(Event):
    """Where training stands; several a second. Loss and accuracy are means since the last Progress."""

    kind: ClassVar[str] = "progress"
    batches: int
    epoch: float
    seconds: float
    """Seconds of training alone: evaluation, loading and pauses are not counted."""
    loss: float
    train_accuracy: float
    examples_per_second: float
    """Since the last Progress, on the training clock."""
    learning_rate: float
    fraction: float | None
    """Share of the planned length that is done, 0 to 1; None when training goes on until stopped."""
    seconds_left: float | None


@dataclass(frozen=True, kw_only=True)
class Evaluated(Event):
    """Figures on the whole test set."""

    kind: ClassVar[str] = "evaluated"
    batches: int
    seconds: float
    test_loss: float
    test_accuracy: float
    correct: int
    total: int
    evaluation_seconds: float
    confusion: list[list[int]]
    """``confusion[true][predicted]``: counts of test images."""


@dataclass(frozen=True, kw_only=True)
class Checkpointed(Event):
    """Weights, optimizer, random state and position were saved whole."""

    kind: ClassVar[str] = "checkpointed"
    path: str


@dataclass(frozen=True, kw_only=True)
class Paused(Event):
    """Training waits. ``reason`` is a sentence when something other than the user paused it."""

    kind: ClassVar[str] = "paused"
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Resumed(Event):
    """Training goes on after a pause."""

    kind: ClassVar[str] = "resumed"


@dataclass(frozen=True, kw_only=True)
class LearningRateChanged(Event):
    """The learning rate was changed by hand while training."""

    kind: ClassVar[str] = "learning_rate_changed"
    learning_rate: float


@dataclass(frozen=True, kw_only=True)
class Finished(Event):
    """The end, with the figures of the summary."""

    kind: ClassVar[str] = "finished"
    stopped_because: str
    """``examples``, ``batches``, ``epochs``, ``budget``, ``target accuracy``, ``user``, ``not finite``."""
    message: str
    """One sentence for a person; for ``not finite`` the likely cause and the last good checkpoint."""
    batches: int
    seconds: float
    examples_per_second: float
    """Mean over the run, on the training clock."""
    train_accuracy: float | None
    """On the training images seen most recently (up to one epoch)."""
    test_accuracy: float | None
    test_loss: float | None


@dataclass(frozen=True, kw_only=True)
class Recovered(Event):
    """A run whose process died goes on by itself; ``examples`` is how far it had come before."""

    kind: ClassVar[str] = "recovered"
    message: str
    """One sentence for a person."""


@dataclass(frozen=True, kw_only=True)
class Note(Event):
    """Something worth saying that changes nothing about training."""

    kind: ClassVar[str] = "note"
    message: str
    """One sentence for a person."""


_KINDS = {
    cls.kind: cls
    for cls in (
        Started,
        Progress,
        Evaluated,
        Checkpointed,
        Paused,
        Resumed,
        LearningRateChanged,
        Finished,
        Recovered,
        Note,
    )
}


def event_from_dict(data: dict[str, Any]) -> Event:
    """The event that `Event.to_dict` wrote; fields a newer lab may have added are ignored."""
    cls = _KINDS[data["kind"]]
    names = {field.name for field in fields(cls)}
    return cls(**{name: value for name, value in data.items() if name in names})
