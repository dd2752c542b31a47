"""Where more stops helping: the plateau in accuracy against what was varied."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from convolab.experiments.spreads import deviation_of_mean

Z = 1.959963984540054
"""Of a normal distribution: 95 % lie within so many deviations."""


class Measured(Protocol):
    """What of a `convolab.experiments.Point` counts here."""

    @property
    def value(self) -> bool | int | float | str:
        """What was varied."""
        ...

    @property
    def accuracies(self) -> tuple[float, ...]:
        """Test accuracies, one for each run."""
        ...

    @property
    def test_images(self) -> int:
        """How many images they were measured on."""
        ...


@dataclass(frozen=True)
class Plateau:
    """Where the plateau begins, if there is one."""

    value: float | None
    """The smallest value from which more brings no more than the noise; None: it still rises at the end."""
    accuracy: float
    """There, or at the largest value."""
    gain: float
    """What the best of the larger values has more; 0 where none has."""
    noise: float
    """The difference that chance alone makes in 1 of 20 comparisons, at that place."""
    falls_at: float | None
    """The smallest larger value from which all are worse by more than the noise; None if there is none."""

    @property
    def words(self) -> str:
        """That in a sentence."""
        if self.value is None:
            return "No plateau among these values: accuracy still rises at the largest."
        if self.falls_at is not None and not self.gain:
            return (
                f"Best at {self.value:g}: more is worse, from {self.falls_at:g} on by more than the noise of "
                f"{100 * self.noise:.1f} percentage points."
            )
        if not self.gain:
            return f"Best at {self.value:g}: nothing larger is better."
        sentence = (
            f"Plateau from {self.value:g}: more brings at most {100 * self.gain:.1f} percentage points, "
            f"less than the noise of {100 * self.noise:.1f}."
        )
        if self.falls_at is not None:
            sentence += f" From {self.falls_at:g} on it is worse by more than that."
        return sentence


def plateau(points: Sequence[Measured]) -> Plateau | None:
    """Where accuracy stops rising with the value; None with fewer than three values, or without an order.

    The rule: the plateau begins at the smallest value v such that no larger value w has an accuracy that is
    better by more than the noise between the two. The noise is 1.96 · √(s(v)² + s(w)²): s is the standard
    error of the accuracy from the number of test images, √(p (1 − p) / n), or the one from the scatter of
    several seeds, whichever is larger. If that holds only for the largest value, there is no plateau yet.
    """
    measured = [point for point in points if point.accuracies and not isinstance(point.value, str | bool)]
    if len(measured) < 3:
        return None
    places = sorted(
        (float(point.value), sum(point.accuracies) / len(point.accuracies), _error(point))
        for point in measured
    )
    for index, (value, accuracy, error) in enumerate(places[:-1]):
        larger = places[index + 1 :]
        noise = {at: Z * math.hypot(error, other) for at, _, other in larger}
        if any(found - accuracy > noise[at] for at, found, _ in larger):
            continue
        best_at, best, _ = max(larger, key=lambda place: place[1])
        falls_at = None
        for at, found, _ in reversed(larger):
            if accuracy - found <= noise[at]:
                break
            falls_at = at
        return Plateau(value, accuracy, max(0.0, best - accuracy), noise[best_at], falls_at)
    _, accuracy, error = places[-1]
    return Plateau(None, accuracy, 0.0, Z * math.hypot(error, places[-2][2]), None)


def _error(point: Measured) -> float:
    share = sum(point.accuracies) / len(point.accuracies)
    sampling = math.sqrt(share * (1 - share) / point.test_images) if point.test_images else 0.0
    return max(sampling, deviation_of_mean(point.accuracies))
