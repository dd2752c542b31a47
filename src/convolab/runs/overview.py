"""What is under way in the lab's home, and what an earlier lab left behind there."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

from convolab.errors import ConvolabError
from convolab.runs.feeding import needs_sync, push
from convolab.runs.folder import RunFolder
from convolab.runs.kinds import all_jobs
from convolab.runs.tracking import client

_ORDER = {"running": 0, "queued": 1, "paused": 2}


@dataclass(frozen=True)
class Job:
    """A job that is executed, waiting or paused, wherever it was started."""

    run_id: str
    name: str
    state: str
    position: int | None
    """Place in the queue, from 1; None if it does not wait in this one."""
    fraction: float | None
    seconds_left: float | None
    """Of work, once it is executed."""
    reason: str


def jobs(positions: Mapping[str, int]) -> list[Job]:
    """All jobs that run, wait or are paused, in this order; ``positions`` are the places in a queue."""
    found = []
    for folder in all_jobs():
        with contextlib.suppress(ConvolabError):
            state = folder.state()
            if state.state not in _ORDER:
                continue
            now = state.figures
            found.append(
                Job(
                    folder.run_id,
                    folder.name,
                    state.state,
                    positions.get(folder.run_id),
                    now.fraction,
                    now.seconds_left,
                    state.reason,
                )
            )
    return sorted(found, key=lambda job: (_ORDER[job.state], job.position or 10**9, job.name))


def mark_interrupted() -> None:
    """Write down which jobs are interrupted because their process is gone."""
    for folder in all_jobs():
        with contextlib.suppress(ConvolabError, OSError):
            state = folder.state()
            if state.state == "interrupted" and folder.written_state().state != "interrupted":
                with folder.lock():
                    folder.write_state(state)


def catch_up() -> None:
    """Bring MLflow up to date with all runs that nobody executes; what does not work now is left."""
    with contextlib.suppress(ConvolabError):
        client()  # so that the first run that is made does not wait for MLflow to wake up
    for folder in RunFolder.all():
        with contextlib.suppress(ConvolabError, OSError):
            if needs_sync(folder) and not folder.held():
                push(folder)
