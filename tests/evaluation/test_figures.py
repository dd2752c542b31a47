"""Statistics beside scikit-learn's, and beside cases counted by hand."""

import numpy as np
import pytest
import torch
from sklearn import metrics
from torch import nn

from convolab.datasets import Dataset
from convolab.errors import DataError, NetworkError
from convolab.evaluation import Outputs, cost, outputs, statistics
from convolab.evaluation.figures import BINS, wilson
from convolab.networks import preset


def made(count=800, classes=7, seed=0, sharp=2.0):
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, count)
    scores = random.normal(0, 1, (count, classes))
    scores[np.arange(count), labels] += 1
    shares = np.exp(sharp * scores)
    shares /= shares.sum(1, keepdims=True)
    return Outputs(shares, labels, tuple("abcdefghij"[:classes]), "made")


@pytest.fixture(scope="module")
def answers():
    return made()


def test_the_plain_figures_are_scikit_learns(answers):
    found = statistics(answers)
    truth, shares = answers.labels, answers.probabilities
    assert found.accuracy == pytest.approx(metrics.accuracy_score(truth, answers.predicted))
    assert found.top2 == pytest.approx(metrics.top_k_accuracy_score(truth, shares, k=2))
    assert found.top3 == pytest.approx(metrics.top_k_accuracy_score(truth, shares, k=3))
    assert found.log_loss == pytest.approx(metrics.log_loss(truth, shares))
    brier = metrics.brier_score_loss(truth, shares, scale_by_half=False)
    assert found.brier == pytest.approx(brier)
    np.testing.assert_array_equal(found.confusion, metrics.confusion_matrix(truth, answers.predicted))


def test_the_figures_of_each_class_are_scikit_learns(answers):
    found = statistics(answers).per_class
    expected = metrics.precision_recall_fscore_support(answers.labels, answers.predicted)
    figures = np.array([[c.precision, c.recall, c.f1, c.count] for c in found]).T
    np.testing.assert_allclose(figures, expected, rtol=1e-5)
    assert [c.name for c in found] == list("abcdefg")


def test_calibration_is_the_mean_gap_between_confidence_and_accuracy():
    # Four answers given with 0.9, three of them right; two with 0.7, one right. Gaps .15 and .2.
    shares = np.array([[0.9, 0.1]] * 4 + [[0.7, 0.3]] * 2)
    labels = np.array([0, 0, 0, 1, 0, 1])
    found = statistics(Outputs(shares, labels, ("yes", "no"), "made"))
    assert found.calibration_error == pytest.approx((4 * 0.15 + 2 * 0.2) / 6, abs=1e-6)
    filled = [one for one in found.reliability if one.count]
    assert [(one.count, one.accuracy) for one in filled] == [(2, 0.5), (4, 0.75)]
    assert [one.confidence for one in filled] == pytest.approx([0.7, 0.9])
    assert len(found.reliability) == BINS


def test_the_reliability_diagram_holds_every_answer_and_gives_the_calibration_error(answers):
    found = statistics(answers)
    assert sum(one.count for one in found.reliability) == 800
    gaps = sum(one.count * abs(one.confidence - one.accuracy) for one in found.reliability) / 800
    assert found.calibration_error == pytest.approx(gaps, abs=1e-5)


def test_mistakes_come_most_confident_first_and_pairs_most_frequent_first(answers):
    found = statistics(answers, mistakes=20)
    wrong = [i for i in range(800) if answers.predicted[i] != answers.labels[i]]
    wrong.sort(key=lambda i: -answers.probabilities[i].max())
    assert [one.index for one in found.mistakes] == wrong[:20]
    table = np.array(found.confusion)
    np.fill_diagonal(table, 0)
    assert found.confused[0].count == table.max()
    assert [p.count for p in found.confused] == sorted(table[table > 0].tolist(), reverse=True)[:20]
    first = found.confused[0]
    assert first.share == pytest.approx(first.count / sum(found.confusion[first.true]))


@pytest.mark.parametrize(
    ("correct", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (0, 20, 0.0, 0.1611), (10, 10, 0.7225, 1.0), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_is_wilsons(correct, total, low, high):
    # The published examples of Newcombe, "Two-sided confidence intervals for the single proportion" (1998).
    assert wilson(correct, total) == pytest.approx((low, high), abs=6e-5)


def test_outputs_are_the_softmax_of_the_network_for_every_test_image(shapes):
    from convolab.datasets import load

    data = load(shapes)
    network = preset("convolutional", data.input_shape, 3)
    model = network.build(1).train()
    shares: list[float] = []
    found = outputs(model, data, progress=shares.append)
    images = torch.tensor(np.array(data.test_images)).float().sub(127.5).div(127.5)
    with torch.no_grad():
        expected = torch.softmax(model(images).double(), 1)
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-6)
    np.testing.assert_array_equal(found.labels, data.test_labels)
    assert model.training
    assert shares[-1] == 1


def test_what_does_not_fit_is_one_sentence(shapes):
    from convolab.datasets import load

    data: Dataset = load(shapes)
    with pytest.raises(DataError, match=r"4 classes apart.*has 3"):
        outputs(preset("fully-connected", data.input_shape, 4).build(0), data)
    with pytest.raises(NetworkError, match="does not fit images of 1×16×16"):
        outputs(preset("fully-connected", (1, 20, 20), 3).build(0), data)


def test_cost_counts_what_the_layers_count_and_leaves_the_model_alone():
    network = preset("convolutional", (1, 28, 28), 10)
    model = network.build(0).train()
    found = cost(network, model)
    assert found.parameters == sum(p.numel() for p in model.parameters())
    assert found.multiply_adds == network.multiply_adds
    assert 0 < found.milliseconds_in_batch < found.milliseconds * 250
    assert model.training
    assert all(isinstance(m, nn.Module) and m.training for m in model.modules())
