"""A transfer as the room shows it: its folder read once for all tabs, and only while somebody looks."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import OrderedDict
from typing import Any

from convolab.app.jobs import JOBS
from convolab.errors import ConvolabError
from convolab.runs.job_folder import RunState
from convolab.style.job_folder import TransferFolder
from convolab.words import duration, left

READ_EVERY = 0.15
"""Seconds between two looks at a transfer's files."""
SENT_AT_ONCE = 400
"""Points of the curves that a tab gets when it sees them for the first time."""
ENDED = ("finished", "stopped", "failed")
_KEPT = 64
Row = list[float | None]
_FIXED = ("step", "seconds", "total", "style", "content", "weight", "width")
"""Columns of a row before those of the layers."""


class TransferView:
    """One transfer. `refresh` reads what is new; everything else is memory."""

    def __init__(self, run_id: str) -> None:
        self.folder = TransferFolder(run_id)
        self.spec = self.folder.spec()
        self.rows: list[Row] = []
        """`_FIXED`, then the style layers, then the content layers: exact, of the whole transfer."""
        self.generation = 0
        """Grows when points were taken back, because painting went on from an earlier state."""
        self.notice = ""
        self.started: dict[str, Any] | None = None
        self.newest: dict[str, Any] | None = None
        self.finished: dict[str, Any] | None = None
        self.weights: dict[str, Any] = {
            "weight": self.spec.settings.weight,
            "style_weights": list(self.spec.settings.layer_weights),
            "tv": self.spec.settings.tv,
        }
        self.state: RunState | None = None
        self.steps: list[int] = []
        """Of which pictures are kept."""
        self._offset = 0
        self._read_at = -1e9
        self._stamp = 0
        self._recovering = False
        self._lock = threading.Lock()

    def refresh(self) -> None:
        """Read what is new. Off the event loop."""
        with self._lock:
            if time.monotonic() - self._read_at < READ_EVERY:
                return
            # First: a step that is told of has its picture.
            events, self._offset = self.folder.entries(self._offset)
            for event in events:
                self._take(event)
            with contextlib.suppress(OSError):
                stamp = self.folder.iterates_path.stat().st_mtime_ns
                if stamp != self._stamp:
                    self._stamp, self.steps = stamp, self.folder.iterates()
            self.state = self.folder.state()
            self._read_at = time.monotonic()

    def read_again(self) -> None:
        """Let the next `refresh` look at once: something was just asked of the transfer."""
        self._read_at = -1e9

    def _take(self, event: dict[str, Any]) -> None:
        kind = event.get("kind")
        if kind == "iterate":
            self.newest = event
            settings = self.spec.settings
            row = [event[name] for name in _FIXED]
            row += [event["style_by_layer"].get(name) for name in settings.style_names]
            row += [event["content_by_layer"].get(name) for name in settings.content_names]
            self.rows.append([_short(value) for value in row])
        elif kind == "started":
            self.started, self.finished = event, None
            if not self._recovering:
                self.notice = ""
            while self.rows and _step_of(self.rows[-1]) > event["step"]:
                self.rows.pop()
                self.generation += 1
        elif kind == "recovered":
            self.notice = event["message"]
        elif kind in ("paused", "resumed"):
            self.notice = ""
        elif kind == "weights_changed":
            self.weights = {name: event[name] for name in ("weight", "style_weights", "tv")}
        elif kind == "finished":
            self.finished = event
        self._recovering = kind == "recovered"

    @property
    def under_way(self) -> bool:
        """Whether it paints, waits or is paused."""
        return self.state is not None and self.state.state not in ENDED

    @property
    def active(self) -> bool:
        """Whether something new will come by itself."""
        return self.state is not None and self.state.state in ("queued", "running")

    def step(self) -> int:
        """How many times the picture was judged."""
        newest = (self.newest or {}).get("step", 0)
        return int((self.finished or {}).get("step", newest))

    def news(self, cursor: str) -> dict[str, Any] | None:
        """What a tab does not have yet; None if that is nothing. ``cursor`` is what the last answer said."""
        assert self.state is not None
        place = JOBS.position(self.folder.run_id)
        said, tone = self.sentence(place)
        version = (
            f"{len(self.rows)}.{self._stamp}.{hash((said, str(self.weights), self.state.state)) & 0xFFFFFF}"
        )
        new = f"{self.generation}.{version}"
        if new == cursor:
            return None
        try:
            generation, had = (int(part) for part in cursor.split(".")[:2])
        except ValueError:
            generation, had = -1, -1
        reset = generation != self.generation or had > len(self.rows)
        now = self.newest or {}
        return {
            "cursor": new,
            "reset": reset,
            "rows": thin(self.rows if reset else self.rows[had:], SENT_AT_ONCE),
            "steps": self.steps,
            "stamp": f"{self._stamp:x}",
            "state": self.state.state,
            "sentence": said,
            "tone": tone,
            "fraction": 1.0 if self.state.state == "finished" else now.get("fraction", 0.0),
            "left": self._left(now),
            "progress": self._progress(),
            "weights": self.weights,
            "can": CAN.get(self.state.state, []),
            **({"facts": self.facts()} if reset else {}),
        }

    def facts(self) -> dict[str, Any]:
        """What does not change and the widgets read."""
        settings = self.spec.settings
        return {
            "name": self.spec.name,
            "content": self.spec.content,
            "style_layers": list(settings.style_names),
            "content_layers": list(settings.content_names),
        }

    def sentence(self, place: int | None) -> tuple[str, str]:
        """How it stands, and how loud to say it: plain, ``warn`` or ``error``."""
        assert self.state is not None
        state, reason = self.state.state, self.state.reason
        at = f" after {self.step():,} steps" if self.step() else ""
        if state == "queued":
            if place is not None and JOBS.waits(self.folder.run_id):
                return f"Waiting for its turn, at place {place}: another job is under way.", ""
            return reason or "Starting: loading the feature network …", "warn" if reason else ""
        if state == "running":
            said = reason or self.notice
            if said:
                return said, "warn"
            return (
                "" if self.newest else "Starting: loading the feature network and learning the style …"
            ), ""
        if state == "paused":
            return (f"Paused{at}: {reason}", "warn") if reason else (f"Paused{at}.", "")
        if state == "interrupted":
            return f"Interrupted{at}. {reason} Resume goes on from the last saved state.", "warn"
        if state == "failed":
            return reason or "Painting failed.", "error"
        if state == "stopped":
            return f"Stopped{at}. Resume goes on from there.", ""
        return self._end(), ""

    def _end(self) -> str:
        end = self.finished or {}
        why = " The time budget was used up." if end.get("stopped_because") == "budget" else ""
        if not end:
            return "Finished."
        return f"Finished after {end['step']:,} steps, {duration(end['seconds'])} of painting.{why}"

    def _progress(self) -> str:
        now = self.newest
        if now is None:
            return ""
        planned = (self.started or {}).get("steps")
        budget = self.spec.settings.budget
        done = f"{self.step():,} of {planned:,} steps" if planned else f"{self.step():,} steps"
        time_ = f"{duration(now['seconds'])} of {duration(budget)}" if budget else duration(now["seconds"])
        return f"{done} · {now['width']}×{now['height']} · {time_}"

    def _left(self, now: dict[str, Any]) -> str:
        running = self.state is not None and self.state.state == "running"
        return left(now["seconds_left"]) if running and now.get("seconds_left") is not None else ""


CAN = {
    "queued": ["stop"],
    "running": ["pause", "stop"],
    "paused": ["resume", "stop"],
    "interrupted": ["resume", "stop"],
    "stopped": ["resume"],
    "failed": ["resume"],
}
"""What can be done with a transfer in each state."""


class TransferViews:
    """The transfers that are being looked at."""

    def __init__(self) -> None:
        self._views: OrderedDict[str, TransferView] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, run_id: str) -> TransferView:
        """The view of a transfer, made on first use (which reads the disk). RunError if there is none."""
        with self._lock:
            if run_id not in self._views:
                self._views[run_id] = TransferView(run_id)
                while len(self._views) > _KEPT:
                    self._views.popitem(last=False)
            self._views.move_to_end(run_id)
            return self._views[run_id]

    def forget(self, run_id: str) -> None:
        """A transfer was deleted."""
        with self._lock:
            self._views.pop(run_id, None)


VIEWS = TransferViews()


def earlier() -> list[dict[str, Any]]:
    """The transfers of this lab that are no part of a grid, newest first. Off the event loop."""
    found = []
    for folder in TransferFolder.all():
        with contextlib.suppress(ConvolabError, OSError):
            spec, state = folder.spec(), folder.state()
            if spec.cell is None:
                steps = folder.iterates()
                found.append(
                    {
                        "job": folder.run_id,
                        "name": spec.name,
                        "step": steps[-1] if steps else None,
                        "note": f"W {spec.settings.weight:g} · {state.figures.steps:,} steps · {state.state}",
                        "created": spec.created,
                        "deletable": state.state not in ("running", "queued"),
                    }
                )
    return sorted(found, key=lambda item: str(item["created"]), reverse=True)[:_KEPT]


def news(asked: str) -> tuple[dict[str, Any] | None, bool]:
    """What is new of ``id~cursor``, and whether more will come by itself. Off the event loop."""
    run_id, _, cursor = asked.partition("~")
    try:
        view = VIEWS.get(run_id)
        view.refresh()
        found = view.news(cursor)
    except ConvolabError as error:
        gone = {"cursor": "gone", "job": run_id, "gone": str(error)}
        return (None if cursor == "gone" else gone), False
    return (None if found is None else {"job": run_id, **found}), view.active


def thin(rows: list[Row], wanted: int) -> list[Row]:
    """About ``wanted`` of the rows, evenly; the last one always."""
    if len(rows) <= wanted:
        return rows
    every = -(-len(rows) // wanted)
    return [*rows[:-1:every], rows[-1]]


def _step_of(row: Row) -> float:
    return row[0] or 0


def _short(value: float | None) -> float | None:
    if value is None:
        return None
    return value if isinstance(value, int) else float(f"{value:.5g}")
