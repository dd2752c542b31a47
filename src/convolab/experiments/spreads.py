"""Mean and spread of a few runs, and how sure the mean is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from convolab.errors import ExperimentError


@dataclass(frozen=True)
class Spread:
    """Of the test accuracies of some runs that differ in their seed alone."""

    values: tuple[float, ...]
    mean: float
    deviation: float
    """Standard deviation of single runs (with n − 1)."""
    interval: tuple[float, float]
    """95 % confidence interval of the mean, by Student's t; within 0 to 1."""
    lowest: float
    highest: float

    @property
    def words(self) -> str:
        """``55.1 % ± 0.6 (95 % interval of the mean), single runs 54.2 to 56.0 %.``"""
        half = (self.interval[1] - self.interval[0]) / 2
        return (
            f"{100 * self.mean:.2f} % ± {100 * half:.2f} (95 % interval of the mean); single runs "
            f"{100 * self.lowest:.2f} to {100 * self.highest:.2f} %, deviation {100 * self.deviation:.2f}."
        )


def spread(values: Sequence[float]) -> Spread:
    """Mean and spread. ExperimentError for fewer than two values: one says nothing about a spread."""
    if len(values) < 2:
        raise ExperimentError("A spread needs at least two runs that have finished.")
    mean = statistics.fmean(values)
    half = student(len(values) - 1) * deviation_of_mean(values)
    return Spread(
        values=tuple(values),
        mean=mean,
        deviation=statistics.stdev(values),
        interval=(max(0.0, mean - half), min(1.0, mean + half)),
        lowest=min(values),
        highest=max(values),
    )


def deviation_of_mean(values: Sequence[float]) -> float:
    """Standard error of the mean; 0 for a single value, of which it is not known."""
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0


def student(freedom: int, confidence: float = 0.95) -> float:
    """How many standard errors on either side hold ``confidence`` of Student's t with ``freedom`` degrees.

    By bisection of the distribution as a finite sum (Abramowitz and Stegun, 26.7.3 and 26.7.4).
    """
    low, high = 0.0, 1.0
    while _within(high, freedom) < confidence:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        if _within(middle, freedom) < confidence:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _within(t: float, freedom: int) -> float:
    """The share of Student's t between −t and t."""
    angle = math.atan(t / math.sqrt(freedom))
    cosine, sine = math.cos(angle), math.sin(angle)
    odd = freedom % 2 == 1
    term, total = (cosine, cosine) if odd else (1.0, 1.0)
    for k in range(3 if odd else 2, freedom, 2):
        term *= cosine * cosine * (k - 1) / k
        total += term
    if not odd:
        return sine * total
    return 2 / math.pi * (angle + sine * total if freedom > 1 else angle)
