"""Which levels a network has, and what they are called."""

from __future__ import annotations

import numpy as np
import pytest
from look_kit import EVERY_KIND, inspected

from convolab.activations import Inspector, parse_unit
from convolab.errors import DataError, NetworkError, UnitError
from convolab.networks import Network, preset
from convolab.networks.layers import (
    BatchNorm2d,
    ConstantPad2d,
    Conv2d,
    Dropout,
    Flatten,
    Linear,
    ReLU,
    Reshape,
    Residual,
)


def rows(network: Network) -> list[tuple]:
    return [(x.key, x.kind, x.shape, x.layers, x.function, x.below) for x in inspected(network)[0].levels]


def test_harleys_networks_have_his_units() -> None:
    levels = inspected(preset("harley-cnn", (1, 28, 28), 10))[0].levels
    assert [(x.key, x.shape) for x in levels] == [
        ("input", (1, 32, 32)), ("conv1", (6, 28, 28)), ("pool1", (6, 14, 14)), ("conv2", (16, 10, 10)),
        ("pool2", (16, 5, 5)), ("linear1", (120,)), ("linear2", (100,)), ("linear3", (10,)),
    ]  # fmt: skip
    assert levels[1].title == "Convolution 5×5"
    assert levels[1].function == "ScaledTanh"
    units = 0
    for level in levels:
        size = 1
        for number in level.shape:
            size *= number
        units += size
    assert units == 9_134
    mlp = inspected(preset("harley-mlp", (1, 28, 28), 10))[0].levels
    assert [(x.key, x.shape) for x in mlp] == [
        ("input", (1, 28, 28)), ("linear1", (300,)), ("linear2", (100,)), ("linear3", (10,)),
    ]  # fmt: skip


def test_every_layer_is_in_its_level() -> None:
    assert rows(EVERY_KIND) == [
        ("input", "input", (2, 13, 12), (), "", ()),
        ("norm1", "norm", (2, 13, 12), ("0",), "", ("input",)),
        ("conv1", "conv", (4, 8, 7), ("1", "2", "3", "4"), "ReLU", ("norm1",)),
        ("pool1", "maxpool", (4, 4, 4), ("5",), "", ("conv1",)),
        ("pad1", "pad", (4, 8, 8), ("6",), "", ("pool1",)),
        ("conv2", "conv", (5, 7, 7), ("7", "8"), "GELU", ("pad1",)),
        ("pool2", "avgpool", (5, 8, 8), ("9",), "", ("conv2",)),
        ("function1", "function", (5, 8, 8), ("10.body.0",), "ReLU", ("pool2",)),
        ("conv3", "conv", (6, 4, 4), ("10.body.1", "10.body.2"), "", ("function1",)),
        ("conv4", "conv", (6, 4, 4), ("10.shortcut",), "", ("pool2",)),
        ("add1", "add", (6, 4, 4), ("10", "11"), "Tanh", ("conv3", "conv4")),
        ("conv5", "conv", (6, 4, 4), ("12.body.0",), "", ("add1",)),
        ("add2", "add", (6, 4, 4), ("12",), "", ("conv5", "add1")),
        ("function2", "function", (96,), ("14",), "ReLU", ("add2",)),
        ("linear1", "linear", (96,), ("15.body.0", "15.body.1"), "Tanh", ("function2",)),
        ("add3", "add", (96,), ("15",), "", ("linear1", "function2")),
        ("function3", "function", (6, 2, 8), ("16",), "", ("add3",)),
        ("pool3", "maxpool", (6, 1, 7), ("17",), "", ("function3",)),
        ("pool4", "globalavgpool", (6,), ("18",), "", ("pool3",)),
        ("linear2", "linear", (7,), ("19",), "", ("pool4",)),
        ("linear3", "linear", (5,), ("20",), "", ("linear2",)),
    ]


def test_a_border_belongs_to_the_input_only_in_front_of_the_first_layer() -> None:
    network = Network(
        input_shape=(1, 5, 5),
        layers=(
            ConstantPad2d(padding=1),
            Dropout(p=0.5),
            ConstantPad2d(padding=2, value=-1.0),
            ReLU(),
            ConstantPad2d(padding=1),
            Residual(layers=(ConstantPad2d(padding=1), Conv2d(out_channels=1, kernel_size=3))),
        ),
    )
    assert rows(network) == [
        ("input", "input", (1, 11, 11), ("0", "2"), "", ()),
        ("function1", "function", (1, 11, 11), ("3",), "ReLU", ("input",)),
        ("pad1", "pad", (1, 13, 13), ("4",), "", ("function1",)),
        ("pad2", "pad", (1, 15, 15), ("5.body.0",), "", ("pad1",)),
        ("conv1", "conv", (1, 13, 13), ("5.body.1",), "", ("pad2",)),
        ("add1", "add", (1, 13, 13), ("5",), "", ("conv1", "pad1")),
    ]


def test_reshape_makes_a_level_only_where_neighbours_matter() -> None:
    flat = (Reshape(shape=(16,)), Linear(out_features=3))
    assert [row[0] for row in rows(Network(input_shape=(1, 4, 4), layers=flat))] == ["input", "linear1"]
    same = (Flatten(), Reshape(shape=(1, 4, 4)), Conv2d(out_channels=2, kernel_size=3))
    assert [row[0] for row in rows(Network(input_shape=(1, 4, 4), layers=same))] == ["input", "conv1"]
    other = (Reshape(shape=(1, 2, 8)), BatchNorm2d(), Conv2d(out_channels=2, kernel_size=2))
    assert [row[0] for row in rows(Network(input_shape=(1, 4, 4), layers=other))] == [
        "input",
        "norm1",
        "conv1",
    ]
    other = (Reshape(shape=(1, 2, 8)), Conv2d(out_channels=2, kernel_size=2))
    found = rows(Network(input_shape=(1, 4, 4), layers=other))
    assert [row[0] for row in found] == ["input", "function1", "conv1"]
    assert found[1][3] == ("0",)


def test_units_are_named_and_what_does_not_exist_is_told() -> None:
    inspector, _ = inspected(preset("harley-cnn", (1, 28, 28), 10))
    assert parse_unit(inspector, "conv1:0:3:4") == ("conv1", (0, 3, 4))
    assert parse_unit(inspector, " linear1:119 ") == ("linear1", (119,))
    for text, said in (
        ("conv9:0:0:0", 'no layer "conv9"; this network has input, conv1, pool1'),
        ("conv1:6:0:0", "6 × 28 × 28 units; write conv1:MAP:ROW:COLUMN with map 0 to 5, row 0 to 27"),
        ("conv1:0:-1:0", "conv1 has 6 × 28 × 28"),
        ("conv1:0", "conv1 has 6 × 28 × 28"),
        ("linear1:120", "write linear1:UNIT with unit 0 to 119"),
        ("linear1:x", "write linear1:UNIT in whole numbers"),
        ("", "this network has input"),
    ):
        with pytest.raises(UnitError) as error:
            parse_unit(inspector, text)
        assert said in str(error.value)
    with pytest.raises(UnitError):
        inspector.run(np.zeros((1, 28, 28), "float32")).values("fc1")


def test_what_does_not_fit_is_refused() -> None:
    network = preset("harley-cnn", (1, 28, 28), 10)
    inspector, model = inspected(network)
    with pytest.raises(DataError, match="images of 1 × 28 × 28"):
        inspector.run(np.zeros((28, 28), "float32"))
    with pytest.raises(NetworkError, match="does not belong to this network"):
        Inspector(network, model[:5])
    with pytest.raises(NetworkError, match="Flatten"):
        Inspector(Network(input_shape=(1, 4, 4), layers=(Linear(),)), model)
