"""Recording a transfer: its events, its state, and pictures on the way, as many as there is room for."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from convolab.runs.folder import Figures
from convolab.runs.journal import Holding, Journal
from convolab.style import grams
from convolab.style.events import (
    Iterate,
    TransferEvent,
    TransferFinished,
    TransferPaused,
    TransferResumed,
    TransferStarted,
)
from convolab.style.job_folder import TransferFolder

if TYPE_CHECKING:
    from convolab.style.painting import Painting

PICTURE_SECONDS = 0.1
"""At least so long between two pictures that are kept."""
PICTURE_SHARE = 0.06
"""At most this share of the time goes into writing them."""
PICTURES = 180
"""When more are kept, every second one goes."""
PICTURE_BYTES = 100_000_000
"""The same."""


@dataclass(frozen=True, kw_only=True)
class TransferRecovered(TransferEvent):
    """The process that painted died; it goes on at ``step``."""

    kind: ClassVar[str] = "recovered"
    message: str


class TransferRecorder(Journal):
    """Writes a transfer's events, state and iterates."""

    def __init__(self, folder: TransferFolder, control: Holding) -> None:
        super().__init__(folder, control)
        self.folder = folder
        self.painting: Painting | None = None
        self.watch = grams.GramWatch()
        self._picture_at = -1e9
        self._picture_cost = 0.0
        self._kept: list[int] = []
        self._size = 0

    def record(self, event: TransferEvent) -> TransferEvent:
        """Write one event; returns it, with the reason filled in if the recorder caused a pause."""
        if isinstance(event, TransferStarted):
            self._begin(event.step)
        if isinstance(event, TransferPaused) and self.trouble and not event.reason:
            event = replace(event, reason=self.trouble)
        if isinstance(event, TransferResumed):
            self.trouble = ""
            self.reserve()
        # The picture first: whoever reads of a step finds it.
        if isinstance(event, Iterate | TransferPaused | TransferFinished):
            self._keep_picture(event.step, at_once=not isinstance(event, Iterate))
        self.append(event.to_dict())
        before = (self.state, self.reason)
        self.figures = _figures_after(self.figures, event)
        self._take_state(event)
        changed = (self.state, self.reason) != before or isinstance(event, TransferPaused)
        if changed or self.state_is_due():
            self.write_state()
        return event

    def _take_state(self, event: TransferEvent) -> None:
        match event:
            case TransferStarted() | TransferResumed():
                if not self.trouble:
                    self.state, self.reason = "running", ""
            case TransferPaused():
                self.state, self.reason = "paused", event.reason
            case TransferFinished():
                self.state = "stopped" if event.stopped_because == "user" else "finished"
                self.reason = ""

    # ---------------------------------------------------------------- pictures

    def _begin(self, step: int) -> None:
        """Painting goes on after ``step``: what came later will come again."""
        self._kept = self.folder.iterates()
        for later in [kept for kept in self._kept if kept > step]:
            self._forget(later)
        self._size = sum(self._bytes_of(kept) for kept in self._kept)

    def _keep_picture(self, step: int, *, at_once: bool) -> None:
        """Keep the present picture; it is a view of the work, so a failure here stops nothing."""
        wait = max(PICTURE_SECONDS, self._picture_cost / PICTURE_SHARE)
        begun = time.monotonic()
        if self.painting is None or (not at_once and begun - self._picture_at < wait):
            return
        with contextlib.suppress(OSError):
            unfinished = self.folder.iterates_path / "unfinished"
            pairs = self.watch.pairs()
            if pairs:
                unfinished.write_bytes(grams.pack(pairs))
                unfinished.replace(self.folder.gram_path(step))
            self.painting.picture().save(unfinished, "PNG", compress_level=1)
            unfinished.replace(self.folder.iterate_path(step))
            if step not in self._kept:
                self._kept.append(step)
            self._size += self._bytes_of(step)
            self._thin()
        self._picture_at = time.monotonic()
        self._picture_cost = self._picture_at - begun

    def _thin(self) -> None:
        """Let every second picture go when there are too many; the first and the newest stay."""
        if len(self._kept) <= PICTURES and (self._size <= PICTURE_BYTES or len(self._kept) < 12):
            return
        for step in self._kept[1:-1:2]:
            self._forget(step)

    def _forget(self, step: int) -> None:
        self._size -= self._bytes_of(step)
        self.folder.forget(step)
        self._kept = _without(self._kept, step)

    def _bytes_of(self, step: int) -> int:
        try:
            return self.folder.iterate_path(step).stat().st_size
        except OSError:
            return 0


def _without(steps: Sequence[int], step: int) -> list[int]:
    return [kept for kept in steps if kept != step]


def _figures_after(figures: Figures, event: TransferEvent) -> Figures:
    values: dict[str, object] = {}
    match event:
        case TransferStarted():
            values = {"steps": event.step, "device": event.device, "precision": event.precision}
            values["stopped_because"] = None
        case Iterate():
            values = {
                "steps": event.step,
                "seconds": event.seconds,
                "fraction": event.fraction,
                "seconds_left": event.seconds_left,
                "style": event.style,
                "content": event.content,
            }
        case TransferFinished():
            values = {
                "steps": event.step,
                "seconds": event.seconds,
                "seconds_left": None,
                "style": event.style,
                "content": event.content,
                "stopped_because": event.stopped_because,
            }
            if event.stopped_because != "user":
                values["fraction"] = 1.0
    return figures.model_copy(update=values) if values else figures
