"""The queue of runs: executed one after another by workers of Dask, steered through their folders."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from convolab.errors import ConvolabError, RunError
from convolab.home import datasets_dir, home, tracking_uri
from convolab.runs.cluster import SLOT, connect, start
from convolab.runs.job_folder import RESUMABLE, JobFolder, State
from convolab.runs.kinds import folder_of
from convolab.runs.overview import Job, catch_up, jobs, mark_interrupted
from convolab.runs.store import RunInfo, runs_here
from convolab.runs.worker import job

if TYPE_CHECKING:
    from distributed import Client, Future, LocalCluster

_ENDED = ("finished", "stopped", "failed")
LOOK_SECONDS = 0.2
CLOSING_SECONDS = 20.0


class Queue:
    """Executes runs in worker processes, in the order in which they were submitted.

    By default there is one worker, on this machine, that ends with this process. With
    ``CONVOLAB_SCHEDULER=tcp://host:port`` the workers of that Dask cluster are used instead; they need
    convolab installed, must see the lab's home under the same path (a shared folder), and are best started
    with ``dask worker ADDRESS --nthreads 1 --no-nanny --resources training=1`` (with its nanny,
    malloc returns memory so eagerly that training takes twice as long). MLflow is then better a server
    (``MLFLOW_TRACKING_URI``) than a file.

    All methods may be called from any thread and, except the constructor and `close`, take milliseconds.
    RunError if the cluster does not answer.
    """

    def __init__(self, workers: int = 1) -> None:
        self._lock = threading.RLock()
        self._waiting: list[str] = []
        self._active: dict[str, Future] = {}
        self._again: dict[str, int] = {}
        """Runs that were asked for again while their worker was putting them away, with steps to do."""
        self._chores: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._wake = threading.Event()
        self._closing = False
        self._number = 0
        self._cluster: LocalCluster | None = None
        self._client: Client
        address = os.environ.get("CONVOLAB_SCHEDULER")
        if address:
            self._client = connect(address)
        else:
            self._cluster, self._client = start(workers)
        self._thread = threading.Thread(target=self._work, name="queue", daemon=True)
        self._thread.start()
        threading.Thread(target=self._do_chores, name="chores", daemon=True).start()

    # ---------------------------------------------------------------- asking

    def submit(self, run_id: str) -> None:
        """Put a run at the end of the queue: a new one, or one to go on with from its checkpoint.

        Nothing happens if it is there already. RunError if it is finished or trained by another process.
        """
        folder = folder_of(run_id)
        folder.check()
        with self._lock:
            state = folder.state().state
            if state == "finished":
                raise RunError(f"{folder.name} is finished; start it anew, or another one.")
            if run_id in self._active and state in _ENDED:
                self._again.setdefault(run_id, 0)  # its worker is still putting it away
            if run_id in self._waiting or run_id in self._active:
                return
            if folder.held():
                raise RunError(f"{folder.name} is being {folder.done} by another process.")
            if state in RESUMABLE:
                folder.control(paused=False, stop=False, release=False)
            _set_state(folder, "queued")
            self._waiting.append(run_id)
        self._wake.set()

    def pause(self, run_id: str) -> None:
        """Pause a run with a checkpoint; one that waits leaves the queue until it is resumed."""
        folder = folder_of(run_id)
        with self._lock:
            if run_id in self._waiting:
                self._waiting.remove(run_id)
                folder.control(paused=True)
                _set_state(folder, "paused")
                return
        state = folder.state().state
        if state in _ENDED or not self._is_executed(folder):
            raise RunError(f"{folder.name} is {state}, so it cannot be paused.")
        folder.control(paused=True)

    def resume(self, run_id: str) -> None:
        """Go on with a run that is paused, interrupted, stopped or failed; at once if still in a worker."""
        folder = folder_of(run_id)
        with self._lock:
            under_way = self._is_executed(folder) and folder.state().state not in _ENDED
            if under_way or run_id in self._waiting:
                # If its worker lets go of it just now, `_ended` sees that it is wanted and queues it again.
                folder.control(paused=False, stop=False, release=False)
            else:
                self.submit(run_id)
        self._wake.set()

    def stop(self, run_id: str) -> None:
        """Stop a run with a checkpoint; one that waits or is paused is stopped where it is."""
        folder = folder_of(run_id)
        with self._lock:
            state = folder.state().state
            if state in _ENDED:
                raise RunError(f"{folder.name} is {state} already.")
            if self._is_executed(folder):
                folder.control(stop=True)
                self._wake.set()
                return
            if run_id in self._waiting:
                self._waiting.remove(run_id)
            self._stop_in_folder(folder)

    def cancel(self, run_id: str) -> None:
        """Take a run that waits out of the queue. RunError if it does not wait."""
        with self._lock:
            if run_id not in self._waiting:
                raise RunError(f"{folder_of(run_id).name} is not waiting in the queue.")
            self.stop(run_id)

    def set_transfer_weights(
        self,
        run_id: str,
        *,
        weight: float | None = None,
        style_weights: tuple[float, ...] | None = None,
        tv: float | None = None,
    ) -> None:
        """Use other weights of a transfer's differences from its next step on. SettingsError out of range."""
        folder_of(run_id).control(weight=weight, style_weights=style_weights, tv=tv)

    def step(self, run_id: str, batches: int = 1) -> None:
        """Run so many batches, then pause (again)."""
        folder = folder_of(run_id)
        with self._lock:
            if run_id in self._active and folder.state().state in _ENDED:
                self.submit(run_id)
                self._again[run_id] += batches
                return
            if not self._is_executed(folder) and run_id not in self._waiting:
                self.submit(run_id)
            folder.control(steps=batches)

    def set_learning_rate(self, run_id: str, learning_rate: float) -> None:
        """Use another learning rate from the next batch on. SettingsError if it cannot be one."""
        folder_of(run_id).control(learning_rate=learning_rate)

    # ---------------------------------------------------------------- looking

    @property
    def slots(self) -> int:
        """How many jobs can be executed at the same time, at present."""
        with self._lock:
            return self._slots()

    def positions(self) -> dict[str, int]:
        """The runs that wait, each with its place from 1."""
        with self._lock:
            starting = [run_id for run_id in self._active if _written(run_id) == "queued"]
            return {run_id: place for place, run_id in enumerate([*starting, *self._waiting], 1)}

    def waits(self, run_id: str) -> bool:
        """Whether other jobs are executed before this one."""
        with self._lock:
            return run_id in self._waiting

    def jobs(self) -> list[Job]:
        """All runs that train, wait or are paused: those that train, the queue in its order, the others."""
        return jobs(self.positions())

    def recover(self) -> list[RunInfo]:
        """At the start of the lab: mark the runs that died with an earlier one, and return all interrupted.

        MLflow is brought up to date in the background.
        """
        mark_interrupted()
        self._chores.put(catch_up)
        return [info for info in runs_here() if info.state == "interrupted"]

    def close(self) -> None:
        """End the workers. Runs under way are checkpointed and read as interrupted from then on."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
            waiting, self._waiting = self._waiting, []
            for run_id in waiting:
                _set_state(folder_of(run_id), "interrupted", "The lab was closed before its turn came.")
            for run_id in self._active:
                with contextlib.suppress(ConvolabError):
                    folder_of(run_id).control(release=True)
        deadline = time.monotonic() + CLOSING_SECONDS
        while time.monotonic() < deadline and not all(f.done() for f in list(self._active.values())):
            time.sleep(0.05)
        self._wake.set()
        self._thread.join(5)
        with _quiet():
            with contextlib.suppress(Exception):
                self._client.close(timeout=5)
            if self._cluster is not None:
                with contextlib.suppress(Exception):
                    self._cluster.close(timeout=10)

    def __enter__(self) -> Queue:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---------------------------------------------------------------- working

    def _work(self) -> None:
        """The queue's own thread: takes note of what ended, sends what waits."""
        while not self._closing:
            self._wake.wait(LOOK_SECONDS)
            self._wake.clear()
            try:
                self._turn()
            except Exception:  # nothing may end this thread
                logging.getLogger(__name__).debug("The queue stumbled.", exc_info=True)
                time.sleep(1)

    def _do_chores(self) -> None:
        """What has to do with MLflow, one after the other: its file can be written by one at a time."""
        while not self._closing:
            self._chores.get()()

    def _turn(self) -> None:
        with self._lock:
            for run_id, future in list(self._active.items()):
                if future.done():
                    del self._active[run_id]
                    self._ended(folder_of(run_id), future)
                else:
                    self._attend(folder_of(run_id))
            slots = self._slots() if self._waiting else 0
            while self._waiting and len(self._active) < slots and not self._closing:
                run_id = self._waiting.pop(0)
                folder = folder_of(run_id)
                if not folder.exists:  # deleted meanwhile
                    continue
                try:
                    self._send(run_id)
                except Exception as error:
                    sentence = f"It could not be handed to a worker ({type(error).__name__}: {error})."
                    _set_state(folder, "interrupted", sentence)
            if self._waiting:
                self._make_way()

    def _send(self, run_id: str) -> None:
        self._number += 1
        environment = {
            "CONVOLAB_HOME": str(home().absolute()),
            "CONVOLAB_DATA": str(datasets_dir().absolute()),
            "MLFLOW_TRACKING_URI": tracking_uri(),
        }
        options: dict[str, Any] = {"resources": {SLOT: 1}} if self._has_slots() else {}
        future = self._client.submit(
            job,
            run_id,
            environment,
            key=f"{run_id}-{os.getpid()}-{self._number}",
            pure=False,
            priority=-self._number,
            **options,
        )
        future.add_done_callback(lambda _: self._wake.set())
        self._active[run_id] = future

    def _ended(self, folder: JobFolder, future: Future) -> None:
        if not folder.exists:  # deleted meanwhile
            return
        if future.status != "finished":
            self._lost(folder, future)
            return
        outcome, sentence = future.result()
        if outcome == "failed" and folder.written_state().state not in ("failed", "paused", "interrupted"):
            _set_state(folder, "failed", sentence)
        if self._closing:
            return
        if folder.run_id in self._again:
            steps = self._again.pop(folder.run_id)
            with contextlib.suppress(RunError):  # finished meanwhile
                self.submit(folder.run_id)
                folder.control(steps=steps)
            return
        if outcome != "released":
            return
        wishes = folder.wishes()
        if wishes.stop:
            self._stop_in_folder(folder)
        elif not wishes.paused or wishes.steps:
            # Someone pressed Resume while its worker was letting go of it.
            folder.control(release=False)
            _set_state(folder, "queued")
            self._waiting.append(folder.run_id)

    def _attend(self, folder: JobFolder) -> None:
        """If the worker of a run died, say that it waits for the next one: Dask hands it over by itself."""
        with contextlib.suppress(ConvolabError, OSError):
            if folder.written_state().state == "running" and not folder.held():
                with folder.lock():
                    if folder.written_state().state == "running":
                        ending = "died; it goes on by itself from its checkpoint."
                        reason = f"The process that {folder.did} it {ending}"
                        folder.set_state("queued", reason, died=True)

    def _lost(self, folder: JobFolder, future: Future) -> None:
        """Dask gave the job up: its worker died again and again, or the cluster is gone."""
        if folder.held():
            return
        if future.status == "error":
            _set_state(
                folder,
                "failed",
                folder.lost_sentence(),
            )
        else:
            _set_state(folder, "interrupted", "The connection to the workers was lost.")

    def _make_way(self) -> None:
        """Let paused runs leave their workers while others wait for one."""
        for run_id in self._active:
            folder = folder_of(run_id)
            with contextlib.suppress(ConvolabError):
                wishes = folder.wishes()
                paused = folder.written_state().state == "paused" and wishes.paused
                if paused and not (wishes.steps or wishes.release or wishes.stop):
                    folder.control(release=True)

    def _is_executed(self, folder: JobFolder) -> bool:
        folder.check()
        return folder.run_id in self._active or folder.held()

    def _stop_in_folder(self, folder: JobFolder) -> None:
        folder.control(stop=True)
        _set_state(folder, "stopped", folder.stopped_sentence())
        if not self._closing:
            self._chores.put(folder.ended)

    def _slots(self) -> int:
        return len(self._workers())

    def _has_slots(self) -> bool:
        return any(SLOT in worker.get("resources", {}) for worker in self._workers().values())

    def _workers(self) -> dict[str, Any]:
        if self._cluster is not None:
            # A worker that is being restarted counts: its job comes back to it.
            return {str(name): {"resources": {SLOT: 1}} for name in self._cluster.workers}
        found: dict[str, Any] = self._client.scheduler_info(n_workers=-1)["workers"]
        return found


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _set_state(folder: JobFolder, state: State, reason: str = "") -> None:
    try:
        folder.set_state(state, reason)
    except OSError:
        folder.give_up_reserve()
        try:
            folder.set_state(state, reason)
        except OSError as error:
            raise RunError(f"{folder.path} cannot be written ({error.strerror or error}).") from error


def _written(run_id: str) -> str:
    try:
        return folder_of(run_id).written_state().state
    except ConvolabError:
        return ""
