"""The frame around every room: the rail with the rooms, the jobs, the theme, this machine and the keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nicegui import PageArguments, run, ui

from convolab.app import jobs, theme
from convolab.app.about import facts
from convolab.app.build.page import build_room
from convolab.app.experiments.page import experiments_room
from convolab.app.look.page import look_room
from convolab.app.report.room import report_room
from convolab.app.restyle.page import restyle_room
from convolab.app.teach.page import teach_room
from convolab.app.theme import box, button, dialog_box, text
from convolab.app.transfer.page import transfer_room


@dataclass(frozen=True)
class Room:
    """One room of the lab: its address, its name in the rail, its picture (24×24 strokes) and its page."""

    path: str
    title: str
    strokes: str
    page: Callable[[PageArguments], None]


ROOMS: tuple[Room, ...] = (
    Room(
        "/build",
        "Build",
        '<path d="m12 3 9 4.5-9 4.5-9-4.5Z"/><path d="m3 12 9 4.5 9-4.5"/><path d="m3 16.5 9 4.5 9-4.5"/>',
        build_room,
    ),
    Room(
        "/look",
        "Look inside",
        '<path d="M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12Z"/>'
        '<circle cx="12" cy="12" r="3"/>',
        look_room,
    ),
    Room(
        "/transfer",
        "Transfer",
        '<path d="M20.5 3.5c-5 1.5-9 5-11.5 9l2.5 2.5c4-2.5 7.5-6.5 9-11.5Z"/>'
        '<path d="M8.5 13c-2.5 0-4 1.5-4 4 0 1.5-.5 2.5-1.5 3.5 4 .5 8-.5 8-5"/>',
        transfer_room,
    ),
    Room(
        "/fast",
        "Fast style",
        '<path d="M13 2.5 5 13.5h6l-1 8 8.5-11.5h-6.5Z"/>',
        restyle_room,
    ),
    Room(
        "/teach",
        "Teach",
        '<circle cx="12" cy="12" r="9"/>'
        '<path d="M8.5 14.5c.9 1.3 2.1 2 3.5 2s2.6-.7 3.5-2M9 9.5v.5M15 9.5v.5"/>',
        teach_room,
    ),
    Room(
        "/experiments",
        "Experiments",
        '<path d="M3.5 3.5v17h17"/><path d="m7 16 4-5 3.5 2.5L20 6"/>',
        experiments_room,
    ),
    Room(
        "/page",
        "Page",
        '<path d="M6 2.5h8l4.5 4.5v14.5H6Z"/><path d="M14 2.5V7h4.5M9 12h6.5M9 15h6.5M9 18h4"/>',
        report_room,
    ),
)
"""The rooms that there are, in the order of the assignment."""

KEYS = (
    ("Space", "train, pause, go on"),
    ("Ctrl Z", "undo a change of the network or the settings"),
    ("Ctrl Shift Z", "redo it"),
    ("↑ ↓", "on a layer: go to the layer above or below"),
    ("Alt ↑  Alt ↓", "on a layer: move it up or down"),
    ("Insert", "on a layer: add a layer after it"),
    ("D", "on a layer: duplicate it"),
    ("Delete", "on a layer: remove it"),
    ("↑ ↓", "in a number: one step up or down"),
    ("← → ↑ ↓", "in the view of a network: from unit to unit, and from level to level"),
    ("Page ↑  Page ↓", "there: to the level above or below"),
    ("Home  End", "there: to the first or last map"),
    ("Enter", "there: open the unit with its arithmetic"),
    ("Shift ← → ↑ ↓", "there: move the flat view, turn the one in space"),
    ("+  −  0", "there: larger, smaller, all of it"),
    ("H", "there: hide the level"),
    ("Space", "in the table of runs: choose the run or not; ↑ ↓ move"),
    ("P  Backspace  Escape", "on a unit's card: pin it, go back, close it"),
    ("← → ↑ ↓", "among images of a class: from one to the next; Delete removes it"),
    ("← →", "on the divider of a picture: more of the photo, more of the painting"),
    ("Alt ←  Alt →", "on a filter of a chain: move it; Delete removes it"),
    ("?", "this list"),
)

_BRAND = (
    '<svg viewBox="0 0 32 32" fill="none" stroke="currentColor" stroke-width="2" aria-hidden="true">'
    '<rect x="3" y="3" width="20" height="20" rx="3"/><rect x="9" y="9" width="20" height="20" rx="3" '
    'fill="var(--paper)"/><rect x="14" y="14" width="7" height="7" rx="1" fill="currentColor"/></svg>'
)


def lab() -> None:
    """The page of every address: the frame, and in it the room that the address names."""
    ui.page_title("convolab")
    choose_theme = theme.apply()
    with box("lab"):
        rail = box("rail", "nav")
        rail.props["aria-label"] = "Rooms"
        main = box("main", "main")
        with rail:
            links = _rail(choose_theme)
        with main:
            pages = {room.path: room.page for room in ROOMS}
            ui.sub_pages({"/": ROOMS[0].page, **pages, "/{place}": _nowhere})
    ui.skip_link("Skip to the room", target=main)
    router = ui.context.client.sub_pages_router

    def mark(path: str) -> None:
        here = path.split("?")[0].rstrip("/") or ROOMS[0].path
        for room, link in links.items():
            link.props.set_optional("aria-current", "page" if here == room else None)

    mark(router.current_path)
    router.on_path_changed(mark)


def _nowhere(place: str) -> None:
    with box("nowhere stack"):
        text(f'There is no room "{place[:60]}" in this lab.', tag="h1")
        with ui.element("a") as link:
            link.props["href"] = ROOMS[0].path
            text(f"Go to {ROOMS[0].title}", tag="span")


def _rail(choose_theme: Callable[[str], None]) -> dict[str, ui.element]:
    links = {}
    with box("brand"):
        ui.html(_BRAND, sanitize=False)
    with box("rooms"):
        for room in ROOMS:
            with ui.element("a").classes("room") as link:
                link.props["href"] = room.path
                ui.html(_icon(room.strokes), sanitize=False)
                text(room.title, tag="span")
            links[room.path] = link
    with box("foot"):
        jobs.ring()
        _theme_button(choose_theme)
        about = _about_dialog()
        button(icon="o_info", label="About this machine", kind="quiet", on_click=about)
        keys = _keys_dialog()
        button(icon="o_keyboard", label="Keys", kind="quiet", on_click=keys.open, key="help")
    return links


def _theme_button(choose: Callable[[str], None]) -> None:
    icons = {"auto": "o_brightness_auto", "light": "o_light_mode", "dark": "o_dark_mode"}
    titles = {"auto": "As the system", "light": "Light", "dark": "Dark"}
    made = button(icon=icons[theme.chosen()], label="Theme", kind="quiet")

    def take(name: str) -> None:
        choose(name)
        made.set_icon(icons[name])

    with made, ui.menu():
        for name, title in titles.items():
            with ui.menu_item(on_click=lambda name=name: take(name)):
                ui.icon(icons[name])
                text(title)


def _about_dialog() -> Callable[[], Any]:
    dialog, card = dialog_box("About this machine")
    with card:
        table = box("facts")

    async def show() -> None:
        dialog.open()
        table.clear()
        with table:
            text("Looking …", "muted")
        found = await run.io_bound(facts)
        table.clear()
        with table:
            for name, value in found or {}:
                text(name, "k")
                text(value, "v")

    return show


def _keys_dialog() -> ui.dialog:
    dialog, card = dialog_box("Keys")
    with card, box("facts"):
        for keys, meaning in KEYS:
            text(keys, tag="kbd").style("justify-self: start")
            text(meaning, "v")
    return dialog


def _icon(strokes: str) -> str:
    return (
        '<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.7" aria-hidden="true" '
        f'stroke-linecap="round" stroke-linejoin="round">{strokes}</svg>'
    )
