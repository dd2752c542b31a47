"""Errors of a network, each with the fixes that really mend it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from convolab.errors import NetworkError
from convolab.networks.layers import Flatten, Linear
from convolab.networks.layers.base import Fix, Position, ShapeError, described
from convolab.networks.trace import LayerTrace

if TYPE_CHECKING:
    from convolab.networks.network import Network

_MOST_UNITS = 65_536


def with_verified_fixes(network: Network, step: LayerTrace) -> LayerTrace:
    """The same step; of the fixes its error offers, only those are kept that mend that layer."""
    if step.error is None:
        return step
    error = step.error
    offered = [*_moves(network, error), *error.fixes]
    good = [fix for fix in offered if mends(network, fix, error.position)]
    last_resort = Fix("Remove this layer", error.position, remove=True)
    if not good and mends(network, last_resort, error.position):
        good = [last_resort]
    kept = error.with_fixes(tuple(good))
    inside = tuple(
        replace(inner, error=kept) if inner.error and inner.position == kept.position else inner
        for inner in step.inside
    )
    return replace(step, error=kept, inside=inside)


def mends(network: Network, fix: Fix, position: Position) -> bool:
    """Whether, with the fix, what stands at ``position``, and all before it, is free of errors."""
    try:
        mended = fix.apply(network)
    except NetworkError:
        return False
    last = (*position[:-1], position[-1] + len(fix.added))
    first = next((step.error.position for step in mended.walk() if step.error), None)
    if first is None:
        return True
    # In the place of a removed layer stands the next one, which may have an error of its own.
    return _order(first) >= last if fix.remove else _order(first) > _order(last)


def output_problem(network: Network, classes: int) -> ShapeError | None:
    """The error that something else than one value per class comes out of an otherwise sound network."""
    shape = network.output_shape
    if shape == (classes,) or shape is None:
        return None
    end = (len(network.layers),)
    offered: list[Fix] = []
    if classes <= _MOST_UNITS:
        last = [index for index, layer in enumerate(network.layers) if isinstance(layer, Linear)][-1:]
        for index in last:
            changed = network.layers[index].changed(out_features=classes)
            offered.append(Fix(f"Set the units of layer {index + 1} to {classes}", (index,), changed))
        added = Linear(out_features=classes)
        if len(shape) == 1:
            offered.append(Fix(f"Add a fully connected layer of {classes} units", end, added=(added,)))
        else:
            label = f"Add Flatten and a fully connected layer of {classes} units"
            offered.append(Fix(label, end, added=(Flatten(), added)))

    def gives_classes(fix: Fix) -> bool:
        try:
            mended = fix.apply(network)
        except NetworkError:
            return False
        return mended.output_shape == (classes,)

    return ShapeError(
        f"{described(shape, 'come out')} at the end, but there are {classes} classes.",
        network.layers[-1] if network.layers else None,
        shape,
        tuple(fix for fix in offered if gives_classes(fix)),
        (len(network.layers) - 1,) if network.layers else (),
    )


def _moves(network: Network, error: ShapeError) -> list[Fix]:
    """For a layer that needs maps and gets a flat list: to where there were maps last."""
    if len(error.position) != 1 or error.input_shape is None or len(error.input_shape) != 1:
        return []
    steps = network.walk()
    for index in range(error.position[0] - 1, -1, -1):
        shape = steps[index].input_shape
        if shape is not None and len(shape) == 3:
            title = steps[index].layer.title
            return [Fix(f"Move it before layer {index + 1} ({title})", error.position, target=(index,))]
    return []


def _order(position: Position) -> tuple[float, ...]:
    # A block's own check comes after those of the layers inside it.
    return (*position, float("inf"))
