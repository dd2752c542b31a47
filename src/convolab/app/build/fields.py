"""Fields of a form, derived from the knobs of a spec: what is typed is checked, and never thrown away."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from nicegui.element import Element
from nicegui.events import GenericEventArguments
from pydantic import ValidationError

from convolab.errors import ConvolabError, SettingsError
from convolab.spec import Knob, explain
from convolab.words import as_written

EditHandler = Callable[[Any], object]
"""Takes the value over; raises ConvolabError or pydantic's ValidationError if it does not fit."""


class Field(Element, component="field.js"):
    """One setting as a label and an input of its kind, with its complaint under it.

    ``on_edit`` gets each new value once it can be read; what it raises is shown under the field, and what was
    typed stays. `show` puts in a value that came from elsewhere (undo, a preset).
    """

    def __init__(
        self,
        knob: Knob,
        value: Any,
        on_edit: EditHandler,
        *,
        label: str | None = None,
        options: Iterable[tuple[str, str]] | None = None,
        inline: bool = False,
        placeholder: str = "",
        unit: bool = False,
    ) -> None:
        super().__init__()
        self.knob = knob
        self._on_edit = on_edit
        self._typed: Any = to_text(knob, value)
        self._known = value
        self._props.update(
            {
                "name": knob.name,
                "kind": knob.kind if knob.kind != "other" else "text",
                "label": knob.label if label is None else label,
                "second": knob.assignment if knob.assignment.lower() != knob.label.lower() else "",
                "tip": tip(knob),
                "value": self._typed,
                "version": 0,
                "inline": inline,
                "placeholder": placeholder,
                "unit": knob.unit if unit else "",
            }
        )
        if knob.kind == "choice":
            self._props["options"] = list(options or ((choice, choice) for choice in knob.choices))
        for name in ("step", "minimum", "maximum"):
            self._props.set_optional(name, getattr(knob, name))
        self.on("edit", self._edit)

    def show(self, value: Any) -> None:
        """Put in a value that came from elsewhere; while it stays the same, so does what is typed."""
        if value == self._known:
            return
        self._known = value
        self._typed = to_text(self.knob, value)
        with self._props.suspend_updates():
            self._props.pop("error", None)
            self._props["value"] = self._typed
            self._props["version"] += 1
        self.update()

    def offer(self, options: Iterable[tuple[str, str]]) -> None:
        """Other choices for a field of kind ``choice``."""
        offered = list(options)
        if offered != self._props["options"]:
            self._props["options"] = offered

    def complain(self, sentence: str) -> None:
        """Show a sentence under the field; none removes it."""
        if sentence != self._props.get("error", ""):
            self._props.set_optional("error", sentence or None)

    @property
    def complaint(self) -> str:
        """The sentence under the field, or nothing."""
        return str(self._props.get("error", ""))

    def _edit(self, event: GenericEventArguments) -> None:
        self._typed = event.args
        with self._props.suspend_updates():
            # Known to the server for the next complaint; the browser has it already.
            self._props["value"] = self._typed
        before = self._known
        try:
            # Before it is taken over: `show` is called in the course of that, and must not touch the text.
            self._known = from_text(self.knob, self._typed)
            self._on_edit(self._known)
        except (ValidationError, ConvolabError) as error:
            self._known = before
            sentence = explain(error) if isinstance(error, ValidationError) else str(error)
            self.complain(in_words(sentence, self.knob))
        else:
            self.complain("")


def tip(knob: Knob) -> str:
    """The explanation of a setting: what it does, its range and unit, the assignment's word."""
    lines = [knob.help]
    if knob.range_text:
        lines.append(knob.range_text[0].upper() + knob.range_text[1:] + ".")
    if knob.assignment and knob.assignment.lower() != knob.label.lower():
        lines.append(f"The assignment calls it {knob.assignment}.")
    return "\n".join(lines)


def to_text(knob: Knob, value: Any) -> Any:
    """A value as it stands in its field: text, or a bool for a switch."""
    if knob.kind == "bool":
        return bool(value)
    if value is None:
        return ""
    if knob.kind == "float":
        return f"{value:.12g}"
    if knob.kind == "int" and knob.unit:
        return f"{value:,}"
    if knob.name == "shape":
        return "·".join(str(size) for size in as_written(value))
    if knob.kind == "other":
        return "; ".join(" ".join(str(number) for number in row) for row in value)
    return str(value)


def from_text(knob: Knob, text: Any) -> Any:
    """The value that a field's text means. Raises SettingsError with one sentence."""
    if knob.kind in ("bool", "choice"):
        return text
    text = str(text if text is not None else "").strip()
    if not text:
        if knob.optional or knob.kind == "text":
            return None if knob.optional else ""
        raise SettingsError(f"{knob.label} is empty; give {_example(knob)}.")
    if knob.kind == "int":
        return _whole(knob, text)
    if knob.kind == "float":
        return _number(knob, text)
    if knob.name == "shape":
        sizes = [_whole(knob, size) for size in re.split(r"[·×x*,;\s]+", text.strip("()[]")) if size]
        return (sizes[2], *sizes[:2]) if len(sizes) == 3 else tuple(sizes)
    if knob.kind == "other":
        rows = [row for row in text.split(";") if row.strip()]
        return tuple(
            tuple(_whole(knob, number) for number in re.split(r"[,\s]+", row.strip())) for row in rows
        )
    return text


def in_words(sentence: str, knob: Knob) -> str:
    """A sentence with the field's label in place of its name in the program."""
    for name in (knob.name, knob.name.replace("_", " ")):
        if sentence.startswith(f"{name} "):
            return knob.label + sentence[len(name) :]
    return sentence


def _whole(knob: Knob, text: str) -> int:
    plain = re.sub(r"(?<=\d)[\s_'’,\u202f](?=\d{3}\b)", "", text)
    try:
        value = float(plain)
    except ValueError:
        value = float("nan")
    if value != value or value != int(min(max(value, -1e18), 1e18)):
        raise SettingsError(f'{knob.label} must be a whole number, such as {_example(knob)}, not "{text}".')
    return int(value) if not re.fullmatch(r"[+-]?\d+", plain) else int(plain)


def _number(knob: Knob, text: str) -> float:
    try:
        # A comma is the decimal sign in much of the world.
        value = float(text.replace(",", "."))
    except ValueError:
        value = float("nan")
    if value != value or abs(value) == float("inf"):
        raise SettingsError(f'{knob.label} must be a number, such as {_example(knob)}, not "{text}".')
    return value


def _example(knob: Knob) -> str:
    if knob.default is not None:
        return str(to_text(knob, knob.default))
    return f"{knob.minimum:g}" if knob.minimum else "1"
