"""Work in threads that several visitors may watch: fetching data sets, importing images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import background_tasks, run

from convolab.datasets.progress import Fetching
from convolab.errors import ConvolabError
from convolab.words import left


class LongWork:
    """A function that runs in a thread and reports `Fetching`; read its fields from the event loop."""

    def __init__(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> None:
        self.progress: Fetching | None = None
        self.result: Any = None
        self.error = ""
        self.finished = False
        background_tasks.create(
            self._run(function, arguments, options), name=getattr(function, "__name__", "work")
        )

    @property
    def fraction(self) -> float | None:
        """Share that is done, if the whole is known."""
        now = self.progress
        return min(1.0, now.done / now.total) if now and now.total else None

    @property
    def sentence(self) -> str:
        """``Fetching MNIST … 4.2 of 11.6 MB, about 8 s left``."""
        now = self.progress
        if now is None:
            return "Starting …"
        parts = [f"{now.what} …"]
        if now.total and now.total > 1_000_000:
            parts.append(f"{now.done / 1e6:.1f} of {now.total / 1e6:.1f} MB")
        elif now.total:
            parts.append(f"{100 * now.done / now.total:.0f} %")
        if now.seconds_left is not None and now.seconds_left >= 1:
            parts.append(left(now.seconds_left))
        return f"{parts[0]} {', '.join(parts[1:])}".strip()

    async def _run(
        self, function: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> None:
        try:
            self.result = await run.io_bound(function, *arguments, progress=self._report, **options)
        except ConvolabError as error:
            self.error = str(error)
        except Exception as error:
            self.error = f"This failed unexpectedly ({type(error).__name__}: {error})."
            raise
        finally:
            self.finished = True

    def _report(self, progress: Fetching) -> None:
        self.progress = progress


_fetches: dict[str, LongWork] = {}


def fetch(name: str) -> LongWork:
    """Fetch a data set, or join those who wait for it already; after an error it is tried again."""
    from convolab.datasets import load

    work = _fetches.get(name)
    if work is None or work.finished:
        work = _fetches[name] = LongWork(load, name)
    return work


def fetching(name: str) -> LongWork | None:
    """The fetch of a data set that is under way, if there is one."""
    work = _fetches.get(name)
    return None if work is None or work.finished else work
