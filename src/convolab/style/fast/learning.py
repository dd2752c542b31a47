"""Learning a style: a generator of events that can be paused, stopped early, saved and resumed."""

from __future__ import annotations

import platform
import time
from collections.abc import Generator, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from PIL import Image

from convolab.errors import SettingsError, TrainingError
from convolab.style.control import MemoryTransferControl, TransferControl
from convolab.style.fast import parallel
from convolab.style.fast.events import (
    LearnEvent,
    LearnFinished,
    LearnPaused,
    LearnPreview,
    LearnResumed,
    LearnSaved,
    LearnStarted,
    LearnStep,
)
from convolab.style.fast.files import Card, Style, thumbnail
from convolab.style.fast.learner import Learner
from convolab.style.fast.network import TransformNetwork
from convolab.style.fast.photo_sources import Gathered
from convolab.style.fast.photos import Ahead
from convolab.style.fast.settings import LearnSettings
from convolab.style.features import FeatureNetwork
from convolab.style.memory import peak_memory_mb
from convolab.style.objective import Differences
from convolab.style.pictures import Picture
from convolab.style.precision import choose
from convolab.style.transferring import POLL_SECONDS
from convolab.training.device import is_out_of_memory, use_all_cores

if TYPE_CHECKING:
    from convolab.datasets.progress import Report

FIRST_PREVIEW = 3.0
"""Seconds of learning until the first preview."""
PREVIEW_SECONDS = 5.0
"""At least so long between two of them."""
PREVIEW_SHARE = 0.05
"""At most this share of the time goes into them."""

Verdict = Literal["go on", "stop", "release"]


class Learning(Learner):
    """One style being learned, steered by a control and reported as events.

    ``painting`` is any picture that Pillow reads; ``photos`` come from `gather`. With ``checkpoint_path`` all
    that is needed to go on is saved there at pauses, at the end, and every ``checkpoint_every`` seconds of
    learning; if such a file is there already, learning goes on from it, with the same result as without an
    interruption (on the CPU in fp32, with a number of steps).

    Raises ConvolabError with one sentence if the parts do not fit together.
    """

    def __init__(
        self,
        painting: Picture,
        settings: LearnSettings | None = None,
        *,
        photos: Gathered | None = None,
        title: str = "",
        painter: str = "",
        year: str = "",
        network: FeatureNetwork | None = None,
        control: TransferControl | None = None,
        checkpoint_path: str | Path | None = None,
        checkpoint_every: float = 30.0,
        progress: Report | None = None,
    ) -> None:
        super().__init__(painting, settings or LearnSettings(), photos, network, progress)
        named = Path(painting).stem if isinstance(painting, str | Path) else "Painting"
        self.title, self.painter, self.year = title or named, painter, year
        self.control: TransferControl = control or MemoryTransferControl()
        self.finished: LearnFinished | None = None
        self.newest_preview: list[Image.Image] = []
        """The held-out photos as they were painted last."""
        self.checkpoint_path = Path(checkpoint_path) if checkpoint_path else None
        self.checkpoint_every = checkpoint_every
        self._saved_at = -1
        self._running = False
        if self.checkpoint_path and self.checkpoint_path.exists():
            self.restore(self.checkpoint_path)
            self._saved_at = self.step

    def events(self) -> Iterator[LearnEvent]:
        """Learn; yields what happens. Ends after LearnFinished, or after LearnPaused on release."""
        if self._running:
            raise TrainingError("This style is being learned already; make another one to learn again.")
        self._running = True
        try:
            yield from self._events()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise SettingsError(
                f"There is not enough memory to learn from parts of {self.settings.crop} pixels; choose "
                "smaller ones, or a smaller network."
            ) from error
        finally:
            self._running = False

    def style(self, name: str = "") -> Style:
        """The style as it is now, with its card."""
        network = TransformNetwork(self.model.architecture)
        network.load_state_dict(self.average.state_dict())
        end = self.finished
        card = Card(
            title=self.title,
            painter=self.painter,
            year=self.year,
            architecture=self.model.architecture.text,
            settings=self.settings.model_dump(),
            steps=self.step,
            examples=self.examples,
            seconds=round(self.seconds, 1),
            machine=f"{platform.machine()}, {torch.get_num_threads()} cores, torch {torch.__version__}",
            photos=f"{len(self.parts.photos)} of {self.gathered.title}",
            started_with=self.started_with,
            style=None if end is None else round(end.style, 6),
            content=None if end is None else round(end.content, 6),
            total=None if end is None else round(end.total, 6),
            created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            version=version("convolab"),
            thumbnail=thumbnail(self.painting),
        )
        return Style(name, card, network.eval().requires_grad_(False))

    # ---------------------------------------------------------------- the loop

    def _events(self) -> Generator[LearnEvent, None, None]:
        threads = use_all_cores()
        settings = self.settings
        layers = (*settings.content_names, *settings.style_names)
        precision = choose(self.features, layers, settings.precision)
        self.features.precision = precision.name
        if not self.place:
            self.begin()
        self.share()
        yield LearnStarted(
            step=self.step,
            architecture=self.model.architecture.text,
            parameters=self.model.architecture.parameters,
            photos=len(self.parts.photos),
            held_out=len(self.held_out),
            photos_from=self.gathered.title,
            few=self.gathered.few,
            scenes=self.scenes,
            start=self.started_with,
            steps=settings.most_steps,
            device=str(self.device),
            precision=precision.name,
            precision_reason=precision.reason,
            threads=threads,
        )
        ahead = Ahead(
            self.parts,
            self.examples * self.others + self.place,
            self.others,
            max(4, 2 * settings.batch_size),
        )
        try:
            reason = yield from self._learn(ahead)
        finally:
            ahead.close()
        if reason == "release":
            return
        yield from self._save()
        yield self._end(reason)

    def _learn(self, ahead: Ahead) -> Generator[LearnEvent, None, str]:
        saved, shown, cost = self.seconds, self.seconds - PREVIEW_SECONDS + FIRST_PREVIEW, 0.0
        while True:
            if reason := self._over():
                return reason
            verdict = yield from self._obey()
            if verdict != "go on":
                return "user" if verdict == "stop" else verdict
            tick = time.perf_counter()  # pauses are not learning
            fraction = self.fraction()
            parts = [ahead.next() for _ in range(self.settings.batch_size)]
            now = self.learn(parts, fraction)
            self.seconds += time.perf_counter() - tick
            yield self._step_event(now)
            if self.seconds - shown >= max(PREVIEW_SECONDS, cost / PREVIEW_SHARE):
                tick = time.perf_counter()
                self.newest_preview = self.preview()
                cost = time.perf_counter() - tick
                self.seconds += cost
                shown = self.seconds
                yield LearnPreview(step=self.step, seconds=self.seconds)
            if self.checkpoint_path and self.seconds - saved >= self.checkpoint_every:
                saved = self.seconds
                yield from self._save()

    def _over(self) -> str:
        """Why it ends now; empty if it does not."""
        steps, seconds = self.settings.most_steps, self.settings.most_seconds
        reason = 0
        if steps is not None and self.step >= steps:
            reason = 1
        elif seconds is not None and self.seconds >= seconds:
            reason = 2
        # Where many learn together they have to end at the same step.
        return ("", "steps", "budget")[round(parallel.agreed(reason))]

    def fraction(self) -> float:
        """Share of the plan that is done, 0 to 1."""
        steps, seconds = self.settings.most_steps, self.settings.most_seconds
        shares = [self.step / steps if steps else 0.0, self.seconds / seconds if seconds else 0.0]
        return min(1.0, parallel.agreed(max(shares)))

    def seconds_left(self) -> float | None:
        """Of learning; None before there is anything to tell it from."""
        steps, seconds = self.settings.most_steps, self.settings.most_seconds
        known = [] if seconds is None else [max(0.0, seconds - self.seconds)]
        if steps is not None and self.step:
            known.append(self.seconds / self.step * max(0, steps - self.step))
        return min(known, default=None)

    # ---------------------------------------------------------------- commands

    def _obey(self) -> Generator[LearnEvent, None, Verdict]:
        verdict = self._verdict()
        if verdict in ("go on", "stop"):
            return "stop" if verdict == "stop" else "go on"
        reason = yield from self._save()
        yield LearnPaused(step=self.step, reason=reason)
        while True:
            if verdict == "stop":
                return "stop"
            if verdict == "release":
                return "release"
            if verdict == "go on":
                yield LearnResumed(step=self.step)
                return "go on"
            time.sleep(POLL_SECONDS)
            verdict = self._verdict()

    def _verdict(self) -> str:
        commands = self.control.poll()
        wanted = 1 if commands.stop else 2 if commands.release else 3 if commands.paused else 0
        return ("go on", "stop", "release", "pause")[round(parallel.agreed(wanted))]

    # ---------------------------------------------------------------- reports

    def _step_event(self, now: Differences) -> LearnStep:
        recent = self.recent or now
        return LearnStep(
            step=self.step,
            total=recent.total,
            style=recent.style,
            content=recent.content,
            style_by_layer=recent.style_by_layer,
            learning_rate=self.optimizer.param_groups[0]["lr"],
            examples=self.examples * self.others,
            seconds=self.seconds,
            fraction=self.fraction(),
            seconds_left=self.seconds_left(),
        )

    def _end(self, reason: str) -> LearnFinished:
        self.newest_preview = self.preview()
        paintings, photos = self.measure()
        self.finished = LearnFinished(
            step=self.step,
            stopped_because=reason,
            seconds=self.seconds,
            examples=self.examples * self.others,
            total=paintings.total,
            style=paintings.style,
            content=paintings.content,
            photo_total=photos.total,
            style_by_layer=paintings.style_by_layer,
            peak_memory_mb=peak_memory_mb(),
        )
        return self.finished

    def _save(self) -> Generator[LearnEvent, None, str]:
        """Save at ``checkpoint_path``; the reason if that fails, which is no reason to lose the style."""
        if self.checkpoint_path is None or self._saved_at == self.step or self.place:
            return ""
        try:
            self.save(self.checkpoint_path)
        except TrainingError as error:
            return str(error)
        self._saved_at = self.step
        yield LearnSaved(step=self.step, path=str(self.checkpoint_path))
        return ""


def learn_style(
    painting: Picture, photos: Gathered | None = None, settings: LearnSettings | None = None, **options: Any
) -> Iterator[LearnEvent]:
    """Learn a painting's style and yield what happens; `Learning` has the style too.

    Arguments that do not fit together raise a ConvolabError at once, not at the first event.
    """
    return Learning(painting, settings, photos=photos, **options).events()
