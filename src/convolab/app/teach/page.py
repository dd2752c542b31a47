"""The room Teach: classes and their examples, the camera, and what was learned."""

# No "from __future__ import annotations" here: NiceGUI finds PageArguments by its annotation as an object.
import json
from typing import Any

from nicegui import PageArguments, app, ui

from convolab.app.teach.desk import newest_or_new
from convolab.app.teach.state import Shown, from_query, to_query
from convolab.app.theme import box, button, text
from convolab.errors import ConvolabError
from convolab.teach.project import Project
from convolab.widgets.widget import Widget

COLUMNS = {"classes": "Classes", "camera": "Camera", "learned": "Learned"}
_KEPT = "teach"


def teach_room(arguments: PageArguments) -> None:
    """Draw the room in the current slot, as its address says."""
    ui.page_title("Teach · convolab")
    query = dict(arguments.query_parameters)
    kept = app.storage.client.get(_KEPT)
    if isinstance(kept, Shown) and not query:
        _Page(kept, [])
    else:
        _Page(*from_query(query))


class _Page:
    """The elements of one tab. The widgets do the work; here is only which project they show."""

    def __init__(self, shown: Shown, problems: list[str]) -> None:
        self._written = ""
        self.project = _existing(shown.project, problems)
        with box("room-page teach-page").props("data-room=teach"):
            self._bar()
            _problems(problems)
            if self.project:
                _tabs()
                with box("columns teach-columns"):
                    for name, module in (
                        ("classes", "teach_classes"), ("camera", "teach_live"), ("learned", "teach_learned"),
                    ):  # fmt: skip
                        with _column(name):
                            Widget(module, project=self.project)
        app.storage.client[_KEPT] = Shown(self.project)
        # Not at once: the step from another room into this one is written into the browser's history first.
        ui.timer(0.2, self._write_address, once=True)

    def _bar(self) -> None:
        with box("room-bar", "header"):
            text("Teach", tag="h1")
            with box("choices"):
                if self.project:
                    Widget("teach_bar", project=self.project)
            with box("row-x actions"):
                copy = button(
                    "Copy link", icon="o_link", kind="line", tip="Copy an address that shows this"
                ).classes("copy-link")
                copy.on_click(lambda: ui.run_javascript(f"labCopyLink({json.dumps(self._address())})"))

    def _address(self) -> str:
        return f"/teach?{to_query(Shown(self.project))}"

    def _write_address(self) -> None:
        address = self._address()
        if self.project and address != self._written:
            self._written = address
            ui.run_javascript(f"labAddress({json.dumps(address)})")


def _existing(project: str, problems: list[str]) -> str:
    """The project that was asked for, else the newest; empty if the disk does not let us make one."""
    try:
        if project:
            try:
                return Project(project).id
            except ConvolabError as error:
                problems.append(f"{error} The newest one is shown.")
        return newest_or_new()
    except ConvolabError as error:
        problems.append(str(error))
        return ""


def _column(name: str) -> Any:
    column = box("shown" if name == "classes" else "", "section")
    column.props.update({"data-column": name, "aria-label": COLUMNS[name]})
    return column


def _tabs() -> None:
    with box("column-tabs"), box("segments") as tabs:
        tabs.props.update({"role": "tablist", "aria-label": "Columns"})
        for name, title in COLUMNS.items():
            with ui.element("button") as tab:
                tab.props.update({"type": "button", "role": "tab", "data-column": name})
                tab.props["aria-selected"] = "true" if name == "classes" else "false"
                text(title, tag="span")
            tab.on("click", js_handler=f"() => labColumn('{name}')")


def _problems(problems: list[str]) -> None:
    if not problems:
        return
    with box("note bad link-problems") as note:
        note.props["role"] = "alert"
        text(" ".join(problems), "grow")
        button(icon="o_close", label="Dismiss", kind="quiet", on_click=note.delete)
