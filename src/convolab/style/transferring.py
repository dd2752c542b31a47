"""Style transfer by optimisation: a generator of iterates that can be paused, changed, saved and resumed."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from torch import Tensor

from convolab.errors import SettingsError, TrainingError
from convolab.style import tiles
from convolab.style.control import (
    MemoryTransferControl,
    TransferCommands,
    TransferControl,
    checked_weights,
)
from convolab.style.events import (
    Iterate,
    TransferEvent,
    TransferFinished,
    TransferPaused,
    TransferResumed,
    TransferSaved,
    TransferStarted,
    WeightsChanged,
)
from convolab.style.features import FeatureNetwork
from convolab.style.memory import peak_memory_mb
from convolab.style.objective import Differences
from convolab.style.painting import Painting
from convolab.style.pictures import Picture
from convolab.style.precision import choose
from convolab.style.schedule import Level
from convolab.style.settings import TransferSettings
from convolab.training.device import is_out_of_memory, use_all_cores

if TYPE_CHECKING:
    from convolab.datasets.progress import Report

POLL_SECONDS = 0.02
"""How often the control is asked while paused."""

Verdict = Literal["go on", "stop", "release"]


class Transfer(Painting):
    """One picture being painted, steered by a control and reported as events.

    ``content`` and ``styles`` are pictures of any kind that Pillow reads; ``masks``, one for each style, say
    where it is wanted. With ``checkpoint_path`` all that is needed to go on is saved there at pauses, at the
    end, and every ``checkpoint_every`` seconds of painting; if such a file is there already, painting goes on
    from it, with the same result as without an interruption (on the CPU in fp32).

    Raises ConvolabError with one sentence if the parts do not fit together.
    """

    def __init__(
        self,
        content: Picture,
        styles: Picture | Sequence[Picture],
        settings: TransferSettings | None = None,
        *,
        masks: Sequence[Picture] = (),
        network: FeatureNetwork | None = None,
        control: TransferControl | None = None,
        checkpoint_path: str | Path | None = None,
        checkpoint_every: float = 30.0,
        progress: Report | None = None,
    ) -> None:
        super().__init__(content, styles, settings or TransferSettings(), masks, network, progress)
        self.control: TransferControl = control or MemoryTransferControl()
        self.finished: TransferFinished | None = None
        self.checkpoint_path = Path(checkpoint_path) if checkpoint_path else None
        self.checkpoint_every = checkpoint_every
        self._saved_at = -1
        self._running = False
        if self.checkpoint_path and self.checkpoint_path.exists():
            self.restore(self.checkpoint_path)
            self._saved_at = self.step

    def iterates(self) -> Iterator[TransferEvent]:
        """Paint; yields what happens. Ends after TransferFinished, or after TransferPaused on release."""
        if self._running:
            raise TrainingError("This transfer is under way already; make another one to paint again.")
        self._running = True
        try:
            yield from self._events()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise SettingsError(
                f"There is not enough memory to paint {self.size[0]}×{self.size[1]} pixels; choose a smaller "
                f"size, such as {_smaller(max(self.size))}, or set Memory so that the picture is computed in "
                "tiles."
            ) from error
        finally:
            self._running = False

    # ---------------------------------------------------------------- the loop

    def _events(self) -> Generator[TransferEvent, None, None]:
        threads = use_all_cores()
        settings = self.settings
        layers = (*settings.content_names, *settings.style_names)
        precision = choose(self.network, layers, settings.precision)
        self.network.precision = precision.name
        width, height = self._size(self.plan[-1].size)
        tiling = self._tilings[-1]
        yield TransferStarted(
            step=self.step,
            sizes=[list(self._size(level.size)) for level in self.plan],
            steps=settings.most_steps,
            network=self.network.name,
            device=str(self.device),
            precision=precision.name,
            precision_reason=precision.reason,
            threads=threads,
            tiles=1 if tiling is None else sum(1 for _ in tiles.tiles(height, width, tiling)),
        )
        reason = yield from self._paint()
        if reason == "release":
            return
        yield from self._save()
        yield self._end(reason)

    def _paint(self) -> Generator[TransferEvent, None, str]:
        saved = self.clock.seconds
        while True:
            tick = time.perf_counter()
            self.prepare()
            self.clock.seconds += time.perf_counter() - tick
            level = self.plan[self.level]
            if self._level_ends(level):
                if self.level == len(self.plan) - 1:
                    over = level.until is not None and self.clock.seconds >= level.until
                    return "budget" if over else "steps"
                self._next_level()
                continue
            verdict = yield from self._obey()
            if verdict != "go on":
                return "user" if verdict == "stop" else verdict
            tick = time.perf_counter()  # pauses are not painting
            differences = self._step()
            self.clock.took(self.level, time.perf_counter() - tick)
            yield self._iterate(differences)
            if self.checkpoint_path and self.clock.seconds - saved >= self.checkpoint_every:
                saved = self.clock.seconds
                yield from self._save()

    def _level_ends(self, level: Level) -> bool:
        if level.until is not None and self.clock.seconds >= level.until and self.done:
            return True
        return level.steps is not None and self.done >= level.steps

    def _step(self) -> Differences:
        assert self.optimizer is not None
        assert self.pyramid is not None
        pyramid = self.pyramid
        found: list[Differences] = []

        def evaluate(picture: Tensor) -> tuple[float, Tensor]:
            differences, gradient = pyramid(picture)
            found.append(differences)
            return differences.total, gradient.contiguous()

        self.optimizer.step(evaluate)
        self.step += 1
        self.done += 1
        return found[0]

    # ---------------------------------------------------------------- commands

    def _obey(self) -> Generator[TransferEvent, None, Verdict]:
        commands = self.control.poll()
        yield from self._change(commands)
        if commands.stop:
            return "stop"
        if not (commands.paused or commands.release):
            return "go on"
        reason = yield from self._save()
        yield TransferPaused(step=self.step, reason=reason)
        while not commands.stop:
            if commands.release:
                return "release"
            if not commands.paused:
                yield TransferResumed(step=self.step)
                return "go on"
            time.sleep(POLL_SECONDS)
            commands = self.control.poll()
            yield from self._change(commands)
        return "stop"

    def _change(self, commands: TransferCommands) -> Iterator[TransferEvent]:
        """Take other weights; what was learned about the curvature belongs to the old ones."""
        new = self.weights
        with contextlib.suppress(SettingsError):  # a control that lets nonsense through does not end the work
            checked_weights(commands.weight, commands.style_weights, commands.tv)
            # Where one half is painted on its own, there is nothing that W could weigh it against.
            if commands.weight is not None and self.settings.content_names and self.settings.style_names:
                new = replace(new, weight=commands.weight)
            if commands.style_weights is not None and len(commands.style_weights) == len(new.style):
                total = sum(commands.style_weights)
                new = replace(new, style=tuple(part / total for part in commands.style_weights))
            if commands.tv is not None:
                new = replace(new, tv=commands.tv)
        if new == self.weights:
            return
        self.weights = new
        if self.pyramid is not None:
            self.pyramid.weights = new
        if self.optimizer is not None:
            self.optimizer.forget()
        yield WeightsChanged(step=self.step, weight=new.weight, style_weights=list(new.style), tv=new.tv)

    # ---------------------------------------------------------------- reports

    def _iterate(self, at: Differences) -> Iterate:
        if not math.isfinite(at.total):
            raise TrainingError(
                "The picture is no longer made of finite numbers; choose a lower learning rate or weights."
            )
        width, height = self.size
        return Iterate(
            step=self.step,
            total=at.total,
            style=at.style,
            content=at.content,
            tv=at.tv,
            weight=self.weights.weight,
            style_by_layer=at.style_by_layer,
            content_by_layer=at.content_by_layer,
            width=width,
            height=height,
            seconds=self.clock.seconds,
            fraction=self.clock.fraction(self.level, self.done),
            seconds_left=self.clock.seconds_left(self.level, self.done),
            picture=self.picture,
        )

    def _end(self, reason: str) -> TransferFinished:
        assert self.optimizer is not None
        assert self.pyramid is not None
        at = self.pyramid.measure(self.optimizer.picture.clamp(0, 1))
        width, height = self.size
        self.finished = TransferFinished(
            step=self.step,
            stopped_because=reason,
            seconds=self.clock.seconds,
            width=width,
            height=height,
            style=at.style,
            content=at.content,
            total=at.total,
            tv=at.tv,
            style_by_layer=at.style_by_layer,
            peak_memory_mb=peak_memory_mb(),
        )
        return self.finished

    def _save(self) -> Generator[TransferEvent, None, str]:
        """Save at ``checkpoint_path``; the reason if that fails, which is no reason to lose the picture."""
        if self.checkpoint_path is None or self._saved_at == self.step:
            return ""
        try:
            self.save(self.checkpoint_path)
        except TrainingError as error:
            return str(error)
        self._saved_at = self.step
        yield TransferSaved(step=self.step, path=str(self.checkpoint_path))
        return ""


def _smaller(size: int) -> int:
    """A long side to try where one of ``size`` pixels is too much: it needs a quarter of the memory."""
    return max(32, size // 2 // 16 * 16)


def transfer(
    content: Picture,
    styles: Picture | Sequence[Picture],
    settings: TransferSettings | None = None,
    **options: Any,
) -> Iterator[TransferEvent]:
    """Paint ``content`` in the style of ``styles`` and yield what happens; an `Iterate` has the picture too.

    Arguments that do not fit together raise a ConvolabError at once, not at the first event.
    """
    return Transfer(content, styles, settings, **options).iterates()
