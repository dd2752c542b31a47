"""What happens in a worker process: getting ready, and the body of a job."""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import threading
from typing import Any, Literal

from convolab.errors import ConvolabError, RunError
from convolab.runs.cluster import unwatch_collector

Outcome = Literal["ended", "released", "failed", "busy"]


def dask_setup(worker: Any) -> None:
    """Called by Dask in a new worker: bring PyTorch in beforehand, so that the first Train press is quick."""
    with contextlib.suppress(ValueError):  # not in the main thread: some other kind of worker
        # Ctrl-C in a terminal reaches all processes; the lab decides what becomes of its workers.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    unwatch_collector()
    threading.Thread(target=_get_ready, name="getting ready", daemon=True).start()


def _get_ready() -> None:
    from convolab.runs import execution  # noqa: F401
    from convolab.training import loop  # noqa: F401

    with contextlib.suppress(ConvolabError):
        from convolab.runs import tracking

        tracking.client()


def job(run_id: str, environment: dict[str, str]) -> tuple[Outcome, str]:
    """Execute a job in this worker; how it ended, with a sentence if there is something to say.

    ``environment`` says where the lab's home is; a worker on another machine must see the same folders.
    """
    from convolab.runs.kinds import execute_job, folder_of

    os.environ.update(environment)
    folder = folder_of(run_id)
    if not folder.exists:
        return "failed", (
            f"The worker on {platform.node()} does not see {folder.path}; workers must share the lab's home."
        )
    try:
        # The wishes stay: this may be the second try of a job whose worker died.
        ended = execute_job(run_id)
    except RunError as error:
        return ("busy" if folder.held() else "failed"), str(error)
    except ConvolabError as error:
        return "failed", str(error)
    return ("ended" if ended else "released"), ""
