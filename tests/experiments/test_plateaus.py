"""Plateau and spread, against hand-made cases and SciPy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

from convolab.errors import ExperimentError
from convolab.experiments import plateau, spread
from convolab.experiments.spreads import student


@dataclass(frozen=True)
class Point:
    value: float | str
    accuracies: tuple[float, ...]
    test_images: int = 10_000


def points(*pairs: tuple[float, float], test_images: int = 10_000) -> list[Point]:
    return [Point(value, (accuracy,), test_images) for value, accuracy in pairs]


def test_the_plateau_begins_where_more_brings_less_than_the_noise() -> None:
    found = plateau(points((1, 0.40), (2, 0.50), (3, 0.55), (4, 0.555), (5, 0.551)))
    assert found is not None
    assert found.value == 3
    assert found.gain == pytest.approx(0.005)
    # Two independent shares of 10,000 images each.
    expected = 1.96 * math.sqrt((0.55 * 0.45 + 0.555 * 0.445) / 10_000)
    assert found.noise == pytest.approx(expected, rel=1e-4)
    assert found.falls_at is None
    assert found.words.startswith("Plateau from 3: more brings at most 0.5 percentage points")


def test_with_fewer_test_images_the_noise_is_larger_and_the_plateau_earlier() -> None:
    pairs = ((1, 0.40), (2, 0.50), (3, 0.55))
    assert plateau(points(*pairs)).value is None  # type: ignore[union-attr]
    assert plateau(points(*pairs, test_images=100)).value == 2  # type: ignore[union-attr]


def test_what_still_rises_at_the_end_has_no_plateau() -> None:
    found = plateau(points((1, 0.3), (2, 0.4), (3, 0.5)))
    assert found is not None
    assert found.value is None
    assert "still rises" in found.words


def test_what_gets_worse_says_from_where() -> None:
    found = plateau(points((1, 0.5), (2, 0.6), (3, 0.6), (4, 0.5), (5, 0.3)))
    assert found is not None
    assert (found.value, found.falls_at) == (2, 4)
    assert "from 4 on by more than the noise" in found.words
    flat = plateau(points((1, 0.5), (2, 0.6), (3, 0.605), (4, 0.5)))
    assert flat is not None
    assert "From 4 on it is worse" in flat.words
    peak = plateau(points((1, 0.5), (2, 0.6), (3, 0.4), (4, 0.3)))
    assert peak is not None
    assert (peak.value, peak.falls_at, peak.gain) == (2, 3, 0)


def test_one_bad_value_among_good_ones_is_not_called_a_fall() -> None:
    found = plateau(points((1, 0.4337), (3, 0.4950), (5, 0.4713), (7, 0.4928)))
    assert found is not None
    assert (found.value, found.falls_at, found.gain) == (3, None, 0)
    assert found.words == "Best at 3: nothing larger is better."


def test_scatter_between_seeds_counts_as_noise() -> None:
    scattered = [Point(v, (m - 0.06, m + 0.06)) for v, m in ((1, 0.50), (2, 0.56), (3, 0.62))]
    assert plateau(scattered).value == 1  # type: ignore[union-attr]
    steady = [Point(v, (m - 0.001, m + 0.001)) for v, m in ((1, 0.50), (2, 0.56), (3, 0.62))]
    assert plateau(steady).value is None  # type: ignore[union-attr]


def test_no_plateau_without_an_order_or_with_two_values() -> None:
    assert plateau(points((1, 0.5), (2, 0.6))) is None
    assert plateau([Point(name, (0.5,)) for name in ("sgd", "adam", "adamw")]) is None
    assert plateau([*points((1, 0.5), (2, 0.6)), Point(3, ())]) is None


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 10, 29, 30, 101])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_students_t_is_scipys(freedom: int, confidence: float) -> None:
    assert student(freedom, confidence) == pytest.approx(stats.t.ppf(0.5 + confidence / 2, freedom), rel=1e-9)


def test_the_spread_is_scipys() -> None:
    values = [0.551, 0.548, 0.562, 0.555, 0.547]
    found = spread(values)
    assert found.mean == pytest.approx(np.mean(values))
    assert found.deviation == pytest.approx(np.std(values, ddof=1))
    low, high = stats.t.interval(0.95, 4, loc=np.mean(values), scale=stats.sem(values))
    assert found.interval == pytest.approx((low, high))
    assert (found.lowest, found.highest) == (0.547, 0.562)
    assert spread([0.99, 1.0]).interval[1] == 1.0
    with pytest.raises(ExperimentError, match="at least two"):
        spread([0.5])
