"""What a transfer reports: small frozen records that travel as JSON to whoever watches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, kw_only=True)
class TransferEvent:
    """Base of all events. ``step`` counts how many times the picture was judged so far."""

    kind: ClassVar[str] = "event"
    step: int = 0

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dict with the event's ``kind``."""
        return {"kind": self.kind, **asdict(self)}


@dataclass(frozen=True, kw_only=True)
class TransferStarted(TransferEvent):
    """Painting (re)starts: what was chosen for it. ``step`` > 0 means resumed."""

    kind: ClassVar[str] = "started"
    sizes: list[list[int]]
    """(width, height) of each picture from coarse to fine."""
    steps: int | None
    """How many are planned; None where only the time budget ends it."""
    network: str
    device: str
    precision: str
    precision_reason: str
    threads: int
    tiles: int
    """Into how many parts the largest picture is cut to save memory; 1 where it is not."""


@dataclass(frozen=True, kw_only=True)
class Iterate(TransferEvent):
    """One step: the normalised differences at the picture that was judged.

    ``style`` is the weighted mean of ``style_by_layer``; ``total`` is what is minimised.
    """

    kind: ClassVar[str] = "iterate"
    total: float
    style: float
    content: float
    tv: float
    weight: float
    """W at this step."""
    style_by_layer: dict[str, float] = field(default_factory=dict)
    content_by_layer: dict[str, float] = field(default_factory=dict)
    width: int
    height: int
    seconds: float
    """Of painting alone: loading and pauses are not counted."""
    fraction: float
    """Share of the plan that is done, 0 to 1."""
    seconds_left: float | None
    picture: Callable[[], Image] | None = field(default=None, repr=False, compare=False)
    """Makes the best picture so far, as it would be saved; call it before the next event is asked for.

    It does not travel as JSON: None where the event was read from there.
    """

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dict with the event's ``kind``, without the picture."""
        # First without it: `asdict` would copy the whole painting behind it.
        values = asdict(replace(self, picture=None))
        del values["picture"]
        return {"kind": self.kind, **values}


@dataclass(frozen=True, kw_only=True)
class TransferPaused(TransferEvent):
    """The transfer waits. ``reason`` is a sentence when something other than the user paused it."""

    kind: ClassVar[str] = "paused"
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class TransferResumed(TransferEvent):
    """It goes on after a pause."""

    kind: ClassVar[str] = "resumed"


@dataclass(frozen=True, kw_only=True)
class WeightsChanged(TransferEvent):
    """What is minimised was changed by hand."""

    kind: ClassVar[str] = "weights_changed"
    weight: float
    style_weights: list[float]
    tv: float


@dataclass(frozen=True, kw_only=True)
class TransferSaved(TransferEvent):
    """All that is needed to go on was saved."""

    kind: ClassVar[str] = "saved"
    path: str


@dataclass(frozen=True, kw_only=True)
class TransferFinished(TransferEvent):
    """The end, with the differences of the finished picture."""

    kind: ClassVar[str] = "finished"
    stopped_because: str
    """``steps``, ``budget``, ``user``."""
    seconds: float
    width: int
    height: int
    style: float
    content: float
    total: float
    tv: float = 0.0
    style_by_layer: dict[str, float] = field(default_factory=dict)
    peak_memory_mb: float = 0.0
    """The most memory this process has used so far."""


_KINDS = {
    cls.kind: cls
    for cls in (
        TransferStarted,
        Iterate,
        TransferPaused,
        TransferResumed,
        WeightsChanged,
        TransferSaved,
        TransferFinished,
    )
}


def transfer_event_from_dict(data: dict[str, Any]) -> TransferEvent:
    """The event that `TransferEvent.to_dict` wrote; fields a newer lab may have added are ignored."""
    cls = _KINDS[data["kind"]]
    known = {item.name for item in fields(cls)}
    return cls(**{name: value for name, value in data.items() if name in known})
