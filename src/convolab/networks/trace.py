"""What happens to one example on its way through the layers: shapes, counts, receptive fields, errors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from convolab.networks.layers import Layer, Residual
from convolab.networks.layers.base import Fix, Position, Shape, ShapeError, largest_fitting
from convolab.networks.receptive import ReceptiveField

MAX_PARAMETERS = 250_000_000
"""Largest network that may be built: 1 GB of weights, and two to three times that for training them."""
MAX_ACTIVATIONS = 50_000_000
"""Most numbers that may be computed for one example: 200 MB, and as much again for their gradients."""
MAX_LAYERS = 500
MAX_DEPTH = 4
"""How deep residual blocks may be inside each other."""
BYTES = 4
"""Of a number in single precision."""


@dataclass(frozen=True)
class LayerTrace:
    """What is known of one layer in its place. Shapes are None after an error; the counts are 0 then."""

    layer: Layer
    position: Position
    input_shape: Shape | None
    output_shape: Shape | None
    parameters: int
    multiply_adds: int
    """Per example, see `Layer.multiply_adds`."""
    activation_bytes: int
    """Per example, in single precision."""
    receptive_field: ReceptiveField | None
    error: ShapeError | None
    inside: tuple[LayerTrace, ...] = ()
    """The layers of a residual block."""


def walk(
    layers: Iterable[Layer],
    shape: Shape | None,
    field: ReceptiveField | None,
    outside: Position,
    floor: bool,
    totals: list[int],
) -> list[LayerTrace]:
    """Go through layers with known input; ``totals`` counts parameters and activations so far."""
    steps = []
    for index, layer in enumerate(layers):
        position = (*outside, index)
        inside: tuple[LayerTrace, ...] = ()
        if isinstance(layer, Residual):
            inside = tuple(walk(layer.layers, shape, field, position, floor, list(totals)))
        if shape is None or field is None:
            steps.append(LayerTrace(layer, position, None, None, 0, 0, 0, None, None, inside))
            continue
        try:
            output = layer.output_shape(shape, floor=floor)
            parameters, activations = layer.parameters(shape), layer.activations(shape)
            _small_enough(layer, shape, parameters, activations, totals)
        except ShapeError as raised:
            error = raised
            for outer in reversed(position):
                error = error.inside(outer)
            steps.append(LayerTrace(layer, position, shape, None, 0, 0, 0, None, error, inside))
            shape = field = None
            continue
        totals[0] += parameters
        totals[1] += activations
        field = layer.receptive_field(field, shape)
        work = layer.multiply_adds(shape)
        steps.append(
            LayerTrace(
                layer, position, shape, output, parameters, work, activations * BYTES, field, None, inside
            )
        )
        shape = output
    return steps


def _small_enough(layer: Layer, shape: Shape, parameters: int, activations: int, totals: list[int]) -> None:
    """ShapeError if the layer makes the network larger than is sensible."""
    if totals[0] + parameters <= MAX_PARAMETERS and totals[1] + activations <= MAX_ACTIVATIONS:
        return

    def fits(smaller: Layer) -> bool:
        return (
            totals[0] + smaller.parameters(shape) <= MAX_PARAMETERS
            and totals[1] + smaller.activations(shape) <= MAX_ACTIVATIONS
        )

    def fixes() -> list[Fix]:
        found = []
        for name, word in (("out_features", "units"), ("out_channels", "output channels")):
            if name in type(layer).model_fields and getattr(layer, "connections", None) is None:
                smaller = largest_fitting(layer, name, fits)
                if smaller is not None:
                    found.append(Fix(f"Set {word} to {getattr(smaller, name)}", replacement=smaller))
        return [*found, Fix("Remove this layer", remove=True)]

    if totals[0] + parameters > MAX_PARAMETERS:
        message = (
            f"with its {parameters:,} parameters the network would have {totals[0] + parameters:,}; "
            f"the most that can be trained here is {MAX_PARAMETERS:,}."
        )
    else:
        total = totals[1] + activations
        message = (
            f"with its {activations:,} numbers the network would compute {total:,} per example; "
            f"the most that fits into memory here is {MAX_ACTIVATIONS:,}."
        )
    raise ShapeError(message, layer, shape, fixes)
