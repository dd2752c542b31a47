"""How long training lasts: stop conditions, the share that is done, the time that is left."""

from __future__ import annotations

from dataclasses import dataclass

from convolab.training.settings import TrainingSettings


@dataclass
class Position:
    """Where training stands. With the settings' seed it fixes which examples come next."""

    examples: int = 0
    batches: int = 0
    seconds: float = 0.0
    """Seconds of training alone: evaluation, checkpoints and pauses are not counted."""


class Plan:
    """The stop conditions of some settings on ``train_size`` training images."""

    def __init__(self, settings: TrainingSettings, train_size: int) -> None:
        self.train_size = train_size
        self.batch_size = settings.batch_size
        self.budget = settings.budget
        self.batches = settings.batches
        self.examples = settings.examples
        self.epochs = settings.epochs
        self._epoch_examples = None if self.epochs is None else max(1, round(self.epochs * train_size))
        limits = [n for n in (self.examples, self._epoch_examples) if n is not None]
        self._last_example = min(limits) if limits else None

    @property
    def planned_examples(self) -> int | None:
        """Examples at which training ends if no budget, target or person ends it before; None: it goes on."""
        limits = [n for n in (self._last_example, self._batch_examples) if n is not None]
        return min(limits) if limits else None

    @property
    def _batch_examples(self) -> int | None:
        return None if self.batches is None else self.batches * self.batch_size

    def next_size(self, position: Position) -> int:
        """Examples in the next batch: the last one is cut so that training ends at exactly the limit."""
        if self._last_example is None:
            return self.batch_size
        return min(self.batch_size, self._last_example - position.examples)

    def end(self, position: Position) -> str | None:
        """Which stop condition is met (``examples``, ``epochs``, ``batches``, ``budget``), if any."""
        if self.examples is not None and position.examples >= self.examples:
            return "examples"
        if self._epoch_examples is not None and position.examples >= self._epoch_examples:
            return "epochs"
        if self.batches is not None and position.batches >= self.batches:
            return "batches"
        if self.budget is not None and position.seconds >= self.budget:
            return "budget"
        return None

    def fraction(self, position: Position) -> float | None:
        """Share of the planned length that is done, 0 to 1: that of the stop condition nearest to being met.

        None when there is no such condition.
        """
        shares = []
        if self._last_example is not None:
            shares.append(position.examples / self._last_example)
        if self.batches is not None:
            shares.append(position.batches / self.batches)
        if self.budget is not None:
            shares.append(position.seconds / self.budget)
        return min(1.0, max(shares)) if shares else None

    def seconds_left(self, position: Position, examples_per_second: float) -> float | None:
        """Seconds of training until the first stop condition is met at this speed; None if none will be."""
        times = []
        if self.planned_examples is not None and examples_per_second > 0:
            times.append((self.planned_examples - position.examples) / examples_per_second)
        if self.budget is not None:
            times.append(self.budget - position.seconds)
        return max(0.0, min(times)) if times else None

    def epoch(self, position: Position) -> float:
        """Passes over the training images so far."""
        return position.examples / self.train_size

    def ending(self, reason: str, position: Position) -> str:
        """One sentence that says why training ended."""
        seen = f"{position.examples:,} examples"
        match reason:
            case "examples":
                return f"Training ended after {seen}, as planned."
            case "batches":
                return f"Training ended after {position.batches:,} batches ({seen}), as planned."
            case "epochs":
                return f"Training ended after {self.epochs:g} epochs ({seen}), as planned."
            case "budget":
                return f"Training ended after its time budget of {self.budget:g} seconds ({seen})."
            case "target accuracy":
                return f"Training reached its target accuracy after {seen}."
            case _:
                return f"Training was stopped after {seen}."


class EvaluationPace:
    """When to measure on the whole test set while training."""

    SHARE = 0.15
    """The most of the time that automatic evaluation may take."""

    def __init__(self, every: int) -> None:
        self.every = every
        self._next_seconds = 0.0
        self._next_examples = every

    def evaluated(self, position: Position, cost: float) -> None:
        """Note that an evaluation was made here and took ``cost`` seconds; sets when the next is due.

        The first waits about a second at most, so that a curve starts soon; later ones wait long enough to
        keep to `SHARE`, and at least 2 % of the training time so far: dense where the curve is steep.
        """
        if self.every:
            self._next_examples = (position.examples // self.every + 1) * self.every
        wait = cost * (1 - self.SHARE) / self.SHARE
        if not position.examples:
            wait = min(wait, max(1.0, cost))
        self._next_seconds = position.seconds + max(wait, 0.25, 0.02 * position.seconds)

    def due(self, position: Position) -> bool:
        """Whether it is time for an evaluation."""
        if self.every:
            return position.examples >= self._next_examples
        return position.seconds >= self._next_seconds
