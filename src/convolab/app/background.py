"""The job queue of the lab that serves: one for the whole process."""

from __future__ import annotations

from typing import Any

_queue: Any = None


def start() -> None:
    """Start the workers and take up what a lab that ended suddenly left. In a thread: it takes a second."""
    global _queue
    try:
        from convolab.runs import Queue
    except ImportError:
        return
    _queue = Queue()
    _queue.recover()


def stop() -> None:
    """End the workers; runs that are under way keep their checkpoints."""
    if _queue is not None:
        _queue.close()


def queue() -> Any:
    """The queue, or None while it starts."""
    return _queue
