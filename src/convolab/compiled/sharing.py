"""Rows of a map, shared out among the cores: each core does a strip, with loops that Numba compiled."""

from __future__ import annotations

from collections.abc import Callable

from convolab.training.device import usable_cores
from convolab.training.parallel import pool

LEAST_SHARED = 1_000_000
"""With fewer values one core is as fast as two: waking the other takes 50 µs, as half of them do."""

Strip = tuple[int, int]
"""The first row, and the one after the last."""


def strips(height: int, values: int = LEAST_SHARED) -> list[Strip]:
    """Rows for each core; all for one where there are few values."""
    cores = max(1, min(usable_cores(), height // 8)) if values >= LEAST_SHARED else 1
    return [(height * i // cores, height * (i + 1) // cores) for i in range(cores)]


def each(work: Callable[[int, int, int], None], parts: list[Strip]) -> None:
    """Call ``work(i, top, bottom)`` for each strip, in a thread of its own; for the first in this one."""
    if len(parts) == 1:
        work(0, *parts[0])
        return
    tasks = [pool(len(parts)).submit(work, i, *part) for i, part in enumerate(parts) if i]
    work(0, *parts[0])
    for task in tasks:
        task.result()
