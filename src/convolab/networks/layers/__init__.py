"""The kinds of layers, and `AnyLayer`: one of them, told apart by ``type``."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, ValidationError

from convolab.errors import NetworkError, unknown
from convolab.networks.layers.activations import GELU, ReLU, Scale, ScaledTanh, Tanh
from convolab.networks.layers.base import Fix, Layer, Position, Shape, ShapeError
from convolab.networks.layers.conv import LENET5_CONNECTIONS, Conv2d
from convolab.networks.layers.linear import Linear
from convolab.networks.layers.norm import BatchNorm2d, Dropout
from convolab.networks.layers.pool import AvgPool2d, MaxPool2d
from convolab.networks.layers.residual import Residual
from convolab.networks.layers.shape import ConstantPad2d, Flatten, GlobalAvgPool2d, Reshape
from convolab.spec import explain

AnyLayer = Annotated[
    Conv2d
    | MaxPool2d
    | ReLU
    | Flatten
    | Linear
    | Reshape
    | AvgPool2d
    | GlobalAvgPool2d
    | BatchNorm2d
    | Dropout
    | GELU
    | Tanh
    | ScaledTanh
    | ConstantPad2d
    | Scale
    | Residual,
    Field(discriminator="type"),
]

Residual.model_rebuild(_types_namespace={"AnyLayer": AnyLayer})

LAYERS: dict[str, type[Layer]] = {
    cls.__name__: cls
    for cls in (
        Conv2d,
        MaxPool2d,
        ReLU,
        Flatten,
        Linear,
        Reshape,
        AvgPool2d,
        GlobalAvgPool2d,
        BatchNorm2d,
        Dropout,
        GELU,
        Tanh,
        ScaledTanh,
        ConstantPad2d,
        Scale,
        Residual,
    )
}
"""All kinds of layers by ``type``, in the order in which a menu should offer them."""


def make_layer(type: str, **settings: Any) -> Any:
    """The layer of kind ``type`` with ``settings``; NetworkError with one sentence if that cannot be."""
    if type not in LAYERS:
        raise NetworkError(unknown("layer", str(type), LAYERS))
    cls = LAYERS[type]
    try:
        return cls(**settings)
    except ValidationError as error:
        raise NetworkError(explain_layer(error, cls)) from None


def explain_layer(error: ValidationError, cls: type[Layer]) -> str:
    """One sentence for pydantic's complaint about a layer, in the words of its labels."""
    sentence = explain(error, cls.title)
    name = str(error.errors()[0]["loc"][0]) if error.errors()[0]["loc"] else ""
    field = cls.model_fields.get(name)
    words = name.replace("_", " ")
    if field is not None and field.title and sentence.startswith(words):
        sentence = field.title + sentence[len(words) :]
    return sentence[0].upper() + sentence[1:]


__all__ = [
    "GELU",
    "LAYERS",
    "LENET5_CONNECTIONS",
    "AnyLayer",
    "AvgPool2d",
    "BatchNorm2d",
    "ConstantPad2d",
    "Conv2d",
    "Dropout",
    "Fix",
    "Flatten",
    "GlobalAvgPool2d",
    "Layer",
    "Linear",
    "MaxPool2d",
    "Position",
    "ReLU",
    "Reshape",
    "Residual",
    "Scale",
    "ScaledTanh",
    "Shape",
    "ShapeError",
    "Tanh",
    "explain_layer",
    "make_layer",
]
