"""Feature networks by name: VGG with its weights, or a network that was trained in the lab."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor, nn

from convolab.errors import DataError, NetworkError, SettingsError, unknown
from convolab.networks.modules import Residual, TableConv2d
from convolab.style.features import Convolution, FeatureNetwork, Padding, Pooling, one
from convolab.style.vgg import MEANS, VGGS

if TYPE_CHECKING:
    from convolab.datasets.progress import Report


def vgg(
    name: str,
    weights: Mapping[str, Tensor],
    pooling: Pooling = "max",
    padding: Padding = "zero",
) -> FeatureNetwork:
    """VGG-16 or VGG-19 with the given weights (`weights.load_weights`), which take blue, green, red."""
    steps: list[tuple[str, nn.Module]] = []
    network = VGGS[name]
    for layer in network.layers:
        if layer.startswith("conv"):
            weight = weights[f"{layer}.weight"]
            first = not steps
            weight = weight.flip(1) if first else weight
            border: Padding = padding if first else "zero"
            steps.append((layer, Convolution(weight, weights[f"{layer}.bias"], border=border)))
        elif layer.startswith("relu"):
            steps.append((layer, nn.ReLU()))
        else:
            steps.append((layer, nn.AvgPool2d(2, 2) if pooling == "average" else nn.MaxPool2d(2, 2)))
    return FeatureNetwork(network.title, steps, means=MEANS)


def trained(path: str | Path) -> FeatureNetwork:
    """A network trained in the lab, from its file of weights: its layers up to the first that is not spatial.

    Layers are called after the convolution they follow: ``conv1``, ``norm1``, ``relu1``, ``pool1``,
    ``conv2`` and so on. NetworkError if it cannot be read or has no convolution.
    """
    from convolab.training.weights import load_weights

    network, model, info = load_weights(path)
    return from_modules(network.name or Path(path).stem, model, info.mean, info.std)


def from_modules(
    name: str, model: nn.Sequential, mean: Sequence[float], std: Sequence[float]
) -> FeatureNetwork:
    """The spatial part of a classifier whose inputs were (pixel − mean) / std, pixels 0 … 255."""
    steps: list[tuple[str, nn.Module]] = []
    count = 0
    for module in model:
        kind = _kind(module)
        if kind is None:
            break
        if kind == "":
            continue
        if isinstance(module, nn.Conv2d):
            count += 1
            module = Convolution(module.weight, module.bias, one(module.stride), one(module.padding))
        elif isinstance(module, TableConv2d):
            count += 1
            module = Convolution(module.dense_weight(), module.bias, module.stride, module.padding)
        steps.append((_free(f"{kind}{count}", steps), module))
    if not count:
        raise NetworkError(
            f"{name} has no convolution at its beginning, so it cannot serve as feature network."
        )
    channels = len(mean)
    return FeatureNetwork(name, steps, [1 / s for s in std], mean, grey=channels == 1)


def _kind(module: nn.Module) -> str | None:
    """What a layer is called; empty where it does nothing here, None where the maps end."""
    if isinstance(module, nn.Conv2d | TableConv2d):
        return "conv"
    if isinstance(module, Residual):
        return "block"
    if isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
        return "pool"
    if isinstance(module, nn.BatchNorm2d):
        return "norm"
    if isinstance(module, nn.ConstantPad2d):
        return "pad"
    if isinstance(module, nn.Dropout):
        return ""
    if isinstance(module, nn.Flatten | nn.Linear | nn.Sequential):  # reshape and global average are sequences
        return None
    return re.sub(r"[^a-z]", "", type(module).__name__.lower())


def _free(name: str, steps: Sequence[tuple[str, nn.Module]]) -> str:
    taken = {step for step, _ in steps}
    return (
        name if name not in taken else next(f"{name}_{i}" for i in range(2, 99) if f"{name}_{i}" not in taken)
    )


def load_network(
    name: str, pooling: Pooling = "max", padding: Padding = "zero", progress: Report | None = None
) -> FeatureNetwork:
    """``vgg-16``, ``vgg-19`` (fetched if need be), or a network trained in the lab by its file of weights.

    Raises DataError with what mends it if the weights cannot be had, NetworkError if the file is none.
    """
    if name in VGGS:
        from convolab.style.weights import load_weights

        try:
            weights = load_weights(name, progress)
        except DataError as error:
            raise DataError(
                f"{error} 'convolab data fetch {name}' fetches them beforehand; without them 'convolab "
                "transfer' paints with the weights of a network trained in the lab: --network FILE."
            ) from error
        return vgg(name, weights, pooling, padding)
    if Path(name).suffix == ".safetensors":
        return trained(name)
    raise SettingsError(
        unknown("feature network", name, VGGS)[:-1]
        + ", or a file of weights saved by the lab (.safetensors)."
    )
