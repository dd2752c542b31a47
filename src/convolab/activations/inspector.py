"""Looking inside a network: every unit's value for one image, and any unit's calculation on request."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from convolab.activations import units
from convolab.activations.fields import boxes, field
from convolab.activations.forward import Forward, device_of
from convolab.activations.levels import Level, nodes
from convolab.activations.prediction import Prediction, explanation
from convolab.activations.units import Index, Unit
from convolab.errors import DataError, UnitError
from convolab.networks import Network


class Inspector:
    """A network that can be looked into.

    ``model`` is what ``network.build()`` made, with whatever weights; they may change between two calls of
    `run`. Its mode is left as it is: the forward pass is always that of evaluation. Raises ShapeError or
    NetworkError if network and model do not fit.
    """

    def __init__(self, network: Network, model: nn.Module, classes: Sequence[str] | None = None) -> None:
        self.network = network
        self.model = model
        self.nodes = nodes(network)
        self.levels: tuple[Level, ...] = tuple(node.level for node in self.nodes)
        self.places = {level.key: place for place, level in enumerate(self.levels)}
        count = math.prod(self.levels[-1].shape)
        self.classes = tuple(classes or (str(number) for number in range(count)))
        self.forward = Forward(self.nodes, model)
        self._boxes: list[np.ndarray] = []

    def level(self, key: str) -> Level:
        """The level of this key. UnitError names those there are."""
        if key not in self.places:
            raise UnitError(f'There is no layer "{key}"; this network has {", ".join(self.places)}.')
        return self.levels[self.places[key]]

    def run(self, image: np.ndarray | Tensor) -> Activations:
        """All activations for one image, float32 (C, H, W), normalised as in training.

        DataError if it has another shape.
        """
        pixels = torch.as_tensor(image, dtype=torch.float32, device=device_of(self.model))
        if tuple(pixels.shape) != self.network.input_shape:
            raise DataError(
                f"This network takes images of {_sizes(self.network.input_shape)} "
                f"(channels × height × width), not {_sizes(tuple(pixels.shape))}."
            )
        with torch.inference_mode():
            return Activations(self, self.forward(pixels[None]))

    def field(self, key: str, index: Sequence[int]) -> tuple[int, int, int, int]:
        """What a unit sees: (top, left, bottom, right) in pixels of the input level, the last two exclusive.

        All 0 for a unit that looks at a border alone. UnitError if there is no such unit.
        """
        place = self.check(key, index)
        if not self._boxes:
            self._boxes = boxes(self.nodes)
        return field(self._boxes[self.places[key]], place)

    def check(self, key: str, index: Sequence[int]) -> Index:
        """The index as a tuple. UnitError, which names what there is, if the network has no such unit."""
        shape = self.level(key).shape
        place = tuple(int(number) for number in index)
        if len(place) == len(shape) and all(0 <= i < size for i, size in zip(place, shape, strict=True)):
            return place
        names = ("map", "row", "column") if len(shape) == 3 else ("unit",)
        ranges = ", ".join(f"{name} 0 to {size - 1}" for name, size in zip(names, shape, strict=True))
        raise UnitError(
            f"There is no unit {':'.join(map(str, (key, *place)))}: {key} has {_sizes(shape)} units; "
            f"write {':'.join((key, *(name.upper() for name in names)))} with {ranges}."
        )


class Activations:
    """What every unit of a network says about one image.

    Details of units are computed when asked for, from the kept values and the model's present weights: ask
    before the weights change.
    """

    def __init__(self, inspector: Inspector, results: list[tuple[Tensor, Tensor]]) -> None:
        self.inspector = inspector
        self._results = results

    def values(self, key: str) -> np.ndarray:
        """float32 of the level's shape: outputs, after the elementwise layers. UnitError if unknown."""
        return self._array(key, 1)

    def sums(self, key: str) -> np.ndarray:
        """float32 of the level's shape: pre-activations, the weighted sums plus bias (for max pooling the
        largest inputs)."""
        return self._array(key, 0)

    def all_values(self) -> np.ndarray:
        """float32 (units,): the outputs of all levels in order, each row by row."""
        return np.asarray(torch.cat([outputs.reshape(-1) for _, outputs in self._results]).cpu().numpy())

    def _array(self, key: str, which: int) -> np.ndarray:
        level = self.inspector.level(key)
        tensor = self._results[self.inspector.places[key]][which][0]
        return np.asarray(tensor.contiguous().cpu().numpy().reshape(level.shape))

    @property
    def prediction(self) -> Prediction:
        """What the network takes the image for."""
        last = self.inspector.levels[-1]
        return Prediction.of(self.values(last.key).reshape(-1), explanation(last))

    def unit(self, key: str, index: Sequence[int]) -> Unit:
        """One unit with its whole calculation. UnitError, which names what there is, if there is none."""
        inspector = self.inspector
        place = inspector.check(key, index)
        node = inspector.nodes[inspector.places[key]]
        below = [(level := inspector.levels[i], self.values(level.key)) for i in node.below]
        value = float(self.sums(key)[place])
        with torch.no_grad():
            return units.unit(node, place, inspector.field(key, place), value, below, inspector.model)


def parse_unit(inspector: Inspector, text: str) -> tuple[str, Index]:
    """``conv1:0:3:4`` (map, row, column) or ``linear1:7`` → (key, index). UnitError names what there is."""
    key, *numbers = (part.strip() for part in text.strip().split(":"))
    level = inspector.level(key)
    try:
        index = [int(number) for number in numbers]
    except ValueError:
        names = "MAP:ROW:COLUMN" if len(level.shape) == 3 else "UNIT"
        raise UnitError(
            f'"{text}" names no unit: write {key}:{names} in whole numbers, counted from 0.'
        ) from None
    return key, inspector.check(key, index)


def _sizes(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))
