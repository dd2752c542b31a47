"""How hard a data set is, before any network: what the simplest classifiers make of its pixels.

Three figures say why CIFAR-10 is harder than the two MNISTs. If all images of a class looked alike, the
nearest class mean would name the class. If pixels a little different meant the same thing, the nearest
training image would. And of all that differs between images, only the part that differs between the class
means helps either.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from convolab.datasets import Dataset
from convolab.errors import DataError


@dataclass(frozen=True)
class Difficulty:
    """Figures of a data set's pixels, as shares from 0 to 1."""

    dataset: str
    chance: float
    """Of naming the class of a test image by guessing the commonest."""
    nearest_mean: float
    """Test images whose nearest class mean (of all training images) is that of their class."""
    nearest_neighbour: float
    """Of some test images: those whose nearest one of some training images has their class."""
    between_classes: float
    """Share of the variance of the training pixels that lies between the class means; the rest is within."""
    same_class_distance: float
    """Mean distance of two training images of one class, as a share of that of any two: below 1 helps."""
    training_images: int
    """Among which the nearest one was looked for."""
    test_images: int
    """For which it was."""


def difficulty(
    dataset: Dataset, *, training_images: int = 5_000, test_images: int = 1_000, seed: int = 0
) -> Difficulty:
    """Measure a data set's pixels; a few seconds. DataError if it has too few images to say anything."""
    train, train_labels = _flat(dataset.train_images), np.asarray(dataset.train_labels)
    test, test_labels = _flat(dataset.test_images), np.asarray(dataset.test_labels)
    classes = len(dataset.classes)
    counts = np.bincount(train_labels, minlength=classes)
    if len(test) < 1 or counts.min() < 2:
        raise DataError(f"{dataset.title} needs at least two training images of each class, and test images.")
    sums = np.stack([train[train_labels == label].sum(axis=0, dtype=np.float64) for label in range(classes)])
    means = sums / counts[:, None]
    middle = sums.sum(axis=0) / len(train)
    total = float(sum(((part - middle) ** 2).sum() for part in _parts(train)))
    between = float((counts[:, None] * (means - middle) ** 2).sum())
    random = np.random.default_rng(seed)
    some = random.permutation(len(train))[:training_images]
    asked = random.permutation(len(test))[:test_images]
    nearest = train_labels[some][_nearest(test[asked], train[some])]
    by_mean = np.concatenate([_nearest(part, means.astype(np.float32)) for part in _parts(test)])
    return Difficulty(
        dataset=dataset.name,
        chance=float((test_labels == counts.argmax()).mean()),
        nearest_mean=float((by_mean == test_labels).mean()),
        nearest_neighbour=float((nearest == test_labels[asked]).mean()),
        between_classes=between / total if total else 0.0,
        same_class_distance=_same_class(train[some], train_labels[some]),
        training_images=len(some),
        test_images=len(asked),
    )


def _flat(images: np.ndarray) -> np.ndarray:
    """(N, pixels), still uint8: a whole data set as float32 would be needed only in parts."""
    return np.asarray(images).reshape(len(images), -1)


def _parts(images: np.ndarray, size: int = 5_000) -> list[np.ndarray]:
    return [images[first : first + size].astype(np.float32) for first in range(0, len(images), size)]


def _squares(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Squared distances (len(first), len(second))."""
    a, b = first.astype(np.float32), second.astype(np.float32)
    return np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T, 0)


def _nearest(asked: np.ndarray, there: np.ndarray) -> np.ndarray:
    return np.asarray(_squares(asked, there).argmin(axis=1))


def _same_class(images: np.ndarray, labels: np.ndarray, pairs: int = 1_000) -> float:
    distances = np.sqrt(_squares(images[:pairs], images[:pairs]))
    different = ~np.eye(len(distances), dtype=bool)
    same = (labels[:pairs][:, None] == labels[:pairs][None]) & different
    return float(distances[same].mean() / distances[different].mean()) if same.any() else 1.0
