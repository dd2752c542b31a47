"""Figures of pixels, against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

from convolab.datasets import Dataset, load
from convolab.errors import DataError
from convolab.experiments.difficulty import difficulty


def test_the_simplest_classifiers_are_scikit_learns() -> None:
    data = load("shapes")
    found = difficulty(data)
    train, test = (
        np.asarray(part).reshape(len(part), -1).astype(float)
        for part in (data.train_images, data.test_images)
    )
    centroid = NearestCentroid().fit(train, data.train_labels)
    assert found.nearest_mean == pytest.approx(centroid.score(test, data.test_labels))
    neighbour = KNeighborsClassifier(1).fit(train, data.train_labels)
    assert found.nearest_neighbour == pytest.approx(neighbour.score(test, data.test_labels))
    assert (found.training_images, found.test_images) == (144, 36)


def dataset(images: list[int], labels: list[int]) -> Dataset:
    pixels = np.array(images, np.uint8).reshape(-1, 1, 1, 1)
    classes = ("a", "b")
    return Dataset("hand", "By hand", classes, pixels, np.array(labels), pixels, np.array(labels))


def test_shares_of_the_variance_by_hand() -> None:
    # Class a: 0, 2; class b: 10, 12. Means 1 and 11, middle 6: between 4·25 = 100, within 4·1 = 4.
    found = difficulty(dataset([0, 2, 10, 12], [0, 0, 1, 1]))
    assert found.between_classes == pytest.approx(100 / 104)
    assert (found.nearest_mean, found.nearest_neighbour, found.chance) == (1.0, 1.0, 0.5)
    # Pairs within a class: 2, 2; any two: 2, 10, 12, 8, 10, 2.
    assert found.same_class_distance == pytest.approx(2 / (44 / 6))
    mixed = difficulty(dataset([0, 10, 0, 10], [0, 0, 1, 1]))
    assert mixed.between_classes == pytest.approx(0)


def test_too_few_images_get_a_sentence() -> None:
    with pytest.raises(DataError, match="at least two training images"):
        difficulty(dataset([0, 1, 2], [0, 0, 1]))
