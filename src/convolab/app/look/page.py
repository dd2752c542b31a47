"""The room Look inside: draw a digit and see every unit of every layer."""

# No "from __future__ import annotations" here: NiceGUI finds PageArguments by its annotation as an object.
import json
from dataclasses import replace
from typing import Any

from nicegui import PageArguments, app, run, ui

from convolab.app.build.fields import Field
from convolab.app.look import sources
from convolab.app.look.state import LookState, from_query, to_query
from convolab.app.theme import box, button, text
from convolab.spec import Knob
from convolab.widgets.widget import Widget

LIST_EVERY = 5.0
"""Seconds between two looks for new runs."""
_NETWORK = Knob("source", "choice", "", "Network", "What to look into: a network of the lab, or any run.")
_COMPARE = Knob(
    "compare",
    "choice",
    "",
    "Beside it",
    "A second network for the same picture, or this one before training.",
)
_KEPT = "look"


def look_room(arguments: PageArguments) -> None:
    """Draw the room in the current slot, as its address says."""
    ui.page_title("Look inside · convolab")
    _Room(dict(arguments.query_parameters))


class _Room:
    """The elements of one tab, and what its page reports."""

    def __init__(self, query: dict[str, str]) -> None:
        kept = app.storage.client.get(_KEPT)
        problems: list[str] = []
        if isinstance(kept, LookState) and not query:
            self.state = kept
        else:
            self.state, problems = from_query(query)
        self._written = ""
        with box("room-page look-page").props("data-room=look"):
            with box("room-bar", "header"):
                text("Look inside", tag="h1")
                with box("choices"):
                    self.source = Field(
                        _NETWORK,
                        self.state.source,
                        self._choose,
                        options=self._with(sources.choices(), self.state.source),
                        inline=True,
                    )
                    self.compare = Field(
                        _COMPARE, self.state.compare, self._beside, options=self._companions(), inline=True
                    )
                with box("row-x actions"):
                    copy = button(
                        "Copy link", icon="o_link", kind="line", tip="Copy an address that shows this"
                    )
                    copy.classes("copy-link")
                    copy.on_click(
                        lambda: ui.run_javascript(
                            f"labCopyLink({json.dumps('/look?' + to_query(self.state))})"
                        )
                    )
            if problems:
                with box("note bad link-problems") as note:
                    note.props["role"] = "alert"
                    text(" ".join(problems), "grow")
                    button(icon="o_close", label="Dismiss", kind="quiet", on_click=note.delete)
            self.widget = Widget("look_room", on_message=self._heard, **self.state.values()).classes(
                "look-room"
            )
        self._keep()
        # Not at once: the step from another room into this one is written into the browser's history first.
        ui.timer(0.2, self._write_address, once=True)
        ui.timer(LIST_EVERY, self._list_anew)

    # ---------------------------------------------------------------- choosing

    def _choose(self, source: str) -> None:
        compare = self.state.compare
        if compare:
            plain, start = sources.split(source)
            fits = {key for key, _ in sources.companions(source)}
            was_itself = sources.split(compare)[0] == sources.split(self.state.source)[0]
            compare = (plain if start else plain + sources.START) if was_itself else compare
            compare = compare if compare in fits else ""
        self._take(replace(self.state, source=source, compare=compare, unit="", hidden=()))
        self.source.offer(self._with(sources.choices(), source))
        self.compare.offer(self._companions())
        self.compare.show(compare)

    def _beside(self, compare: str) -> None:
        self._take(replace(self.state, compare=compare or ""))

    def _take(self, state: LookState) -> None:
        self.state = state
        self.widget.set(source=state.source, compare=state.compare)
        self._keep()
        self._write_address()

    def _heard(self, message: Any) -> None:
        """What was done in the page: a test image chosen, a level hidden, a unit marked."""
        if isinstance(message, dict) and isinstance(message.get("state"), dict):
            self.state = self.state.changed(message["state"])
            self._keep()
            self._write_address()

    # ---------------------------------------------------------------- within

    async def _list_anew(self) -> None:
        found = await run.io_bound(sources.choices)
        beside = await run.io_bound(self._companions)
        if found is not None and beside is not None:
            self.source.offer(self._with(found, self.state.source))
            self.compare.offer(beside)

    def _companions(self) -> list[tuple[str, str]]:
        return self._with([("", "Nothing"), *sources.companions(self.state.source)], self.state.compare)

    @staticmethod
    def _with(options: list[tuple[str, str]], chosen: str) -> list[tuple[str, str]]:
        """The options, and the chosen one even if it is not among them."""
        if chosen in (key for key, _ in options):
            return options
        return [*options, (chosen, _title(chosen, options))]

    def _keep(self) -> None:
        app.storage.client[_KEPT] = self.state
        # The widget is mounted again with these when the room is entered again.
        with self.widget._props.suspend_updates():
            self.widget._props["values"] = self.state.values()

    def _write_address(self) -> None:
        query = to_query(self.state)
        if query != self._written:
            self._written = query
            ui.run_javascript(f"labAddress({json.dumps(f'/look?{query}')})")


def _title(source: str, options: list[tuple[str, str]]) -> str:
    plain, start = sources.split(source)
    name = dict(options).get(plain, plain.removeprefix("run:")[:12])
    return f"{name}, before training" if start else name
