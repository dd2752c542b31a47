"""The room Fast style: one big stage, styles as a film strip; filters compared; styles learned; videos."""

# No "from __future__ import annotations" here: NiceGUI finds PageArguments by its annotation as an object.
import json
from dataclasses import asdict
from typing import Any

from nicegui import PageArguments, app, ui

from convolab.app.restyle.state import VIEWS, Shown, from_query, opened, to_query
from convolab.app.theme import box, button, text
from convolab.widgets.widget import Widget

WIDGETS = {name: f"restyle_{name}" for name in VIEWS}
_TIPS = {
    "picture": "Paint a photo, or what the camera sees, in any style",
    "filters": "The same filter again and again, two in either order, any chain",
    "learn": "Learn the style of a painting of your own; export and import styles",
    "video": "Paint a video",
}
_KEPT = "fast style"


def restyle_room(arguments: PageArguments) -> None:
    """Draw the room in the current slot, as its address says."""
    ui.page_title("Fast style · convolab")
    query = dict(arguments.query_parameters)
    kept = app.storage.client.get(_KEPT)
    if isinstance(kept, Shown) and not query:
        _Page(opened(kept), [])
    else:
        _Page(*from_query(query))


class _Page:
    """The elements of one tab. The widgets do the work; here is only what the tab shows, and its address."""

    def __init__(self, shown: Shown, problems: list[str]) -> None:
        self.shown = shown
        self._written = ""
        self._widgets: dict[str, Widget] = {}
        self._places: dict[str, ui.element] = {}
        with box("room-page restyle-page").props("data-room=fast") as self._room:
            self._bar()
            if problems:
                with box("note bad link-problems") as note:
                    note.props["role"] = "alert"
                    text(" ".join(problems), "grow")
                    button(icon="o_close", label="Dismiss", kind="quiet", on_click=note.delete)
            for name, title in VIEWS.items():
                place = box("restyle-view", "section")
                place.props.update({"aria-label": title, "data-view": name})
                self._places[name] = place
        self._show()
        # Not at once: the step from another room into this one is written into the browser's history first.
        ui.timer(0.2, self._write_address, once=True)

    def _bar(self) -> None:
        with box("room-bar", "header"):
            text("Fast style", tag="h1")
            with box("choices"), box("segments") as views:
                views.props.update({"role": "group", "aria-label": "Part of the room"})
                self._buttons = {}
                for name, title in VIEWS.items():
                    with ui.element("button") as made:
                        made.props.update({"type": "button", "data-tip": _TIPS[name]})
                        text(title, tag="span")
                    made.on("click", lambda name=name: self._heard({"view": name}))
                    self._buttons[name] = made
            with box("row-x actions"):
                copy = button(
                    "Copy link", icon="o_link", kind="line", tip="Copy an address that shows this"
                ).classes("copy-link")
                copy.on_click(lambda: ui.run_javascript(f"labCopyLink({json.dumps(self._address())})"))

    def _heard(self, message: dict[str, Any]) -> None:
        """A widget, or the bar, shows something else now."""
        self.shown = opened(self.shown.changed(message))
        with self._room:
            self._show()
            self._write_address()

    def _show(self) -> None:
        shown = self.shown
        for name, made in self._buttons.items():
            made.props["aria-pressed"] = "true" if name == shown.view else "false"
        for name, place in self._places.items():
            place.set_visibility(name == shown.view)
        if shown.view not in self._widgets:
            with self._places[shown.view]:
                self._widgets[shown.view] = Widget(
                    WIDGETS[shown.view], on_message=self._heard, shown=asdict(shown)
                ).classes("cs")
        for widget in self._widgets.values():
            widget.set(shown=asdict(shown))
        app.storage.client[_KEPT] = shown

    def _address(self) -> str:
        query = to_query(self.shown)
        return f"/fast?{query}" if query else "/fast"

    def _write_address(self) -> None:
        address = self._address()
        if address != self._written:
            self._written = address
            ui.run_javascript(f"labAddress({json.dumps(address)})")
