"""All runs as lines of a table, read from the disk once for all tabs: of a look again only what has changed.

Two time stamps of each folder say whether anything has; a thousand runs that rest cost some milliseconds.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from convolab.app.figures import finite
from convolab.errors import ConvolabError
from convolab.home import runs_dir, tracking_uri
from convolab.runs import tracking
from convolab.runs.folder import RunFolder
from convolab.runs.job_folder import RunState
from convolab.runs.notes import read_notes
from convolab.runs.store import RunInfo, runs
from convolab.spec import knobs
from convolab.training.settings import TrainingSettings

LOOK_EVERY = 1.0
"""Seconds between two looks at all folders."""
OTHERS_EVERY = 60.0
"""Seconds between two questions to MLflow about runs of other machines."""
COUNTING = 0.2
"""Seconds of one look that go into counting multiply-adds of networks that were not seen before."""
_FILES = ("run.json", "state.json", "notes.json")
_MOVING = ("running", "queued")
_DEFAULTS = TrainingSettings().model_dump(mode="json")


@dataclass
class _Line:
    row: dict[str, Any]
    stamps: tuple[int, ...] = ()
    version: int = 0
    network: Mapping[str, Any] = field(default_factory=dict)
    """As in ``run.json``, while its multiply-adds are not counted."""


class RunIndex:
    """The table. All methods may be called from any thread, off the event loop."""

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}
        self._gone: dict[str, int] = {}
        """Runs that were deleted, and in which version."""
        self._version = 0
        self._session = f"{os.getpid()}-{time.time():.3f}"
        self._home: Path | None = None
        self._looked_at = -1e9
        self._lock = threading.Lock()
        self._costs: dict[str, int] = {}
        self._others: dict[str, dict[str, Any]] = {}
        self._others_at = -1e9
        self._asking = False
        self._problem = ""

    # ---------------------------------------------------------------- telling

    def news(self, asked: str) -> tuple[dict[str, Any] | None, bool]:
        """What a tab does not have yet, and whether more will come by itself.

        ``asked`` is ``since`` and the version of the last answer, as it said it; without one all rows come.
        """
        with self._lock:
            self._refresh()
            session, _, had = asked.removeprefix("since").rpartition(".")
            fresh = session != self._session or not had.isdigit()
            since = -1 if fresh else int(had)
            moving = any(line.network or line.row["state"] in _MOVING for line in self._lines.values())
            if since == self._version:
                return None, moving
            answer: dict[str, Any] = {
                "version": f"{self._session}.{self._version}",
                "reset": fresh,
                "rows": [line.row for line in self._lines.values() if line.version > since],
                "gone": [] if fresh else [key for key, version in self._gone.items() if version > since],
                "problem": self._problem,
            }
            if fresh:
                answer["settings"] = settings_facts()
            return answer, moving

    def rows(self) -> list[dict[str, Any]]:
        """All rows, newest first."""
        with self._lock:
            self._refresh()
            return sorted(
                (line.row for line in self._lines.values()), key=lambda r: r["created"], reverse=True
            )

    def row(self, run_id: str) -> dict[str, Any] | None:
        """One row; None if there is no such run."""
        with self._lock:
            self._refresh()
            line = self._lines.get(run_id)
            return line.row if line else None

    def look_again(self) -> None:
        """Let the next question look at once: something was just changed."""
        self._looked_at = -1e9

    # ---------------------------------------------------------------- reading

    def _refresh(self) -> None:
        folder = runs_dir()
        if folder != self._home:
            self._home = folder
            self._forget_all()
        if time.monotonic() - self._looked_at < LOOK_EVERY:
            return
        self._ask_others()
        before = self._version
        self._version += 1
        seen = set()
        try:
            entries = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
        except OSError:
            entries = []
        for entry in entries:
            stamps = _stamps(entry.path)
            if not stamps[0]:
                continue
            seen.add(entry.name)
            known = self._lines.get(entry.name)
            settled = known is not None and known.row["state"] not in _MOVING
            if known is None or known.stamps != stamps or not settled:
                self._read(entry.name, stamps, known)
        for key, row in self._others.items():
            if key in seen:
                continue
            seen.add(key)
            known = self._lines.get(key)
            if known is None or known.row != row:
                self._lines[key] = _Line(row, version=self._version)
        for key in self._lines.keys() - seen:
            del self._lines[key]
            self._gone[key] = self._version
        self._count()
        if not any(line.version == self._version for line in self._lines.values()) and (
            self._version not in self._gone.values()
        ):
            self._version = before
        self._looked_at = time.monotonic()

    def _forget_all(self) -> None:
        self._lines, self._gone, self._others = {}, {}, {}
        self._session = f"{os.getpid()}-{time.time():.3f}"
        self._looked_at = self._others_at = -1e9

    def _read(self, run_id: str, stamps: tuple[int, ...], known: _Line | None) -> None:
        try:
            folder = RunFolder(run_id)
            spec = json.loads((folder.path / "run.json").read_bytes())
            row = _row(folder, spec, folder.state())
            network = spec["network"]
        except (ConvolabError, OSError, ValueError, KeyError, TypeError, AttributeError):
            if self._lines.pop(run_id, None) is not None:  # damaged, or deleted just now
                self._gone[run_id] = self._version
            return
        digest = _digest(network)
        row["multiply_adds"] = self._costs.get(digest)
        if known is not None and known.row == row:
            known.stamps = stamps
            return
        waits = {} if digest in self._costs else {"digest": digest, "network": network}
        self._lines[run_id] = _Line(row, stamps, self._version, waits)
        self._gone.pop(run_id, None)

    def _count(self) -> None:
        """Count multiply-adds of new networks for a while; the rest waits for the next look."""
        end = time.monotonic() + COUNTING
        for line in self._lines.values():
            if not line.network:
                continue
            digest = line.network["digest"]
            if digest not in self._costs:
                if time.monotonic() > end:
                    continue
                self._costs[digest] = _multiply_adds(line.network["network"])
            line.row = {**line.row, "multiply_adds": self._costs[digest]}
            line.network, line.version = {}, self._version

    # ---------------------------------------------------------------- other machines

    def _ask_others(self) -> None:
        """Ask MLflow, in a thread of its own: it takes its time."""
        if self._asking or time.monotonic() - self._others_at < OTHERS_EVERY:
            return
        self._asking = True
        threading.Thread(target=self._asked_others, name="runs elsewhere", daemon=True).start()

    def _asked_others(self) -> None:
        problem = ""
        found: dict[str, dict[str, Any]] = {}
        try:
            tracking.client()
            # A record that was never filled is of a run whose making was cut short.
            others = [info for info in runs() if not info.here and "run_id" in info.tags]
            found = {info.run_id: _row_elsewhere(info) for info in others}
        except ConvolabError as error:
            problem = f"{error} The runs of this lab's own folder are listed all the same."
        except OSError as error:
            problem = f"The record of runs {tracking_uri()} cannot be read ({error})."
        with self._lock:
            if problem != self._problem:
                self._version += 1
            self._others, self._problem = found, problem
            self._others_at, self._asking = time.monotonic(), False
            self._looked_at = -1e9


def _stamps(path: str) -> tuple[int, ...]:
    return tuple(_stamp(os.path.join(path, name)) for name in _FILES)  # noqa: PTH118 - three for each of all runs


def _stamp(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns  # noqa: PTH116 - as above
    except OSError:
        return 0


def _digest(network: Any) -> str:
    content = {**network, "name": ""} if isinstance(network, dict) else network
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _multiply_adds(network: Any) -> int:
    from pydantic import ValidationError

    from convolab.networks import Network

    try:
        return Network.model_validate(network).multiply_adds
    except ValidationError:
        return 0


def _row(folder: RunFolder, spec: dict[str, Any], state: RunState) -> dict[str, Any]:
    now, notes = state.figures, read_notes(folder)
    settings = spec["settings"]
    return {
        "id": folder.run_id,
        "name": str(spec["name"]),
        "dataset": str(spec["dataset"]),
        "network": spec["network"].get("name") or "custom",
        "state": state.state,
        "reason": state.reason,
        "created": str(spec["created"]),
        "examples": now.examples,
        "seconds": finite(now.seconds),
        "speed": finite(now.examples_per_second),
        "fraction": finite(now.fraction),
        "train_accuracy": finite(now.train_accuracy),
        "test_accuracy": finite(now.test_accuracy),
        "test_loss": finite(now.test_loss),
        "parameters": now.parameters,
        "multiply_adds": None,
        "tags": {str(name): str(value) for name, value in (spec.get("tags") or {}).items()},
        "note": notes.text,
        "labels": list(notes.labels),
        "colour": notes.colour,
        "settings": {name: value for name, value in settings.items() if value != _DEFAULTS.get(name)},
        "here": True,
    }


def _row_elsewhere(info: RunInfo) -> dict[str, Any]:
    return {
        "id": info.run_id,
        "name": info.name,
        "dataset": info.dataset,
        "network": info.network_name,
        "state": info.state,
        "reason": info.reason,
        "created": info.created,
        "examples": info.examples or 0,
        "seconds": finite(info.seconds),
        "speed": finite(info.examples_per_second),
        "fraction": None,
        "train_accuracy": finite(info.train_accuracy),
        "test_accuracy": finite(info.test_accuracy),
        "test_loss": finite(info.test_loss),
        "parameters": info.parameters,
        "multiply_adds": None,
        "tags": {},
        "note": "",
        "labels": [],
        "colour": 0,
        "settings": {},
        "here": False,
    }


def settings_facts() -> list[dict[str, Any]]:
    """What a page has to know of the training settings to make columns of them."""
    return [
        {
            "name": knob.name,
            "label": knob.label,
            "help": knob.help,
            "unit": knob.unit,
            "default": _DEFAULTS[knob.name],
            "number": knob.kind in ("int", "float"),
        }
        for knob in knobs(TrainingSettings)
    ]


INDEX = RunIndex()
