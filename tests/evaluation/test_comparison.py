"""Comparing two networks on the same images."""

import numpy as np
import pytest
from scipy.stats import binomtest

from convolab.errors import DataError
from convolab.evaluation import Outputs, compare
from convolab.evaluation.comparison import mcnemar


def answers(right: np.ndarray, dataset: str = "made") -> Outputs:
    """A network that gets the ticked images right: 0 is the true class of all."""
    shares = np.where(right[:, None], [0.8, 0.2], [0.2, 0.8])
    return Outputs(shares, np.zeros(len(right), np.int64), ("0", "1"), dataset)


def test_two_identical_networks_do_not_differ():
    same = answers(np.random.default_rng(0).random(1000) < 0.6)
    found = compare(same, same)
    assert (found.p_value, found.difference, found.real) == (1.0, 0.0, False)
    assert found.words.startswith("No difference: both get the same of the 1,000")


def test_60_and_70_percent_on_10000_images_is_a_real_difference():
    random = np.random.default_rng(1)
    first, second = (answers(random.random(10_000) < share) for share in (0.7, 0.6))
    found = compare(first, second)
    assert found.real
    assert found.difference == pytest.approx(0.1, abs=0.02)
    assert "the first is better than the second by" in found.words
    assert "the second is better than the first" in compare(second, first).words


def test_a_small_difference_on_few_images_is_chance_and_said_so():
    right = np.arange(100) < 60
    other = right.copy()
    other[58:63] = [False, False, True, True, True]
    found = compare(answers(right), answers(other))
    assert (found.both, found.only_first, found.only_second, found.neither) == (58, 2, 3, 37)
    assert not found.real
    assert "No difference that counts: 1.00 percentage points" in found.words


@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 0), (10, 3), (40, 40), (300, 350), (5000, 4800), (0, 900)])
def test_the_p_value_is_the_exact_binomial_test_of_scipy(b, c):
    expected = binomtest(b, b + c).pvalue if b + c else 1.0
    assert mcnemar(b, c) == pytest.approx(expected, rel=1e-6, abs=1e-300)


def test_different_test_images_are_refused_with_what_can_still_be_compared():
    right = np.ones(10, bool)
    with pytest.raises(DataError, match=r"mnist and the other on fashion.*side by side"):
        compare(answers(right, "mnist"), answers(right, "fashion"))
