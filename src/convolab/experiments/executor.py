"""Who executes the runs of an experiment: the lab's queue, or this process itself, one after the other."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator
from typing import Protocol

from convolab.errors import ConvolabError, RunError
from convolab.runs.folder import RESUMABLE, RunFolder

ENDED = ("finished", "stopped", "failed", "interrupted", "deleted")
"""States of a run from which it goes on only if somebody asks."""


class Executor(Protocol):
    """What an experiment needs of a queue; `convolab.runs.Queue` is one."""

    @property
    def slots(self) -> int:
        """How many runs can be executed at the same time."""
        ...

    def submit(self, run_id: str) -> None:
        """Put a run at the end of the queue, a new one or one to go on with. RunError if it cannot be."""
        ...

    def stop(self, run_id: str) -> None:
        """Stop a run with a checkpoint, also one that waits."""
        ...

    def pause(self, run_id: str) -> None:
        """Pause a run with a checkpoint, also one that waits. RunError if it is neither."""
        ...


class Here:
    """Executes runs in a thread of this process, in the order in which they were submitted.

    For scripts and the command line: nothing has to be started first. `close` leaves what is not finished
    interrupted, with a checkpoint, so that it can go on another time.
    """

    slots = 1

    def __init__(self) -> None:
        self._waiting: list[str] = []
        self._current: str | None = None
        self._closing = False
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._work, name="runs", daemon=True)
        self._thread.start()

    def submit(self, run_id: str) -> None:
        """Put a run at the end; nothing happens if it is there already. RunError if it is finished."""
        folder = RunFolder(run_id)
        folder.check()
        with self._lock:
            if run_id in self._waiting or run_id == self._current:
                return
            state = folder.state().state
            if state == "finished":
                raise RunError(f"{folder.name} is finished; start it anew, or another one.")
            if folder.held():
                raise RunError(f"{folder.name} is being trained by another process.")
            if state in RESUMABLE:
                folder.control(paused=False, stop=False, release=False)
            folder.set_state("queued")
            self._waiting.append(run_id)
        self._wake.set()

    def stop(self, run_id: str) -> None:
        """Stop a run with a checkpoint; one that waits is stopped where it is."""
        folder = RunFolder(run_id)
        with self._lock:
            if run_id in self._waiting:
                self._waiting.remove(run_id)
                folder.set_state("stopped", folder.stopped_sentence())
                return
        folder.control(stop=True)

    def pause(self, run_id: str) -> None:
        """Pause a run with a checkpoint and let go of it; one that waits leaves the queue."""
        folder = RunFolder(run_id)
        with self._lock:
            if run_id in self._waiting:
                self._waiting.remove(run_id)
                folder.control(paused=True)
                folder.set_state("paused")
                return
        folder.control(paused=True, release=True)

    def close(self) -> None:
        """Let go of everything; returns when the run under way has written its checkpoint."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
            waiting, self._waiting = self._waiting, []
            current = self._current
        for run_id in waiting:
            with contextlib.suppress(ConvolabError, OSError):
                RunFolder(run_id).set_state("interrupted", "It was put aside before its turn came.")
        if current is not None:
            with contextlib.suppress(ConvolabError):
                RunFolder(current).control(release=True)
        self._wake.set()
        self._thread.join()

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _work(self) -> None:
        from convolab.runs.execution import execute

        while not self._closing:
            with self._lock:
                self._current = self._waiting.pop(0) if self._waiting else None
                self._wake.clear()
            if self._current is None:
                self._wake.wait()
                continue
            try:
                execute(self._current, keep_wishes=True)
            except Exception:  # the run's state says it, and the others wait
                logging.getLogger(__name__).debug("A run failed.", exc_info=True)
            self._current = None


@contextlib.contextmanager
def open_executor(workers: int = 0) -> Iterator[Executor]:
    """An executor for this process: the cluster that ``CONVOLAB_SCHEDULER`` names, ``workers`` processes of
    this machine, or, with none of these, this process itself. Ends with the block; runs under way are kept.
    """
    if workers < 0:
        raise RunError(f"The number of workers must be at least 0, not {workers}.")
    if workers or os.environ.get("CONVOLAB_SCHEDULER"):
        from convolab.runs.queue import Queue

        with Queue(max(1, workers)) as queue:
            yield queue
        return
    with Here() as here:
        yield here


def state_of(run_id: str) -> str:
    """How a run stands; ``deleted`` if there is none of this id."""
    try:
        folder = RunFolder(run_id)
        return folder.state().state if folder.exists else "deleted"
    except ConvolabError:
        return "deleted"


def wait_for(
    run_ids: Collection[str], on_look: Callable[[], None] = lambda: None, every: float = 0.2
) -> None:
    """Until all these runs have ended; ``on_look`` is called every so many seconds, and once at the end."""
    while any(state_of(run_id) not in ENDED for run_id in run_ids):
        on_look()
        time.sleep(every)
    on_look()


def go_on(run_ids: Collection[str], executor: Executor) -> int:
    """Hand those runs to the executor that were interrupted or wait for nobody; returns how many.

    Runs that a living queue of another process has are left to it; one that was stopped by hand stays so.
    """
    count = 0
    for run_id in run_ids:
        state = state_of(run_id)
        ours = state == "queued" and RunFolder(run_id).written_state().pid == os.getpid()
        if ours or (state in ("paused", "interrupted") and not RunFolder(run_id).held()):
            executor.submit(run_id)
            count += 1
    return count
