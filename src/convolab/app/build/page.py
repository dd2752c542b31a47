"""The Build room: a bar, and the columns of data, network and training."""

# No "from __future__ import annotations" here: NiceGUI finds PageArguments by its annotation as an object.
import importlib
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from nicegui import PageArguments, app, ui

from convolab.app.address import Understood, from_query, to_query
from convolab.app.build.data import data_column
from convolab.app.build.fields import Field
from convolab.app.build.menu import menu
from convolab.app.build.network import network_column
from convolab.app.build.settings import setting, settings_form
from convolab.app.state import BuildState, dataset_infos
from convolab.app.theme import box, button, text
from convolab.networks import PRESETS
from convolab.spec import Knob, knobs
from convolab.training.settings import TrainingSettings

TRAINING_PARTS = ("training", "curves", "predictions", "confusion", "filters", "own_input")
"""Modules of this package, each with a function of its name that draws one part of the training column."""

_DATASET = Knob("dataset", "choice", "", "Data set", "The images to learn from and to be tested on.")
_PRESET = Knob("preset", "choice", "", "Network", "A network to start from; any change makes it your own.")


def build_room(arguments: PageArguments) -> None:
    """Draw the room in the current slot, as its address says."""
    ui.page_title("Build · convolab")
    state, problems = _state(dict(arguments.query_parameters))
    state.release()
    columns = {
        "data": (lambda: _data(state))
        if "data" not in state.hidden or "settings" not in state.hidden
        else None,
        "network": (lambda: network_column(state)) if "network" not in state.hidden else None,
        "training": (lambda: _training(state)) if "training" not in state.hidden else None,
    }
    shown = [name for name, draw in columns.items() if draw]
    with box("room-page").props("data-room=build") as room:
        _bar(state)
        _problems(problems)
        _tabs(shown)
        with box("columns").classes(" ".join(f"without-{name}" for name in columns if name not in shown)):
            for name in shown:
                with box("shown" if name == shown[-1] else "", "section") as column:
                    column.props.update({"data-column": name, "aria-label": name.capitalize()})
                    columns[name]()  # type: ignore[misc]
    app.storage.client["build_query"] = None

    def write_address() -> None:
        # What was pressed may be gone by now, as a layer's card is that was mended, but the room is not.
        with room:
            _write_address(state)

    state.subscribe(write_address)
    # Not at once: the step from another room into this one is written into the browser's history first.
    ui.timer(0.2, write_address, once=True)


def _state(query: dict[str, str]) -> tuple[BuildState, tuple[str, ...]]:
    """The tab's state: as the address says, else as it was in this tab, else as this visitor left it."""
    kept = app.storage.client.get("build")
    if isinstance(kept, BuildState) and not query:
        return kept, ()
    state = BuildState(app.storage.user)
    known: Understood | None = None
    if query:
        known = from_query(query)
    elif last := app.storage.user.get("build"):
        known = from_query(dict(parse_qsl(last)))
        if known.problems:  # written by another version of the lab
            known = None
    if known is not None:
        state.restore(known.model, run_id=known.run_id, overlays=known.overlays)
        state.hidden = known.hidden
    app.storage.client["build"] = state
    return state, known.problems if known else ()


def _write_address(state: BuildState) -> None:
    query = to_query(state)
    if app.storage.client.get("build_query") == query:
        return
    app.storage.client["build_query"] = query
    if not state.hidden:
        app.storage.user["build"] = query
    ui.run_javascript(f"labAddress({json.dumps(f'/build?{query}')})")


def _bar(state: BuildState) -> None:
    seed = next(knob for knob in knobs(TrainingSettings) if knob.name == "seed")
    with box("room-bar", "header"):
        text("Build", tag="h1")
        with box("choices"):
            dataset = Field(
                _DATASET,
                state.dataset,
                lambda name: state.change(dataset=name),
                options=_datasets(),
                inline=True,
            )
            preset = Field(
                _PRESET,
                state.preset or "",
                lambda name: state.change(preset=name or None),
                options=_presets(),
                inline=True,
            )
            seed_field = setting(state, seed, inline=True).classes("seed")
        with box("row-x actions"):
            undo = button(
                icon="o_undo",
                label="Undo",
                tip="Undo (Ctrl Z)",
                kind="quiet",
                on_click=state.undo,
                key="undo",
            )
            redo = button(
                icon="o_redo",
                label="Redo",
                tip="Redo (Ctrl Shift Z)",
                kind="quiet",
                on_click=state.redo,
                key="redo",
            )
            if "menu" not in state.hidden:
                menu(state)

    def follow() -> None:
        dataset.show(state.dataset)
        preset.show(state.preset or "")
        seed_field.show(state.settings.seed)
        undo.set_enabled(state.can_undo)
        redo.set_enabled(state.can_redo)

    state.subscribe(follow, "dataset", "preset", "settings", "history")
    state.subscribe(lambda: dataset.offer(_datasets()), "dataset", "catalogue")
    follow()


def _datasets() -> list[tuple[str, str]]:
    return [(info.name, info.title) for info in dataset_infos().values()]


def _presets() -> list[tuple[str, str]]:
    return [("", "Custom"), *((preset.name, preset.title) for preset in PRESETS.values())]


def _problems(problems: tuple[str, ...]) -> None:
    if not problems:
        return
    with box("note bad link-problems") as note:
        note.props["role"] = "alert"
        text(" ".join(problems), "grow")
        button(icon="o_close", label="Dismiss", kind="quiet", on_click=note.delete)


def _tabs(columns: list[str]) -> None:
    if len(columns) < 2:
        return
    with box("column-tabs"), box("segments") as tabs:
        tabs.props.update({"role": "tablist", "aria-label": "Columns"})
        for name in columns:
            with ui.element("button") as tab:
                tab.props.update({"type": "button", "role": "tab", "data-column": name})
                tab.props["aria-selected"] = "true" if name == columns[-1] else "false"
                text(name.capitalize(), tag="span")
            tab.on("click", js_handler=f"() => labColumn('{name}')")


def _data(state: BuildState) -> None:
    if "data" not in state.hidden:
        data_column(state)
    if "settings" not in state.hidden:
        settings_form(state)


def _training(state: BuildState) -> None:
    for name in TRAINING_PARTS:
        part = _part(name)
        if part is not None:
            part(state)


def _part(name: str) -> Callable[[BuildState], Any] | None:
    try:
        module = importlib.import_module(f"convolab.app.build.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"convolab.app.build.{name}":
            raise
        return None
    return getattr(module, name, None)
