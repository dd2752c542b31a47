"""How much a training computes: multiplications and additions of its convolutions and matrices.

Counted as they are defined, whatever algorithm computes them: two operations for each multiply-add, once
forwards, once for the slopes of the weights, once for the slopes of what comes in. What nobody needs does not
count: weights that are fixed, and what comes into the first layer that learns.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from convolab.networks import Network
from convolab.networks.trace import LayerTrace
from convolab.training.events import Event
from convolab.training.resizing import size_at
from convolab.training.settings import TrainingSettings


def operations(layers: Iterable[tuple[int, bool, bool]]) -> int:
    """Per example, of layers in order: multiply-adds, whether weights learn, whether anything in it does."""
    found, below = 0, False
    for multiply_adds, weights, anything in layers:
        found += 2 * multiply_adds * (1 + weights + below)
        below = below or anything
    return found


class Work:
    """Adds up what a training of the lab computes, from its events: pictures that grow cost more and more."""

    def __init__(self, network: Network, settings: TrainingSettings) -> None:
        self.operations = 0.0
        self._examples = 0
        self._start_size = settings.start_size
        channels, self._side, width = network.input_shape
        assert self._side == width

        def layer(step: LayerTrace) -> tuple[int, bool, bool]:
            whitened = getattr(step.layer, "whitening", False)
            learns = step.parameters > 0 and not (whitened and settings.whitening_until == 0)
            return step.multiply_adds, learns and not whitened, learns

        @cache
        def per_example(side: int) -> int:
            return operations(
                map(layer, network.changed(input_shape=(channels, side, side), floor=True).walk())
            )

        self._per_example = per_example

    def note(self, event: Event) -> None:
        """Add what was trained since the last report."""
        if event.kind == "progress":
            side = size_at(self._side, self._start_size, event.fraction or 0.0)
            self.operations += (event.examples - self._examples) * self._per_example(side)
            self._examples = event.examples
