"""What the room shows, and the query of an address that says it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_ID = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True)
class Shown:
    """What a tab shows."""

    project: str = ""
    """Its id; empty: the one that was changed last, or a new one."""


def to_query(shown: Shown) -> str:
    """The query, without ``?``."""
    return f"project={shown.project}" if shown.project else ""


def from_query(query: Mapping[str, str]) -> tuple[Shown, list[str]]:
    """Understand as much of a query as possible, and sentences about the rest; never raises."""
    problems: list[str] = []
    project = query.get("project", "")
    if project and not _ID.fullmatch(project):
        problems.append("The link names no project of this lab; the newest one is shown.")
        project = ""
    if foreign := [name for name in query if name != "project"]:
        problems.append(f'The link says "{foreign[0][:80]}", which this room does not know; it was left out.')
    return Shown(project), problems
