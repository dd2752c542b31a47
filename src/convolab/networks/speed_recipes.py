"""Networks and settings for the best accuracy that a few minutes on a few cores can give.

After Page's "How to train your ResNet", tysam-code's hlb-CIFAR10 and Jordan's airbench (2024), made smaller:
what these spend on a GPU in three seconds, two cores spend in an hour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from convolab.networks.layers import (
    GELU,
    BatchNorm2d,
    Conv2d,
    GlobalAvgPool2d,
    Layer,
    Linear,
    MaxPool2d,
    Residual,
    Scale,
    Shape,
)

SETTINGS: Mapping[str, Any] = {
    "optimizer": "muon",
    "learning_rate": 0.03,
    "momentum": 0.9,
    "weight_decay": 0.02,
    "norm_rate": 4.0,
    "batch_size": 256,
    "schedule": "one-cycle",
    "warmup": 0.2,
    "label_smoothing": 0.1,
    "normalization": "per-channel",
    "flip": True,
    "alternate_flip": True,
    "shift": 2,
    "whitening_until": 0.0,
    "start_size": 0.5,
}
"""What the recipes have in common. The schedule follows the budget, whatever the machine manages in it."""


@dataclass(frozen=True)
class SpeedRecipe:
    """A network with three blocks of two or three convolutions, and how it is trained."""

    name: str
    title: str
    help: str
    widths: tuple[int, int, int]
    seconds: float
    changes: Mapping[str, Any]
    around: tuple[bool, bool, bool] = (False, False, False)
    """Which blocks end with two convolutions that have a way around them, instead of one without."""

    @property
    def settings(self) -> dict[str, Any]:
        """Training settings, the budget among them."""
        return {**SETTINGS, "budget": self.seconds, **self.changes}

    def layers(self, input_shape: Shape, classes: int) -> list[Layer]:
        """The layers for pictures of ``input_shape`` and so many classes."""
        channels = input_shape[0]
        layers: list[Layer] = [
            Conv2d(out_channels=8 * channels, kernel_size=2, whitening=True),
            GELU(),
        ]
        for width, around in zip(self.widths, self.around, strict=True):
            convolution = Conv2d(out_channels=width, kernel_size=3, padding=1, bias=False)
            norm = BatchNorm2d(scale=False)
            layers += [convolution, MaxPool2d(kernel_size=2, stride=2), norm, GELU()]
            if around:
                layers += [Residual(layers=(convolution, norm, GELU(), convolution, norm)), GELU()]
            else:
                layers += [convolution, norm, GELU()]
        return [*layers, GlobalAvgPool2d(), Linear(out_features=classes, bias=False), Scale(factor=0.125)]


SPEED_RECIPES = (
    SpeedRecipe(
        "cifar10/1-minute",
        "One minute",
        "As accurate as one minute on two cores allows: a whitened first layer, batch norm, Muon.",
        (48, 96, 128),
        60,
        {"shift": 1},
    ),
    SpeedRecipe(
        "cifar10/5-minutes",
        "Five minutes",
        "As accurate as five minutes on two cores allow: as for one minute, with more maps at the end.",
        (64, 128, 256),
        300,
        {},
    ),
    SpeedRecipe(
        "cifar10/10-minutes",
        "Ten minutes",
        "As accurate as ten minutes on two cores allow: as for five minutes, two blocks deeper.",
        (64, 128, 256),
        600,
        {"shift": 3, "cutout": 8},
        (False, True, True),
    ),
)
