"""What learning a style reports: small frozen records that travel as JSON to whoever watches."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar


@dataclass(frozen=True, kw_only=True)
class LearnEvent:
    """Base of all events. ``step`` counts how many times the weights were changed so far."""

    kind: ClassVar[str] = "event"
    step: int = 0

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dict with the event's ``kind``."""
        return {"kind": self.kind, **asdict(self)}


@dataclass(frozen=True, kw_only=True)
class LearnStarted(LearnEvent):
    """Learning (re)starts: what was chosen for it. ``step`` > 0 means resumed."""

    kind: ClassVar[str] = "started"
    architecture: str
    parameters: int
    photos: int
    """How many photos there are to learn from; ``held_out`` others are for previews."""
    held_out: int
    photos_from: str
    """Where they come from, for a person."""
    few: bool = False
    """Whether more photos would make it better."""
    scenes: bool = False
    """Whether what is held out are scenes painted by the lab, because there were too few photos."""
    start: str
    """The style whose weights it began with; empty for new ones."""
    steps: int | None
    """How many are planned; None where only the time budget ends it."""
    device: str
    precision: str
    precision_reason: str
    threads: int


@dataclass(frozen=True, kw_only=True)
class LearnStep(LearnEvent):
    """One step: the normalised differences at full strength, as running means, because photos differ."""

    kind: ClassVar[str] = "step"
    total: float
    """What is minimised."""
    style: float
    """Mean over the style layers."""
    content: float
    style_by_layer: dict[str, float] = field(default_factory=dict)
    learning_rate: float
    examples: int
    """Parts of photos seen so far."""
    seconds: float
    """Of learning alone: loading and pauses are not counted."""
    fraction: float
    """Share of the plan that is done, 0 to 1."""
    seconds_left: float | None


@dataclass(frozen=True, kw_only=True)
class LearnPreview(LearnEvent):
    """The held-out photos as the network paints them now; `Learning.preview` has the pictures."""

    kind: ClassVar[str] = "preview"
    seconds: float


@dataclass(frozen=True, kw_only=True)
class LearnPaused(LearnEvent):
    """It waits. ``reason`` is a sentence when something other than the user paused it."""

    kind: ClassVar[str] = "paused"
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class LearnResumed(LearnEvent):
    """It goes on after a pause."""

    kind: ClassVar[str] = "resumed"


@dataclass(frozen=True, kw_only=True)
class LearnSaved(LearnEvent):
    """All that is needed to go on was saved."""

    kind: ClassVar[str] = "saved"
    path: str


@dataclass(frozen=True, kw_only=True)
class LearnRecovered(LearnEvent):
    """The process that learned died; it goes on at ``step``."""

    kind: ClassVar[str] = "recovered"
    message: str


@dataclass(frozen=True, kw_only=True)
class LearnFinished(LearnEvent):
    """The end, with the differences at full strength on the photos that were held out."""

    kind: ClassVar[str] = "finished"
    stopped_because: str
    """``steps``, ``budget``, ``user``."""
    seconds: float
    examples: int
    total: float
    style: float
    content: float
    photo_total: float
    """The same for the photos as they are: what there was to begin with."""
    style_by_layer: dict[str, float] = field(default_factory=dict)
    peak_memory_mb: float = 0.0
    name: str = ""
    """Under which the style can be used, where it was put into the library."""


_KINDS = {
    cls.kind: cls
    for cls in (
        LearnStarted,
        LearnStep,
        LearnPreview,
        LearnPaused,
        LearnResumed,
        LearnSaved,
        LearnRecovered,
        LearnFinished,
    )
}


def learn_event_from_dict(data: dict[str, Any]) -> LearnEvent:
    """The event that `LearnEvent.to_dict` wrote; fields a newer lab may have added are ignored."""
    cls = _KINDS[data["kind"]]
    known = {item.name for item in fields(cls)}
    return cls(**{name: value for name, value in data.items() if name in known})
