"""Base networks: trained before, on something else; their activations for a picture are its features."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from convolab.datasets.pictures import picture_to_input
from convolab.errors import NetworkError, SettingsError, unknown
from convolab.style.features import FeatureNetwork
from convolab.style.pictures import to_tensor
from convolab.style.vgg import VGGS
from convolab.training.device import choose_device, use_all_cores

if TYPE_CHECKING:
    from convolab.datasets.progress import Report
    from convolab.networks import Network
    from convolab.training.weights import WeightsInfo

RUN = "run:"
"""A network trained in the lab is named by this and the id of its run."""
VGG_LAYER = "relu5_3"
MOST_FEATURES = 16_384
"""Units of a layer whose activations are taken one by one; those of maps are averaged first."""
_DIGEST = 16


class Base(Protocol):
    """A network whose layers give the features of pictures."""

    name: str
    """As in `TeachSettings.base`."""
    title: str
    key: str
    """Names its weights: two bases with the same key give the same features."""
    layers: tuple[str, ...]
    """Layers to choose from, lowest first."""
    default: str
    """The layer that serves best."""

    def activations(self, picture: Image.Image, size: int, layers: Sequence[str]) -> dict[str, Tensor]:
        """Activations of ``layers`` for one picture: float32 (maps, rows, columns), or (units,).

        Nothing deeper than the deepest layer is computed.
        """
        ...

    def weights(self) -> bytes | None:
        """The file of its weights, for those who do not have them; None where everybody can fetch them."""
        ...


def pooled(activations: Tensor) -> Tensor:
    """The features of a picture: the mean of each map; units as they are. float32 (features,)."""
    return activations.flatten(1).mean(1) if activations.ndim == 3 else activations


def features(base: Base, picture: Image.Image, size: int, layers: Sequence[str]) -> dict[str, np.ndarray]:
    """Features of one picture by layer, each float32 (features,)."""
    use_all_cores()
    found = base.activations(picture, size, layers)
    return {layer: pooled(found[layer]).numpy() for layer in layers}


def layer_of(base: Base, layer: str) -> str:
    """The layer itself, or the base's default for an empty one. SettingsError if there is none such."""
    if not layer:
        return base.default
    if layer not in base.layers:
        raise SettingsError(unknown(f"layer in {base.title}", layer, base.layers))
    return layer


def open_base(name: str, progress: Report | None = None) -> Base:
    """The base of this name, its weights fetched if need be.

    Raises SettingsError for an unknown name, DataError if weights cannot be had, NetworkError or RunError if
    a network of the lab cannot be read.
    """
    if name in VGGS:
        from convolab.style.loading import load_network

        return FeatureBase(name, load_network(name, progress=progress), _vgg_key(name))
    if name.startswith(RUN):
        from convolab.runs.folder import RunFolder

        folder = RunFolder(name.removeprefix(RUN))
        folder.check()
        if not folder.weights_path.exists():
            raise NetworkError(f"{folder.name} has no weights yet; train it first, or choose VGG-16.")
        return TrainedBase(name, folder.name, folder.weights_path)
    if Path(name).suffix == ".safetensors":
        return TrainedBase(name, Path(name).stem, Path(name))
    raise SettingsError(
        unknown("base network", name, VGGS)[:-1] + ", run:ID for a network trained in the lab, or a file of "
        "its weights (.safetensors)."
    )


def _vgg_key(name: str) -> str:
    from convolab.style.weights import PRETRAINED

    item = PRETRAINED[name]
    return f"{name}-{(item.sha256 or item.file_md5)[:_DIGEST]}"


class FeatureBase:
    """A network of convolutions, as style transfer uses it: VGG."""

    def __init__(self, name: str, network: FeatureNetwork, key: str) -> None:
        """The layers that count are those after an activation or a pooling."""
        self.name, self.key = name, key
        self.title = VGGS[name].title if name in VGGS else network.name
        self.network = network.to(choose_device())
        self.layers = tuple(layer for layer in network.layers if layer.startswith(("relu", "pool")))
        self.default = VGG_LAYER if VGG_LAYER in self.layers else self.layers[-1]

    @torch.no_grad()
    def activations(self, picture: Image.Image, size: int, layers: Sequence[str]) -> dict[str, Tensor]:
        """See `Base`. The picture is resized to ``size`` × ``size`` pixels."""
        x = to_tensor(picture.convert("RGB"), size, size).to(self.network.device)
        found = self.network(x, layers)
        return {layer: found[layer][0].float().cpu() for layer in layers}

    def weights(self) -> bytes | None:
        """None: they are fetched."""
        return None


class TrainedBase:
    """Any network trained in the lab: all its layers but the last, which knows the classes of back then."""

    def __init__(self, name: str, title: str, path: Path) -> None:
        """Read a file of `convolab.save_weights`. NetworkError if it is none, or nothing is left of it."""
        from convolab.training.weights import load_weights

        network, model, info = load_weights(path)
        self.name, self.title = name, title
        self._content = path.read_bytes()
        self.key = "lab-" + hashlib.sha256(self._content).hexdigest()[:_DIGEST]
        self.network, self.info = network, info
        self._normalize = info.normalize()
        self._steps = _hidden(network, model)
        self.layers = tuple(_names(network, len(self._steps)))
        usable = [self.layers[i] for i, (_, keep) in enumerate(self._steps) if keep]
        if not usable:
            raise NetworkError(f"{title} has no layer whose activations could be features; choose another.")
        self._kept = dict(zip(self.layers, self._steps, strict=True))
        self.layers = tuple(usable)
        self.default = usable[-1]

    @torch.no_grad()
    def activations(self, picture: Image.Image, size: int, layers: Sequence[str]) -> dict[str, Tensor]:
        """See `Base`. The picture is made what the network was trained on; ``size`` does not matter."""
        return {layer: found[0] for layer, found in self.of_inputs(self.given(picture)[None], layers).items()}

    @torch.no_grad()
    def of_inputs(self, pixels: np.ndarray, layers: Sequence[str]) -> dict[str, Tensor]:
        """Activations for inputs, uint8 (N, C, H, W), each with the N in front."""
        names = list(self._kept)
        last = max(names.index(layer) for layer in layers)
        x = self._normalize(torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))))
        found: dict[str, Tensor] = {}
        for name in names[: last + 1]:
            x = self._kept[name][0](x)
            if name in layers:
                found[name] = x.float()
        return found

    def given(self, picture: Image.Image) -> np.ndarray:
        """What the network is given of a picture: uint8 (C, H, W)."""
        digits = self.info.dataset == "mnist"
        shape = self.network.input_shape
        return picture_to_input(picture, shape, centre=digits, invert=None if digits else False)[0]

    def weights(self) -> bytes | None:
        """The file that it was read from."""
        return self._content


def _hidden(network: Network, model: nn.Sequential) -> list[tuple[nn.Module, bool]]:
    """The layers before the last one that learns, each with whether its activations are worth choosing."""
    steps = list(zip(network.trace(), model, strict=True))
    learning = [i for i, (step, _) in enumerate(steps) if step.parameters]
    found: list[tuple[nn.Module, bool]] = []
    for step, module in steps[: learning[-1] if learning else 0]:
        shape = step.output_shape or ()
        few = (shape[0] if shape else 0) <= MOST_FEATURES
        found.append((module, few and step.layer.type not in _PLAIN))
    if found and not any(keep for _, keep in found):
        # Of a network without hidden layers the pixels are what is left.
        found[-1] = (found[-1][0], math.prod(network.input_shape) <= MOST_FEATURES)
    return found


_PLAIN = ("Flatten", "Dropout", "Reshape", "ConstantPad2d")
_KINDS = {
    "Conv2d": "conv",
    "Linear": "linear",
    "MaxPool2d": "pool",
    "AvgPool2d": "pool",
    "GlobalAvgPool2d": "mean",
    "BatchNorm2d": "norm",
    "Residual": "block",
    "ScaledTanh": "tanh",
    "Flatten": "pixels",
}
_COUNTED = ("conv", "linear", "block")


def _names(network: Network, count: int) -> list[str]:
    """``conv1``, ``relu1``, ``pool1``, ``conv2`` …: called after the layer with weights that they follow."""
    found: list[str] = []
    number = 0
    for step in network.trace()[:count]:
        kind = _KINDS.get(step.layer.type, step.layer.type.lower())
        number += kind in _COUNTED
        name = f"{kind}{max(1, number)}"
        while name in found:
            name += "b"
        found.append(name)
    return found


def info_of(base: Base) -> WeightsInfo | None:
    """What is known about a network of the lab; None for others."""
    return base.info if isinstance(base, TrainedBase) else None
