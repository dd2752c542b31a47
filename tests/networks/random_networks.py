"""Random networks for the tests: sound ones, and ones thrown together."""

from __future__ import annotations

import random
from collections.abc import Sequence

from convolab.networks import Network
from convolab.networks.layers import (
    GELU,
    AvgPool2d,
    BatchNorm2d,
    ConstantPad2d,
    Conv2d,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    Layer,
    Linear,
    MaxPool2d,
    ReLU,
    Reshape,
    Residual,
    Scale,
    ScaledTanh,
    Tanh,
)

WINDOWS = ("conv", "max", "avg")
MAPS = (*WINDOWS, "conv", "conv", "norm", "dropout", "activation", "pad", "residual")
ALL = (*MAPS, "linear", "flatten", "reshape", "global")


def random_layer(rng: random.Random, kinds: Sequence[str] = ALL, depth: int = 0) -> Layer:
    """A layer with random settings, sensible or not."""
    kind = rng.choice(kinds)
    window = {
        "kernel_size": rng.choice((1, 2, 3, 3, 5, 6)),
        "stride": rng.choice((1, 1, 2, 2, 3)),
        "padding": rng.choice((0, 0, 1, 2, 3)),
    }
    match kind:
        case "conv":
            channels = rng.randint(1, 6)
            table = None
            if rng.random() < 0.15:
                table = [rng.sample(range(3), rng.randint(1, 3)) for _ in range(channels)]
            whitening = table is None and channels < 3 and window["stride"] == 3
            return Conv2d(
                out_channels=channels,
                bias=rng.random() < 0.7,
                connections=table,
                whitening=whitening,
                **window,
            )
        case "max":
            return MaxPool2d(**window)
        case "avg":
            return AvgPool2d(**window)
        case "norm":
            return BatchNorm2d(scale=window["stride"] < 3)
        case "dropout":
            return Dropout(p=0.25)
        case "activation":
            function = rng.choice((ReLU, Tanh, ScaledTanh, GELU))()
            return function if window["stride"] < 3 else Scale(factor=0.75)
        case "pad":
            return ConstantPad2d(padding=rng.randint(1, 3), value=rng.choice((-1.0, 0.0, 0.5)))
        case "residual":
            kinds = MAPS[:-1] if depth else MAPS
            return Residual(
                layers=tuple(random_layer(rng, kinds, depth + 1) for _ in range(rng.randint(1, 3)))
            )
        case "linear":
            return Linear(out_features=rng.randint(1, 12), bias=rng.random() < 0.7)
        case "flatten":
            return Flatten()
        case "global":
            return GlobalAvgPool2d()
    return Reshape(shape=rng.choice(((16,), (1, 4, 4), (2, 7, 7), (48,), (3, 5, 5))))


def random_shape(rng: random.Random) -> tuple[int, int, int]:
    return rng.choice((1, 1, 2, 3)), rng.randint(5, 18), rng.randint(5, 18)


def bad_network(rng: random.Random) -> Network:
    """Layers thrown together: most such networks have errors."""
    layers = tuple(random_layer(rng) for _ in range(rng.randint(1, 6)))
    return Network(input_shape=random_shape(rng), layers=layers, floor=rng.random() < 0.3)


def sound_network(rng: random.Random, kinds: Sequence[str] = ALL, length: int = 6) -> Network:
    """A network without errors: layers that do not fit are left out."""
    network = Network(input_shape=random_shape(rng), floor=rng.random() < 0.5)
    while len(network.layers) < length:
        candidate = network.insert(len(network.layers), random_layer(rng, kinds))
        if candidate.problem() is None:
            network = candidate
        elif rng.random() < 0.02:
            break
    return network
