"""From the files of a source to the four arrays of a data set.

All formats here are plain bytes: idx files (MNIST, Fashion-MNIST), CIFAR-10's binary batches, PNG and JSON.
Nothing is ever unpickled. Files may lie as they are, compressed with gzip, or inside a tarball, an npm or a
Debian package.
"""

from __future__ import annotations

import gzip
import io
import json
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from convolab.datasets.builtin import BuiltIn

_LARGEST_MEMBER = 200_000_000
_READ_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError, tarfile.TarError, ValueError, KeyError)

Reader = Callable[[], bytes]


class DecodeError(Exception):
    """The files are not those of the data set; ``str()`` says which and why."""


def decode(item: BuiltIn, folder: Path) -> dict[str, np.ndarray]:
    """The parts of a data set from the files in ``folder``.

    Images are uint8 (N, C, H, W), labels uint8 (N,). Raises DecodeError when a file is missing, cut short or
    of another form; whether the content is the right one is for the caller to check.
    """
    try:
        files = dict(_files(folder))
        return _LAYOUTS[item.layout](item, files)
    except _READ_ERRORS as error:
        raise DecodeError(f"the files cannot be read ({str(error) or type(error).__name__})") from None


def _files(folder: Path) -> Iterator[tuple[str, Reader]]:
    """Every file below ``folder``, also inside packages, by its bare name (without ``.gz``)."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        if path.name.endswith((".tgz", ".tar.gz")):
            yield from _tar_files(path.read_bytes())
        elif path.name.endswith(".deb"):
            yield from _tar_files(_deb_data(path.read_bytes()))
        else:
            yield _plain(path.name, path.read_bytes)


def _plain(name: str, read: Reader) -> tuple[str, Reader]:
    return (name[:-3], lambda: _gunzip(read())) if name.endswith(".gz") else (name, read)


def _gunzip(data: bytes) -> bytes:
    with gzip.open(io.BytesIO(data)) as file:
        content = file.read(_LARGEST_MEMBER + 1)
    if len(content) > _LARGEST_MEMBER:
        raise ValueError("a file is far too long")
    return content


def _tar_files(data: bytes) -> Iterator[tuple[str, Reader]]:
    # Read in one pass into memory: seeking in a compressed tarball would unpack it again for every file.
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            if not member.isfile():
                continue
            if member.size > _LARGEST_MEMBER:
                raise ValueError("a file is far too long")
            file = archive.extractfile(member)
            assert file is not None
            content = file.read()
            yield _plain(member.name.rpartition("/")[2], lambda content=content: content)  # type: ignore[misc]


def _deb_data(package: bytes) -> bytes:
    """The tarball of a Debian package's files: the member ``data.tar.*`` of an ``ar`` archive, see deb(5)."""
    if not package.startswith(b"!<arch>\n"):
        raise ValueError("it is not a Debian package")
    at = 8
    while at + 60 <= len(package):
        name, size = package[at : at + 16].decode("ascii").strip(), int(package[at + 48 : at + 58])
        at += 60
        if name.startswith("data.tar"):
            return package[at : at + size]
        at += size + size % 2
    raise ValueError("the Debian package has no data")


def _decode_idx(item: BuiltIn, files: dict[str, Reader]) -> dict[str, np.ndarray]:
    parts = {}
    for split, prefix in (("train", "train"), ("test", "t10k")):
        images = _idx(_one(files, f"{prefix}-images-idx3-ubyte", f"{prefix}-images.idx3-ubyte"))
        labels = _idx(_one(files, f"{prefix}-labels-idx1-ubyte", f"{prefix}-labels.idx1-ubyte"))
        if images.ndim != 3 or labels.ndim != 1:
            raise DecodeError("the idx files do not hold images and labels")
        parts[f"{split}_images"], parts[f"{split}_labels"] = images[:, None], labels
    return parts


def _one(files: dict[str, Reader], *names: str) -> bytes:
    for name in names:
        if name in files:
            return files[name]()
    raise DecodeError(f"{names[0]} is missing")


def _idx(data: bytes) -> np.ndarray:
    """An idx file: two zero bytes, the type (8 is uint8), the rank, big-endian sizes, then the values."""
    if len(data) < 4 or data[:3] != b"\x00\x00\x08" or len(data) < 4 + 4 * data[3]:
        raise DecodeError("a file is not an idx file of bytes")
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", data[3], 4))
    values = np.frombuffer(data, np.uint8, offset=4 + 4 * data[3])
    if values.size != int(np.prod(shape)):
        raise DecodeError("an idx file is cut short or too long")
    return values.reshape(shape)


def _decode_cifar(item: BuiltIn, files: dict[str, Reader]) -> dict[str, np.ndarray]:
    if "test_batch.bin" in files:
        return _cifar_binary(item, files)
    if "test_batch.png" in files:
        return _cifar_png(item, files)
    raise DecodeError("neither the binary batches of CIFAR-10 nor its PNG batches are there")


def _cifar_binary(item: BuiltIn, files: dict[str, Reader]) -> dict[str, np.ndarray]:
    """Records of one label byte and 3·32·32 pixel bytes, channel by channel."""
    channels, height, width = item.input_shape

    def records(names: list[str]) -> tuple[np.ndarray, np.ndarray]:
        data = np.frombuffer(b"".join(_one(files, name) for name in names), np.uint8)
        table = data.reshape(-1, 1 + channels * height * width)
        return table[:, 1:].reshape(-1, channels, height, width), table[:, 0]

    train, train_labels = records([f"data_batch_{number}.bin" for number in range(1, 6)])
    test, test_labels = records(["test_batch.bin"])
    return {
        "train_images": train,
        "train_labels": train_labels,
        "test_images": test,
        "test_labels": test_labels,
    }


def _cifar_png(item: BuiltIn, files: dict[str, Reader]) -> dict[str, np.ndarray]:
    """Lossless pictures with one image per row: 32·32 RGB pixels wide, as high as there are images."""
    from PIL import Image

    channels, height, width = item.input_shape

    def rows(names: list[str], count: int) -> np.ndarray:
        images = np.empty((count, channels, height, width), np.uint8)
        at = 0
        for name in names:
            with Image.open(io.BytesIO(_one(files, name)), formats=["PNG"]) as picture:
                if picture.mode != "RGB" or picture.width != height * width or at + picture.height > count:
                    raise DecodeError(f"{name} has another form than it should")
                batch = np.asarray(picture).reshape(-1, height, width, channels)
            images[at : at + len(batch)] = batch.transpose(0, 3, 1, 2)
            at += len(batch)
        return images[:at]

    def labels(name: str) -> np.ndarray:
        return np.asarray(json.loads(_one(files, name)), dtype=np.int64).astype(np.uint8)

    return {
        "train_images": rows([f"data_batch_{number}.png" for number in range(1, 6)], item.train_size),
        "train_labels": labels("train_lables.json"),
        "test_images": rows(["test_batch.png"], item.test_size),
        "test_labels": labels("test_lables.json"),
    }


_LAYOUTS: dict[str, Callable[[BuiltIn, dict[str, Reader]], dict[str, np.ndarray]]] = {
    "idx": _decode_idx,
    "cifar": _decode_cifar,
}
