"""A network: the shape of its input and its layers, with all that can be known without building it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, ValidationError

from convolab.errors import NetworkError
from convolab.networks import problems
from convolab.networks.layers import AnyLayer, Layer, Residual, explain_layer
from convolab.networks.layers.base import Position, Shape, ShapeError, number, shape_text
from convolab.networks.receptive import ReceptiveField
from convolab.networks.trace import BYTES, LayerTrace, walk
from convolab.spec import Spec, explain, knob

if TYPE_CHECKING:
    from torch import nn

    from convolab.training.settings import TrainingSettings

Initialization = Literal["original", "pytorch", "dirac"]


class Network(Spec):
    """A description of a network. It may contain errors, so that it can be edited: `check` tells.

    ``input_shape`` is (channels, height, width) of one picture.
    """

    input_shape: tuple[
        Annotated[int, Field(ge=1, le=1024)],
        Annotated[int, Field(ge=1, le=4096)],
        Annotated[int, Field(ge=1, le=4096)],
    ]
    layers: tuple[AnyLayer, ...] = ()
    floor: bool = knob(
        False,
        "Round down",
        "Lets windows leave a remainder at the right and lower edge, as PyTorch does; else they must fit.",
    )
    initialization: Initialization = knob(
        "original",
        "Initial weights",
        "original: those of the assignment's Model Builder; pytorch: PyTorch's; "
        "dirac: convolutions begin by passing their input on.",
    )
    name: str = Field("", max_length=200)

    def trace(self) -> list[LayerTrace]:
        """One entry per layer, in order; never raises. After the first error nothing more is known."""
        return [problems.with_verified_fixes(self, step) for step in self.walk()]

    def problem(self, classes: int | None = None) -> ShapeError | None:
        """The first error, if any; with ``classes``, also whether one value per class comes out."""
        steps = self.trace()
        for step in steps:
            if step.error is not None:
                return step.error
        return None if classes is None else problems.output_problem(self, classes)

    def check(self, classes: int | None = None, input_shape: Shape | None = None) -> None:
        """Raise the first ShapeError; NetworkError if ``input_shape`` is not what the network takes."""
        if input_shape is not None and tuple(input_shape) != self.input_shape:
            raise NetworkError(
                f"This network takes pictures of {shape_text(self.input_shape)} (channels × height × width), "
                f"but the data set's are {shape_text(input_shape)}; choose it anew for this data set."
            )
        error = self.problem(classes)
        if error is not None:
            raise error

    @property
    def parameters(self) -> int:
        """How many numbers are learned, as far as shapes are known."""
        return sum(step.parameters for step in self.walk())

    @property
    def multiply_adds(self) -> int:
        """Multiplications with a weight, per example, as far as shapes are known."""
        return sum(step.multiply_adds for step in self.walk())

    @property
    def memory_per_example(self) -> int:
        """Bytes of the input and all layers' outputs for one example, in single precision."""
        channels, height, width = self.input_shape
        return channels * height * width * BYTES + sum(step.activation_bytes for step in self.walk())

    @property
    def output_shape(self) -> Shape | None:
        """Shape of what comes out for one example; None if a layer does not fit."""
        steps = self.walk()
        return steps[-1].output_shape if steps else self.input_shape

    def at(self, position: int | Position) -> Layer:
        """The layer at a position."""
        layers, index = self._within(_position(position))
        if index >= len(layers):
            raise _nowhere(_position(position))
        return layers[index]

    def insert(self, position: int | Position, layer: Layer) -> Network:
        """With ``layer`` put in, so that it stands at ``position``."""
        return self._edited(_position(position), lambda rest, i: [*rest[:i], layer, *rest[i:]], end=True)

    def remove(self, position: int | Position) -> Network:
        """Without the layer at ``position``."""
        return self._edited(_position(position), lambda rest, i: [*rest[:i], *rest[i + 1 :]])

    def replace(self, position: int | Position, layer: Layer) -> Network:
        """With ``layer`` in place of the one at ``position``."""
        return self._edited(_position(position), lambda rest, i: [*rest[:i], layer, *rest[i + 1 :]])

    def duplicate(self, position: int | Position) -> Network:
        """With a copy of the layer at ``position`` after it."""
        return self._edited(_position(position), lambda rest, i: [*rest[: i + 1], *rest[i:]])

    def move(self, source: int | Position, target: int | Position) -> Network:
        """With the layer at ``source`` taken out and put in at ``target``, counted without that layer."""
        layer = self.at(source)
        return self.remove(source).insert(target, layer)

    def changed_layer(self, position: int | Position, **settings: Any) -> Network:
        """With some settings of one layer changed; NetworkError with a sentence if they are out of range."""
        layer = self.at(position)
        try:
            return self.replace(position, layer.changed(**settings))
        except ValidationError as error:
            where = number(_position(position))
            raise NetworkError(
                f"Layer {where} ({layer.title}): {explain_layer(error, type(layer))}"
            ) from None

    def with_input(self, input_shape: Shape) -> Network:
        """The same layers for pictures of another shape."""
        return self._validated(input_shape=tuple(input_shape))

    def build(self, seed: int = 0) -> nn.Sequential:
        """The PyTorch network, one module per layer in order, initialised; see `convolab.networks.build`."""
        from convolab.networks.build import build

        return build(self, seed)

    def to_json(self) -> str:
        """The network as JSON text, one layer a line; `from_json` reads it."""
        from convolab.networks.files import to_json

        return to_json(self)

    @classmethod
    def from_json(cls, text: str, input_shape: Shape | None = None) -> Network:
        """The network that `to_json`, or the assignment's Model Builder, wrote.

        ``input_shape`` replaces the one in the file. Raises NetworkError with one sentence.
        """
        from convolab.networks.files import from_json

        return from_json(text, input_shape)

    def to_code(self, settings: TrainingSettings | None = None, dataset: str = "mnist") -> str:
        """A PyTorch script that trains this network and needs no convolab; see `convolab.networks.export`."""
        from convolab.networks.export import to_code

        return to_code(self, settings, dataset)

    def walk(self) -> list[LayerTrace]:
        """`trace` without looking for fixes, which takes longer; an error's fixes are unverified here."""
        _, height, width = self.input_shape
        field = ReceptiveField.of_pixel(height, width)
        return walk(self.layers, self.input_shape, field, (), self.floor, [0, 0])

    def _within(self, position: Position) -> tuple[tuple[Layer, ...], int]:
        """The list of layers that ``position`` points into, and the index in it."""
        layers: tuple[Layer, ...] = self.layers
        for index in position[:-1]:
            block = layers[index] if 0 <= index < len(layers) else None
            if not isinstance(block, Residual):
                raise _nowhere(position)
            layers = block.layers
        if not position or position[-1] < 0:
            raise _nowhere(position)
        return layers, position[-1]

    def _edited(
        self, position: Position, edit: Callable[[list[Layer], int], list[Layer]], end: bool = False
    ) -> Network:
        layers, index = self._within(position)
        if index > len(layers) - (not end):
            raise _nowhere(position)
        edited: Any = edit(list(layers), index)
        # Outwards again: each block gets its new list.
        for depth in range(len(position) - 1, 0, -1):
            outer, place = self._within(position[:depth])
            block = outer[place]
            edited = [*outer[:place], block.changed(layers=tuple(edited)), *outer[place + 1 :]]
        return self._validated(layers=tuple(edited))

    def _validated(self, **values: Any) -> Network:
        try:
            return self.changed(**values)
        except ValidationError as error:
            raise NetworkError(explain(error, "The network")) from None


def _order(position: Position) -> tuple[float, ...]:
    # A block's own check comes after those of the layers inside it.
    return (*position, float("inf"))


def _position(position: int | Position) -> Position:
    return (position,) if isinstance(position, int) else tuple(position)


def _nowhere(position: Position) -> NetworkError:
    return NetworkError(f"The network has no layer {number(position) or '?'}.")
