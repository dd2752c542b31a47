"""Receptive fields against the pixels that really change a unit."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from look_kit import EVERY_KIND
from random_networks import sound_network

from convolab.activations import Inspector
from convolab.networks import Network, preset
from convolab.networks.layers import ConstantPad2d, Conv2d, GlobalAvgPool2d, MaxPool2d, ReLU, Residual

KINDS = (
    "conv", "conv", "max", "avg", "norm", "dropout", "pad", "residual", "reshape", "flatten", "linear",
    "global",
)  # fmt: skip


def found_by_perturbing(network: Network, inspector: Inspector) -> dict[str, np.ndarray]:
    """(4, *shape) boxes of each level: which pixels change a unit when they grow a lot, one after the other.

    With positive weights, and functions that let large values pass, whatever can be seen is felt.
    """
    channels, height, width = network.input_shape
    images = torch.rand(1 + height * width, channels, height, width, dtype=torch.float64)
    images[1:] = images[0]
    for place in range(height * width):
        images[1 + place, :, place // width, place % width] += 1e12
    with torch.no_grad():
        results = inspector.forward(images)
    boxes = {}
    for level, (_, values) in zip(inspector.levels, results, strict=True):
        felt = ((values[1:] - values[:1]).abs() > 1).numpy().reshape(height, width, *level.shape)
        rows, columns = felt.any(1), felt.any(0)
        box = [
            rows.argmax(0), columns.argmax(0), height - rows[::-1].argmax(0), width - columns[::-1].argmax(0),
        ]  # fmt: skip
        boxes[level.key] = np.where(rows.any(0), box, 0)
    return boxes


def sample() -> dict[str, Network]:
    named = {f"random {seed}": sound_network(random.Random(seed), KINDS) for seed in range(25)}
    unbounded = EVERY_KIND.replace((15, 1), ReLU()).replace(11, ReLU()).replace(8, ReLU())
    named["every kind"] = unbounded
    named["resnet"] = preset("resnet", (1, 14, 11), 4)
    # Padding so wide that units look at nothing, strides that skip pixels.
    named["blind"] = Network(
        input_shape=(1, 7, 9),
        floor=True,
        layers=(
            Conv2d(out_channels=2, kernel_size=2, stride=3, padding=4),
            Conv2d(out_channels=3, kernel_size=3, padding=2, connections=((0,), (1,), (0, 1))),
            Residual(layers=(Conv2d(out_channels=3, kernel_size=3, stride=2, padding=1),)),
            MaxPool2d(kernel_size=2, stride=2),
            GlobalAvgPool2d(),
        ),
    )
    return named


SAMPLE = sample()


@pytest.mark.parametrize("name", SAMPLE)
def test_fields_are_exactly_the_pixels_that_count(name: str) -> None:
    network = SAMPLE[name]
    # The border belongs to the input level but not to the picture: made part of it, it can be perturbed, too.
    while network.layers and isinstance(network.layers[0], ConstantPad2d):
        shape = network.layers[0].output_shape(network.input_shape)
        network = network.remove(0).with_input(shape)
    model = network.build(0).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.abs_().clamp_(0.3, 1)
    inspector = Inspector(network, model)
    for key, boxes in found_by_perturbing(network, inspector).items():
        for index in np.ndindex(boxes.shape[1:]):
            assert inspector.field(key, index) == tuple(boxes[(slice(None), *index)]), (key, index)


def test_the_border_of_the_input_counts_as_seen() -> None:
    network = preset("harley-cnn", (1, 28, 28), 10)
    inspector = Inspector(network, network.build())
    assert inspector.field("conv1", (0, 0, 0)) == (0, 0, 5, 5)
    assert inspector.field("conv1", (5, 27, 27)) == (27, 27, 32, 32)
    assert inspector.field("conv2", (0, 1, 2)) == (2, 4, 16, 18)
    assert inspector.field("linear3", (9,)) == (0, 0, 32, 32)
