"""Flicker: how much a painted video changes where the filmed one stands still."""

from __future__ import annotations

import numpy as np

STILL = 4
"""A pixel stands still where no channel changes by more, of 255."""


class Flicker:
    """Fed with a video's frames and their paintings, in order; both uint8 (H, W, 3)."""

    def __init__(self) -> None:
        self._before: tuple[np.ndarray, np.ndarray] | None = None
        self._change = 0.0
        self._own = 0.0
        self._pixels = 0

    def add(self, frame: np.ndarray, painted: np.ndarray) -> None:
        """The next frame."""
        if self._before is not None and self._before[0].shape == frame.shape:
            filmed = _difference(frame, self._before[0])
            still = filmed.max(2) <= STILL
            count = int(still.sum())
            if count:
                made = _difference(painted, self._before[1])
                self._change += float(made[still].sum(dtype=np.int64)) / 3
                self._own += float(filmed[still].sum(dtype=np.int64)) / 3
                self._pixels += count
        self._before = frame, painted

    @property
    def sums(self) -> tuple[float, float, int]:
        """Change of the painting, change of the film, and of how many pixels: to be kept."""
        return self._change, self._own, self._pixels

    def take_up(self, sums: tuple[float, float, int]) -> None:
        """Go on from `sums` that were kept."""
        self._change, self._own, self._pixels = sums

    def go_on_after(self, frame: np.ndarray, painted: np.ndarray) -> None:
        """The frame before the next one, which is counted already."""
        self._before = frame, painted

    @property
    def value(self) -> float | None:
        """Mean absolute change from frame to frame on still parts, less that of the video; of 255.

        None while nothing stood still.
        """
        return (self._change - self._own) / self._pixels if self._pixels else None


def _difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.abs(a.astype(np.int16) - b)
