"""Statistics of a data set, and the normalisations that are made from them."""

from __future__ import annotations

import contextlib
import os
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from convolab.datasets.dataset import Dataset
from convolab.errors import SettingsError, unknown

NORMALIZATIONS = ("[-1, 1]", "[0, 1]", "none", "per-channel")

_CHUNK = 1000
_CACHE = "statistics.npz"


@dataclass(frozen=True, eq=False)
class Statistics:
    """Figures of a data set, on the 0..255 scale; means and deviations are of the training images."""

    train_size: int
    test_size: int
    input_shape: tuple[int, ...]
    """(C, H, W)"""
    label_shape: tuple[int, ...]
    """(classes,): a label is one of so many, as a network's last layer has it."""
    minimum: int
    """The darkest value in any training or test image."""
    maximum: int
    """The brightest one."""
    train_counts: np.ndarray
    """int64 (classes,): training images of each class."""
    test_counts: np.ndarray
    """int64 (classes,): test images of each class."""
    mean_image: np.ndarray
    """float32 (C, H, W): the mean of each pixel."""
    std_image: np.ndarray
    """float32 (C, H, W): the standard deviation of each pixel (divided by N, not N - 1)."""
    channel_mean: np.ndarray
    """float64 (C,): the mean over all pixels of a channel."""
    channel_std: np.ndarray
    """float64 (C,): the standard deviation over all pixels of a channel (divided by N)."""
    class_mean_images: np.ndarray
    """float32 (classes, C, H, W): the mean image of each class; zero for a class without training images."""

    @property
    def examples(self) -> int:
        """Training and test images together."""
        return self.train_size + self.test_size


def statistics(dataset: Dataset) -> Statistics:
    """The figures of a data set; computed once (a second or two) and then kept beside its files."""
    cache = dataset.folder / _CACHE if dataset.folder else None
    if cache is not None:
        with contextlib.suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return _read(cache)
    result = _compute(dataset)
    if cache is not None:
        with contextlib.suppress(OSError):  # a folder that cannot be written is no reason to fail
            _write(cache, result)
    return result


def normalizer(dataset: Dataset, normalization: str) -> tuple[np.ndarray, np.ndarray]:
    """(mean, std), each float32 (C,) on the 0..255 scale, so that ``x' = (x - mean) / std``.

    ``[-1, 1]`` and ``[0, 1]`` map 0..255 onto that range, ``none`` leaves 0..255 as it is, ``per-channel``
    gives every channel mean 0 and deviation 1 over the training images. Raises SettingsError for others.
    """
    channels = dataset.input_shape[0]
    fixed = {"[-1, 1]": (127.5, 127.5), "[0, 1]": (0.0, 255.0), "none": (0.0, 1.0)}
    if normalization in fixed:
        mean, std = fixed[normalization]
        return np.full(channels, mean, np.float32), np.full(channels, std, np.float32)
    if normalization != "per-channel":
        raise SettingsError(unknown("normalization", normalization, NORMALIZATIONS))
    figures = statistics(dataset)
    # A channel that is the same everywhere has no deviation to divide by.
    spread = np.where(figures.channel_std > 0, figures.channel_std, 1.0)
    return figures.channel_mean.astype(np.float32), spread.astype(np.float32)


def _compute(dataset: Dataset) -> Statistics:
    shape, classes = dataset.input_shape, len(dataset.classes)
    pixels = int(np.prod(shape))
    count = len(dataset.train_labels)
    sums = np.zeros((classes, pixels))
    squares = np.zeros(pixels)
    low, high = 255, 0
    for start in range(0, count, _CHUNK):
        raw = np.asarray(dataset.train_images[start : start + _CHUNK]).reshape(-1, pixels)
        low, high = min(low, int(raw.min())), max(high, int(raw.max()))
        # Whole numbers below 2^53: the sums are exact, in whatever order they are taken.
        chunk = raw.astype(np.float64)
        member = np.eye(classes)[np.asarray(dataset.train_labels[start : start + _CHUNK])]
        sums += member.T @ chunk
        squares += np.einsum("np,np->p", chunk, chunk)
    for start in range(0, len(dataset.test_labels), _CHUNK):
        raw = np.asarray(dataset.test_images[start : start + _CHUNK])
        low, high = min(low, int(raw.min())), max(high, int(raw.max()))
    train_counts = np.bincount(dataset.train_labels, minlength=classes).astype(np.int64)
    mean = sums.sum(0) / count
    per_channel = shape[0], -1
    channel_mean = mean.reshape(per_channel).mean(1)
    channel_square = (squares / count).reshape(per_channel).mean(1)
    return Statistics(
        train_size=count,
        test_size=len(dataset.test_labels),
        input_shape=shape,
        label_shape=(classes,),
        minimum=low,
        maximum=high,
        train_counts=train_counts,
        test_counts=np.bincount(dataset.test_labels, minlength=classes).astype(np.int64),
        mean_image=mean.reshape(shape).astype(np.float32),
        std_image=np.sqrt(np.maximum(squares / count - mean**2, 0)).reshape(shape).astype(np.float32),
        channel_mean=channel_mean,
        channel_std=np.sqrt(np.maximum(channel_square - channel_mean**2, 0)),
        class_mean_images=(sums / np.maximum(train_counts, 1)[:, None])
        .reshape(classes, *shape)
        .astype(np.float32),
    )


def _read(path: Path) -> Statistics:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        values = {entry.name: stored[entry.name] for entry in fields(Statistics)}
    for name in ("train_size", "test_size", "minimum", "maximum"):
        values[name] = int(values[name])
    for name in ("input_shape", "label_shape"):
        values[name] = tuple(int(size) for size in values[name])
    return Statistics(**values)


def _write(path: Path, figures: Statistics) -> None:
    part = path.with_name(f".{_CACHE}.{os.getpid()}.part")
    values: dict[str, Any] = {entry.name: getattr(figures, entry.name) for entry in fields(Statistics)}
    with part.open("wb") as file:
        np.savez(file, **values)
    part.replace(path)
