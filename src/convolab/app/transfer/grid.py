"""A grid of transfers as the room shows it: a table of their newest pictures and figures."""

from __future__ import annotations

import threading
import time
from typing import Any

from convolab.app.jobs import JOBS
from convolab.app.transfer.view import VIEWS
from convolab.errors import ConvolabError
from convolab.style.job_folder import TransferFolder

LOOK_EVERY = 1.0
_members: dict[str, tuple[float, list[str]]] = {}
_lock = threading.Lock()


def members(grid: str) -> list[str]:
    """The ids of a grid's transfers, by row and column."""
    with _lock:
        looked_at, found = _members.get(grid, (-1e9, []))
        if found or time.monotonic() - looked_at < LOOK_EVERY:
            return found
        places = []
        for folder in TransferFolder.all():
            try:
                cell = folder.spec().cell
            except ConvolabError:
                continue
            if cell is not None and cell.grid == grid:
                places.append((cell.row, cell.column, folder.run_id))
        found = [run_id for _, _, run_id in sorted(places)]
        _members[grid] = (time.monotonic(), found)
        return found


def note(grid: str, run_ids: list[str]) -> None:
    """Remember a grid that was just made."""
    with _lock:
        _members[grid] = (time.monotonic(), run_ids)


def news(asked: str) -> tuple[dict[str, Any] | None, bool]:
    """What is new of ``id~version``, and whether more will come by itself. Off the event loop."""
    grid, _, had = asked.partition("~")
    cells = []
    active = False
    for run_id in members(grid):
        try:
            view = VIEWS.get(run_id)
            view.refresh()
        except ConvolabError:
            continue
        cell, state = view.spec.cell, view.state
        if cell is None or state is None:
            continue
        active = active or view.active
        now = view.newest or {}
        place = JOBS.position(run_id) if state.state == "queued" else None
        cells.append(
            {
                "job": run_id,
                "row": cell.row,
                "column": cell.column,
                "row_title": cell.row_title,
                "column_title": cell.column_title,
                "state": state.state,
                "fraction": 1.0 if state.state == "finished" else now.get("fraction", 0.0),
                "step": view.steps[-1] if view.steps else None,
                "style": _short(now.get("style")),
                "content": _short(now.get("content")),
                "sentence": view.sentence(place)[0],
            }
        )
    version = f"{hash(str(cells)) & 0xFFFFFFFF:x}"
    return (None if version == had else {"grid": grid, "version": version, "cells": cells}), active


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
