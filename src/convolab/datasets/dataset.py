"""A data set in memory: images and labels to train and to test on."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from convolab.datasets import store
from convolab.datasets.builtin import BUILT_INS, PARTS
from convolab.datasets.listing import info
from convolab.datasets.progress import Report
from convolab.errors import DataError
from convolab.home import datasets_dir


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images to learn from and images to be tested on.

    Images are uint8 (N, C, H, W), 0 is dark and 255 bright, memory-mapped and read-only when they come from
    the disk. Labels are int64 (N,), positions in ``classes``.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    train_images: np.ndarray = field(repr=False)
    train_labels: np.ndarray = field(repr=False)
    test_images: np.ndarray = field(repr=False)
    test_labels: np.ndarray = field(repr=False)
    folder: Path | None = None
    """Where it lies on the disk; None for one that was made in memory."""

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        channels, height, width = self.train_images.shape[1:]
        return int(channels), int(height), int(width)

    def images(self, split: str) -> np.ndarray:
        """The images of ``"train"`` or ``"test"``."""
        return self.train_images if _is_train(split) else self.test_images

    def labels(self, split: str) -> np.ndarray:
        """The labels of ``"train"`` or ``"test"``."""
        return self.train_labels if _is_train(split) else self.test_labels


def _is_train(split: str) -> bool:
    if split not in ("train", "test"):
        raise DataError(f'There is no part "{split}" of a data set; choose "train" or "test".')
    return split == "train"


def load(name: str, progress: Report | None = None) -> Dataset:
    """The data set of this name, fetched first if it is a built-in one that is not here (or no longer whole).

    ``progress`` is called with `Fetching` while bytes come. Raises DataError for an unknown name, when no
    source could give the data, or when own images are damaged on the disk.
    """
    about = info(name)
    if about.own:
        folder = store.own_dir() / name
    else:
        from convolab.datasets.fetch import fetch

        folder = fetch(BUILT_INS[name], progress)
    return read(folder)


def read(folder: Path) -> Dataset:
    """The data set in ``folder``, its images memory-mapped. Raises DataError if it is damaged."""
    about = store.read_about(folder)
    wrong = store.damage(folder, about)
    if wrong:
        raise DataError(f"The data set in {folder} is damaged: {wrong}. Remove it and get it again.")
    try:
        parts = {
            part: np.load(
                folder / f"{part}.npy", mmap_mode="r" if part.endswith("images") else None, allow_pickle=False
            )
            for part in PARTS
        }
    except (OSError, ValueError) as error:
        raise DataError(
            f"The data set in {folder} cannot be read ({error}); remove it and get it again."
        ) from None
    return Dataset(folder.name, about["title"], tuple(about["classes"]), **parts, folder=folder)


def verify(name: str) -> None:
    """Read every byte of a data set and compare it with its SHA-256. Raises DataError if anything differs."""
    about = info(name)
    if not about.present:
        raise DataError(f"{about.title} is not here yet; fetch it with 'convolab data fetch {name}'.")
    folder = store.own_dir() / name if about.own else datasets_dir() / name
    data = read(folder)
    files = store.read_about(folder)["files"]
    for part in PARTS:
        expected = files[part]["sha256"] if about.own else BUILT_INS[name].digests[part]
        if store.digest(getattr(data, part)) != expected:
            raise DataError(
                f"{about.title} is damaged: the content of {folder / part}.npy has changed. Remove it with "
                f"'convolab data remove {name}' and get it again."
            )
