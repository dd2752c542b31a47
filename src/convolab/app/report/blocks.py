"""The blocks of a page as they are edited: words that turn into a field when pressed, pins with pictures."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import TYPE_CHECKING

from nicegui import ui

from convolab.app.theme import box, button, text
from convolab.errors import ReportError
from convolab.report import PinBlock, TextBlock, find_pin, to_html

if TYPE_CHECKING:
    from nicegui.events import ValueChangeEventArguments

    from convolab.report import Pin

EMPTY = '<p class="muted">Nothing written yet. Press to write; Markdown and $formulas$ are understood.</p>'


class Words:
    """A block of Markdown; ``change(text)`` is called while it is written."""

    def __init__(self, block: TextBlock, change: Callable[[str], None]) -> None:
        self._text = block.text
        self._change = change
        with box("words") as self._place:
            self._shown = ui.html(self._html(), sanitize=False).classes("rendered")
            self._shown.props.update({"tabindex": 0, "role": "button", "aria-label": "Edit these words"})
            self._shown.on("click", self.edit).on("keydown.enter.prevent", self.edit)
            self._field: ui.textarea | None = None

    def edit(self) -> None:
        """Turn into a field."""
        if self._field is not None:
            return
        self._shown.set_visibility(False)
        with self._place:
            self._field = ui.textarea(value=self._text, on_change=self._typed)
            self._field.props('autogrow outlined input-style="min-height: 6em"').classes("full")
            self._field.props["aria-label"] = "Words in Markdown"
            self._field.on("blur", self._end).on("keydown.escape", self._end)
            self._field.run_method("focus")

    def _typed(self, event: ValueChangeEventArguments) -> None:
        self._text = event.value or ""
        self._change(self._text)

    def _end(self) -> None:
        if self._field is None:
            return
        field, self._field = self._field, None
        self._text = field.value or ""
        field.delete()
        self._shown.set_content(self._html())
        self._shown.set_visibility(True)
        self._change(self._text)

    def _html(self) -> str:
        return to_html(self._text) if self._text.strip() else EMPTY


def pinned(block: PinBlock, change_caption: Callable[[str], None]) -> None:
    """A pin in the page: title, pictures, a caption that can be changed, settings."""
    try:
        pin = find_pin(block.pin)
    except ReportError:
        with box("note bad"):
            text(f'"{block.title or block.pin}" was pinned here, but has been deleted from the lab.')
        return
    with box("pinned", "figure"):
        text(pin.title, "title", tag="h3")
        for name in pin.pictures:
            ui.html(_image(pin, name), sanitize=False)
        others = [name for name in pin.files if name not in pin.pictures]
        if others:
            links = ", ".join(
                f'<a href="{_address(pin, name)}" target="_blank">{html.escape(name)}</a>' for name in others
            )
            ui.html(f'<p class="small muted">Files: {links}</p>', sanitize=False)
        caption = pin.caption if block.caption is None else block.caption
        field = ui.input(value=caption, placeholder="Caption").props("dense borderless")
        field.props["aria-label"] = f"Caption of {pin.title}"
        field.classes("caption full").on_value_change(lambda event: change_caption(event.value or ""))


def thumbnail(pin: Pin, add: Callable[[], None], remove: Callable[[], None]) -> None:
    """A pin in the drawer, with what can be done with it."""
    with box("pin-card", "li"):
        if pin.pictures:
            ui.html(_image(pin, pin.pictures[0], "thumb"), sanitize=False)
        else:
            text(pin.kind, "thumb no-picture small muted")
        with box("grow"):
            text(pin.title, "pin-title")
            text(pin.created[:16].replace("T", " "), "small muted num")
        button(icon="o_add", label=f"Put {pin.title} on the page", kind="line", on_click=add)
        button(icon="o_delete", label=f"Delete the pin {pin.title}", kind="quiet", on_click=remove)


def _image(pin: Pin, name: str, classes: str = "") -> str:
    words = html.escape(pin.title, quote=True)
    return f'<img class="{classes}" src="{_address(pin, name)}" alt="{words}">'


def _address(pin: Pin, name: str) -> str:
    return html.escape(f"/report/pins/{pin.id}/{name}", quote=True)
