"""Which part of the picture a unit can see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

Pair = tuple[int, int]


@dataclass(frozen=True)
class ReceptiveField:
    """The window of input pixels that can change a unit; all pairs are (vertical, horizontal), in pixels.

    Unit (y, x) of a map sees ``size[0]`` rows from row ``start[0] + y·jump[0]`` on, columns likewise. The
    window may stick out over the edge where padding is. ``grid`` counts the map's units; it stays that of
    the last map when units are flattened. (Araujo, Norris, Sim: Computing Receptive Fields of CNNs, 2019.)
    """

    size: Pair
    jump: Pair
    start: Pair
    grid: Pair
    picture: Pair

    @classmethod
    def of_pixel(cls, height: int, width: int) -> ReceptiveField:
        """A pixel of a ``height`` × ``width`` picture sees itself."""
        return cls((1, 1), (1, 1), (0, 0), (height, width), (height, width))

    def window(self, kernel: Pair, stride: Pair, padding: Pair, grid: Pair) -> ReceptiveField:
        """Of units that look at ``kernel`` units of this map, ``stride`` apart; ``grid``: the new map's."""
        return ReceptiveField(
            size=_pair(self.size[i] + (kernel[i] - 1) * self.jump[i] for i in (0, 1)),
            jump=_pair(self.jump[i] * stride[i] for i in (0, 1)),
            start=_pair(self.start[i] - padding[i] * self.jump[i] for i in (0, 1)),
            grid=grid,
            picture=self.picture,
        )

    def whole(self) -> ReceptiveField:
        """Of a unit that looks at all units of this map: all they see together, cut at the picture's edge."""
        start = _pair(max(0, self.start[i]) for i in (0, 1))
        end = _pair(
            min(self.picture[i], self.start[i] + (self.grid[i] - 1) * self.jump[i] + self.size[i])
            for i in (0, 1)
        )
        return ReceptiveField(
            _pair(max(0, end[i] - start[i]) for i in (0, 1)), (0, 0), start, (1, 1), self.picture
        )

    def joined(self, other: ReceptiveField) -> ReceptiveField:
        """Of a unit that is the sum of a unit here and its counterpart in ``other``."""
        if self.jump != other.jump:
            # Windows that drift apart have no common formula; what all see together holds for each.
            return self.whole().joined(other.whole())
        start = _pair(min(self.start[i], other.start[i]) for i in (0, 1))
        end = _pair(max(self.start[i] + self.size[i], other.start[i] + other.size[i]) for i in (0, 1))
        return ReceptiveField(
            _pair(end[i] - start[i] for i in (0, 1)), self.jump, start, self.grid, self.picture
        )

    def region(self, y: int = 0, x: int = 0) -> tuple[int, int, int, int]:
        """(top, left, bottom, right) of what unit (y, x) sees, inside the picture; the last two excluded."""
        top, left = (self.start[i] + (y, x)[i] * self.jump[i] for i in (0, 1))
        bottom, right = top + self.size[0], left + self.size[1]
        height, width = self.picture
        return max(0, top), max(0, left), max(0, min(height, bottom)), max(0, min(width, right))

    @property
    def text(self) -> str:
        """``14 × 14``."""
        return f"{self.size[0]} × {self.size[1]}"


def _pair(values: Iterable[int]) -> Pair:
    first, second = values
    return first, second
