"""What the tests of style transfer share: a tiny feature network with random weights, and small pictures."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import nn

from convolab.datasets import Dataset
from convolab.style.features import Convolution, FeatureNetwork, Padding, Pooling

LAYERS = ("relu1_1", "relu2_1", "relu3_1")


def tiny_network(
    *, padding: Padding = "zero", double: bool = False, maps: int = 6, pooling: Pooling = "average"
) -> FeatureNetwork:
    """Five 3×3 convolutions in three blocks, as VGG's first, with few maps."""
    generator = torch.Generator().manual_seed(1)
    steps: list[tuple[str, nn.Module]] = []
    inputs = 3
    for block, count in ((1, 2), (2, 2), (3, 1)):
        for i in range(1, count + 1):
            outputs = maps * block
            weight = torch.randn(outputs, inputs, 3, 3, generator=generator) * (2 / (9 * inputs)) ** 0.5
            bias = torch.randn(outputs, generator=generator) * 0.1
            border: Padding = padding if not steps else "zero"
            steps.append((f"conv{block}_{i}", Convolution(weight, bias, border=border)))
            steps.append((f"relu{block}_{i}", nn.ReLU()))
            inputs = outputs
        steps.append((f"pool{block}", nn.AvgPool2d(2, 2) if pooling == "average" else nn.MaxPool2d(2, 2)))
    network = FeatureNetwork("tiny", steps, factors=(1 / 64,) * 3, means=(124.0, 117.0, 104.0))
    if double:
        for _, module in network.steps:
            module.double()
    return network


def picture(seed: int = 0, height: int = 32, width: int = 40) -> torch.Tensor:
    """A smooth coloured picture, (1, 3, height, width), 0 … 1."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 5, 6, generator=generator)
    fine = torch.rand(1, 3, height, width, generator=generator)
    smooth = nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    return 0.8 * smooth + 0.2 * fine


def image(seed: int = 0, width: int = 40, height: int = 32) -> Image.Image:
    """The same as a picture of Pillow."""
    pixels = (picture(seed, height, width)[0].permute(1, 2, 0) * 255).round().byte().numpy()
    return Image.fromarray(pixels)


def stripes(width: int = 48, height: int = 48, period: int = 6, vertical: bool = True) -> Image.Image:
    """Red and blue stripes: a style with a direction and a width."""
    across = np.arange(width if vertical else height) // (period // 2) % 2
    grid = np.broadcast_to(across[None] if vertical else across[:, None], (height, width))
    red = np.where(grid[..., None] == 1, [230, 40, 30], [20, 40, 200])
    return Image.fromarray(red.astype(np.uint8))


def small_dataset() -> Dataset:
    """Eight pictures of 3×32×32, to make files of weights with."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (8, 3, 32, 32), dtype=np.uint8)
    labels = np.arange(8) % 2
    return Dataset("tiny", "Tiny", ("a", "b"), images, labels, images, labels)
