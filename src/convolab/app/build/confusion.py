"""The confusion matrix of the newest evaluation; a cell leads to its test images."""

from __future__ import annotations

from convolab.app.state import BuildState
from convolab.widgets.widget import Widget


def confusion(state: BuildState) -> None:
    """Create the panel in the current slot."""
    Widget("confusion").classes("panel")
