"""Measures around a classifier: accuracy against examples per class, layers compared, a map of features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from convolab.datasets.progress import Meter, Report
from convolab.teach.bases import Base
from convolab.teach.settings import TeachSettings
from convolab.teach.teaching import learn

COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
"""Examples per class at which the learning curve is measured."""
DRAWS = 3
"""Random choices of the examples at each point."""
_EXACT = 600
"""Up to so many examples or features the map is computed exactly."""


@dataclass(frozen=True)
class Point:
    """Test accuracies with so many examples per class."""

    per_class: int
    values: tuple[float, ...]
    """One for each draw, 0 to 1."""

    @property
    def mean(self) -> float:
        """Of the draws."""
        return sum(self.values) / len(self.values)


@dataclass(frozen=True, eq=False)
class Labelled:
    """Features with their classes, to learn from or to test on."""

    features: np.ndarray
    """float32 (N, features)."""
    labels: np.ndarray
    """int64 (N,)."""


def counts_for(labels: np.ndarray, classes: int) -> list[int]:
    """The points of a learning curve for these training labels: up to what the smallest class has."""
    fewest = int(np.bincount(labels, minlength=classes).min())
    found = [count for count in COUNTS if count < fewest]
    return [*found, fewest] if fewest else found


def learning_curve(
    train: Labelled,
    test: Labelled,
    classes: Sequence[str],
    settings: TeachSettings,
    base: Base,
    layer: str,
    counts: Sequence[int] | None = None,
    draws: int = DRAWS,
    progress: Report | None = None,
) -> list[Point]:
    """How the accuracy on ``test`` grows with the number of examples per class.

    Each draw has an order of the examples of its own (by the settings' seed); more examples are the fewer
    ones and some more. The classifier is learned anew for each point.
    """
    counts = list(counts) if counts is not None else counts_for(train.labels, len(classes))
    meter = Meter(progress, "Measuring the learning curve", len(counts) * draws)
    values: dict[int, list[float]] = {count: [] for count in counts}
    for draw in range(draws):
        random = np.random.default_rng([settings.seed, draw])
        orders = [random.permutation(np.flatnonzero(train.labels == label)) for label in range(len(classes))]
        for count in counts:
            chosen = np.concatenate([order[:count] for order in orders])
            part = Labelled(train.features[chosen], train.labels[chosen])
            values[count].append(
                accuracy(part, test, classes, settings.changed(seed=settings.seed + draw), base, layer)
            )
            meter.add(1)
    return [Point(count, tuple(values[count])) for count in counts]


def accuracy(
    train: Labelled,
    test: Labelled,
    classes: Sequence[str],
    settings: TeachSettings,
    base: Base,
    layer: str,
) -> float:
    """Share of ``test`` that a classifier learned from ``train`` gets right, 0 to 1."""
    made, _, _ = learn(
        train.features, train.labels, test.features, test.labels, classes, settings, base, layer
    )
    return float((made.shares(test.features).argmax(1) == test.labels).mean())


@dataclass(frozen=True)
class LayerScore:
    """How well the classes are told apart by the features of one layer."""

    layer: str
    features: int
    linear: float
    """Test accuracy of the linear head, 0 to 1."""
    knn: float
    """Of the nearest neighbours."""


def compared_layers(base: Base) -> list[str]:
    """The layers worth comparing: those after an activation, else all."""
    return [layer for layer in base.layers if not layer.startswith(("pool", "conv", "norm"))] or list(
        base.layers
    )


def compare_layers(
    train: dict[str, Labelled],
    test: dict[str, Labelled],
    classes: Sequence[str],
    settings: TeachSettings,
    base: Base,
    progress: Report | None = None,
) -> list[LayerScore]:
    """Features of lower against higher layers: each with a linear head and with nearest neighbours."""
    meter = Meter(progress, f"Comparing {len(train)} layers", len(train))
    found = []
    for layer, examples in train.items():
        scores = {
            kind: accuracy(examples, test[layer], classes, settings.changed(classifier=kind), base, layer)
            for kind in ("linear", "knn")
        }
        found.append(LayerScore(layer, examples.features.shape[1], scores["linear"], scores["knn"]))
        meter.add(1)
    return found


@dataclass(frozen=True, eq=False)
class FeatureMap:
    """The plane in feature space in which the examples lie farthest apart (principal component analysis)."""

    middle: np.ndarray
    """float32 (features,): the mean of the examples."""
    axes: np.ndarray
    """float32 (2, features): directions of length 1."""
    explained: tuple[float, float]
    """Share of the examples' variance along each, 0 to 1."""

    def place(self, standard: np.ndarray) -> np.ndarray:
        """Where features, float32 (N, features) in deviations from the mean, lie: float32 (N, 2)."""
        return np.asarray((standard - self.middle) @ self.axes.T, np.float32)


def feature_map(standard: np.ndarray) -> FeatureMap:
    """The map of examples, float32 (N, features), at least two. The sign of each axis is fixed."""
    middle = standard.mean(0)
    sizes, directions = _directions(standard - middle)
    axes = np.zeros((2, standard.shape[1]), np.float32)
    axes[: len(directions)] = directions
    for axis in axes:
        if axis[np.abs(axis).argmax()] < 0:
            axis *= -1
    whole = max(float(np.square(standard - middle).sum()), 1e-12)
    first, second = (float(sizes[i] ** 2) / whole if i < len(sizes) else 0.0 for i in range(2))
    return FeatureMap(middle.astype(np.float32), axes, (first, second))


def _directions(centred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two largest singular values and their directions: exact for few examples or features."""
    if min(centred.shape) <= _EXACT:
        _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
        return sizes[:2], directions[:2]
    # Subspace iteration (Halko and others, 2011): thousands of examples must not take minutes.
    basis = np.random.default_rng(0).normal(size=(centred.shape[1], 8)).astype(np.float32)
    for _ in range(20):
        basis, _ = np.linalg.qr(centred.T @ (centred @ basis))
    _, sizes, turned = np.linalg.svd(centred @ basis, full_matrices=False)
    return sizes[:2], (turned @ basis.T)[:2]
