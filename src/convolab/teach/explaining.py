"""Why: where in a picture the evidence for a class lies.

Where the layer has places, this is a class activation map (Zhou and others, 2016; with gradients: Selvaraju
and others, Grad-CAM, 2017), signed and without a ReLU: a feature is the mean of its map, so each place has a
share in it, and of a linear head the shares of all places add up to its output (less the bias). Where the
layer has none, parts of the picture are covered one by one (Zeiler and Fergus, 2014).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from convolab.teach.classifier import Classifier, Seen

GRID = 7
"""Parts a side that are covered one by one."""
_SHOWN = 224


@dataclass(frozen=True, eq=False)
class Evidence:
    """Where the evidence lies."""

    label: int
    values: np.ndarray
    """float32 (rows, columns) over the picture: above 0 speaks for the class, below 0 against it."""
    method: str
    """``class activation map`` or ``occlusion``."""


def evidence(classifier: Classifier, picture: Image.Image, label: int, seen: Seen | None = None) -> Evidence:
    """The evidence in a picture for the class ``label``; ``seen`` saves looking at it once more."""
    seen = seen or classifier.look(picture)
    if seen.activations.ndim == 3:
        return Evidence(label, activation_map(classifier, seen, label), "class activation map")
    return Evidence(label, _covered(classifier, picture, label, seen), "occlusion")


def activation_map(classifier: Classifier, seen: Seen, label: int) -> np.ndarray:
    """float32 (rows, columns); their mean is the slope times what the features are above their means."""
    slope = classifier.slope(seen.feature, label)
    constant = float(slope @ classifier.scaling.mean)
    return np.asarray(np.tensordot(slope, seen.activations, 1) - constant, np.float32)


def _covered(classifier: Classifier, picture: Image.Image, label: int, seen: Seen) -> np.ndarray:
    """How much the class's share falls when a part is covered by the picture's mean colour."""
    shown = picture.convert("RGB").resize((_SHOWN, _SHOWN), Image.Resampling.LANCZOS)
    pixels = np.asarray(shown)
    mean = pixels.reshape(-1, 3).mean(0).round().astype(np.uint8)
    side = _SHOWN // GRID
    found = np.zeros((GRID, GRID), np.float32)
    for row in range(GRID):
        for column in range(GRID):
            covered = pixels.copy()
            covered[row * side : (row + 1) * side, column * side : (column + 1) * side] = mean
            share = classifier.look(Image.fromarray(covered)).shares[label]
            found[row, column] = seen.shares[label] - share
    return found


def strength(values: np.ndarray) -> float:
    """The largest magnitude, for a scale of colours; at least a little above 0."""
    return max(float(np.abs(values).max()), 1e-6)


def packed(values: np.ndarray) -> list[list[int]]:
    """Values as whole numbers −127 … 127 of their largest magnitude."""
    rows: list[list[int]] = np.rint(values / strength(values) * 127).astype(int).tolist()
    return rows
