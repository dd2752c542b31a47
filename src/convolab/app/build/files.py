"""Networks as the original Model Builder's files: a JSON list of layers in its own words."""

from __future__ import annotations

import json
from typing import Any

from convolab.errors import NetworkError
from convolab.networks import Network
from convolab.networks.layers import Conv2d, Flatten, Layer, Linear, MaxPool2d, ReLU, Reshape


def original_json(network: Network) -> str:
    """The network as the original Model Builder saves it. Raises NetworkError if it has no such layer."""
    return json.dumps([_layer(layer, index) for index, layer in enumerate(network.layers)])


def _layer(layer: Layer, index: int) -> dict[str, Any]:
    if isinstance(layer, Conv2d) and layer.bias and layer.connections is None:
        return {
            "layerName": "Convolution",
            "fieldSize": layer.kernel_size,
            "stride": layer.stride,
            "zeroPad": layer.padding,
            "outputDepth": layer.out_channels,
        }
    if isinstance(layer, MaxPool2d):
        return {
            "layerName": "Max pool",
            "fieldSize": layer.kernel_size,
            "stride": layer.stride,
            "zeroPad": layer.padding,
        }
    if isinstance(layer, ReLU):
        return {"layerName": "ReLU"}
    if isinstance(layer, Flatten):
        return {"layerName": "Flatten"}
    if isinstance(layer, Reshape):
        shape = layer.shape
        return {
            "layerName": "Reshape",
            "outputShape": [*shape[1:], shape[0]] if len(shape) == 3 else list(shape),
        }
    if isinstance(layer, Linear) and getattr(layer, "bias", True):
        return {"layerName": "Fully connected", "hiddenUnits": layer.out_features}
    raise NetworkError(
        f"Layer {index + 1} ({layer.title}) does not exist in the original Model Builder, or not with these "
        "settings; it knows convolution, max pool, ReLU, flatten, reshape and fully connected."
    )
