"""Networks that come with the lab, each made for the shape and the classes of a data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from convolab.errors import NetworkError, unknown
from convolab.networks.layers import (
    LENET5_CONNECTIONS,
    AvgPool2d,
    BatchNorm2d,
    ConstantPad2d,
    Conv2d,
    Flatten,
    GlobalAvgPool2d,
    Layer,
    Linear,
    MaxPool2d,
    ReLU,
    Residual,
    ScaledTanh,
    Shape,
)
from convolab.networks.layers.base import shape_text
from convolab.networks.network import Initialization, Network
from convolab.networks.speed_recipes import SPEED_RECIPES

Builder = Callable[[Shape, int], list[Layer]]
"""Makes the layers for an input shape (channels, height, width) and a number of classes."""


@dataclass(frozen=True)
class Preset:
    """A network that comes with the lab."""

    name: str
    title: str
    help: str
    builder: Builder
    initialization: Initialization = "original"
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Training settings that go with it on colour pictures, where they differ from the defaults."""

    def settings_for(self, input_shape: Shape) -> dict[str, Any]:
        """The settings for pictures of this shape: grey ones are not mirrored, since they may be digits."""
        found = dict(self.settings)
        if input_shape[0] == 1:
            found = {name: value for name, value in found.items() if name not in ("flip", "alternate_flip")}
        return found


def _triple(out_channels: int) -> list[Layer]:
    return [
        Conv2d(out_channels=out_channels, kernel_size=5, padding=2),
        ReLU(),
        MaxPool2d(kernel_size=2, stride=2),
    ]


def _convolutional(input_shape: Shape, classes: int) -> list[Layer]:
    channels, height, width = input_shape
    # The assignment has one set for small grey pictures and one for CIFAR-10.
    grey = channels == 1 and min(height, width) < 32
    maps = (8, 16) if grey else (16, 20, 20)
    triples = [layer for out_channels in maps for layer in _triple(out_channels)]
    return [*triples, Flatten(), Linear(out_features=classes)]


def _fully_connected(input_shape: Shape, classes: int) -> list[Layer]:
    return [
        Flatten(),
        Linear(out_features=128),
        ReLU(),
        Linear(out_features=32),
        ReLU(),
        Linear(out_features=classes),
    ]


def _harley_cnn(input_shape: Shape, classes: int) -> list[Layer]:
    border = (32 - max(input_shape[1:])) // 2
    # −1 is black with the default normalisation.
    pad: list[Layer] = [ConstantPad2d(padding=border, value=-1.0)] if border > 0 else []
    return [
        *pad,
        Conv2d(out_channels=6, kernel_size=5),
        ScaledTanh(),
        MaxPool2d(kernel_size=2, stride=2),
        Conv2d(out_channels=16, kernel_size=5, connections=LENET5_CONNECTIONS),
        ScaledTanh(),
        MaxPool2d(kernel_size=2, stride=2),
        Flatten(),
        Linear(out_features=120),
        ScaledTanh(),
        Linear(out_features=100),
        ScaledTanh(),
        Linear(out_features=classes),
        ScaledTanh(),
    ]


def _harley_mlp(input_shape: Shape, classes: int) -> list[Layer]:
    layers: list[Layer] = [Flatten()]
    for units in (300, 100, classes):
        layers += [Linear(out_features=units), ScaledTanh()]
    return layers


def _lenet5(input_shape: Shape, classes: int) -> list[Layer]:
    return [
        Conv2d(out_channels=6, kernel_size=5, padding=max(0, (32 - max(input_shape[1:])) // 2)),
        ScaledTanh(),
        AvgPool2d(kernel_size=2, stride=2),
        Conv2d(out_channels=16, kernel_size=5, connections=LENET5_CONNECTIONS),
        ScaledTanh(),
        AvgPool2d(kernel_size=2, stride=2),
        Conv2d(out_channels=120, kernel_size=5),
        ScaledTanh(),
        Flatten(),
        Linear(out_features=84),
        ScaledTanh(),
        Linear(out_features=classes),
    ]


def _modern_cnn(input_shape: Shape, classes: int) -> list[Layer]:
    layers: list[Layer] = []
    for maps, last in ((16, False), (32, False), (64, True)):
        layers += [Conv2d(out_channels=maps, kernel_size=3, padding=1, bias=False), BatchNorm2d(), ReLU()]
        layers.append(GlobalAvgPool2d() if last else MaxPool2d(kernel_size=2, stride=2))
    return [*layers, Linear(out_features=classes)]


def _block(out_channels: int, stride: int) -> list[Layer]:
    """Two convolutions with a way around them, then ReLU (He and others, 2015)."""
    inside = (
        Conv2d(out_channels=out_channels, kernel_size=3, stride=stride, padding=1, bias=False),
        BatchNorm2d(),
        ReLU(),
        Conv2d(out_channels=out_channels, kernel_size=3, padding=1, bias=False),
        BatchNorm2d(),
    )
    return [Residual(layers=inside), ReLU()]


def _resnet(input_shape: Shape, classes: int) -> list[Layer]:
    return [
        Conv2d(out_channels=32, kernel_size=3, padding=1, bias=False),
        BatchNorm2d(),
        ReLU(),
        *_block(32, stride=1),
        *_block(64, stride=2),
        *_block(128, stride=2),
        GlobalAvgPool2d(),
        Linear(out_features=classes),
    ]


PRESETS: dict[str, Preset] = {
    entry.name: entry
    for entry in (
        Preset(
            "convolutional",
            "Convolutional",
            "The assignment's: convolution, ReLU and max pool, two or three times, then fully connected.",
            _convolutional,
        ),
        Preset(
            "fully-connected",
            "Fully connected",
            "The assignment's without convolutions: 128 and 32 units between picture and classes.",
            _fully_connected,
        ),
        Preset(
            "harley-cnn",
            "Harley's CNN",
            "The convolutional network of Harley's visualisation: 9,134 units on MNIST, all scaled tanh.",
            _harley_cnn,
        ),
        Preset(
            "harley-mlp",
            "Harley's MLP",
            "The fully connected network of Harley's visualisation: 300 and 100 units, scaled tanh.",
            _harley_mlp,
        ),
        Preset(
            "lenet-5",
            "LeNet-5",
            "LeCun's network of 1998 for handwritten digits, with its connection table and average pooling.",
            _lenet5,
        ),
        Preset(
            "modern-cnn",
            "Small modern CNN",
            "Three 3×3 convolutions with batch norm and ReLU, then the mean of each map.",
            _modern_cnn,
        ),
        Preset(
            "resnet",
            "Small ResNet",
            "Seven convolutions, three residual blocks, batch norm: about twelve times the work on CIFAR-10.",
            _resnet,
        ),
        *(
            Preset(recipe.name, recipe.title, recipe.help, recipe.layers, "dirac", recipe.settings)
            for recipe in SPEED_RECIPES
        ),
    )
}
"""The networks by name, in the order in which a menu should offer them."""


def preset(name: str, input_shape: Shape, classes: int) -> Network:
    """A network that comes with the lab, for pictures of ``input_shape`` = (channels, height, width).

    Windows that do not divide an unusual picture size are rounded down. Raises NetworkError for an unknown
    name, or when the pictures are too small for it.
    """
    if name not in PRESETS:
        raise NetworkError(unknown("network", name, PRESETS))
    entry = PRESETS[name]
    layers = entry.builder(input_shape, classes)
    described = {"input_shape": input_shape, "layers": layers, "name": name}
    network = Network.model_validate({**described, "initialization": entry.initialization})
    if network.problem(classes) is None:
        return network
    rounded = network.changed(floor=True)
    if (error := rounded.problem(classes)) is not None:
        size = shape_text(input_shape)
        raise NetworkError(
            f'The network "{name}" does not fit pictures of {size} (channels × height × width): '
            f"{error.message} Choose another network or larger pictures."
        )
    return rounded
