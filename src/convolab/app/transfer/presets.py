"""Presets of the room: what one press changes of the settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from convolab.errors import SettingsError
from convolab.spec import check
from convolab.style.settings import DEFAULT_STYLE_LAYERS, TransferSettings
from convolab.style.vgg import VGGS

_ALL = ",".join(DEFAULT_STYLE_LAYERS)


@dataclass(frozen=True)
class Preset:
    """A name, a title, what it is good for, and the settings that it changes."""

    name: str
    title: str
    help: str
    changes: dict[str, Any]


_PLAIN: dict[str, Any] = {
    "weight": 0.5,
    "content_layer": "relu4_2",
    "style_layers": _ALL,
    "style_weights": "",
    "start": "noise",
    "preserve_color": False,
    "stroke_size": 1.0,
    "tv": 0.0,
}

PRESETS = tuple(
    Preset(name, title, help, {**_PLAIN, **changes})
    for name, title, help, changes in (
        ("balanced", "Balanced", "A painting in which the photo is well recognised.", {}),
        (
            "subtle",
            "Subtle",
            "The photo with a touch of the style: little W, from the photo itself.",
            {"weight": 0.3, "start": "content"},
        ),
        (
            "strong",
            "Strong",
            "The style first: W is high, strokes are large.",
            {"weight": 0.8, "stroke_size": 1.3},
        ),
        (
            "strokes",
            "Brush strokes only",
            "The style's strokes in the photo's own colours: shallow layers, small strokes.",
            {
                "weight": 0.8,
                "preserve_color": True,
                "style_layers": "relu1_1,relu2_1,relu3_1",
                "stroke_size": 0.8,
                "start": "content",
            },
        ),
    )
)


def applied(preset: str, settings: TransferSettings) -> TransferSettings:
    """The settings with a preset; layers stay as they are where the network is not VGG.

    SettingsError if there is no such preset, or if its W does not go with layers that stay.
    """
    changes = next((item.changes for item in PRESETS if item.name == preset), None)
    if changes is None:
        raise SettingsError(f'There is no preset "{preset[:40]}"; press one of those that are shown.')
    found: TransferSettings = check(
        TransferSettings, {**settings.model_dump(), **_fitting(changes, settings)}
    )
    return found


def chosen(settings: TransferSettings) -> str:
    """The preset that the settings are; empty if none."""
    for item in PRESETS:
        if all(getattr(settings, name) == value for name, value in _fitting(item.changes, settings).items()):
            return item.name
    return ""


def _fitting(changes: dict[str, Any], settings: TransferSettings) -> dict[str, Any]:
    if settings.network in VGGS:
        return changes
    own = ("content_layer", "style_layers", "style_weights")
    return {name: value for name, value in changes.items() if name not in own}
