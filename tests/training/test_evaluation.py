import numpy as np
import pytest
import torch
from training_kit import make_dataset, make_network

from convolab.datasets import Dataset
from convolab.errors import DataError, NetworkError
from convolab.evaluation import evaluate
from convolab.training import Normalize, TrainingSettings


class Fixed(torch.nn.Module):
    """Answers with the logits that belong to the image's first pixel."""

    def __init__(self, table):
        super().__init__()
        self.table = torch.tensor(table, dtype=torch.float32)

    def forward(self, images):
        return self.table[images[:, 0, 0, 0].long()]


def by_hand():
    """Six images; logits and labels chosen so that everything can be worked out on paper."""
    images = np.zeros((6, 1, 2, 2), dtype=np.uint8)
    images[:, 0, 0, 0] = [0, 1, 2, 0, 1, 2]
    labels = np.array([0, 1, 2, 1, 1, 0])
    dataset = Dataset("hand", "Hand", ("a", "b", "c"), images, labels, images, labels)
    table = np.log([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]])
    return dataset, Fixed(table)


def test_figures_counted_by_hand():
    dataset, model = by_hand()
    result = evaluate(model, dataset, TrainingSettings(normalization="none"))
    assert (result.correct, result.total) == (4, 6)
    assert result.accuracy == 4 / 6
    assert result.confusion == [[1, 0, 1], [1, 2, 0], [0, 0, 1]]
    expected = -np.mean(np.log([0.5, 0.8, 0.6, 0.25, 0.8, 0.2]))
    assert result.loss == pytest.approx(expected, rel=1e-6)


def test_the_last_part_of_a_test_set_counts_in_full():
    """1,003 images do not divide into passes; each must be counted once."""
    dataset = make_dataset(test=1003)
    model = make_network().build(3)
    result = evaluate(model, dataset)
    with torch.no_grad():
        logits = model.eval()(torch.tensor(dataset.test_images).float() / 127.5 - 1)
    labels = torch.tensor(dataset.test_labels)
    assert result.total == 1003 == sum(map(sum, result.confusion))
    assert result.correct == int((logits.argmax(1) == labels).sum())
    assert result.loss == pytest.approx(float(torch.nn.functional.cross_entropy(logits, labels)), rel=1e-5)
    for true, row in enumerate(result.confusion):
        assert sum(row) == int((labels == true).sum())


def test_it_leaves_the_model_and_the_random_numbers_as_they_were():
    dataset, model = make_dataset(), make_network(dropout=0.5).build(0).train()
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first, second = evaluate(model, dataset), evaluate(model, dataset)
    assert first.confusion == second.confusion  # no dropout
    assert model.training
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())
    assert evaluate(model.eval(), dataset).loss == first.loss
    assert not model.training


def test_the_normalisation_matters_and_can_be_given():
    dataset, model = make_dataset(), make_network().build(0)
    plain = evaluate(model, dataset, TrainingSettings(normalization="[0, 1]")).loss
    assert plain != evaluate(model, dataset, TrainingSettings()).loss
    assert plain == evaluate(model, dataset, normalize=Normalize(np.zeros(1), np.full(1, 255.0))).loss


def test_what_does_not_fit_is_one_sentence():
    model = make_network().build(0)
    with pytest.raises(NetworkError, match="ends in 4 numbers per image, but the data set has 3 classes"):
        evaluate(model, make_dataset(classes=3))
    with pytest.raises(NetworkError, match="does not fit images of 3×12×12"):
        evaluate(model, make_dataset(shape=(3, 12, 12)))
    with pytest.raises(DataError, match="no test images"):
        evaluate(model, make_dataset(test=0))
