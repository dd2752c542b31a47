"""The jobs of the lab: what trains, paints, waits, is paused or was interrupted, and its controls."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from nicegui import run, ui

from convolab.app import background, figures
from convolab.errors import ConvolabError, RunError
from convolab.runs.folder import RunFolder, RunSpec, RunState
from convolab.runs.job_folder import JobFolder
from convolab.runs.kinds import all_jobs
from convolab.style.fast.job_folder import PREFIX as LEARNING
from convolab.style.fast.job_folder import LearnFolder, LearnSpec
from convolab.style.job_folder import PREFIX, TransferFolder, TransferSpec
from convolab.widgets.widget import Widget
from convolab.words import left as time_left

LOOK_EVERY = 1.0
"""Seconds between two looks at all run folders."""
RECENT_SECONDS = 15 * 60
"""How long a run that has ended stays in the list."""
_UNDER_WAY = ("running", "queued", "paused", "interrupted")
_ENDED = ("finished", "stopped", "failed")
_ORDER = {state: place for place, state in enumerate((*_UNDER_WAY, *_ENDED))}
_RECENT_SHOWN = 5


@dataclass
class _Seen:
    """What is known of a job's folder, and by which time stamp of its state."""

    spec: RunSpec | TransferSpec | LearnSpec
    stamp: int
    state: RunState


class Jobs:
    """A list of the jobs that matter now, read from their folders at most once a second for all tabs."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}
        self._lock = threading.Lock()
        self._looked_at = 0.0
        self._answer: dict[str, Any] = {"version": "", "jobs": [], "fraction": None, "active": False}

    def position(self, run_id: str) -> int | None:
        """The place of a run among those that wait, from 1; None if it does not wait here."""
        queue = background.queue()
        return None if queue is None else queue.positions().get(run_id)

    def waits(self, run_id: str) -> bool:
        """Whether other jobs are executed before this one."""
        queue = background.queue()
        return queue is not None and queue.waits(run_id)

    def look_again(self) -> None:
        """Let the next `refreshed` look at once: something was just asked of a run."""
        self._looked_at = 0.0

    def refreshed(self) -> dict[str, Any]:
        """The list as it is sent to the pages. Off the event loop: it looks at many files."""
        with self._lock:
            if time.monotonic() - self._looked_at >= LOOK_EVERY:
                self._look()
                self._looked_at = time.monotonic()
            return self._answer

    def _look(self) -> None:
        found: dict[str, _Seen] = {}
        for folder in all_jobs():
            try:
                stamp = (folder.path / "state.json").stat().st_mtime_ns
                known = self._seen.get(folder.run_id)
                if known and known.stamp == stamp and known.state.state not in ("running", "queued"):
                    found[folder.run_id] = known
                else:
                    # Whether a process lives that says it is running is looked at each time.
                    spec = known.spec if known else _spec(folder)
                    found[folder.run_id] = _Seen(spec, stamp, folder.state())
            except (OSError, ConvolabError):  # being made or deleted just now
                continue
        self._seen = found
        listed = [seen for seen in found.values() if seen.state.state in _UNDER_WAY]
        recent = [
            seen
            for seen in found.values()
            if seen.state.state in _ENDED and time.time() - seen.stamp / 1e9 < RECENT_SECONDS
        ]
        recent.sort(key=lambda seen: -seen.stamp)
        listed += recent[:_RECENT_SHOWN]
        places = {seen.spec.run_id: self.position(seen.spec.run_id) for seen in listed}
        listed.sort(key=lambda seen: (_ORDER[seen.state.state], places[seen.spec.run_id] or 0, -seen.stamp))
        jobs = [_job(seen.spec, seen.state, places[seen.spec.run_id]) for seen in listed]
        fractions = [job["fraction"] for job in jobs if job["active"] and job["fraction"] is not None]
        active = [job for job in jobs if job["active"]]
        self._answer = {
            "version": f"{hash(str(jobs)) & 0xFFFFFFFF:x}",
            "jobs": jobs,
            "fraction": sum(fractions) / len(active) if fractions else None,
            "active": bool(active),
        }


def _spec(folder: JobFolder) -> RunSpec | TransferSpec | LearnSpec:
    assert isinstance(folder, RunFolder | TransferFolder | LearnFolder)
    return folder.spec()


def _job(spec: RunSpec | TransferSpec | LearnSpec, state: RunState, place: int | None) -> dict[str, Any]:
    now = state.figures
    can = {
        "queued": ["stop"],
        "running": ["pause", "stop"],
        "paused": ["resume", "stop"],
        "interrupted": ["resume", "stop"],
        "stopped": ["resume"],
        "failed": ["resume"],
    }.get(state.state, [])
    return {
        "run": spec.run_id,
        "name": spec.name,
        "what": _what(spec),
        "sentence": _sentence(state, place, _doing(spec)),
        "fraction": now.fraction if state.state not in _ENDED else None,
        "active": state.state in ("running", "queued"),
        "can": [*can, "show"],
    }


def _what(spec: RunSpec | TransferSpec | LearnSpec) -> str:
    if isinstance(spec, TransferSpec):
        return f"style transfer, {spec.settings.size} pixels"
    if isinstance(spec, LearnSpec):
        return f"learning a style, {spec.settings.architecture} network"
    return f"{spec.dataset}, {spec.network.name or 'custom network'}"


def _doing(spec: RunSpec | TransferSpec | LearnSpec) -> str:
    return {RunSpec: "Training", TransferSpec: "Painting", LearnSpec: "Learning"}[type(spec)]


def _sentence(state: RunState, place: int | None, doing: str = "Training") -> str:
    now = state.figures
    done = f"{now.examples:,} examples" if doing == "Training" else f"{now.steps:,} steps"
    test = "" if now.test_accuracy is None else f", {figures.percent(now.test_accuracy)} of the test images"
    if state.state == "queued":
        return f"Waiting, at place {place} in the queue." if place and place > 1 else "About to start."
    if state.state == "running":
        left = "" if now.seconds_left is None else f", {time_left(now.seconds_left)}"
        return f"{doing}: {done}{left}{test}."
    if state.state == "paused":
        return f"Paused at {done}{test}. {state.reason}".strip()
    if state.state == "interrupted":
        return f"Interrupted at {done}{test}. {state.reason}".strip()
    if state.state == "failed":
        return state.reason or "Failed."
    return f"{'Finished' if state.state == 'finished' else 'Stopped'} at {done}{test}."


JOBS = Jobs()


async def the_queue() -> Any:
    """The lab's queue; waits while it starts, and no longer than that can take. RunError then."""
    for _ in range(300):
        queue = background.queue()
        if queue is not None:
            return queue
        await asyncio.sleep(0.1)
    raise RunError("The lab's workers did not start; start the lab anew and look at what it prints.")


async def steer(action: str, run_id: str, **values: Any) -> None:
    """Pause, resume, stop or step a job, or set its rate or weights. Raises ConvolabError with a sentence."""
    queue = await the_queue()
    method = {
        "pause": queue.pause,
        "resume": queue.resume,
        "stop": queue.stop,
        "step": queue.step,
        "learning rate": queue.set_learning_rate,
        "transfer weights": queue.set_transfer_weights,
    }[action]
    await run.io_bound(method, run_id, **values)
    JOBS.look_again()


def address_of(run_id: str) -> str:
    """The address that shows a run in the Build room, with the network and settings it was started with.

    A transfer, or a style that is learned, is shown in a room of its own.
    """
    from convolab.app.address import to_query
    from convolab.app.state import BuildState, Model
    from convolab.networks import PRESETS

    if run_id.startswith(LEARNING):
        return "/fast?" + urlencode({"job": run_id})
    if run_id.startswith(PREFIX):
        return "/transfer?" + urlencode({"job": run_id})
    spec = RunFolder(run_id).spec()
    preset = spec.network.name if spec.network.name in PRESETS else None
    state = BuildState({})
    try:
        state.restore(Model(spec.dataset, preset, spec.network, spec.settings), run_id=run_id)
        return f"/build?{to_query(state)}"
    except ConvolabError:  # its data set is gone, say
        return "/build?" + urlencode({"run": run_id})


def ring() -> Widget:
    """Create the ring at the foot of the rail in the current slot."""

    async def act(content: dict[str, str]) -> None:
        action, run_id = str(content.get("action")), str(content.get("run"))
        try:
            if action == "show":
                ui.navigate.to(address_of(run_id))
            elif action in ("pause", "resume", "stop"):
                await steer(action, run_id)
        except ConvolabError as error:
            widget.send({"run": run_id, "error": str(error)})

    widget = Widget("jobs", on_message=act)
    return widget
