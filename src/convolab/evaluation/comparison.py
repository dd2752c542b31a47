"""Is one network better than another, or was it chance? McNemar's test on the same test images.

Source: McNemar, "Note on the sampling error of the difference between correlated proportions" (1947), in its
exact form: of the images that only one of the two gets right, each is right with either by a fair coin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from convolab.errors import DataError
from convolab.evaluation.answers import Outputs

LEVEL = 0.05
"""A difference that chance would make less often than this is called real."""


@dataclass(frozen=True)
class Comparison:
    """Two networks on the same test images."""

    both: int
    only_first: int
    only_second: int
    neither: int
    """Counts of test images: who got them right."""
    difference: float
    """Accuracy of the first minus that of the second, -1 to 1."""
    p_value: float
    """How often chance alone would make a difference at least as large between equally good networks."""

    @property
    def total(self) -> int:
        """Test images."""
        return self.both + self.only_first + self.only_second + self.neither

    @property
    def real(self) -> bool:
        """Whether the difference is more than chance, at the 5 % level."""
        return self.p_value < LEVEL

    @property
    def words(self) -> str:
        """The result as a sentence, calling the two "the first" and "the second"."""
        if not self.only_first and not self.only_second:
            return f"No difference: both get the same of the {self.total:,} test images right."
        better, worse = ("first", "second") if self.difference > 0 else ("second", "first")
        points = f"{abs(100 * self.difference):.2f} percentage points"
        if self.real:
            return (
                f"A real difference: the {better} is better than the {worse} by {points}; chance alone would "
                f"make as large a one {_how_often(self.p_value)}."
            )
        if not self.difference:
            return "No difference in accuracy, though they do not get the same test images right."
        return (
            f"No difference that counts: {points}, and chance alone would make as large a one "
            f"{_how_often(self.p_value)}."
        )


def compare(first: Outputs, second: Outputs) -> Comparison:
    """Compare two networks image by image. DataError if they were not measured on the same test images."""
    if first.dataset != second.dataset or not np.array_equal(first.labels, second.labels):
        raise DataError(
            f"One was measured on {first.dataset} and the other on {second.dataset}; a paired comparison "
            "needs the same test images. Their accuracies and curves can still be looked at side by side."
        )
    a, b = first.right, second.right
    only_first, only_second = int((a & ~b).sum()), int((~a & b).sum())
    return Comparison(
        both=int((a & b).sum()),
        only_first=only_first,
        only_second=only_second,
        neither=int((~a & ~b).sum()),
        difference=(only_first - only_second) / len(a),
        p_value=mcnemar(only_first, only_second),
    )


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided exact p-value: twice the binomial tail with probability ½, at most 1."""
    n, k = only_first + only_second, min(only_first, only_second)
    if n == 0:
        return 1.0
    logs = [math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) for i in range(k + 1)]
    tail = math.fsum(math.exp(value - n * math.log(2)) for value in logs)
    return min(1.0, 2 * tail)


def _how_often(p: float) -> str:
    if p < 0.0001:
        return "less than once in 10,000 times"
    if p < 0.01:
        return f"about {10_000 * p:.0f} times in 10,000"
    return f"about {100 * p:.0f} times in 100"
