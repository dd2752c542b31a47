"""How the work is spread from coarse to fine: sizes, steps, time, and how much is left."""

from __future__ import annotations

from dataclasses import dataclass

SMALLEST_LEVEL = 120
"""Long side under which painting coarser brings nothing: deep layers would have a handful of units."""
FINAL_STEPS = 0.5
"""Share of the steps that the full size gets, where there are coarser ones."""
FINAL_TIME = 0.75
"""Share of the time, likewise: a step there costs as much as four at half the size."""


@dataclass(frozen=True)
class Level:
    """One size of the picture, and how long to paint at it."""

    size: int
    """Long side in pixels."""
    steps: int | None
    """How many; None without a limit."""
    until: float | None
    """Seconds of painting at which it ends; None without a budget."""


def levels(
    size: int, coarse_to_fine: bool, steps: int | None, budget: float | None, least: int = SMALLEST_LEVEL
) -> tuple[Level, ...]:
    """From coarse to fine, each twice as large as the one before; the last is ``size``.

    None of the coarser ones has a long side under ``least`` pixels: the short side of a panorama still has to
    be large enough for the deepest layer.
    """
    sizes = [size]
    while coarse_to_fine and sizes[0] // 2 >= max(least, SMALLEST_LEVEL):
        sizes.insert(0, sizes[0] // 2)
    if steps is not None:
        sizes = sizes[-max(1, min(len(sizes), steps // 4)) :]
    coarse = len(sizes) - 1
    planned: list[Level] = []
    for i, side in enumerate(sizes):
        last = i == coarse
        share = None
        if steps is not None:
            final = steps if not coarse else max(1, round(steps * FINAL_STEPS))
            done = round((steps - final) * i / coarse) if coarse else 0
            upto = round((steps - final) * (i + 1) / coarse) if coarse else 0
            share = final if last else upto - done
        until = None
        if budget is not None:
            until = budget if last else budget * (1 - FINAL_TIME) * (i + 1) / coarse
        planned.append(Level(side, share, until))
    return tuple(planned)


class Clock:
    """How far a plan is, and how long it still takes, from the time that steps took at each size."""

    def __init__(self, plan: tuple[Level, ...], budget: float | None) -> None:
        self.plan, self.budget = plan, budget
        self.seconds = 0.0
        self._each: dict[int, float] = {}
        """Newest mean seconds of a step, by level."""

    def took(self, level: int, seconds: float) -> None:
        """A step at a level took so long."""
        self.seconds += seconds
        before = self._each.get(level)
        self._each[level] = seconds if before is None else 0.8 * before + 0.2 * seconds

    def seconds_left(self, level: int, done: int) -> float | None:
        """After ``done`` steps of ``level``; None before there is anything to tell it from."""
        by_time = None if self.budget is None else max(0.0, self.budget - self.seconds)
        by_steps = self._by_steps(level, done)
        known = [value for value in (by_time, by_steps) if value is not None]
        return min(known) if known else None

    def fraction(self, level: int, done: int) -> float:
        """Share of the plan that is done."""
        left = self.seconds_left(level, done)
        if left is None:
            return 0.0
        return self.seconds / (self.seconds + left) if self.seconds + left > 0 else 1.0

    def _by_steps(self, level: int, done: int) -> float | None:
        if not self._each:
            return None
        left = 0.0
        for i, at in enumerate(self.plan[level:], level):
            if at.steps is None:
                return None
            nearest = min(self._each, key=lambda known: abs(known - i))
            area = (at.size / self.plan[nearest].size) ** 2
            left += self._each[nearest] * area * max(0, at.steps - (done if i == level else 0))
        return left
