"""The levels of a network: what is worth a row of its own when one looks inside.

A level is a layer that mixes its inputs (convolution, pooling, fully connected, the sum of a residual block,
or the input itself) together with the elementwise layers right after it. Flatten and Reshape only say in
which order units are read; dropout does nothing outside training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from convolab.networks import Layer, Network
from convolab.networks.layers import (
    GELU,
    AvgPool2d,
    BatchNorm2d,
    ConstantPad2d,
    Conv2d,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    Linear,
    MaxPool2d,
    ReLU,
    Reshape,
    Residual,
    Scale,
    ScaledTanh,
    Shape,
    Tanh,
)

Kind = Literal[
    "input", "conv", "linear", "maxpool", "avgpool", "globalavgpool", "pad", "add", "function", "norm"
]
Pair = tuple[int, int]

_ACTIVATIONS = (ReLU, Tanh, ScaledTanh, GELU, Scale)
_STEMS: dict[str, str] = {"maxpool": "pool", "avgpool": "pool", "globalavgpool": "pool"}


@dataclass(frozen=True)
class Level:
    """One row of the view: a mixing layer with the elementwise layers after it."""

    key: str
    """``input``, ``conv1``, ``pool1``, ``conv2``, ``linear1``, ``add1`` …: unique, counted in order."""
    title: str
    """``Convolution 5×5``, ``Fully connected`` …"""
    kind: Kind
    shape: Shape
    """(maps, rows, columns) or (units,)."""
    layers: tuple[str, ...]
    """Paths of the modules it stands for, in order: ``0``, or ``3.body.0`` inside a residual block."""
    function: str
    """Names of its activation functions, separated by commas; empty if it has none."""
    below: tuple[str, ...]
    """Keys of the levels it gets its inputs from: one, two for a sum, none for the input."""


@dataclass(frozen=True)
class Window:
    """How a layer looks at maps; all pairs are (vertical, horizontal)."""

    kernel: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)


@dataclass(frozen=True)
class Step:
    """An elementwise layer of a level."""

    path: str
    layer: Layer


@dataclass(frozen=True)
class Node:
    """A level with all that is needed to compute it."""

    level: Level
    below: tuple[int, ...]
    """Places of the levels below in the list of nodes."""
    input_shape: Shape
    """How the mixing layer reads a level below: its shape, or the same units as a flat list."""
    path: str
    """Of the mixing layer's module; empty where there is none."""
    window: Window | None
    connections: tuple[tuple[int, ...], ...] | None
    border: float
    """Value of the border, for a level of kind pad."""
    pads: tuple[str, ...]
    """Paths of the borders that belong to the input level."""
    steps: tuple[Step, ...]


def nodes(network: Network) -> tuple[Node, ...]:
    """The levels of a network from the input to the output. Raises ShapeError if a layer does not fit."""
    network.check()
    walk = _Walk(network)
    walk.through(network.layers, "", _Place(0, network.input_shape))
    return walk.finished()


@dataclass
class _Draft:
    """A level while its layers are being collected."""

    key: str
    title: str
    kind: Kind
    shape: Shape
    below: tuple[int, ...]
    input_shape: Shape
    path: str = ""
    window: Window | None = None
    connections: tuple[tuple[int, ...], ...] | None = None
    border: float = 0.0
    layers: list[str] = field(default_factory=list)
    pads: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)


@dataclass(frozen=True)
class _Place:
    """Where the walk stands: the level whose units come in, how they are read, and what may join it."""

    node: int
    shape: Shape
    open: bool = False
    """Whether elementwise layers still belong to that level."""
    wires: tuple[str, ...] = ()
    """Paths of the Flatten and Reshape since."""


class _Walk:
    def __init__(self, network: Network) -> None:
        self.drafts = [_Draft("input", "Input", "input", network.input_shape, (), network.input_shape)]
        self.counts: dict[str, int] = {}

    def finished(self) -> tuple[Node, ...]:
        return tuple(
            Node(
                level=Level(
                    draft.key,
                    draft.title,
                    draft.kind,
                    draft.shape,
                    tuple(draft.layers),
                    ", ".join(
                        step.layer.type for step in draft.steps if isinstance(step.layer, _ACTIVATIONS)
                    ),
                    tuple(self.drafts[i].key for i in draft.below),
                ),
                below=draft.below,
                input_shape=draft.input_shape,
                path=draft.path,
                window=draft.window,
                connections=draft.connections,
                border=draft.border,
                pads=tuple(draft.pads),
                steps=tuple(draft.steps),
            )
            for draft in self.drafts
        )

    def through(self, layers: Sequence[Layer], prefix: str, place: _Place) -> _Place:
        for index, layer in enumerate(layers):
            place = self.one(layer, f"{prefix}{index}", place)
        return place

    def one(self, layer: Layer, path: str, place: _Place) -> _Place:
        if isinstance(layer, Dropout):
            if place.open:
                self.drafts[place.node].layers.append(path)
            return place
        if isinstance(layer, Flatten | Reshape):
            shape = layer.output_shape(place.shape)
            return place if shape == place.shape else _Place(place.node, shape, wires=(*place.wires, path))
        if isinstance(layer, BatchNorm2d | ReLU | Tanh | ScaledTanh | GELU | Scale):
            return self.elementwise(layer, path, place)
        if isinstance(layer, Residual):
            return self.residual(layer, path, place)
        if isinstance(layer, Linear):
            return self.new("linear", "Fully connected", (layer.out_features,), place, path)
        if isinstance(layer, ConstantPad2d) and len(self.drafts) == 1 and "." not in path and not place.wires:
            return self.border_of_input(layer, path, place)
        return self.on_maps(layer, path, self.as_maps(place))

    def on_maps(self, layer: Layer, path: str, place: _Place) -> _Place:
        shape = layer.output_shape(place.shape, floor=True)
        if isinstance(layer, ConstantPad2d):
            window = Window((1, 1), padding=(layer.padding, layer.padding))
            return self.new("pad", "Border", shape, place, path, window, border=layer.value)
        if isinstance(layer, GlobalAvgPool2d):
            return self.new("globalavgpool", "Global average pooling", shape, place, path)
        if not isinstance(layer, Conv2d | MaxPool2d | AvgPool2d):  # pragma: no cover - a new kind of layer
            raise NotImplementedError(f"No level is known for {layer.type}.")
        k, s, p = layer.kernel_size, layer.stride, layer.padding
        window, size = Window((k, k), (s, s), (p, p)), f"{k}×{k}"
        if isinstance(layer, Conv2d):
            return self.new("conv", f"Convolution {size}", shape, place, path, window, layer.connections)
        if isinstance(layer, MaxPool2d):
            return self.new("maxpool", f"Max pooling {size}", shape, place, path, window)
        return self.new("avgpool", f"Average pooling {size}", shape, place, path, window)

    def elementwise(self, layer: Layer, path: str, place: _Place) -> _Place:
        if not place.open:
            kind: Kind = "norm" if isinstance(layer, BatchNorm2d) else "function"
            place = self.new(kind, layer.title, place.shape, place)
        self.drafts[place.node].steps.append(Step(path, layer))
        self.drafts[place.node].layers.append(path)
        return place

    def residual(self, block: Residual, path: str, place: _Place) -> _Place:
        if len(place.shape) == 3:
            place = self.as_maps(place)
        # What is added later must stay as it is: nothing inside the block may join the level before it.
        start = _Place(place.node, place.shape, wires=place.wires)
        end = self.through(block.layers, f"{path}.body.", start)
        around = start
        if end.shape != start.shape:
            stride = block.projection(start.shape, end.shape) or (1, 1)
            around = self.new(
                "conv",
                "Convolution 1×1 (shortcut)",
                end.shape,
                start,
                f"{path}.shortcut",
                Window((1, 1), stride),
            )
        added = self.new("add", "Sum", end.shape, end)
        self.drafts[added.node].below = (end.node, around.node)
        self.drafts[added.node].layers.append(path)
        return added

    def as_maps(self, place: _Place) -> _Place:
        """Windows need neighbours: units that are read in another shape get a level in that shape."""
        if self.drafts[place.node].shape == place.shape:
            return place
        made = self.new("function", "Reshape", place.shape, place)
        self.drafts[made.node].layers.extend(place.wires)
        return made

    def border_of_input(self, layer: ConstantPad2d, path: str, place: _Place) -> _Place:
        """A border before the first layer belongs to the picture."""
        shape = layer.output_shape(place.shape)
        draft = self.drafts[0]
        draft.shape = shape
        draft.pads.append(path)
        draft.layers.append(path)
        return _Place(0, shape)

    def new(
        self,
        kind: Kind,
        title: str,
        shape: Shape,
        place: _Place,
        path: str = "",
        window: Window | None = None,
        connections: tuple[tuple[int, ...], ...] | None = None,
        border: float = 0.0,
    ) -> _Place:
        stem = _STEMS.get(kind, kind)
        self.counts[stem] = self.counts.get(stem, 0) + 1
        key = f"{stem}{self.counts[stem]}"
        self.drafts.append(
            _Draft(
                key, title, kind, shape, (place.node,), place.shape, path, window, connections, border,
                layers=[path] if path else [],
            )
        )  # fmt: skip
        return _Place(len(self.drafts) - 1, shape, open=True)
