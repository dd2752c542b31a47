"""Features as small grey images: what lets a head be an ordinary network on an ordinary data set.

A data set of the lab is uint8 images. So each feature is centred and scaled by its mean and deviation over
the training examples, and becomes one pixel: 128 is the mean, 32 steps are one deviation, what lies beyond
four deviations is cut off. The rounding is a hundredth of a deviation, far below the noise of a few examples.
"""

from __future__ import annotations

import datetime
import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from convolab.datasets import Dataset, store

MIDDLE, STEPS = 128.0, 32.0
"""The pixel of a feature that is at its mean, and how many steps one deviation is."""
NORMALIZATION: Literal["[-1, 1]"] = "[-1, 1]"
_FLOOR = 0.05
"""Deviations are at least this share of their mean over all features: of a few examples some are near 0."""


@dataclass(frozen=True, eq=False)
class Scaling:
    """From features to pixels and back."""

    mean: np.ndarray
    """float32 (features,): of the training examples."""
    deviation: np.ndarray
    """float32 (features,), above 0."""

    @classmethod
    def of(cls, features: np.ndarray) -> Scaling:
        """Of training examples, float32 (N, features)."""
        mean = features.mean(0)
        spread = features.std(0)
        least = max(_FLOOR * float(spread.mean()), 1e-6)
        return cls(mean.astype(np.float32), np.maximum(spread, least).astype(np.float32))

    @property
    def grid(self) -> tuple[int, int, int]:
        """(1, rows, columns) of the image; pixels that stand for no feature are 128."""
        return grid(len(self.mean))

    def images(self, features: np.ndarray) -> np.ndarray:
        """float32 (N, features) → uint8 (N, 1, rows, columns)."""
        steps = (features - self.mean) / self.deviation * STEPS + MIDDLE
        pixels = np.clip(np.rint(steps), 0, 255).astype(np.uint8)
        _, rows, columns = self.grid
        padded = np.full((len(pixels), rows * columns), int(MIDDLE), np.uint8)
        padded[:, : pixels.shape[1]] = pixels
        return padded.reshape(-1, 1, rows, columns)

    def standard(self, images: np.ndarray) -> np.ndarray:
        """uint8 (N, 1, rows, columns) → float32 (N, features) in deviations from the mean."""
        flat = images.reshape(len(images), -1)[:, : len(self.mean)]
        return ((flat.astype(np.float32) - MIDDLE) / STEPS).astype(np.float32)


def grid(features: int) -> tuple[int, int, int]:
    """(1, rows, columns) with room for so many features, not much wider than high."""
    side = math.isqrt(features)
    rows = next((rows for rows in range(side, side // 2, -1) if features % rows == 0), 0)
    if not rows:
        rows = max(1, side)
    return 1, rows, -(-features // rows)


def as_dataset(
    name: str,
    title: str,
    classes: Sequence[str],
    scaling: Scaling,
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
) -> Dataset:
    """A data set in memory of features and labels to train and to test on."""
    return Dataset(
        name,
        title,
        tuple(classes),
        scaling.images(train[0]),
        train[1].astype(np.int64),
        scaling.images(test[0]),
        test[1].astype(np.int64),
    )


def publish(dataset: Dataset, source: str) -> Dataset:
    """Write a data set of features beside those of own images, under a name made of its content.

    The same content is written once. Returns it with its final name. Raises DataError, OSError.
    """
    digest = hashlib.sha256()
    for array in (dataset.train_images, dataset.train_labels, dataset.test_images, dataset.test_labels):
        digest.update(np.ascontiguousarray(array).tobytes())
    digest.update("\n".join(dataset.classes).encode())
    name = f"{slug(dataset.title)}-{digest.hexdigest()[:6]}"
    parent = store.own_dir()
    with store.lock(parent, name):
        if not (parent / name / "about.json").exists():
            with store.workspace(parent, name) as work:
                ready = work / "ready"
                ready.mkdir()
                np.save(ready / "train_images.npy", dataset.train_images)
                np.save(ready / "train_labels.npy", dataset.train_labels)
                np.save(ready / "test_images.npy", dataset.test_images)
                np.save(ready / "test_labels.npy", dataset.test_labels)
                store.write_about(
                    ready,
                    name=name,
                    title=dataset.title,
                    classes=dataset.classes,
                    input_shape=dataset.input_shape,
                    train_size=len(dataset.train_labels),
                    test_size=len(dataset.test_labels),
                    own=True,
                    source=source,
                    made=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                    settings={},
                )
                store.publish(ready, parent / name)
    return Dataset(
        name,
        dataset.title,
        dataset.classes,
        dataset.train_images,
        dataset.train_labels,
        dataset.test_images,
        dataset.test_labels,
        parent / name,
    )


def slug(text: str) -> str:
    """A title as part of a name: small letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:30].strip("-") or "features"
