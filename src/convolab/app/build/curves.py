"""Live curves of the shown run, and of runs it is compared with."""

from __future__ import annotations

from typing import Any

from nicegui import run

from convolab.app import figures
from convolab.app.build.shown import differences, shown_run
from convolab.app.state import BuildState
from convolab.errors import ConvolabError
from convolab.runs.folder import RunFolder, RunSpec, RunState
from convolab.widgets.widget import Widget

OFFERED = 40
"""Runs that can be chosen for comparison: the newest."""
COLOURS = 8


def curves(state: BuildState) -> None:
    """Create the panel in the current slot."""

    async def receive(content: dict[str, Any]) -> None:
        if "list" in content:
            widget.send({"offers": await run.io_bound(_offers, state) or []})
        if "remove" in content:
            _compare(state, str(content["remove"]), False)
        if "compare" in content:
            _compare(state, str(content["compare"]), bool(content.get("on")))

    widget = Widget("curves", on_message=receive, runs=_runs(state)).classes("panel")
    state.subscribe(lambda: widget.set(runs=_runs(state)), "run_id", "overlays")


def _compare(state: BuildState, run_id: str, on: bool) -> None:
    rest = tuple(key for key in state.overlays if key != run_id)
    state.change(overlays=(*rest, run_id) if on else rest)


def _runs(state: BuildState) -> list[dict[str, Any]]:
    """The runs in the curves, the shown one first, each with a colour that stays its own."""
    shown = shown_run(state)
    found: list[dict[str, Any]] = []
    if shown is not None:
        found.append({"key": shown.run_id, "name": shown.name, "note": "", "colour": 0})
    for place, run_id in enumerate(state.overlays):
        if any(run["key"] == run_id for run in found):
            continue
        try:
            spec = RunFolder(run_id).spec()
        except ConvolabError:
            continue
        note = ", ".join(differences(spec, shown.spec)) if shown else ""
        found.append(
            {
                "key": run_id,
                "name": spec.name,
                "note": note or "same settings" if shown else "",
                "colour": 1 + place % COLOURS,
            }
        )
    return found


def _offers(state: BuildState) -> list[dict[str, Any]]:
    """The newest runs but the one shown, with what they reached and how they differ. Reads the disk."""
    shown = shown_run(state)
    offers = []
    for spec, stands in _newest():
        if spec.run_id == state.run_id:
            continue
        accuracy = stands.figures.test_accuracy
        words = [
            "not evaluated yet" if accuracy is None else f"{figures.percent(accuracy)} of the test images",
            f"{stands.figures.examples:,} examples",
            *(differences(spec, shown.spec) if shown else [spec.dataset]),
        ]
        on = spec.run_id in state.overlays
        offers.append({"key": spec.run_id, "name": spec.name, "note": " · ".join(words), "on": on})
    return offers


def _newest() -> list[tuple[RunSpec, RunState]]:
    found = []
    for folder in RunFolder.all():
        try:
            found.append((folder.spec(), folder.state()))
        except ConvolabError:  # being made or deleted just now
            continue
    found.sort(key=lambda pair: pair[0].created, reverse=True)
    return found[:OFFERED]
