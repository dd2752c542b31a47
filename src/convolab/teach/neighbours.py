"""Nearest neighbours: an image is what the examples most like it are. Nothing is trained.

Examples are alike whose features point the same way (cosine). Votes count 1 / distance, as in scikit-learn's
``KNeighborsClassifier(metric="cosine", weights="distance")``.
"""

from __future__ import annotations

import numpy as np

_NONE = 1e-7
"""A distance that is rounding alone."""


def unit(vectors: np.ndarray) -> np.ndarray:
    """Each row of (N, features) with length 1; a row of zeros stays."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1.0), np.float32)


def similarities(features: np.ndarray, examples: np.ndarray) -> np.ndarray:
    """Cosine of each of (N, features) with each of (M, features): float32 (N, M), −1 to 1."""
    return unit(features) @ unit(examples).T


def nearest(features: np.ndarray, examples: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The most similar examples of each row, best first: their indices and cosines, each (N, count)."""
    found = similarities(features, examples)
    order = np.argsort(-found, axis=1, kind="stable")[:, :count]
    return order, np.take_along_axis(found, order, axis=1)


def vote(
    features: np.ndarray, examples: np.ndarray, labels: np.ndarray, classes: int, neighbours: int
) -> np.ndarray:
    """Shares of the votes of the ``neighbours`` nearest examples: float64 (N, classes), rows sum to 1.

    An example that is the same as the image decides alone.
    """
    order, found = nearest(features, examples, min(neighbours, len(examples)))
    distances = 1.0 - found.astype(np.float64)
    same = distances <= _NONE
    with np.errstate(divide="ignore"):
        weights = np.where(same.any(1, keepdims=True), same, 1.0 / np.maximum(distances, _NONE))
    shares = np.zeros((len(features), classes))
    for row, (indices, votes) in enumerate(zip(order, weights, strict=True)):
        np.add.at(shares[row], labels[indices], votes)
    return np.asarray(shares / shares.sum(1, keepdims=True))


def towards(
    feature: np.ndarray, examples: np.ndarray, labels: np.ndarray, label: int, neighbours: int
) -> np.ndarray:
    """The direction, float32 (features,), in which an image becomes more like a class than like the others.

    The mean of the nearest examples of the class less that of the nearest others, each of length 1.
    """
    found = similarities(feature[None], examples)[0]
    pointed = unit(examples)
    means = []
    for chosen in (labels == label, labels != label):
        index = np.flatnonzero(chosen)
        best = index[np.argsort(-found[index], kind="stable")[:neighbours]]
        means.append(pointed[best].mean(0) if len(best) else np.zeros(examples.shape[1], np.float32))
    return np.asarray(means[0] - means[1], np.float32)
