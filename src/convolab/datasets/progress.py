"""What is reported while a data set is fetched, converted or imported."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

_SECONDS_BETWEEN_REPORTS = 0.1


@dataclass(frozen=True)
class Fetching:
    """One report of progress; at most about ten a second."""

    what: str
    """What is going on, for a person: ``Fetching MNIST``. One text per phase."""
    done: int
    """Bytes so far; files when images are imported."""
    total: int | None
    """Bytes (or files) in all; None while that is unknown."""
    seconds_left: float | None
    """From the mean rate of this phase; None while there is nothing to tell it from."""


Report = Callable[[Fetching], None]


class Meter:
    """Counts one phase and reports it to a callback, not too often. The callback may raise to end it."""

    def __init__(self, report: Report | None, what: str, total: int | None = None) -> None:
        self.report = report
        self.what = what
        self.total = total
        self.done = 0
        self._started = time.monotonic()
        self._reported = float("-inf")
        self._tell(self._started)

    def add(self, count: int) -> None:
        """So many more are done."""
        self.at(self.done + count)

    def at(self, done: int) -> None:
        """So many are done."""
        finished = done == self.total and done != self.done
        self.done = done
        now = time.monotonic()
        if finished or now - self._reported >= _SECONDS_BETWEEN_REPORTS:
            self._tell(now)

    def _tell(self, now: float) -> None:
        self._reported = now
        if self.report is None:
            return
        left = None
        elapsed = now - self._started
        if self.total is not None and self.done > 0 and elapsed > 0:
            left = max(self.total - self.done, 0) * elapsed / self.done
        self.report(Fetching(self.what, self.done, self.total, left))
