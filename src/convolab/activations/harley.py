"""The weights of Harley's own convolutional network, for those who have them.

He learned them in MATLAB (Harley: An Interactive Node-Link Visualization of Convolutional Neural Networks,
2015).
They are read from a NumPy ``.npz`` file, or from a JSON object of nested lists, with these arrays:

==================  ==============  ===================================================================
name                shape           what it is
==================  ==============  ===================================================================
``conv1_weights``   (5, 5, 6)       filters: row, column, map
``conv1_biases``    (6,)
``conv2_weights``   (5, 5, 6, 16)   filters: row, column, input map, output map; ignored where unconnected
``conv2_biases``    (16,)
``keepers``         (6, 16)         1 where an output map sees an input map; may be left out: LeNet-5's table
``hidden1_weights`` (120, 400)      row per unit; inputs map by map, each column by column, as MATLAB counts
``hidden1_biases``  (120,)
``hidden2_weights`` (100, 120)
``hidden2_biases``  (100,)
``final_weights``   (10, 100)
``final_biases``    (10,)
==================  ==============  ===================================================================

Filters are laid on the image as they are, not turned round. A pixel v, 0 to 255, comes in as
v/255·1.275 − 0.1, the border of two pixels around the digit as −0.1. In MATLAB ``jsonencode`` of a struct
with these fields writes the JSON, in Python ``numpy.savez`` the other.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from convolab.errors import NetworkError
from convolab.networks import Network, preset
from convolab.networks.layers import LENET5_CONNECTIONS, ConstantPad2d
from convolab.training.weights import WeightsInfo

SHAPES: dict[str, tuple[int, ...]] = {
    "conv1_weights": (5, 5, 6),
    "conv1_biases": (6,),
    "conv2_weights": (5, 5, 6, 16),
    "conv2_biases": (16,),
    "hidden1_weights": (120, 400),
    "hidden1_biases": (120,),
    "hidden2_weights": (100, 120),
    "hidden2_biases": (100,),
    "final_weights": (10, 100),
    "final_biases": (10,),
}
KEEPERS = "keepers"
GAIN, OFFSET = 1.275, -0.1
"""A pixel v comes in as v/255·GAIN + OFFSET."""
_MOST_BYTES = 50_000_000


def load_harley(path: str | Path) -> tuple[Network, nn.Sequential, WeightsInfo]:
    """His network with the weights in a ``.npz`` or ``.json`` file, in evaluation mode, and how to use it.

    NetworkError with one sentence if the file cannot be read, or an array is missing or of another shape.
    """
    path = Path(path)
    return harley_network(_read(path), path.name)


def harley_network(
    arrays: dict[str, Any], source: str = "The weights"
) -> tuple[Network, nn.Sequential, WeightsInfo]:
    """His network from arrays as this module describes them; ``source`` names them in errors."""
    checked = {name: _array(arrays, name, shape, source) for name, shape in SHAPES.items()}
    connections = _connections(arrays, source)
    network = preset("harley-cnn", (1, 28, 28), 10)
    network = network.replace(0, ConstantPad2d(padding=2, value=OFFSET))
    network = network.changed_layer(4, connections=connections).changed(name="harley-cnn")
    model = network.build(0)
    model.load_state_dict(_state(checked, connections))
    digits = tuple(str(digit) for digit in range(10))
    std = 255 / GAIN
    info = WeightsInfo("mnist", digits, "none", (-OFFSET * std,), (std,), {})
    return network, model.eval(), info


def _state(arrays: dict[str, np.ndarray], connections: tuple[tuple[int, ...], ...]) -> dict[str, Tensor]:
    """The arrays in PyTorch's order: output first, maps row by row."""
    filters = arrays["conv2_weights"].transpose(3, 2, 0, 1)
    hidden = arrays["hidden1_weights"].reshape(120, 16, 5, 5).transpose(0, 1, 3, 2).reshape(120, 400)
    weights = {
        "1": arrays["conv1_weights"].transpose(2, 0, 1)[:, None],
        "4": np.stack([filters[o, i] for o, inputs in enumerate(connections) for i in inputs]),
        "8": hidden,
        "10": arrays["hidden2_weights"],
        "12": arrays["final_weights"],
    }
    biases = ("conv1", "conv2", "hidden1", "hidden2", "final")
    state = {f"{path}.weight": weight for path, weight in weights.items()}
    for path, name in zip(weights, biases, strict=True):
        state[f"{path}.bias"] = arrays[f"{name}_biases"]
    return {name: torch.from_numpy(np.array(value, np.float32, order="C")) for name, value in state.items()}


def _connections(arrays: dict[str, Any], source: str) -> tuple[tuple[int, ...], ...]:
    if KEEPERS not in arrays:
        return LENET5_CONNECTIONS
    table = _array(arrays, KEEPERS, (6, 16), source) != 0
    if not table.any(axis=0).all():
        raise NetworkError(
            f"{source}: keepers leaves output map {int(table.any(axis=0).argmin())} unconnected."
        )
    return tuple(tuple(int(i) for i in np.flatnonzero(table[:, o])) for o in range(16))


def _array(arrays: dict[str, Any], name: str, shape: tuple[int, ...], source: str) -> np.ndarray:
    if name not in arrays:
        raise NetworkError(f"{source} lacks {name}; needed are {', '.join(SHAPES)}.")
    wanted = " × ".join(map(str, shape))
    try:
        array = np.asarray(arrays[name], np.float32)
    except (TypeError, ValueError):
        raise NetworkError(f"{source}: {name} must be {wanted} numbers.") from None
    # MATLAB knows no vectors, only matrices of one row or column.
    if array.shape != shape and (len(shape) > 1 or array.size != shape[0] or max(array.shape) != shape[0]):
        found = " × ".join(map(str, array.shape)) or "one number"
        raise NetworkError(f"{source}: {name} must be {wanted} numbers, not {found}.")
    if not np.isfinite(array).all():
        raise NetworkError(f"{source}: {name} holds numbers that are not finite.")
    return array.reshape(shape)


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise NetworkError(f"{path.name} is too large to hold the weights of this network.")
        if not zipfile.is_zipfile(path):
            content = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(content, dict):
                return content
            raise ValueError("no object")
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > _MOST_BYTES:
                raise NetworkError(f"{path.name} is too large to hold the weights of this network.")
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files if name in (*SHAPES, KEEPERS)}
    except FileNotFoundError:
        raise NetworkError(f"There is no file {path}.") from None
    except (OSError, ValueError, EOFError, RecursionError, zipfile.BadZipFile) as error:
        raise NetworkError(
            f"{path.name} cannot be read: it must be a .npz file or a JSON object of arrays, whole and "
            "without anything that could run code."
        ) from error
