"""Statistics of a network's answers to a test set.

Sources: Wilson, "Probable inference" (1927) for the interval; Brier (1950); Guo and others, "On calibration
of modern neural networks" (2017) for the calibration error with equal bins.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_calibration_error,
    multiclass_confusion_matrix,
    multiclass_f1_score,
    multiclass_precision,
    multiclass_recall,
)

from convolab.evaluation.answers import Outputs

BINS = 15
"""Bins of the reliability diagram, as in Guo and others."""
_SMALLEST = 1e-15


@dataclass(frozen=True)
class Bin:
    """One bin of the reliability diagram: answers given with about the same confidence."""

    low: float
    high: float
    count: int
    confidence: float
    """Mean probability of the answers given; 0 for an empty bin."""
    accuracy: float
    """Share of them that are right; 0 for an empty bin."""


@dataclass(frozen=True)
class ClassFigures:
    """One class: how many of those taken for it are it (precision), how many of it are found (recall)."""

    name: str
    count: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Mistake:
    """A test image that was taken for something else."""

    index: int
    label: int
    predicted: int
    probability: float
    """Of the wrong answer."""


@dataclass(frozen=True)
class Pair:
    """How often images of one class are taken for another one."""

    true: int
    predicted: int
    count: int
    share: float
    """Of the images of the true class."""


@dataclass(frozen=True)
class Statistics:
    """All figures of a network on a test set. Shares are between 0 and 1."""

    dataset: str
    total: int
    correct: int
    accuracy: float
    interval: tuple[float, float]
    """95 % confidence interval of the accuracy (Wilson)."""
    top2: float
    top3: float
    """Shares of images whose class is among the two, three likeliest."""
    log_loss: float
    """Mean −ln of the probability given to the true class, in nats."""
    brier: float
    """Mean squared distance of the probabilities to the truth: 0 is perfect, 2 is worst."""
    calibration_error: float
    """Mean distance between confidence and accuracy over the bins, weighted by their counts."""
    reliability: tuple[Bin, ...]
    per_class: tuple[ClassFigures, ...]
    confusion: tuple[tuple[int, ...], ...]
    """``confusion[true][predicted]``: counts of test images."""
    confused: tuple[Pair, ...]
    """Most confused first; without pairs that do not occur."""
    mistakes: tuple[Mistake, ...]
    """Most confident first."""


def statistics(outputs: Outputs, mistakes: int = 50) -> Statistics:
    """All figures of `Statistics`; at most so many ``mistakes`` and pairs are listed."""
    probabilities = torch.from_numpy(outputs.probabilities)
    labels = torch.from_numpy(outputs.labels)
    classes = len(outputs.classes)
    total, correct = len(labels), int(outputs.right.sum())
    of_truth = outputs.probabilities[np.arange(total), outputs.labels]
    truth = np.eye(classes)[outputs.labels]
    precision, recall, f1 = (
        metric(probabilities, labels, classes, average="none").tolist()
        for metric in (multiclass_precision, multiclass_recall, multiclass_f1_score)
    )
    confusion = multiclass_confusion_matrix(probabilities, labels, classes).tolist()
    return Statistics(
        dataset=outputs.dataset,
        total=total,
        correct=correct,
        accuracy=correct / total,
        interval=wilson(correct, total),
        top2=_top(probabilities, labels, classes, 2),
        top3=_top(probabilities, labels, classes, 3),
        log_loss=float(-np.log(np.maximum(of_truth, _SMALLEST)).mean()),
        brier=float(((outputs.probabilities - truth) ** 2).sum(1).mean()),
        calibration_error=float(
            multiclass_calibration_error(probabilities, labels, classes, n_bins=BINS, norm="l1")
        ),
        reliability=_reliability(outputs),
        per_class=tuple(
            ClassFigures(name, sum(row), p, r, f)
            for name, row, p, r, f in zip(outputs.classes, confusion, precision, recall, f1, strict=True)
        ),
        confusion=tuple(tuple(row) for row in confusion),
        confused=_confused(confusion, mistakes),
        mistakes=_mistakes(outputs, mistakes),
    )


def wilson(correct: int, total: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """Wilson's interval for a share; ``z`` is the normal quantile, 1.96 for 95 %. ``total`` is at least 1."""
    share = correct / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return max(0.0, middle - half), min(1.0, middle + half)


def _top(probabilities: torch.Tensor, labels: torch.Tensor, classes: int, k: int) -> float:
    if k >= classes:
        return 1.0
    return float(multiclass_accuracy(probabilities, labels, classes, average="micro", top_k=k))


def _reliability(outputs: Outputs) -> tuple[Bin, ...]:
    confidence = outputs.probabilities.max(1)
    edges = np.linspace(0, 1, BINS + 1)
    # Bins are open at the left, as in Guo and others, so that full confidence belongs to the last one.
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, BINS - 1)
    found = []
    for number in range(BINS):
        inside = place == number
        count = int(inside.sum())
        found.append(
            Bin(
                float(edges[number]),
                float(edges[number + 1]),
                count,
                float(confidence[inside].mean()) if count else 0.0,
                float(outputs.right[inside].mean()) if count else 0.0,
            )
        )
    return tuple(found)


def _confused(confusion: list[list[int]], limit: int) -> tuple[Pair, ...]:
    pairs = [
        Pair(true, predicted, count, count / sum(row))
        for true, row in enumerate(confusion)
        for predicted, count in enumerate(row)
        if count and true != predicted
    ]
    return tuple(sorted(pairs, key=lambda pair: (-pair.count, -pair.share))[:limit])


def _mistakes(outputs: Outputs, limit: int) -> tuple[Mistake, ...]:
    wrong = np.flatnonzero(~outputs.right)
    confidence = outputs.probabilities.max(1)[wrong]
    order = wrong[np.argsort(-confidence, kind="stable")[:limit]]
    predicted = outputs.predicted
    return tuple(
        Mistake(int(i), int(outputs.labels[i]), int(predicted[i]), float(outputs.probabilities[i].max()))
        for i in order
    )
