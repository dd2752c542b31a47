"""Your own input: draw it or bring a picture, and see what the network is given and what it says."""

from __future__ import annotations

from convolab.app.state import BuildState
from convolab.widgets.widget import Widget


def own_input(state: BuildState) -> None:
    """Create the panel in the current slot."""

    def colour() -> bool:
        return state.network.input_shape[0] > 1

    widget = Widget("drawing_pad", colour=colour()).classes("panel")
    state.subscribe(lambda: widget.set(colour=colour()), "dataset", "network")
