"""What the tests of teaching share: pictures of three kinds, a tiny base network, a network of the lab."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from convolab.datasets import Dataset
from convolab.networks import Network
from convolab.style.features import Convolution, FeatureNetwork
from convolab.teach.bases import FeatureBase
from convolab.teach.examples import Examples
from convolab.training import save_weights

KINDS = ("discs", "stripes", "plain")


def picture(kind: str, seed: int, side: int = 40) -> Image.Image:
    """A picture of one of `KINDS`, never twice the same."""
    random = np.random.default_rng([KINDS.index(kind), seed])
    rows, columns = np.mgrid[0:side, 0:side]
    if kind == "discs":
        middle = random.integers(side // 3, 2 * side // 3, 2)
        drawn = (rows - middle[0]) ** 2 + (columns - middle[1]) ** 2 < (side / 4) ** 2
        pixels = np.where(drawn[..., None], [220, 60, 40], [40, 40, 60])
    elif kind == "stripes":
        drawn = (rows + random.integers(0, 6)) // 3 % 2 == 0
        pixels = np.where(drawn[..., None], [240, 240, 240], [20, 20, 20])
    else:
        pixels = np.broadcast_to([60, 150, 90], (side, side, 3))
    noisy = pixels + random.normal(0, 12, (side, side, 3))
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def examples(each: int = 8, kinds: tuple[str, ...] = KINDS) -> Examples:
    """Classes with so many images each."""
    found = Examples()
    for kind in kinds:
        key = found.add_class(kind).key
        for seed in range(each):
            assert found.add(key, picture(kind, seed))
    return found


def folder(path: Path, each: int = 6) -> Path:
    """The same as files: a folder per class."""
    for kind in KINDS:
        (path / kind).mkdir(parents=True)
        for seed in range(each):
            picture(kind, seed).save(path / kind / f"{seed}.png")
    return path


def tiny_network() -> FeatureNetwork:
    """Three 3×3 convolutions with random weights, named as VGG's."""
    generator = torch.Generator().manual_seed(3)
    steps: list[tuple[str, nn.Module]] = []
    inputs = 3
    for block, outputs in ((1, 12), (2, 20), (3, 30)):
        weight = torch.randn(outputs, inputs, 3, 3, generator=generator) * (2 / (9 * inputs)) ** 0.5
        steps += [
            (f"conv{block}_1", Convolution(weight, torch.zeros(outputs))),
            (f"relu{block}_1", nn.ReLU()),
            (f"pool{block}", nn.MaxPool2d(2, 2)),
        ]
        inputs = outputs
    return FeatureNetwork("tiny", steps, factors=(1 / 64,) * 3, means=(124.0, 117.0, 104.0))


def tiny_base() -> FeatureBase:
    """A base that needs no download."""
    return FeatureBase("tiny", tiny_network(), "tiny-0")


def lab_weights(path: Path) -> Path:
    """A file of weights as the lab saves it, of a small network for colour pictures of 16×16."""
    layers = [
        {"type": "Conv2d", "out_channels": 8, "kernel_size": 3, "padding": 1},
        {"type": "ReLU"},
        {"type": "MaxPool2d", "kernel_size": 2},
        {"type": "Flatten"},
        {"type": "Linear", "out_features": 24},
        {"type": "ReLU"},
        {"type": "Linear", "out_features": 4},
    ]
    network = Network.model_validate({"input_shape": (3, 16, 16), "name": "small", "layers": layers})
    pixels = np.zeros((4, 3, 16, 16), np.uint8)
    labels = np.arange(4, dtype=np.int64)
    data = Dataset("old", "Old", ("a", "b", "c", "d"), pixels, labels, pixels, labels)
    save_weights(path, network.build(1), network, data)
    return path
