"""The first layer's weights as pictures, as they learn."""

from __future__ import annotations

from convolab.app.state import BuildState
from convolab.widgets.widget import Widget


def filters(state: BuildState) -> None:
    """Create the panel in the current slot."""
    Widget("filters").classes("panel")
