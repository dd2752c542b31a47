from __future__ import annotations

import numpy as np
import pytest

from convolab.datasets import Dataset, normalizer, statistics
from convolab.datasets.measures import NORMALIZATIONS
from convolab.errors import SettingsError


@pytest.fixture
def data() -> Dataset:
    """2,300 + 50 pictures of 3×5×4 in four classes, of which the last has no training images."""
    random = np.random.default_rng(0)
    return Dataset(
        "random",
        "Random",
        ("a", "b", "c", "d"),
        random.integers(3, 200, (2300, 3, 5, 4), dtype=np.uint8),
        random.integers(0, 3, 2300),
        random.integers(1, 250, (50, 3, 5, 4), dtype=np.uint8),
        random.integers(0, 4, 50),
    )


def test_statistics_agree_with_numpy_on_the_whole(data):
    figures = statistics(data)
    x = data.train_images.astype(np.float64)
    np.testing.assert_allclose(figures.mean_image, x.mean(0), rtol=1e-6)
    np.testing.assert_allclose(figures.std_image, x.std(0), rtol=1e-6)
    np.testing.assert_allclose(figures.channel_mean, x.mean((0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(figures.channel_std, x.std((0, 2, 3)), rtol=1e-12)
    for label in range(3):
        expected = x[data.train_labels == label].mean(0)
        np.testing.assert_allclose(figures.class_mean_images[label], expected, rtol=1e-6)
    assert (figures.class_mean_images[3] == 0).all()
    np.testing.assert_array_equal(figures.train_counts, [(data.train_labels == k).sum() for k in range(4)])
    np.testing.assert_array_equal(figures.test_counts, [(data.test_labels == k).sum() for k in range(4)])
    assert figures.minimum == data.test_images.min() == 1
    assert figures.maximum == data.test_images.max() == 249
    assert (figures.examples, figures.input_shape, figures.label_shape) == (2350, (3, 5, 4), (4,))


@pytest.mark.parametrize(
    ("name", "ends"), [("[-1, 1]", (-1, 1)), ("[0, 1]", (0, 1)), ("none", (0, 255)), ("per-channel", None)]
)
def test_normalisations(data, name, ends):
    mean, std = normalizer(data, name)
    assert mean.shape == std.shape == (3,)
    if ends:
        np.testing.assert_allclose((np.array([0, 255])[:, None] - mean) / std, np.array([ends] * 3).T)
    else:
        scaled = (data.train_images - mean[:, None, None]) / std[:, None, None]
        np.testing.assert_allclose(scaled.mean((0, 2, 3)), 0, atol=1e-5)
        np.testing.assert_allclose(scaled.std((0, 2, 3)), 1, rtol=1e-5)


def test_the_names_are_those_of_the_training_settings(data):
    from typing import get_args

    from convolab.training.settings import Normalization

    assert get_args(Normalization) == NORMALIZATIONS
    with pytest.raises(SettingsError, match=r'no normalization "per channel".*"per-channel"'):
        normalizer(data, "per channel")


def test_a_channel_that_is_the_same_everywhere_is_not_divided_by_zero(data):
    data.train_images[:, 1] = 77
    mean, std = normalizer(data, "per-channel")
    assert (mean[1], std[1]) == (77, 1)


def test_statistics_are_kept_beside_the_data_and_survive_a_damaged_copy(cache, web, offer):
    from convolab.datasets import load

    offer(web.site())
    data = load("tiny")
    first = statistics(data)
    kept = data.folder / "statistics.npz"
    again = statistics(data)
    for name, value in vars(first).items():
        np.testing.assert_array_equal(getattr(again, name), value)
    stored = kept.read_bytes()
    for content in (b"", b"junk", stored[: len(stored) // 2]):
        kept.write_bytes(content)
        np.testing.assert_array_equal(statistics(data).mean_image, first.mean_image)
        assert len(kept.read_bytes()) == len(stored), "it was made anew"
