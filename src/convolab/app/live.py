"""The live view of runs: what a run folder tells, read once for all browser tabs of the lab.

A `RunView` follows one run, wherever it was started, from its events file, and only while somebody looks.
Tabs ask for news (`convolab.app.news`); how often they may is decided by how many there are.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from convolab.app import figures
from convolab.app.inference import Predictor
from convolab.datasets import info
from convolab.errors import ConvolabError
from convolab.runs.folder import RunFolder, RunState

READ_EVERY = 0.2
"""Seconds between two looks at a run's files."""
SENT_AT_ONCE = 300
"""Points of a curve that a tab gets when it sees it for the first time."""
TRAIN_COLUMNS = ("examples", "batches", "seconds", "loss", "train_accuracy", "examples_per_second")
TEST_COLUMNS = ("examples", "batches", "seconds", "test_loss", "test_accuracy")
LOCAL_SHARE = 0.8
REMOTE_SHARE = 0.1
"""Seconds that each tab that looks adds to the time between two questions of any: see `watch_interval`."""
_VIEWS_KEPT = 64
_ACTIVE = ("queued", "running")


class RunView:
    """One run as the lab's pages show it. `refresh` reads what is new; everything else is memory."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.folder = RunFolder(run_id)
        self.spec = self.folder.spec()
        self.train: list[list[float]] = []
        """Rows of `TRAIN_COLUMNS`: exact, of the whole run."""
        self.test: list[list[float]] = []
        """Rows of `TEST_COLUMNS`: on the whole test set."""
        self.generation = 0
        """Grows when points were taken back, because the run went on from an earlier checkpoint."""
        self.version = 0
        """Grows with each change of anything."""
        self.classes: list[str] = []
        """Names of the classes; none if the data set is gone."""
        with contextlib.suppress(ConvolabError):
            self.classes = list(info(self.spec.dataset).classes)
        self.notice = ""
        """A sentence about something that happened while it trained: it went on by itself, say."""
        self.started: dict[str, Any] | None = None
        self.progress: dict[str, Any] | None = None
        self.evaluated: dict[str, Any] | None = None
        self.finished: dict[str, Any] | None = None
        self.learning_rate_wanted: float = self.spec.settings.learning_rate
        """The learning rate as it was last set by hand; the schedule still scales it."""
        self.state: RunState | None = None
        self.predictor = Predictor(
            self.spec.dataset,
            self.spec.network,
            self.spec.settings,
            weights=self.folder.weights_path,
            initial=_if_there(self.folder.initial_weights_path),
        )
        self._recovering = False
        self._listeners: list[Callable[[], None]] = []
        self._offset = 0
        self._read_at = 0.0
        self._lock = threading.Lock()

    # ---------------------------------------------------------------- reading

    def refresh(self) -> bool:
        """Read what is new; says whether the state has changed. Off the event loop."""
        with self._lock:
            if time.monotonic() - self._read_at < READ_EVERY:
                return False
            for event in self._new_events():
                self._take(event)
                self.version += 1
            state = self.folder.state()
            changed = _standing(state) != _standing(self.state)
            if state != self.state:
                self.state = state
                self.version += 1
            self._read_at = time.monotonic()
            return changed

    def read_again(self) -> None:
        """Let the next `refresh` look at the files at once: something was just asked of the run."""
        self._read_at = 0.0

    def _new_events(self) -> list[dict[str, Any]]:
        with contextlib.suppress(OSError):
            if self.folder.events_path.stat().st_size < self._offset:  # written anew
                self._forget()
        events, self._offset = self.folder.entries(self._offset)
        return events

    def _forget(self) -> None:
        self._offset = 0
        self.train, self.test = [], []
        self.generation += 1
        self.started = self.progress = self.evaluated = self.finished = None

    def _take(self, event: dict[str, Any]) -> None:
        kind = event.get("kind")
        if kind == "progress":
            self.progress = event
            self.train.append([_short(event[name]) for name in TRAIN_COLUMNS])
        elif kind == "evaluated":
            self.evaluated = event
            self.test.append([_short(event[name]) for name in TEST_COLUMNS])
        elif kind == "started":
            self.started = event
            self.finished = None
            if not self._recovering:
                self.notice = ""
            self._cut_back(event["examples"])
        elif kind in ("recovered", "note"):
            self.notice = event["message"]
        elif kind in ("paused", "resumed"):
            self.notice = ""
        elif kind == "learning_rate_changed":
            self.learning_rate_wanted = event["learning_rate"]
        elif kind == "finished":
            self.finished = event
        self._recovering = kind == "recovered"

    def _cut_back(self, examples: float) -> None:
        """Training goes on from a checkpoint at ``examples``: what came after it will come again."""
        for rows in (self.train, self.test):
            while rows and rows[-1][0] > examples:
                rows.pop()
                self.generation += 1
        if self.progress and self.progress["examples"] > examples:
            self.progress = None
        if self.evaluated and self.evaluated["examples"] > examples:
            self.evaluated = None

    # ---------------------------------------------------------------- telling

    @property
    def name(self) -> str:
        """The run's name."""
        return str(self.spec.name)

    @property
    def active(self) -> bool:
        """Whether it is training or waiting for its turn."""
        return self.state is not None and self.state.state in _ACTIVE

    @property
    def ended(self) -> bool:
        """Whether nothing will change by itself any more."""
        return self.state is not None and self.state.state in ("finished", "stopped", "failed")

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback()`` on the event loop when the run's state changes; returns the end of that."""
        self._listeners.append(callback)

        def end() -> None:
            if callback in self._listeners:
                self._listeners.remove(callback)

        return end

    def tell(self) -> None:
        """Call those who wait for a change of state. On the event loop."""
        for callback in tuple(self._listeners):
            callback()

    def curves(self, cursor: str) -> dict[str, Any]:
        """What a tab does not have yet. ``cursor`` is what the last answer said; empty the first time."""
        try:
            generation, train, test = (int(part) for part in cursor.split("."))
        except ValueError:
            generation = train = test = -1
        fresh = generation != self.generation or train > len(self.train) or test > len(self.test)
        return {
            "reset": fresh,
            "cursor": f"{self.generation}.{len(self.train)}.{len(self.test)}",
            "train": thin(self.train, SENT_AT_ONCE) if fresh else thin(self.train[train:], SENT_AT_ONCE),
            "test": thin(self.test, SENT_AT_ONCE) if fresh else thin(self.test[test:], SENT_AT_ONCE),
            "ended": self.ended,
        }

    def confusion(self) -> dict[str, Any]:
        """The newest confusion matrix, and what it was measured on; no rows before the first evaluation."""
        found = self.evaluated
        if found is None:
            return {"version": "0"}
        classes = self.classes or [str(number) for number in range(len(found["confusion"]))]
        share = figures.percent(found["test_accuracy"])
        return {
            "version": f"{self.generation}.{found['examples']}",
            "rows": found["confusion"],
            "classes": classes,
            "note": f"{share} of {found['total']:,} test images, after {found['examples']:,} examples",
        }

    @property
    def fraction(self) -> float | None:
        """How much of its length the run has done, 0 to 1; None if it has no set length."""
        if self.state is not None and self.state.state == "finished":
            return 1.0
        if self.progress is not None:
            value = self.progress["fraction"]
            return None if value is None else float(value)
        return 0.0 if self.spec.settings.has_length() else None


def _standing(state: RunState | None) -> tuple[str, str] | None:
    """What of a state buttons and lists depend on; its figures change all the time."""
    return None if state is None else (state.state, state.reason)


def _if_there(path: Path) -> Path | None:
    return path if path.exists() else None


def _short(value: float | None) -> float:
    """Six figures: more than a curve can show, fewer than a double has."""
    return value if isinstance(value, int) else float(f"{value:.6g}") if value is not None else float("nan")


def thin(rows: list[list[float]], wanted: int) -> list[list[float]]:
    """About ``wanted`` of the rows: of each stretch those with the lowest and highest loss, and the last."""
    if len(rows) <= wanted:
        return rows
    kept: list[list[float]] = []
    size = len(rows) / (wanted / 2)
    start = 0.0
    while start < len(rows) - 1:
        stretch = range(int(start), max(int(start) + 1, min(len(rows) - 1, int(start + size))))
        low, high = (pick(stretch, key=lambda i: rows[i][3]) for pick in (min, max))
        kept += [rows[i] for i in sorted({low, high})]
        start += size
    return [*kept, rows[-1]]


class Views:
    """All that is being looked at: runs, networks that are not trained yet, and the tabs that look."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, RunView] = OrderedDict()
        self._drafts: OrderedDict[str, Predictor] = OrderedDict()
        self._tabs: dict[str, tuple[float, bool]] = {}
        self._lock = threading.Lock()

    def run(self, run_id: str) -> RunView:
        """The view of a run, made on first use (which reads the disk). RunError if there is no such run."""
        with self._lock:
            if run_id not in self._runs:
                self._runs[run_id] = RunView(run_id)
                while len(self._runs) > _VIEWS_KEPT:
                    self._runs.popitem(last=False)
            self._runs.move_to_end(run_id)
            return self._runs[run_id]

    def known(self, run_id: str) -> RunView | None:
        """The view of a run that somebody has looked at already."""
        return self._runs.get(run_id)

    def draft(self, key: str) -> Predictor | None:
        """A network that is not trained yet, by the key that `add_draft` was given."""
        return self._drafts.get(key)

    def add_draft(self, key: str, predictor: Predictor) -> None:
        """Remember a network that is not trained yet."""
        self._drafts.setdefault(key, predictor)
        self._drafts.move_to_end(key)
        while len(self._drafts) > _VIEWS_KEPT:
            self._drafts.popitem(last=False)

    def interval(self, tab: str, active: bool, local: bool = True) -> float:
        """Note that a tab looks; says after how many seconds it may ask again."""
        now = time.monotonic()
        self._tabs[tab] = (now, local)
        seconds = watch_interval([here for _, here in self._tabs.values()], active)
        for other, (seen, _) in list(self._tabs.items()):
            if now - seen > 3 * max(seconds, 2.0):
                del self._tabs[other]
        return seconds


def watch_interval(tabs: Sequence[bool], active: bool) -> float:
    """Seconds between two questions of one tab; ``tabs`` says of each whether it is on this machine.

    Twice a second for a tab that watches a run train alone; so seldom for many that all answers together
    cost the training little. A tab on this machine costs most by being drawn, another by being answered.
    """
    shares = sorted(LOCAL_SHARE if local else REMOTE_SHARE for local in tabs)
    others = sum(shares[:-1])
    return min(15.0, max(0.5 if active else 2.0, others))


VIEWS = Views()
