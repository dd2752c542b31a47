"""What the tests of experiments share: small recipes for the data set of the fixture ``lab``, patience."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from convolab.experiments import Recipe
from convolab.networks import Network
from convolab.training.settings import TrainingSettings

ENDLESS = 10**9


def conv_network(**first: Any) -> Network:
    layers = [
        {"type": "Conv2d", "out_channels": 4, "kernel_size": 5, "padding": 2, **first},
        {"type": "ReLU"},
        {"type": "MaxPool2d", "kernel_size": 2, "stride": 2},
        {"type": "Conv2d", "out_channels": 6, "kernel_size": 3, "padding": 1},
        {"type": "ReLU"},
        {"type": "MaxPool2d", "kernel_size": 2, "stride": 2},
        {"type": "Flatten"},
        {"type": "Linear", "out_features": 3},
    ]
    return Network.model_validate({"input_shape": (1, 16, 16), "layers": layers, "name": "two blocks"})


def flat_network() -> Network:
    layers = [{"type": "Flatten"}, {"type": "Linear", "out_features": 3}]
    return Network.model_validate({"input_shape": (1, 16, 16), "layers": layers, "name": "flat"})


def recipe(network: Network | None = None, **settings: Any) -> Recipe:
    defaults = {
        "examples": 400,
        "batch_size": 20,
        "learning_rate": 0.05,
        "precision": "fp32",
        "device": "cpu",
    }
    return Recipe("shapes", network or flat_network(), TrainingSettings(**{**defaults, **settings}))


def until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError("waited in vain")
