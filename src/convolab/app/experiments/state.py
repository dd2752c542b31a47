"""What the room shows, and the query of an address that says it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from convolab.errors import unknown

VIEWS = {"runs": "Runs", "variants": "Variants", "sweeps": "Sweeps", "challenge": "Challenge"}
"""The parts of the room: name in the address → title."""
MOST_CHOSEN = 20
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class Shown:
    """What a tab shows."""

    view: str = "runs"
    runs: tuple[str, ...] = ()
    """The runs that are compared, in the order in which they were chosen; none: the newest."""
    base: str = ""
    """The run that variants, a sweep or a challenge would begin with."""
    experiment: str = ""
    sweep: str = ""
    challenge: str = ""
    """The run of a challenge."""

    def changed(self, message: Mapping[str, object]) -> Shown:
        """With what a page says; what makes no sense is left out."""
        changes: dict[str, Any] = {}
        if message.get("view") in VIEWS:
            changes["view"] = str(message["view"])
        runs = message.get("runs")
        if isinstance(runs, list):
            changes["runs"] = tuple(filter(_ID.fullmatch, map(str, runs)))[:MOST_CHOSEN]
        for name in ("base", "experiment", "sweep", "challenge"):
            value = message.get(name)
            if isinstance(value, str) and (not value or _ID.fullmatch(value)):
                changes[name] = value
        return replace(self, **changes)


def to_query(shown: Shown) -> str:
    """The query, without ``?``: only what differs from an empty room; what other parts show is kept."""
    pairs = [("view", shown.view)] if shown.view != "runs" else []
    if shown.runs:
        pairs.append(("runs", ",".join(shown.runs)))
    for name in ("base", "experiment", "sweep", "challenge"):
        if value := getattr(shown, name):
            pairs.append((name, value))
    return "&".join(f"{name}={quote(value, safe=',')}" for name, value in pairs)


def from_query(query: Mapping[str, str]) -> tuple[Shown, list[str]]:
    """Understand as much of a query as possible, and sentences about the rest; never raises."""
    problems: list[str] = []
    view = query.get("view", "runs")
    if view not in VIEWS:
        problems.append(unknown("part of this room", view[:60], VIEWS))
        view = "runs"
    runs = [part for part in query.get("runs", "").split(",") if part]
    shown = Shown().changed({**query, "view": view, "runs": runs})
    if len(shown.runs) < len(runs):
        problems.append(f"Not all runs in the link are runs; at most {MOST_CHOSEN} are looked at together.")
    known = {"view", "runs", "base", "experiment", "sweep", "challenge"}
    if foreign := [name for name in query if name not in known]:
        problems.append(f'The link says "{foreign[0][:80]}", which this room does not know; it was left out.')
    return shown, problems
