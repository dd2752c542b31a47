"""What the tests of training share: a small learnable data set, a small network, a scripted control."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from convolab.datasets import Dataset
from convolab.networks import Network
from convolab.networks.layers import BatchNorm2d, Conv2d, Dropout, Flatten, Linear, MaxPool2d, ReLU
from convolab.training import Commands, Event


def bars(count: int, shape: tuple[int, int, int], classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a bright bar whose height says the class."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, count)
    images = random.integers(0, 90, (count, *shape))
    step = shape[1] // classes
    for image, label in zip(images, labels, strict=True):
        image[:, step * label : step * (label + 1)] += 120
    return images.astype(np.uint8), labels.astype(np.int64)


def make_dataset(train: int = 300, test: int = 100, shape=(1, 12, 12), classes: int = 4) -> Dataset:
    names = tuple(f"bar {i}" for i in range(classes))
    return Dataset("bars", "Bars", names, *bars(train, shape, classes, 0), *bars(test, shape, classes, 1))


def make_network(shape=(1, 12, 12), classes: int = 4, *, dropout: float = 0.0) -> Network:
    layers = (
        Conv2d(out_channels=6, kernel_size=3, stride=1, padding=1),
        BatchNorm2d(),
        ReLU(),
        MaxPool2d(kernel_size=2, stride=2),
        Conv2d(out_channels=8, kernel_size=3, stride=1, padding=1),
        ReLU(),
        *([Dropout(p=dropout)] if dropout else []),
        Flatten(),
        Linear(out_features=classes),
    )
    return Network(input_shape=shape, layers=layers)


def of_kind(events: Iterable[Event], kind: type) -> list:
    return [event for event in events if isinstance(event, kind)]


@dataclass
class Script:
    """A control that says at its n-th poll what the script has for n, and else what it said last."""

    commands: dict[int, Commands]
    polls: int = 0
    held: bool = False
    now: Commands = field(default_factory=Commands)

    def poll(self) -> Commands:
        self.now = self.commands.get(self.polls, Commands(**{**self.now.__dict__, "steps": 0}))
        self.polls += 1
        return self.now

    def hold(self) -> None:
        self.held = True
        self.now = Commands(paused=True)
