"""Live curves of the shown run, and of runs it is compared with."""

from __future__ import annotations

from typing import Any

from nicegui import run, ui

from convolab.app import figures
from convolab.app.build.shown import differences, shown_run
from convolab.app.state import BuildState
from convolab.app.theme import box, button, text
from convolab.errors import ConvolabError
from convolab.runs.folder import RunFolder, RunSpec, RunState
from convolab.widgets.widget import Widget

OFFERED = 40
"""Runs that can be chosen for comparison: the newest."""
COLOURS = 8


def curves(state: BuildState) -> None:
    """Create the panel in the current slot."""

    def receive(content: dict[str, str]) -> None:
        gone = content.get("remove")
        state.change(overlays=tuple(key for key in state.overlays if key != gone))

    with box("panel"):
        with box("row-x between"):
            text("Curves", tag="h2")
            compare(state)
        widget = Widget("curves", on_message=receive, runs=_runs(state))
    state.subscribe(lambda: widget.set(runs=_runs(state)), "run_id", "overlays")


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


def compare(state: BuildState) -> None:
    """The button that offers earlier runs for comparison."""
    opener = button(
        "Compare", icon="o_stacked_line_chart", tip="Draw the curves of earlier runs beside these"
    )
    with opener, ui.menu() as menu:
        listed = box("compare-list")
    menu.props("max-height=60vh")

    async def fill() -> None:
        listed.clear()
        with listed:
            text("Looking for runs …", "muted menu-help")
        found = await run.io_bound(_newest) or []
        shown = shown_run(state)
        listed.clear()
        with listed:
            others = [(spec, stands) for spec, stands in found if spec.run_id != state.run_id]
            if not others:
                text(
                    "There is no other run yet. Train two, and their curves can be compared.",
                    "muted menu-help",
                )
            for spec, stands in others:
                _line(state, spec, stands, shown.spec if shown else None)

    menu.on("show", fill)


def _line(state: BuildState, spec: RunSpec, stands: RunState, other: RunSpec | None) -> None:
    def toggle(on: bool) -> None:
        rest = tuple(key for key in state.overlays if key != spec.run_id)
        state.change(overlays=(*rest, spec.run_id) if on else rest)

    accuracy = stands.figures.test_accuracy
    words = [
        "not evaluated yet" if accuracy is None else f"{figures.percent(accuracy)} of the test images",
        f"{stands.figures.examples:,} examples",
        *(differences(spec, other) if other else ()),
    ]
    with box("compare-line"):
        made = ui.checkbox(
            spec.name, value=spec.run_id in state.overlays, on_change=lambda e: toggle(e.value)
        )
        made.props("dense")
        text(" · ".join(words), "muted small")


def _newest() -> list[tuple[RunSpec, RunState]]:
    found = []
    for folder in RunFolder.all():
        try:
            found.append((folder.spec(), folder.state()))
        except ConvolabError:  # being made or deleted just now
            continue
    found.sort(key=lambda pair: pair[0].created, reverse=True)
    return found[:OFFERED]
