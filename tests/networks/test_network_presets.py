"""The networks that come with the lab are the ones they are named after."""

from __future__ import annotations

import math

import pytest
import torch

from convolab.errors import NetworkError
from convolab.networks import PRESETS, Network, preset

MNIST, CIFAR = (1, 28, 28), (3, 32, 32)


@pytest.mark.parametrize(
    ("name", "shape", "parameters"),
    [
        ("convolutional", MNIST, 11_274),
        ("convolutional", CIFAR, 22_466),
        ("fully-connected", MNIST, 104_938),
        ("harley-mlp", MNIST, 784 * 300 + 300 + 300 * 100 + 100 + 100 * 10 + 10),
        # 156 + 1,516 (the connection table) + the fully connected layers
        ("harley-cnn", MNIST, 156 + 1_516 + 400 * 120 + 120 + 120 * 100 + 100 + 1_010),
        # as in the paper, less the 12 and 32 of the subsampling layers, with 84 × 10 + 10 at the end
        ("lenet-5", MNIST, 156 + 1_516 + 48_120 + 10_164 + 850),
    ],
)
def test_parameter_counts(name: str, shape: tuple[int, int, int], parameters: int) -> None:
    network = preset(name, shape, 10)
    assert network.parameters == parameters
    assert sum(p.numel() for p in network.build().parameters()) == parameters


def units(network: Network) -> int:
    """Units as they are drawn: the picture (padded, if there is a border) and all but the activations."""
    shapes = [
        step.output_shape for step in network.trace() if step.layer.type not in ("ScaledTanh", "Flatten")
    ]
    if network.layers[0].type != "ConstantPad2d":
        shapes.insert(0, network.input_shape)
    return sum(math.prod(shape) for shape in shapes)


def test_harleys_networks_have_as_many_units_as_his() -> None:
    assert units(preset("harley-cnn", MNIST, 10)) == 9_134
    assert units(preset("harley-mlp", MNIST, 10)) == 1_194


def test_the_assignments_order_is_convolution_relu_pool() -> None:
    types = [layer.type for layer in preset("convolutional", MNIST, 10).layers]
    assert types == [*["Conv2d", "ReLU", "MaxPool2d"] * 2, "Flatten", "Linear"]
    types = [layer.type for layer in preset("convolutional", CIFAR, 10).layers]
    assert types == [*["Conv2d", "ReLU", "MaxPool2d"] * 3, "Flatten", "Linear"]


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("shape", [MNIST, CIFAR, (1, 32, 32), (3, 28, 28), (3, 45, 61), (1, 64, 64)])
@pytest.mark.parametrize("classes", [2, 10, 100])
def test_presets_fit_the_pictures_and_classes(name: str, shape: tuple[int, int, int], classes: int) -> None:
    network = preset(name, shape, classes)
    network.check(classes, shape)
    assert network.name == name
    with torch.no_grad():
        assert network.build().eval()(torch.zeros(1, *shape)).shape == (1, classes)


def test_on_the_assignments_data_the_assignments_rule_holds() -> None:
    for name in ("convolutional", "fully-connected", "harley-cnn", "harley-mlp", "lenet-5"):
        for shape in (MNIST, CIFAR):
            assert not preset(name, shape, 10).floor


def test_pictures_that_are_too_small() -> None:
    with pytest.raises(NetworkError, match='"lenet-5" does not fit pictures of 3 × 80 × 4'):
        preset("lenet-5", (3, 80, 4), 10)
    with pytest.raises(NetworkError, match="larger pictures"):
        preset("convolutional", (3, 4, 4), 10)


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(NetworkError, match='Did you mean "convolutional"'):
        preset("convolutonal", MNIST, 10)
