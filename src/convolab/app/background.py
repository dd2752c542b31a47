"""The job queue of the lab that serves: one for the whole process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convolab.errors import ConvolabError

if TYPE_CHECKING:
    from convolab.runs import Queue

_queue: Queue | None = None


def start() -> None:
    """Start the workers and take up what a lab that ended suddenly left. In a thread: it takes a second."""
    global _queue
    from convolab.runs import Queue

    try:
        started = Queue()
        started.recover()
    except ConvolabError as error:
        # The page still serves to look at runs; whoever presses Train is told.
        print(f"convolab: {error}", flush=True)
        return
    _queue = started


def stop() -> None:
    """End the workers; runs that are under way keep their checkpoints."""
    if _queue is not None:
        _queue.close()


def queue() -> Queue | None:
    """The queue, or None while it starts."""
    return _queue
