"""The form of the room's settings, derived from their knobs: what matters first, the rest on request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui

from convolab.app.build.fields import Field
from convolab.app.theme import box, text
from convolab.app.transfer import library
from convolab.app.transfer.state import PICTURE, Wanted
from convolab.errors import ConvolabError
from convolab.spec import Knob, knobs
from convolab.style.settings import DEFAULT_STEPS, TransferSettings

FIRST = (
    "start",
    "size",
    "steps",
    "budget",
    "stroke_size",
    "optimizer",
    "learning_rate",
    "seed",
    "preserve_color",
)
"""What is always in view."""
ELSEWHERE = ("weight", "content_layer", "style_layers", "style_weights", "blend", "network")
"""What has a place of its own in the room."""
_CHOICES = {
    "optimizer": {"lbfgs": "L-BFGS", "adam": "Adam"},
    "style_loss": {"gram": "Gram matrices", "wasserstein": "Wasserstein"},
    "pooling": {"average": "Average", "max": "Maximum"},
    "padding": {"replicate": "Edge pixels", "zero": "Zeros"},
    "precision": {"auto": "Automatic", "fp32": "fp32", "bf16": "bf16"},
}
_PLACEHOLDERS = {"steps": str(DEFAULT_STEPS), "budget": "none", "memory_mb": "what is free"}
_START = Knob(
    "start",
    "choice",
    "noise",
    "Start",
    "The first guess: the photo, noise as in the assignment, or another picture.",
)


class SettingsForm:
    """The fields of one tab; ``edit(name, value)`` takes a change over, and raises if it does not fit."""

    def __init__(self, wanted: Wanted, edit: Callable[[str, Any], object]) -> None:
        self._edit = edit
        self._fields: dict[str, Field] = {}
        self._knobs = {knob.name: knob for knob in knobs(TransferSettings) if knob.name not in ELSEWHERE}
        with box("transfer-settings"):
            text("Settings", tag="h2")
            with box("fields"):
                for name in FIRST:
                    self._field(name, wanted)
            rest = [name for name in self._knobs if name not in FIRST]
            with ui.element("details").classes("more") as details:
                changed = any(getattr(wanted.settings, name) != self._knobs[name].default for name in rest)
                details.props.set_bool("open", changed)
                text("More settings", tag="summary")
                with box("fields"):
                    for name in rest:
                        self._field(name, wanted)
        self.show(wanted)

    def show(self, wanted: Wanted) -> None:
        """Put in values that came from elsewhere."""
        values = wanted.settings.model_dump()
        self._fields["start"].offer(starts(wanted))
        for name, field in self._fields.items():
            field.show(values[name])
            applies = self._knobs[name].applies_to(values)
            if field.visible != applies:
                field.set_visibility(applies)

    def _field(self, name: str, wanted: Wanted) -> None:
        knob = _START if name == "start" else self._knobs[name]
        options = list(_CHOICES[name].items()) if name in _CHOICES else None
        self._fields[name] = Field(
            knob,
            getattr(wanted.settings, name),
            lambda value: self._edit(name, value),
            options=starts(wanted) if name == "start" else options,
            placeholder=_PLACEHOLDERS.get(name, ""),
        )


def starts(wanted: Wanted) -> list[tuple[str, str]]:
    """What painting can begin from: noise, the photo, or any picture at hand."""
    found = [("content", "The photo"), ("noise", "Noise (assignment)")]
    keys = [wanted.settings.start.removeprefix(PICTURE)] if wanted.settings.start.startswith(PICTURE) else []
    keys += [*wanted.styles, *(item["key"] for item in library.recent())]
    for key in dict.fromkeys(keys):
        try:
            found.append((PICTURE + key, library.entry(key).title))
        except ConvolabError:
            continue
    return found
