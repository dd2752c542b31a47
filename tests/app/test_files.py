from __future__ import annotations

import json

import pytest

from convolab.app.build.files import original_json
from convolab.errors import NetworkError
from convolab.networks import Network, preset


def test_the_original_model_builders_file_comes_back_as_the_same_network():
    network = preset("convolutional", (3, 32, 32), 10)
    text = original_json(network)
    assert json.loads(text)[0] == {
        "layerName": "Convolution",
        "fieldSize": 5,
        "stride": 1,
        "zeroPad": 2,
        "outputDepth": 16,
    }
    assert Network.from_json(text, (3, 32, 32)).layers == network.layers


def test_what_the_original_does_not_have_is_named():
    with pytest.raises(NetworkError, match=r"Layer 1 .*Border"):
        original_json(preset("harley-cnn", (1, 28, 28), 10))
