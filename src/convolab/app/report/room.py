"""The room Page: order pins, write between them, take the page along."""

# No "from __future__ import annotations" here: NiceGUI finds PageArguments by its annotation as an object.
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from nicegui import PageArguments, app, ui
from nicegui.events import SortableEventArguments

from convolab.app.build.fields import Field
from convolab.app.report.blocks import Words, pinned, thumbnail
from convolab.app.theme import box, button, dialog_box, text
from convolab.errors import ReportError
from convolab.report import (
    TEMPLATES,
    PinBlock,
    Report,
    TextBlock,
    new,
    open_report,
    pins,
    remove_pin,
    reports,
)
from convolab.spec import Knob

LOOK_FOR_PINS = 3.0
"""Seconds between two looks whether something was pinned elsewhere."""
_PAGE = Knob("page", "choice", "", "Page", "Which of your pages this is.")


def report_room(arguments: PageArguments) -> None:
    """Draw the room in the current slot, as its address says."""
    ui.page_title("Page · convolab")
    _Room(dict(arguments.query_parameters).get("page", ""))


class _Room:
    def __init__(self, asked: str) -> None:
        self._problem = ""
        self._page = self._opened(asked)
        self._seen: tuple[str, ...] = ()
        with box("room-page report-page").props("data-room=page") as self._place:
            with box("room-bar", "header"):
                text("Page", tag="h1")
                with box("choices"):
                    self._choice = Field(
                        _PAGE, self._name(), self._choose, options=self._pages(), inline=True
                    )
                self._actions = box("row-x actions")
            with box("report-columns"):
                self._document = box("document", "section")
                self._document.props["aria-label"] = "The page"
                with box("drawer", "section") as drawer:
                    drawer.props["aria-label"] = "Pins"
                    text("Pins", tag="h2")
                    self._drawer = box("pins", "ul")
        self._draw()
        ui.timer(0.2, self._write_address, once=True)
        ui.timer(LOOK_FOR_PINS, self._draw_pins)

    # ---------------------------------------------------------------- which page

    def _opened(self, asked: str) -> Report | None:
        name = asked or app.storage.user.get("report_page", "")
        try:
            if name:
                return open_report(name)
        except ReportError as error:
            if asked:
                self._problem = str(error)
        return next(iter(reports()), None)

    def _name(self) -> str:
        return self._page.name if self._page else ""

    def _pages(self) -> list[tuple[str, str]]:
        return [(page.name, page.title or page.name) for page in reports()] or [("", "None yet")]

    def _choose(self, name: str) -> None:
        if name:
            self._show(open_report(name))

    def _show(self, page: Report) -> None:
        self._page, self._problem = page, ""
        app.storage.user["report_page"] = page.name
        self._choice.offer(self._pages())
        self._choice.show(page.name)
        self._draw()
        self._write_address()

    def _write_address(self) -> None:
        with self._place:
            address = f"/page?page={self._name()}" if self._page else "/page"
            ui.run_javascript(f"labAddress({json.dumps(address)})")

    def _new(self) -> None:
        dialog, card = dialog_box("New page", once=True)
        with card:
            title = ui.input("Title", value="Assignment 3").classes("full")
            template = ui.select(
                {name: entry.title for name, entry in TEMPLATES.items()},
                value="assignment",
                label="Begin with",
            ).classes("full")

            def make() -> None:
                page = new(title.value or "Page", template.value)
                dialog.close()
                self._show(page)

            with box("row-x"):
                button("Make the page", kind="main-action", on_click=make)
        dialog.open()

    # ---------------------------------------------------------------- drawing

    def _draw(self) -> None:
        self._actions.clear()
        self._document.clear()
        self._draw_pins()
        page = self._page
        with self._document:
            if self._problem:
                with box("note bad") as note:
                    note.props["role"] = "alert"
                    text(self._problem)
            if page is None:
                with box("empty-state stack"):
                    text("The page you hand in appears here.", tag="h2")
                    text(
                        "Pin curves, pictures and views from their ⋯ menus anywhere in the lab, put them in "
                        "order, and write between them."
                    )
                    button("Begin with the assignment's questions", kind="main-action", on_click=self._begin)
                return
            self._heads(page)
            with ui.column().classes("blocks") as self._list:
                self._list.make_sortable(handle=".grip", ghost_class="ghost", on_end=self._dropped)
                for number, block in enumerate(page.blocks):
                    self._block(number, block)
            with box("row-x"):
                button("Words", icon="o_add", kind="line", on_click=lambda: self._insert(TextBlock()))
            self._saved = text(self._saved_words(), "small muted")
            self._saved.props["aria-live"] = "polite"
        with self._actions:
            button("New page …", icon="o_add", kind="line", on_click=self._new)
            address = f"/report/exported/{page.name}/index.html"
            self._link("As exported", address, target="_blank", tip="Open the page as others will see it")
            self._link(
                "Download", f"/report/zip/{page.name}", tip="The page as one zip: for any host, or a disk"
            )
            button(
                icon="o_history", label="Older versions", kind="quiet", on_click=lambda: self._versions(page)
            )

    def _link(self, words: str, address: str, tip: str, target: str = "") -> None:
        with ui.element("a").classes("button-link") as link:
            link.props.update(
                {"href": address, "data-tip": tip, **({"target": target} if target else {"download": True})}
            )
            text(words, tag="span")

    def _heads(self, page: Report) -> None:
        for name, label, classes in (
            ("title", "Title", "page-title"),
            ("author", "Name", ""),
            ("email", "E-mail", ""),
        ):
            field = ui.input(label, value=getattr(page, name)).classes(f"full {classes}")
            field.on_value_change(lambda event, name=name: self._change({name: event.value or ""}))

    def _block(self, number: int, block: PinBlock | TextBlock) -> None:
        with box("page-block") as shown:
            shown.props["data-block"] = number
            with box("handles"):
                grip = box("grip", "span")
                grip.props.update({"aria-hidden": "true", "data-tip": "Drag to another place"})
                for icon, label, step in (
                    ("o_arrow_upward", "Move up", -1),
                    ("o_arrow_downward", "Move down", 1),
                ):
                    button(
                        icon=icon,
                        label=label,
                        kind="quiet",
                        on_click=lambda step=step: self._move(number, number + step),
                    )
                button(
                    icon="o_delete",
                    label="Take off the page",
                    kind="quiet",
                    on_click=lambda: self._remove(number),
                )
            with box("grow"):
                if isinstance(block, PinBlock):
                    pinned(
                        block,
                        lambda caption: self._replace(number, block.model_copy(update={"caption": caption})),
                    )
                else:
                    Words(block, lambda words: self._replace(number, TextBlock(text=words)))

    def _draw_pins(self) -> None:
        found = pins()
        seen = tuple(pin.id for pin in found)
        if seen == self._seen and self._drawer.default_slot.children:
            return
        self._seen = seen
        self._drawer.clear()
        with self._drawer:
            if not found:
                text(
                    "Nothing is pinned yet: every ⋯ menu in the lab has “Pin to the page”.", "muted", tag="li"
                )
            for pin in found:
                block = PinBlock(pin=pin.id, title=pin.title)
                thumbnail(pin, partial(self._insert, block), partial(self._ask_remove, pin))

    # ---------------------------------------------------------------- changing

    def _begin(self) -> None:
        self._show(new("Assignment 3", "assignment"))

    def _change(self, values: Mapping[str, Any], *, versioned: bool = True) -> bool:
        """Save; what cannot be saved stays in the fields, and the reason is shown."""
        if self._page is None:
            return False
        try:
            self._page = self._page.changed(**values).save(versioned=versioned)
            self._saved.set_text(self._saved_words())
        except ReportError as error:
            self._saved.set_text(str(error))
            return False
        return True

    def _replace(self, number: int, block: PinBlock | TextBlock) -> None:
        assert self._page is not None
        blocks = [*self._page.blocks]
        blocks[number] = block
        self._change({"blocks": tuple(blocks)}, versioned=False)

    def _insert(self, block: PinBlock | TextBlock) -> None:
        if self._page is None:
            self._show(new("Assignment 3", "empty"))
        assert self._page is not None
        if self._change({"blocks": (*self._page.blocks, block)}):
            self._draw()
            with self._place:
                last = f".page-block[data-block='{len(self._page.blocks) - 1}']"
                ui.run_javascript(f"document.querySelector({json.dumps(last)})?.scrollIntoView()")

    def _move(self, number: int, target: int) -> None:
        assert self._page is not None
        blocks = [*self._page.blocks]
        if 0 <= target < len(blocks):
            blocks.insert(target, blocks.pop(number))
            if self._change({"blocks": tuple(blocks)}):
                self._draw()

    def _dropped(self, event: SortableEventArguments) -> None:
        self._move(event.old_index, event.new_index)

    def _remove(self, number: int) -> None:
        assert self._page is not None
        if self._change({"blocks": (*self._page.blocks[:number], *self._page.blocks[number + 1 :])}):
            self._draw()

    def _ask_remove(self, pin: Any) -> None:
        self._ask(
            f"Delete the pin “{pin.title}”?",
            "Its pictures and data are gone for good.",
            lambda: remove_pin(pin),
        )

    def _ask(self, title: str, words: str, do: Callable[[], Any]) -> None:
        with self._place:
            dialog, card = dialog_box(title, once=True)
        with card:
            text(words)

            def agreed() -> None:
                do()
                dialog.close()
                self._draw()

            with box("row-x"):
                button("Delete", kind="danger", on_click=agreed)
                button("Keep", on_click=dialog.close)
        dialog.open()

    def _versions(self, page: Report) -> None:
        dialog, card = dialog_box("Older versions", once=True)
        with card:
            older = page.versions()
            if not older:
                text("There are none yet: one is kept for each change.")
            for version in older[:30]:
                words = f"{_when(version.saved)} · {len(version.blocks)} blocks · {version.title}"

                def take(version: Report = version) -> None:
                    self._change(
                        {name: getattr(version, name) for name in ("title", "author", "email", "blocks")}
                    )
                    dialog.close()
                    self._draw()

                with box("row-x between"):
                    text(words, "num")
                    button("Take this one", on_click=take)
        dialog.open()

    def _saved_words(self) -> str:
        return f"Saved {_when(self._page.saved)}" if self._page and self._page.saved else ""


def _when(stamp: str) -> str:
    try:
        return datetime.fromisoformat(stamp).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return stamp
