"""The Dask cluster that executes runs: one of this machine's own, or any other by its address."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from convolab.errors import RunError

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

SLOT = "training"
"""Dask's name for what a worker has one of, and a job needs one of."""
CONNECT_SECONDS = 10.0
_CONFIG = {
    # The lab trains one network at a time; its memory is not Dask's business, and nothing is kept on disk.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.admin.system-monitor.disk": False,
    # Loading PyTorch holds up a worker's loop for seconds; that is no reason for a warning.
    "distributed.admin.tick.limit": "1h",
    # Dask would give PyTorch one core, and have malloc return memory to the system after each layer: training
    # was slower by a factor of 1.7 with MALLOC_TRIM_THRESHOLD_, evaluation by 2.5.
    "distributed.nanny.pre-spawn-environ": {},
    "distributed.scheduler.allowed-failures": 5,
    "distributed.comm.retry.count": 2,
}


def start(workers: int) -> tuple[LocalCluster, Client]:
    """A cluster of worker processes of this machine that end with this process. RunError if it cannot be."""
    import dask
    from distributed import Client, LocalCluster

    _hush()
    with dask.config.set(_CONFIG):
        try:
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                worker_dashboard_address="127.0.0.1:0",
                memory_limit=0,
                silence_logs=logging.CRITICAL,
                resources={SLOT: 1},
                preload=["convolab.runs.worker"],
                **_security(),
            )
            return cluster, Client(cluster, set_as_default=False)
        except (OSError, RuntimeError, TimeoutError) as error:
            raise RunError(f"The lab's workers could not be started ({error}).") from error


def _security() -> dict[str, Any]:
    """Keys for this cluster alone, so that no other user of the machine can give its workers orders."""
    from distributed.security import Security

    try:
        return {"security": Security.temporary(), "protocol": "tls://"}
    except ImportError:  # without the package cryptography
        return {}


def connect(address: str) -> Client:
    """A client of the cluster whose scheduler has this address. RunError if it does not answer."""
    import dask
    from distributed import Client

    _hush()
    with dask.config.set(_CONFIG):
        try:
            return Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, TimeoutError, ValueError, TypeError) as error:
            raise RunError(
                f"There is no Dask scheduler at {address}, which CONVOLAB_SCHEDULER names "
                f"({str(error).splitlines()[0] if str(error) else 'no answer'}); start one with "
                "'dask scheduler', or unset CONVOLAB_SCHEDULER."
            ) from error


def _hush() -> None:
    """Dask's workings are not the terminal's business; what concerns a run is told in its folder."""
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    for name in ("client", "core", "nanny", "scheduler", "worker", "comm", "deploy"):
        logging.getLogger(f"distributed.{name}").setLevel(logging.CRITICAL)
    unwatch_collector()


def unwatch_collector() -> None:
    """Dask measures Python's garbage collections, and prints a traceback about each that had begun in another
    thread before it watched (`assert start is not None`). Only its log would use the figures."""
    import gc

    from distributed import gc as watching

    def ignore(phase: str, info: dict[str, int]) -> None:
        """Stands where Dask's callback was, so that Dask can take it away again."""

    before = watching._gc_diagnosis._gc_callback
    watching._gc_diagnosis._gc_callback = ignore
    if before in gc.callbacks:
        gc.callbacks[gc.callbacks.index(before)] = ignore
