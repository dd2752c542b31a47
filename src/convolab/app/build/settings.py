"""The form of training settings, derived from their knobs: what matters first, the rest on request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nicegui import ui

from convolab.app.build.fields import Field
from convolab.app.state import BuildState
from convolab.app.theme import box, text
from convolab.spec import Knob, knobs
from convolab.training.settings import TrainingSettings

FIRST = (
    "optimizer",
    "learning_rate",
    "momentum",
    "gamma",
    "beta1",
    "beta2",
    "batch_size",
    "normalization",
    "examples",
)
"""What is always in view, as in the assignment's Model Builder; the rest is under "More"."""
ELSEWHERE = ("seed",)
"""In the bar at the top of the room."""
GROUPS = {
    "Learning": ("optimizer", "schedule", "data"),
    "Augmentation": ("augmentation",),
    "Stop, whichever comes first": ("stop",),
    "Run": ("run",),
}
"""Headings of the rest, and the groups of the knobs under each."""
_PLACEHOLDERS = {"weights_seed": "seed", "examples": "none", "batches": "none", "epochs": "none"}
_PLACEHOLDERS |= {"budget": "none", "target_accuracy": "none"}
_CHOICES = {
    "optimizer": {
        "sgd": "SGD",
        "momentum": "Momentum",
        "nesterov": "Nesterov",
        "rmsprop": "RMSprop",
        "adagrad": "Adagrad",
        "adadelta": "Adadelta",
        "adam": "Adam",
        "adamax": "Adamax",
        "adamw": "AdamW",
        "muon": "Muon",
    },
    "schedule": {
        "constant": "Constant",
        "step": "Step",
        "cosine": "Cosine",
        "one-cycle": "One cycle",
        "linear": "Linear decay",
    },
    "normalization": {
        "[-1, 1]": "−1 … 1",
        "[0, 1]": "0 … 1",
        "none": "None (0 … 255)",
        "per-channel": "Per channel",
    },
    "precision": {"auto": "Automatic", "fp32": "fp32", "bf16": "bf16"},
    "device": {"auto": "Automatic", "cpu": "CPU", "cuda": "CUDA", "mps": "MPS"},
}


def settings_form(state: BuildState) -> None:
    """Create the form in the current slot."""
    fields: dict[str, Field] = {}
    every = {knob.name: knob for knob in knobs(TrainingSettings) if knob.name not in ELSEWHERE}
    text("Settings", tag="h2")
    with box("fields"):
        for name in FIRST:
            fields[name] = setting(state, every[name])
    rest = [knob for knob in every.values() if knob.name not in FIRST]
    if "more" not in state.hidden:
        with ui.element("details").classes("more") as details:
            details.props.set_bool("open", any(getattr(state.settings, k.name) != k.default for k in rest))
            text("More settings", tag="summary")
            for title, groups in GROUPS.items():
                text(title, "group strong small", tag="h3")
                with box("fields"):
                    for knob in rest:
                        if knob.group in groups:
                            fields[knob.name] = setting(state, knob)

    def follow() -> None:
        values = state.settings.model_dump()
        for name, field in fields.items():
            field.show(values[name])
            applies = every[name].applies_to(values)
            if field.visible != applies:
                field.set_visibility(applies)

    state.subscribe(follow, "settings")
    follow()


def setting(state: BuildState, knob: Knob, *, label: str | None = None, inline: bool = False) -> Field:
    """The field of one training setting."""

    def edit(value: Any) -> None:
        state.change_settings(merge=f"settings {knob.name}", **{knob.name: value})

    options: Iterable[tuple[str, str]] | None = None
    if knob.name in _CHOICES:
        options = [(choice, _CHOICES[knob.name].get(choice, choice)) for choice in knob.choices]
    return Field(
        knob,
        getattr(state.settings, knob.name),
        edit,
        label=label,
        options=options,
        inline=inline,
        placeholder=_PLACEHOLDERS.get(knob.name, ""),
    )
