"""Networks as JSON: what is written can be read, old files open, bad ones get one sentence."""

from __future__ import annotations

import json
import random

import pytest
from random_networks import bad_network

from convolab.errors import NetworkError
from convolab.networks import LAYERS, PRESETS, Network, preset
from convolab.networks.layers import Conv2d, Flatten, Linear, ReLU, Residual

ORIGINAL = [
    {"layerName": "Convolution", "fieldSize": 5, "stride": 1, "zeroPad": 2, "outputDepth": 16},
    {"layerName": "ReLU"},
    {"layerName": "Max pool", "fieldSize": 2, "stride": 2, "zeroPad": 0},
    {"layerName": "Convolution", "fieldSize": 5, "stride": 1, "zeroPad": 2, "outputDepth": 20},
    {"layerName": "ReLU"},
    {"layerName": "Max pool", "fieldSize": 2, "stride": 2, "zeroPad": 0},
    {"layerName": "Convolution", "fieldSize": 5, "stride": 1, "zeroPad": 2, "outputDepth": 20},
    {"layerName": "ReLU"},
    {"layerName": "Max pool", "fieldSize": 2, "stride": 2, "zeroPad": 0},
    {"layerName": "Flatten"},
    {"layerName": "Fully connected", "hiddenUnits": 10},
]


def test_every_kind_of_layer_survives_writing_and_reading() -> None:
    rng = random.Random(3)
    seen = set()
    for _ in range(300):
        network = bad_network(rng).changed(name="a “name”", initialization=rng.choice(("dirac", "pytorch")))
        text = network.to_json()
        assert Network.from_json(text) == network
        assert Network.from_json(text).to_json() == text
        seen |= {layer.type for layer in network.layers}
    assert seen == set(LAYERS)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_writing_and_reading(name: str) -> None:
    network = preset(name, (1, 28, 28), 10)
    assert Network.from_json(network.to_json()) == network


def test_the_file_can_be_put_on_other_pictures() -> None:
    text = preset("convolutional", (1, 28, 28), 10).to_json()
    assert Network.from_json(text, input_shape=(3, 28, 28)).input_shape == (3, 28, 28)


def test_files_of_the_model_builder_open() -> None:
    network = Network.from_json(json.dumps(ORIGINAL))
    assert network.input_shape == (3, 32, 32)  # they do not fit MNIST
    assert network.layers == preset("convolutional", (3, 32, 32), 10).layers
    assert network.parameters == 22_466
    assert Network.from_json(json.dumps(ORIGINAL), input_shape=(1, 32, 32)).input_shape == (1, 32, 32)
    mnist = json.dumps([{"layerName": "Flatten"}, {"layerName": "Fully connected", "hiddenUnits": 10}])
    assert Network.from_json(mnist).input_shape == (1, 28, 28)


def test_the_model_builders_shapes_have_channels_last() -> None:
    network = Network.from_json(
        json.dumps(
            [
                {"layerName": "Reshape", "outputShape": [784]},
                {"layerName": "Reshape", "outputShape": [28, 14, 2]},
            ]
        )
    )
    assert [layer.shape for layer in network.layers] == [(784,), (2, 28, 14)]
    assert network.output_shape == (2, 28, 14)


BAD = {
    "broken": ('{"layers": [', "broken at line 1"),
    "empty": ("", "broken"),
    "a number": ("3", "should be a JSON object"),
    "no layers": ('{"input_shape": [1, 28, 28]}', 'no list named "layers"'),
    "no shape": ('{"layers": []}', 'lacks "input_shape"'),
    "bad shape": ('{"layers": [], "input_shape": [28, 28]}', "three whole numbers"),
    "negative shape": ('{"layers": [], "input_shape": [1, -28, 28]}', "three whole numbers"),
    "huge shape": ('{"layers": [], "input_shape": [1, 28, 1e9]}', "three whole numbers"),
    "future": ('{"convolab": 2, "layers": []}', "format 2"),
    "unknown layer": (
        '{"layers": [{"type": "ReLU"}, {"type": "Conv3d"}], "input_shape": [1, 28, 28]}',
        'Layer 2: There is no layer "Conv3d". Did you mean "Conv2d"?',
    ),
    "unknown setting": (
        '{"layers": [{"type": "Conv2d", "kernel": 3}], "input_shape": [1, 28, 28]}',
        'Layer 1 (Convolution): Convolution has no setting "kernel"',
    ),
    "unknown option": ('{"layers": [], "input_shape": [1, 28, 28], "flor": true}', 'no setting "flor"'),
    "wrong type": (
        '{"layers": [{"type": "Conv2d", "kernel_size": "big"}], "input_shape": [1, 28, 28]}',
        "Layer 1 (Convolution): Kernel size",
    ),
    "not a layer": ('{"layers": [7], "input_shape": [1, 28, 28]}', "Layer 1 must be an object"),
    "type is a list": ('{"layers": [{"type": []}], "input_shape": [1, 28, 28]}', "Layer 1 must be an object"),
    "10^9 units": (
        '{"layers": [{"type": "Linear", "out_features": 1000000000}], "input_shape": [1, 28, 28]}',
        "Layer 1 (Fully connected): Units must be less than or equal to 65536",
    ),
    "inside a block": (
        '{"layers": [{"type": "Residual", "layers": [{"type": "ReLU"}, {"type": "Relo"}]}],'
        ' "input_shape": [1, 28, 28]}',
        'Layer 1.2: There is no layer "Relo". Did you mean "ReLU"?',
    ),
    "block without layers": (
        '{"layers": [{"type": "Residual"}], "input_shape": [1, 28, 28]}',
        "its layers must be a list",
    ),
    "many layers": (
        json.dumps({"layers": [{"type": "ReLU"}] * 501, "input_shape": [1, 28, 28]}),
        "at most 500 layers",
    ),
    "huge": (" " * 1_000_001, "at most 1,000,000"),
    "nested lists": ("[" * 200_000, "nests too deeply"),
    "bad name": ('{"layers": [], "input_shape": [1, 28, 28], "name": 5}', "name"),
    "original, unknown": ('[{"layerName": "Maxpool"}]', 'Did you mean "Max pool"?'),
    "original, setting": ('[{"layerName": "ReLU", "fieldSize": 3}]', 'no setting "fieldSize"'),
    "original, value": (
        '[{"layerName": "Fully connected", "hiddenUnits": 1e12}]',
        "Layer 1 (Fully connected): Units must be",
    ),
    "original, no name": ('[{"name": "ReLU"}]', '"layerName"'),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_get_one_sentence(case: str) -> None:
    text, expected = BAD[case]
    with pytest.raises(NetworkError) as caught:
        Network.from_json(text)
    message = str(caught.value)
    assert expected in message
    assert "\n" not in message
    assert len(message) < 500


def test_blocks_nest_only_so_deep() -> None:
    layer: dict = {"type": "ReLU"}
    for _ in range(4):
        layer = {"type": "Residual", "layers": [layer]}
    text = json.dumps({"layers": [layer], "input_shape": [1, 28, 28]})
    assert Network.from_json(text).output_shape == (1, 28, 28)
    deeper = json.dumps({"layers": [{"type": "Residual", "layers": [layer]}], "input_shape": [1, 28, 28]})
    with pytest.raises(NetworkError, match="at most 4 deep"):
        Network.from_json(deeper)


def test_editing_gives_new_networks_and_leaves_the_old() -> None:
    block = Residual(layers=(Conv2d(padding=1), ReLU()))
    network = Network(input_shape=(1, 28, 28), layers=(ReLU(), block, Flatten(), Linear()))
    before = network.to_json()

    def types(changed: Network) -> list[str]:
        return [layer.type for layer in changed.layers]

    assert types(network.insert(0, Flatten())) == ["Flatten", "ReLU", "Residual", "Flatten", "Linear"]
    assert types(network.insert(4, ReLU())) == ["ReLU", "Residual", "Flatten", "Linear", "ReLU"]
    assert types(network.remove(1)) == ["ReLU", "Flatten", "Linear"]
    assert types(network.move(3, 0)) == ["Linear", "ReLU", "Residual", "Flatten"]
    assert types(network.duplicate(0)) == ["ReLU", "ReLU", "Residual", "Flatten", "Linear"]
    assert network.replace(3, Linear(out_features=5)).layers[3] == Linear(out_features=5)
    assert network.changed_layer((1, 0), kernel_size=5).at((1, 0)) == Conv2d(padding=1, kernel_size=5)
    assert types(network.remove((1, 0)).at(1)) == ["ReLU"]
    assert types(network.duplicate((1, 1)).at(1)) == ["Conv2d", "ReLU", "ReLU"]
    assert types(network.insert((1, 2), Flatten()).at(1)) == ["Conv2d", "ReLU", "Flatten"]
    out = network.move((1, 0), 0)
    assert types(out) == ["Conv2d", "ReLU", "Residual", "Flatten", "Linear"]
    assert types(out.at(2)) == ["ReLU"]
    assert network.with_input((3, 32, 32)).input_shape == (3, 32, 32)
    assert network.to_json() == before


@pytest.mark.parametrize("position", [4, -1, (), (0, 0), (1, 2), (9, 9), (1, 0, 0)])
def test_places_that_do_not_exist(position: int | tuple[int, ...]) -> None:
    block = Residual(layers=(Conv2d(padding=1), ReLU()))
    network = Network(input_shape=(1, 28, 28), layers=(ReLU(), block, Flatten(), Linear()))
    for act in (network.at, network.remove, network.duplicate, lambda p: network.replace(p, ReLU())):
        with pytest.raises(NetworkError, match="no layer"):
            act(position)
