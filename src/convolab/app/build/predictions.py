"""Test images with what the network takes them for, before training, while it goes on, and after it."""

from __future__ import annotations

from convolab.app.state import BuildState
from convolab.widgets.widget import Widget


def predictions(state: BuildState) -> None:
    """Create the panel in the current slot."""
    Widget("predictions").classes("panel")
