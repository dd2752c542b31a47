"""Styles being learned, as the room shows them: begun, watched, steered; a folder is read once for all."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convolab.app import jobs
from convolab.app.longwork import LongWork
from convolab.app.restyle import photo_sets
from convolab.app.transfer import library as pictures
from convolab.app.transfer import networks
from convolab.app.transfer.view import CAN, ENDED, READ_EVERY, SENT_AT_ONCE, Row, thin
from convolab.errors import ConvolabError, DataError, RunError, SettingsError
from convolab.runs.job_folder import RunState
from convolab.spec import check, knobs
from convolab.style.fast.job_folder import LearnFolder, LearnSpec
from convolab.style.fast.settings import DEFAULT_BUDGET, LearnSettings
from convolab.style.vgg import VGGS
from convolab.words import duration, left

NETWORK = "vgg-16"
SIZES = ("standard", "small", "large")
MOST_MINUTES = 24 * 60
MORE = ("content_layer", "style_layers", "style_loss", "stroke_size", "stability", "start")
"""Settings that a page may change beside the network, the time and W."""
_FIXED = ("step", "seconds", "total", "style", "content")
"""Columns of a row."""
_KEPT = 32


class LearnView:
    """One style being learned. `refresh` reads what is new; everything else is memory."""

    def __init__(self, run_id: str) -> None:
        self.folder = LearnFolder(run_id)
        self.spec: LearnSpec = self.folder.spec()
        self.rows: list[Row] = []
        self.generation = 0
        """Grows when points were taken back, because learning went on from an earlier state."""
        self.notice = ""
        self.started: dict[str, Any] | None = None
        self.newest: dict[str, Any] | None = None
        self.finished: dict[str, Any] | None = None
        self.state: RunState | None = None
        self.previews: list[int] = []
        self._offset = 0
        self._read_at = -1e9
        self._stamp = 0
        self._lock = threading.Lock()

    def refresh(self) -> None:
        """Read what is new. Off the event loop."""
        with self._lock:
            if time.monotonic() - self._read_at < READ_EVERY:
                return
            # First: a preview that is told of is there.
            events, self._offset = self.folder.entries(self._offset)
            for event in events:
                self._take(event)
            with contextlib.suppress(OSError):
                stamp = self.folder.previews_path.stat().st_mtime_ns
                if stamp != self._stamp:
                    self._stamp, self.previews = stamp, self.folder.previews()
            self.state = self.folder.state()
            self._read_at = time.monotonic()

    def read_again(self) -> None:
        """Let the next `refresh` look at once: something was just asked of the job."""
        self._read_at = -1e9

    def _take(self, event: dict[str, Any]) -> None:
        kind = event.get("kind")
        if kind == "step":
            self.newest = event
            self.rows.append([_short(event[name]) for name in _FIXED])
        elif kind == "started":
            self.started, self.finished = event, None
            while self.rows and (self.rows[-1][0] or 0) > event["step"]:
                self.rows.pop()
                self.generation += 1
        elif kind == "recovered":
            self.notice = event["message"]
        elif kind in ("paused", "resumed"):
            self.notice = ""
        elif kind == "finished":
            self.finished = event

    @property
    def active(self) -> bool:
        """Whether something new will come by itself."""
        return self.state is not None and self.state.state in ("queued", "running")

    def news(self, cursor: str) -> dict[str, Any] | None:
        """What a tab does not have yet; None if that is nothing. ``cursor`` is what the last answer said."""
        assert self.state is not None
        said, tone = self.sentence(jobs.JOBS.position(self.folder.run_id))
        mark = hash((said, self.state.state, str(self.finished), self._photos())) & 0xFFFFFF
        new = f"{self.generation}.{len(self.rows)}.{self._stamp}.{mark}"
        if new == cursor:
            return None
        try:
            generation, had = (int(part) for part in cursor.split(".")[:2])
        except ValueError:
            generation, had = -1, -1
        reset = generation != self.generation or had > len(self.rows)
        now, end = self.newest or {}, self.finished or {}
        running = self.state.state == "running"
        found = {
            "cursor": new,
            "job": self.folder.run_id,
            "reset": reset,
            "rows": thin(self.rows if reset else self.rows[had:], SENT_AT_ONCE),
            "previews": self.previews,
            "stamp": f"{self._stamp:x}",
            "state": self.state.state,
            "sentence": said,
            "tone": tone,
            "fraction": 1.0 if self.state.state == "finished" else now.get("fraction", 0.0),
            "left": left(now["seconds_left"]) if running and now.get("seconds_left") is not None else "",
            "progress": self._progress(),
            "can": CAN.get(self.state.state, []),
            "style": end.get("name", ""),
            "photos": self._photos(),
            "scenes": bool((self.started or {}).get("scenes")),
        }
        return {**found, "facts": self.facts()} if reset else found

    def facts(self) -> dict[str, Any]:
        """What does not change."""
        settings = self.spec.settings
        size = settings.architecture
        layers = [", ".join(found) or "none" for found in (settings.content_names, settings.style_names)]
        return {
            "name": self.spec.name,
            "painter": self.spec.painter,
            "year": self.spec.year,
            "architecture": settings.architecture,
            "weight": settings.weight,
            "minutes": (settings.most_seconds or 0) / 60,
            "key": self.spec.key,
            "settings": (
                f"{size.capitalize() if size in SIZES else size} network · W {settings.weight:g} · "
                f"content {layers[0]} · style {layers[1]} · strokes × {settings.stroke_size:g}"
            ),
        }

    def sentence(self, place: int | None) -> tuple[str, str]:
        """How it stands, and how loud to say it: plain, ``warn`` or ``error``."""
        assert self.state is not None
        state, reason = self.state.state, self.state.reason
        steps = int((self.finished or self.newest or {}).get("step", 0))
        at = f" after {steps:,} steps" if steps else ""
        if state == "queued":
            if place is not None and jobs.JOBS.waits(self.folder.run_id):
                return f"Waiting for its turn, at place {place}: another job is under way.", ""
            return (
                reason or "Starting: loading the feature network and the photos …",
                "warn" if reason else "",
            )
        if state == "running":
            if said := reason or self.notice:
                return said, "warn"
            return "" if self.newest else "Starting: loading the feature network and the photos …", ""
        if state == "paused":
            return (f"Paused{at}: {reason}", "warn") if reason else (f"Paused{at}.", "")
        if state == "interrupted":
            return f"Interrupted{at}. {reason} Resume goes on from the last saved state.", "warn"
        if state == "failed":
            return reason or "Learning failed.", "error"
        kept = " It is among your styles now." if (self.finished or {}).get("name") else ""
        if state == "stopped":
            return f"Stopped{at}.{kept} Resume goes on learning from there.", ""
        seconds = duration(float((self.finished or {}).get("seconds", 0.0)))
        return f"Finished{at}, {seconds} of learning.{kept}", ""

    def _photos(self) -> str:
        """Where the photos come from, and whether more would be better."""
        about = self.started
        if about is None or "photos_from" not in about:
            return ""
        more = " More photos make it better." if about.get("few") else ""
        return f"Learns from {int(about['photos']):,} photos: {about['photos_from']}.{more}"

    def _progress(self) -> str:
        now = self.newest
        if now is None:
            return ""
        budget = self.spec.settings.most_seconds
        time_ = f"{duration(now['seconds'])} of {duration(budget)}" if budget else duration(now["seconds"])
        return f"{int(now['step']):,} steps · {int(now['examples']):,} parts of photos · {time_}"


class _Views:
    """The styles being learned that are looked at."""

    def __init__(self) -> None:
        self._views: OrderedDict[str, LearnView] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, run_id: str) -> LearnView:
        """The view of a job, made on first use (which reads the disk). RunError if there is none."""
        with self._lock:
            if run_id not in self._views:
                self._views[run_id] = LearnView(run_id)
                while len(self._views) > _KEPT:
                    self._views.popitem(last=False)
            self._views.move_to_end(run_id)
            return self._views[run_id]

    def forget(self, run_id: str) -> None:
        """A job was deleted."""
        with self._lock:
            self._views.pop(run_id, None)


VIEWS = _Views()


def news(asked: str) -> tuple[dict[str, Any] | None, bool]:
    """What is new of ``id~cursor``, and whether more will come by itself. Off the event loop."""
    run_id, _, cursor = asked.partition("~")
    try:
        view = VIEWS.get(run_id)
        view.refresh()
        return view.news(cursor), view.active
    except ConvolabError as error:
        gone = {"cursor": "gone", "job": run_id, "gone": str(error)}
        return (None if cursor == "gone" else gone), False


# ------------------------------------------------------------------ what can be done


def create(wanted: Mapping[str, Any]) -> str:
    """Make the job that a page asks for, in no queue yet; its id. Off the event loop. ConvolabError."""
    from convolab.style.fast.job import create_learning

    size = str(wanted.get("size"))
    if size not in SIZES:
        raise SettingsError(f"Choose a network: {', '.join(SIZES)}.")
    minutes = _number(wanted.get("minutes", DEFAULT_BUDGET / 60), "The time")
    if not 0 < minutes <= MOST_MINUTES:
        raise SettingsError(
            f"The time must be above 0 and at most {MOST_MINUTES:,} minutes, not {minutes:g}."
        )
    values: dict[str, Any] = {
        "architecture": size,
        "budget": 60 * minutes,
        "weight": _number(wanted.get("weight", LearnSettings().weight), "W"),
    }
    if not 0 <= values["weight"] <= 1:
        raise SettingsError(f"W must be from 0 to 1, not {values['weight']:g}.")
    further = wanted.get("more") or {}
    if not isinstance(further, dict) or (strange := [name for name in further if name not in MORE]):
        named = f' "{strange[0]}"' if isinstance(further, dict) else ""
        raise SettingsError(f"The setting{named} of learning cannot be chosen here.")
    settings: LearnSettings = check(LearnSettings, {**values, **further})
    about = pictures.entry(str(wanted.get("painting", "")))
    return create_learning(
        pictures.path(about.key),
        settings,
        photos=photo_sets.folder(str(wanted.get("photos", "")).strip()),
        name=str(wanted.get("title", "")).strip()[:60] or about.title,
        painter=str(wanted.get("painter", "")).strip()[:60],
        year=str(wanted.get("year", "")).strip()[:20],
        key=about.key,
    )


def more() -> dict[str, Any]:
    """What there is to choose beside the network, the time and W: the knobs `MORE`, and the layers."""
    return {
        "layers": [name for name in VGGS[NETWORK].layers if name.startswith("relu")],
        "knobs": {knob.name: knob.described() for knob in knobs(LearnSettings) if knob.name in MORE},
    }


async def begin(wanted: dict[str, Any]) -> dict[str, Any]:
    """Begin to learn: ``job``; or ``working``, a sentence, while the feature network is being fetched."""
    from nicegui import run

    if not await run.io_bound(networks.is_here, NETWORK):
        return {"working": await fetched()}
    queue = await jobs.the_queue()
    run_id = await run.io_bound(create, wanted)
    await run.io_bound(queue.submit, run_id)
    jobs.JOBS.look_again()
    return {"job": run_id}


async def fetched() -> str:
    """Fetch the feature network, or join those who do: a sentence about how far it is. DataError.

    Asked again and again until the network is here.
    """
    work = _fetching.pop() if _fetching else networks.fetch(NETWORK)
    if not work.finished:
        _fetching.append(work)
        return work.sentence
    if work.error:
        raise DataError(work.error)
    return "Almost here …"


_fetching: list[LongWork] = []
"""The fetch of the feature network that pages wait for."""


async def steer(wanted: dict[str, Any]) -> dict[str, Any]:
    """Pause, resume or stop."""
    action, run_id = str(wanted.get("action")), str(wanted.get("job"))
    if action not in ("pause", "resume", "stop"):
        raise RunError("A style that is learned can be paused, resumed and stopped.")
    view = VIEWS.get(run_id)
    await jobs.steer(action, run_id)
    view.read_again()
    return {}


def delete(run_id: str) -> dict[str, Any]:
    """Delete a job with its previews; a style that came of it stays. RunError while it is at work."""
    folder = LearnFolder(run_id)
    if folder.held():
        raise RunError(f"{folder.name} is being learned; stop it first.")
    folder.delete()
    VIEWS.forget(run_id)
    jobs.JOBS.look_again()
    return {}


def earlier() -> list[dict[str, Any]]:
    """The styles that were or are being learned here, newest first. Off the event loop."""
    found = []
    for folder in LearnFolder.all():
        with contextlib.suppress(ConvolabError, OSError):
            spec, state = folder.spec(), folder.state()
            note = f"{spec.settings.architecture} network · {state.figures.steps:,} steps · {state.state}"
            found.append(
                {
                    "job": folder.run_id,
                    "name": spec.name,
                    "note": note,
                    "created": spec.created,
                    "deletable": state.state in (*ENDED, "interrupted", "paused"),
                }
            )
    return sorted(found, key=lambda item: str(item["created"]), reverse=True)[:_KEPT]


def file_of(run_id: str, name: str) -> Path:
    """A picture of a job: ``photos.png``, ``painting``, or a preview by its step. RunError."""
    folder = LearnFolder(run_id)
    folder.check()
    if name in ("photos.png", "painting"):
        return folder.path / name
    if not name.isdecimal():
        raise RunError("There is no such picture of this style.")
    return folder.preview_path(int(name))


def _number(value: Any, what: str) -> float:
    try:
        found = float(str(value).replace(",", "."))
    except ValueError:
        found = float("nan")
    if found != found:
        raise SettingsError(f'{what} must be a number, not "{str(value)[:20]}".')
    return found


def _short(value: float | None) -> float | None:
    if value is None or isinstance(value, int):
        return value
    return float(f"{value:.5g}")
