"""Receptive fields, exact: for every unit the smallest box of the input level that it can see.

`convolab.networks.receptive` has a formula that holds for all units of a layer at once; here each unit's own
box is followed through borders, remainders and residual blocks, so that its edges are pixels that count.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convolab.activations.levels import Node, Window

_NOTHING = np.int32(1 << 30)
"""In all four places of a box: the unit sees nothing of the input, because it looks at a border alone."""


def boxes(nodes: Sequence[Node]) -> list[np.ndarray]:
    """For each level an int32 array (4, \\*shape): top, left, −bottom, −right, the last two exclusive.

    The lower edges are negative, so that a union is the minimum of all four.
    """
    found: list[np.ndarray] = []
    for node in nodes:
        below = [found[i] for i in node.below]
        found.append(np.broadcast_to(_boxes(node, below), (4, *node.level.shape)))
    return found


def field(boxes: np.ndarray, index: tuple[int, ...]) -> tuple[int, int, int, int]:
    """(top, left, bottom, right) of one unit; all 0 if it sees nothing of the input."""
    top, left, bottom, right = (int(boxes[(edge, *index)]) for edge in range(4))
    return (0, 0, 0, 0) if top == _NOTHING else (top, left, -bottom, -right)


def _boxes(node: Node, below: list[np.ndarray]) -> np.ndarray:
    kind, shape = node.level.kind, node.level.shape
    if kind == "input":
        rows, columns = np.mgrid[: shape[-2], : shape[-1]].astype(np.int32)
        return np.stack([rows, columns, -rows - 1, -columns - 1])[:, None]
    if kind == "linear":
        return below[0].reshape(4, -1).min(axis=1, keepdims=True)
    if kind == "globalavgpool":
        return below[0].min(axis=(2, 3))
    if kind == "add":
        return np.minimum(below[0].reshape(4, *shape), below[1].reshape(4, *shape))
    if node.window is None:
        return below[0].reshape(4, *shape)
    seen = _alike(below[0])
    if kind == "conv":
        tables = [seen.min(axis=1, keepdims=True)]
        if seen.shape[1] > 1 and node.connections is not None:
            tables = [seen[:, list(inputs)].min(axis=1, keepdims=True) for inputs in node.connections]
        seen = np.concatenate(tables, axis=1)
    return _slid(seen, node.window)


def _alike(boxes: np.ndarray) -> np.ndarray:
    """One map for all where all maps have the same boxes, as nearly always."""
    return boxes[:, :1] if boxes.strides[1] == 0 or (boxes == boxes[:, :1]).all() else boxes


def _slid(boxes: np.ndarray, window: Window) -> np.ndarray:
    """The union over each window: first down, then across."""
    (down, across), (high, wide) = window.padding, window.kernel
    padded = np.pad(boxes, ((0, 0), (0, 0), (down, down), (across, across)), constant_values=_NOTHING)
    rows = _union([padded[:, :, i : padded.shape[2] - high + i + 1 : window.stride[0]] for i in range(high)])
    return _union([rows[:, :, :, i : rows.shape[3] - wide + i + 1 : window.stride[1]] for i in range(wide)])


def _union(parts: list[np.ndarray]) -> np.ndarray:
    result = parts[0].copy()
    for part in parts[1:]:
        np.minimum(result, part, out=result)
    return result
