"""One setting of a layer changed, with what has to change with it: padding, connection table, rounding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from convolab.errors import NetworkError
from convolab.networks import Network
from convolab.networks.layers import (
    AvgPool2d,
    Conv2d,
    Flatten,
    GlobalAvgPool2d,
    Layer,
    Linear,
    MaxPool2d,
    Residual,
)
from convolab.networks.layers.base import Position

POOLS = (MaxPool2d, AvgPool2d)
SMALLEST_POOLED = 4
"""A block that is added pools only if maps of at least this side remain: depth is what is asked for."""


def fits(network: Network, classes: int) -> bool:
    """Whether every layer takes what comes in, and one value per class comes out."""
    return network.output_shape == (classes,) and all(step.error is None for step in network.walk())


def with_value(
    network: Network, position: Position, name: str, value: int, classes: int
) -> tuple[Network, str]:
    """The network with one setting of one layer changed, and what else had to change, in words or empty.

    Where another kernel or stride does not fit, the padding that keeps the map's size best is taken; if none
    fits, windows may round down. NetworkError with one sentence if it does not fit at all.
    """
    layer = network.at(position)
    changes: dict[str, Any] = {name: value}
    note = ""
    tabled = getattr(layer, "connections", None) is not None
    if name == "out_channels" and tabled and value != getattr(layer, name):
        changes["connections"] = None
        note = "every filter sees all maps"
    plain = network.changed_layer(position, **changes)
    if fits(plain, classes) and not _keeps_size(layer, changes):
        return plain, note
    if name in ("kernel_size", "stride"):
        candidates = [
            network.changed_layer(position, **changes, padding=padding)
            for padding in _paddings(layer, changes)
        ]
        for rounding in (False, True):
            for candidate in candidates:
                tried = candidate.changed(floor=True) if rounding else candidate
                if fits(tried, classes):
                    return tried, _note(network, tried, position)
    if fits(plain, classes):
        return plain, note
    plain.check(classes)
    raise NetworkError(f"Layer {position[-1] + 1} cannot have {name.replace('_', ' ')} {value}.")


def _keeps_size(layer: Layer, changes: dict[str, Any]) -> bool:
    """Whether the layer keeps the size of its maps, and another kernel should do so, too."""
    kernel, padding = getattr(layer, "kernel_size", 0), getattr(layer, "padding", 0)
    return "kernel_size" in changes and kernel == 2 * padding + 1 and layer.type == "Conv2d"


def _paddings(layer: Layer, changes: dict[str, Any]) -> list[int]:
    """Paddings to try, the best first: that which loses as much of the map's size as the old one did."""
    old_kernel, old_padding = int(getattr(layer, "kernel_size", 1)), int(getattr(layer, "padding", 0))
    kernel = int(changes.get("kernel_size", old_kernel))
    most = kernel // 2 if isinstance(layer, POOLS) else min(64, kernel)
    lost = old_kernel - 2 * old_padding
    return sorted(range(most + 1), key=lambda padding: (abs(kernel - 2 * padding - lost), padding))


def _note(before: Network, after: Network, position: Position) -> str:
    notes = []
    padding = getattr(after.at(position), "padding", 0)
    if padding != getattr(before.at(position), "padding", 0):
        notes.append(f"padding {padding}")
    if after.floor and not before.floor:
        notes.append("rounded down")
    return ", ".join(notes)


# ---------------------------------------------------------------- blocks


def blocks(network: Network) -> list[tuple[int, int]]:
    """Where each block of layers stands, as (first, last + 1): from a convolution or residual block to what
    comes before the next one, or before the maps become a flat list."""
    found: list[tuple[int, int]] = []
    begun: int | None = None
    for index, layer in enumerate([*network.layers, Flatten()]):
        starts = isinstance(layer, Conv2d | Residual)
        ends = isinstance(layer, Flatten | GlobalAvgPool2d | Linear)
        if begun is not None and (starts or ends):
            found.append((begun, index))
            begun = None
        if starts:
            begun = index
        elif ends and found:
            break
    return found


def with_blocks(network: Network, count: int, classes: int) -> Network:
    """The network with so many blocks: the last ones left out, or the last one repeated.

    A repeated block keeps the size of its maps where pooling would leave less than 4 × 4. NetworkError if the
    network has no blocks, or with one sentence if that does not fit.
    """
    there = blocks(network)
    if not there:
        raise NetworkError("This network has no convolutional layers whose number could be varied.")
    if count < 1:
        raise NetworkError("At least one convolutional layer has to stay.")
    if count <= len(there):
        first = there[count - 1][1]
        kept = (*network.layers[:first], *network.layers[there[-1][1] :])
        shorter = _with_layers(network, kept)
        if not fits(shorter, classes):
            shorter.check(classes)
        return shorter
    grown = network
    for _ in range(count - len(there)):
        grown = _with_one_more(grown, classes)
    return grown


def _with_one_more(network: Network, classes: int) -> Network:
    begin, end = blocks(network)[-1]
    block = [_free(layer) for layer in network.layers[begin:end]]
    tried = network
    for more in (block, [*_keeping_size(block)]):
        tried = _with_layers(network, (*network.layers[:end], *more, *network.layers[end:]))
        if not fits(tried, classes):
            continue
        steps = tried.walk()
        before, after = (steps[place - 1].output_shape for place in (end, end + len(more)))
        if before is None or after is None or len(after) < 3:
            continue
        if min(after[1:]) >= SMALLEST_POOLED or after[1:] == before[1:]:
            return tried
    if fits(tried, classes):
        return tried
    tried.check(classes)
    raise NetworkError("No more convolutional layers fit into this network.")


def _free(layer: Layer) -> Layer:
    """A connection table belongs to one place."""
    return layer.changed(connections=None) if isinstance(layer, Conv2d) else layer


def _keeping_size(layers: Iterable[Layer]) -> Iterator[Layer]:
    for layer in layers:
        if isinstance(layer, POOLS):
            continue
        if isinstance(layer, Conv2d):
            kernel = layer.kernel_size | 1
            yield layer.changed(kernel_size=kernel, stride=1, padding=kernel // 2)
        elif isinstance(layer, Residual):
            yield layer.changed(layers=tuple(_keeping_size(layer.layers)))
        else:
            yield layer


def _with_layers(network: Network, layers: Iterable[Layer]) -> Network:
    return network.changed(layers=tuple(layers))
