"""One unit in full: its inputs, weights, products, bias, sum, function and output, in plain numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from convolab.activations.functions import Numbers, UnitStep
from convolab.activations.levels import Level, Node
from convolab.networks.modules import Scale, TableConv2d

Index = tuple[int, ...]


@dataclass(frozen=True)
class UnitInput:
    """What a unit takes from one map of the level below, or from a flat level: a rectangle of values.

    Arrays are float64 of the same shape (rows, columns); a flat level is one row.
    """

    level: str
    map: int | None
    """None if the level below is flat."""
    row: int
    column: int
    """Place of ``values[0, 0]`` in that map; negative where the window begins in the padding."""
    values: np.ndarray
    weights: np.ndarray | None
    """None for max pooling, which picks and does not weigh."""
    padded: np.ndarray | None
    """bool: cells outside the map; they count as 0, max pooling leaves them out. None if there are none."""

    @property
    def products(self) -> np.ndarray | None:
        """weight × input, cell by cell; None for max pooling."""
        return None if self.weights is None else self.values * self.weights

    @property
    def sum(self) -> float:
        """Of the products; for max pooling the largest value."""
        if self.weights is not None:
            return float((self.values * self.weights).sum())
        return float(self.values.max() if self.padded is None else self.values[~self.padded].max())

    def to_json(self) -> dict[str, Any]:
        """As `Unit.to_json` has it."""
        products = self.products
        return {
            "level": self.level,
            "map": self.map,
            "row": self.row,
            "column": self.column,
            "values": self.values.tolist(),
            "weights": None if self.weights is None else self.weights.tolist(),
            "products": None if products is None else products.tolist(),
            "padded": None if self.padded is None else self.padded.astype(int).tolist(),
            "sum": self.sum,
        }


@dataclass(frozen=True)
class Unit:
    """A unit with its whole calculation, in double precision from the values and weights of the forward pass.

    ``sum`` is that of all inputs' sums plus ``bias``: the pre-activation. For max pooling it is the largest
    input. ``output`` is what the steps make of it.
    """

    level: Level
    index: Index
    field: tuple[int, int, int, int]
    """What it sees: (top, left, bottom, right) in pixels of the input level, the last two exclusive."""
    inputs: tuple[UnitInput, ...]
    bias: float | None
    sum: float
    steps: tuple[UnitStep, ...]
    output: float
    winner: tuple[str, Index] | None
    """For max pooling: the level and index of the input that won; of equals the first, as in PyTorch."""

    def to_json(self) -> dict[str, Any]:
        """All of it as plain numbers, lists and text."""
        winner = None if self.winner is None else {"level": self.winner[0], "index": list(self.winner[1])}
        return {
            "level": self.level.key,
            "kind": self.level.kind,
            "title": self.level.title,
            "index": list(self.index),
            "shape": list(self.level.shape),
            "field": list(self.field),
            "inputs": [entry.to_json() for entry in self.inputs],
            "bias": self.bias,
            "sum": self.sum,
            "steps": [step.to_json() for step in self.steps],
            "output": self.output,
            "winner": winner,
        }


def unit(
    node: Node,
    index: Index,
    field: tuple[int, int, int, int],
    value: float,
    below: Sequence[tuple[Level, np.ndarray]],
    model: nn.Module,
) -> Unit:
    """Take one unit apart. ``value``: its forward-pass value, ``below``: levels below with their outputs."""
    kind = node.level.kind
    inputs: list[UnitInput] = []
    bias: float | None = None
    winner = None
    if kind == "conv":
        inputs, bias = _convolution(node, index, below[0], model.get_submodule(node.path))
    elif kind == "linear":
        inputs, bias = _linear(index, below[0], model.get_submodule(node.path))
    elif kind == "maxpool":
        inputs = [_seen(node, index, below[0], index[0], None)]
        winner = below[0][0].key, _largest(inputs[0])
    elif kind == "avgpool" and node.window is not None:
        share = np.full(node.window.kernel, 1 / math.prod(node.window.kernel))
        inputs = [_seen(node, index, below[0], index[0], share)]
    elif kind == "globalavgpool":
        level, values = below[0]
        plane = values[index[0]].astype(np.float64)
        inputs = [UnitInput(level.key, index[0], 0, 0, plane, np.full(plane.shape, 1 / plane.size), None)]
    elif kind == "pad" and node.window is not None:
        entry = _seen(node, index, below[0], index[0], np.ones((1, 1)))
        if entry.padded is None:
            inputs = [entry]
        else:
            bias = node.border
    elif kind != "input":
        inputs = [_alone(one, index, node.level.shape) for one in below]
    total = value if kind == "input" else math.fsum([*(entry.sum for entry in inputs), bias or 0.0])
    steps: list[UnitStep] = []
    output = total
    for step in node.steps:
        numbers = _numbers(model.get_submodule(step.path), index)
        steps.append(UnitStep.of(step.layer, numbers, output))
        output = steps[-1].output
    return Unit(node.level, index, field, tuple(inputs), bias, total, tuple(steps), output, winner)


def _convolution(
    node: Node, index: Index, below: tuple[Level, np.ndarray], module: nn.Module
) -> tuple[list[UnitInput], float | None]:
    assert isinstance(module, nn.Conv2d | TableConv2d)
    weight = module.dense_weight() if isinstance(module, TableConv2d) else module.weight
    filters = weight[index[0]].detach().cpu().numpy().astype(np.float64)
    maps = range(len(filters)) if node.connections is None else sorted(node.connections[index[0]])
    inputs = [_seen(node, index, below, number, filters[number]) for number in maps]
    return inputs, None if module.bias is None else float(module.bias[index[0]])


def _linear(
    index: Index, below: tuple[Level, np.ndarray], module: nn.Module
) -> tuple[list[UnitInput], float | None]:
    assert isinstance(module, nn.Linear)
    level, values = below
    weights = module.weight[index[0]].detach().cpu().numpy().astype(np.float64).reshape(level.shape)
    bias = None if module.bias is None else float(module.bias[index[0]])
    values = values.astype(np.float64)
    if len(level.shape) == 1:
        return [UnitInput(level.key, None, 0, 0, values[None], weights[None], None)], bias
    return [
        UnitInput(level.key, number, 0, 0, values[number], weights[number], None)
        for number in range(level.shape[0])
    ], bias


def _seen(
    node: Node, index: Index, below: tuple[Level, np.ndarray], number: int, weights: np.ndarray | None
) -> UnitInput:
    """What the window of unit ``index`` shows of map ``number`` of the level below."""
    window = node.window
    assert window is not None
    level, values = below
    row, column = (index[1 + i] * window.stride[i] - window.padding[i] for i in (0, 1))
    rows, columns = (
        np.arange(start, start + size) for start, size in zip((row, column), window.kernel, strict=True)
    )
    outside = (
        (rows < 0)[:, None] | (rows >= level.shape[1])[:, None] | (columns < 0) | (columns >= level.shape[2])
    )
    cells = values[number][np.ix_(rows.clip(0, level.shape[1] - 1), columns.clip(0, level.shape[2] - 1))]
    padded = outside if outside.any() else None
    return UnitInput(
        level.key, number, row, column, np.where(outside, 0.0, cells.astype(np.float64)), weights, padded
    )


def _largest(entry: UnitInput) -> Index:
    values = entry.values if entry.padded is None else np.where(entry.padded, -np.inf, entry.values)
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    return (entry.map or 0, entry.row + int(row), entry.column + int(column))


def _alone(below: tuple[Level, np.ndarray], index: Index, shape: tuple[int, ...]) -> UnitInput:
    """The one unit of a level below that stands at ``index`` when it is read in ``shape``."""
    level, values = below
    place = [int(i) for i in np.unravel_index(int(np.ravel_multi_index(index, shape)), level.shape)]
    number, row, column = place if len(place) == 3 else (None, 0, place[0])
    value = np.full((1, 1), float(values[tuple(place)]))
    return UnitInput(level.key, number, row, column, value, np.ones((1, 1)), None)


def _numbers(module: nn.Module, index: Index) -> Numbers:
    if isinstance(module, Scale):
        return {"factor": module.factor}
    if not isinstance(module, nn.BatchNorm2d):
        return {}
    assert module.running_mean is not None
    assert module.running_var is not None
    return {
        "mean": float(module.running_mean[index[0]]),
        "variance": float(module.running_var[index[0]]),
        "epsilon": module.eps,
        "scale": float(module.weight[index[0]]),
        "shift": float(module.bias[index[0]]),
    }
