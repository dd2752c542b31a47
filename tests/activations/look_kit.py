"""Networks to look into, and a forward pass that owes nothing to what is tested."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from random_networks import sound_network
from torch import Tensor, nn

from convolab.activations import Inspector
from convolab.networks import Network, preset
from convolab.networks.layers import (
    GELU,
    AvgPool2d,
    BatchNorm2d,
    ConstantPad2d,
    Conv2d,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    Linear,
    MaxPool2d,
    ReLU,
    Reshape,
    Residual,
    Tanh,
)

EVERY_KIND = Network(
    input_shape=(2, 13, 12),
    floor=True,
    layers=(
        BatchNorm2d(),
        Conv2d(out_channels=4, kernel_size=3, stride=2, padding=2),
        BatchNorm2d(),
        ReLU(),
        Dropout(p=0.4),
        MaxPool2d(kernel_size=3, stride=2, padding=1),
        ConstantPad2d(padding=2, value=0.3),
        Conv2d(
            out_channels=5, kernel_size=2, bias=False, connections=((0,), (1, 3), (0, 1, 2, 3), (2,), (3, 0))
        ),
        GELU(),
        AvgPool2d(kernel_size=2, stride=1, padding=1),
        Residual(layers=(ReLU(), Conv2d(out_channels=6, kernel_size=3, stride=2, padding=1), BatchNorm2d())),
        Tanh(),
        Residual(layers=(Conv2d(out_channels=6, kernel_size=3, padding=1),)),
        Flatten(),
        ReLU(),
        Residual(layers=(Linear(out_features=96), Tanh())),
        Reshape(shape=(6, 2, 8)),
        MaxPool2d(kernel_size=2, stride=1),
        GlobalAvgPool2d(),
        Linear(out_features=7, bias=False),
        Linear(out_features=5),
    ),
)
"""Every kind of layer, most in an unusual place."""


def networks() -> dict[str, Network]:
    """Names and networks for the tests that go through all of them."""
    named = {"every kind": EVERY_KIND}
    for name, shape in (("harley-cnn", (1, 28, 28)), ("harley-mlp", (1, 28, 28)), ("resnet", (3, 12, 12))):
        named[name] = preset(name, shape, 10)
    for seed in range(12):
        named[f"random {seed}"] = sound_network(random.Random(seed), length=7)
    return named


def built(network: Network, seed: int = 0) -> nn.Sequential:
    """The network with weights, biases and statistics that are none of them 0 or 1."""
    model = network.build(seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2, generator=generator)
            elif value.is_floating_point() and value.ndim == 1:
                value.uniform_(-0.5, 0.5, generator=generator)
    return model


def picture(network: Network, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, network.input_shape).astype(np.float32)


def inspected(network: Network, seed: int = 0) -> tuple[Inspector, nn.Sequential]:
    model = built(network, seed)
    return Inspector(network, model), model


def outputs(model: nn.Module, image: np.ndarray) -> dict[str, np.ndarray]:
    """What every module of ``model`` gives in PyTorch's own forward pass, by path."""
    found: dict[str, np.ndarray] = {}

    def keep(path: str) -> Any:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            found[path] = output[0].numpy().copy()

        return hook

    handles = [part.register_forward_hook(keep(path)) for path, part in model.named_modules() if path]
    training = model.training
    model.eval()
    with torch.no_grad():
        model(torch.from_numpy(image)[None])
    model.train(training)
    for handle in handles:
        handle.remove()
    return found


def random_units(inspector: Inspector, key: str, count: int, seed: int = 0) -> list[tuple[int, ...]]:
    """Units of a level, among them its corners."""
    shape = inspector.level(key).shape
    rng = np.random.default_rng(seed)
    drawn = {tuple(int(rng.integers(size)) for size in shape) for _ in range(count)}
    return sorted(drawn | {(0,) * len(shape), tuple(size - 1 for size in shape)})
