"""Networks as JSON text: the lab's own format, and the lists that the assignment's Model Builder saves."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from convolab.errors import NetworkError, nearest, unknown
from convolab.networks.layers import LAYERS, Layer, Residual, explain_layer
from convolab.networks.layers.base import Position, Shape, number
from convolab.networks.network import Network
from convolab.networks.trace import MAX_DEPTH, MAX_LAYERS
from convolab.spec import explain

MAX_CHARACTERS = 1_000_000
"""Of a file; the largest network the lab accepts needs far less."""

_ORIGINAL: dict[str, tuple[str, dict[str, str]]] = {
    "Fully connected": ("Linear", {"hiddenUnits": "out_features"}),
    "ReLU": ("ReLU", {}),
    "Convolution": (
        "Conv2d",
        {
            "fieldSize": "kernel_size",
            "stride": "stride",
            "zeroPad": "padding",
            "outputDepth": "out_channels",
        },
    ),
    "Max pool": ("MaxPool2d", {"fieldSize": "kernel_size", "stride": "stride", "zeroPad": "padding"}),
    "Reshape": ("Reshape", {"outputShape": "shape"}),
    "Flatten": ("Flatten", {}),
}
"""The Model Builder's layers and settings, and ours."""

_ORIGINAL_INPUTS = ((1, 28, 28), (3, 32, 32))


def to_json(network: Network) -> str:
    """The network as JSON text, one layer a line."""
    head = {
        "convolab": 1,
        "name": network.name,
        "input_shape": network.input_shape,
        "floor": network.floor,
        "initialization": network.initialization,
    }
    lines = [f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}," for key, value in head.items()]
    layers = [f"    {json.dumps(layer.model_dump(exclude_none=True))}" for layer in network.layers]
    listed = ",\n".join(layers)
    lines.append(f'  "layers": [\n{listed}\n  ]' if layers else '  "layers": []')
    return "{\n" + "\n".join(lines) + "\n}\n"


def from_json(text: str, input_shape: Shape | None = None) -> Network:
    """The network described by ``text``; ``input_shape`` replaces the one in the file.

    The Model Builder's lists do not say for which pictures they are: without ``input_shape`` it is that of
    MNIST or of CIFAR-10, whichever the layers fit. Layers need not fit (`Network.check`), but must be layers.
    Raises NetworkError with one sentence.
    """
    if len(text) > MAX_CHARACTERS:
        raise NetworkError(
            f"This network file has {len(text):,} characters; at most {MAX_CHARACTERS:,} are read, so it is "
            "hardly a network."
        )
    try:
        data = json.loads(text)
    except RecursionError:
        raise NetworkError("This network file nests too deeply to be a network.") from None
    except ValueError as error:
        where = (
            f"line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else "?"
        )
        raise NetworkError(f"This is not a network: its JSON text is broken at {where}.") from None
    if isinstance(data, list):
        return _from_list(data, input_shape)
    if not isinstance(data, dict):
        raise NetworkError("This is not a network: it should be a JSON object with input_shape and layers.")
    return _from_object(data, input_shape)


def _from_object(data: dict[str, Any], input_shape: Shape | None) -> Network:
    data = dict(data)
    version = data.pop("convolab", 1)
    if version != 1:
        raise NetworkError(
            f"This network file has format {version!r}, which this convolab does not know; update it."
        )
    if not isinstance(data.get("layers"), list):
        raise NetworkError('This is not a network: it has no list named "layers".')
    if input_shape is not None:
        data["input_shape"] = list(input_shape)
    if "input_shape" not in data:
        raise NetworkError('This network file lacks "input_shape": channels, height, width.')
    layers = _layers(data.pop("layers"), ())
    try:
        return Network.model_validate({**data, "layers": layers})
    except ValidationError as error:
        first = error.errors()[0]
        if first["loc"][:1] == ("input_shape",):
            raise NetworkError(
                "input_shape must be three whole numbers: channels (1 to 1024), height and width "
                f"(1 to 4096), not {data['input_shape']!r}."[:300]
            ) from None
        raise NetworkError(explain(error, "The network")) from None


def _from_list(data: list[Any], input_shape: Shape | None) -> Network:
    if data and all(isinstance(item, dict) and "type" in item for item in data):
        layers = _layers(data, ())
    else:
        _count(data)
        layers = [_original_layer(item, index) for index, item in enumerate(data)]
    shapes = _ORIGINAL_INPUTS if input_shape is None else (input_shape,)
    networks = [
        Network.model_validate({"input_shape": shape, "layers": layers, "name": "imported"})
        for shape in shapes
    ]
    return next((network for network in networks if network.problem() is None), networks[0])


def _layers(items: Any, outside: Position) -> list[Layer]:
    if not isinstance(items, list):
        raise NetworkError(f"Layer {number(outside)} (Residual block): its layers must be a list.")
    if len(outside) > MAX_DEPTH:
        raise NetworkError(f"Residual blocks may be at most {MAX_DEPTH} deep inside each other.")
    _count(items)
    return [_layer(item, (*outside, index)) for index, item in enumerate(items)]


def _layer(item: Any, position: Position) -> Layer:
    where = f"Layer {number(position)}"
    if not isinstance(item, dict) or not isinstance(item.get("type"), str):
        raise NetworkError(f'{where} must be an object with a "type", such as {{"type": "ReLU"}}.')
    kind = item["type"]
    if kind not in LAYERS:
        raise NetworkError(f"{where}: {unknown('layer', kind[:80], LAYERS)}")
    cls = LAYERS[kind]
    values = dict(item)
    if cls is Residual:
        values["layers"] = _layers(item.get("layers"), position)
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        raise NetworkError(f"{where} ({cls.title}): {explain_layer(error, cls)}") from None


def _original_layer(item: Any, index: int) -> Layer:
    where = f"Layer {index + 1}"
    if not isinstance(item, dict) or not isinstance(item.get("layerName"), str):
        raise NetworkError(
            f'{where} must be an object with a "type", or a "layerName" as in the Model Builder.'
        )
    name = item["layerName"]
    if name not in _ORIGINAL:
        raise NetworkError(f"{where}: {unknown('layer', name[:80], _ORIGINAL)}")
    kind, words = _ORIGINAL[name]
    values: dict[str, Any] = {"type": kind}
    for word, value in item.items():
        if word == "layerName":
            continue
        if word not in words:
            guess = nearest(word, words)
            hint = f'; did you mean "{guess}"?' if guess else "."
            raise NetworkError(f'{where} ({name}) has no setting "{word[:80]}"{hint}')
        values[words[word]] = value
    shape = values.get("shape")
    if isinstance(shape, list) and len(shape) == 3:
        values["shape"] = [shape[2], shape[0], shape[1]]  # from height, width, channels
    cls = LAYERS[kind]
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        raise NetworkError(f"{where} ({name}): {explain_layer(error, cls)}") from None


def _count(items: list[Any]) -> None:
    if len(items) > MAX_LAYERS:
        raise NetworkError(f"A network may have at most {MAX_LAYERS} layers, not {len(items):,}.")
