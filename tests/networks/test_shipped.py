"""The trained networks that come with the package."""

import numpy as np
import pytest
import torch

from convolab.errors import NetworkError
from convolab.networks import preset
from convolab.networks.shipped import SHIPPED, shipped
from convolab.training import Normalize

CLAIMED = {"harley-cnn": 0.99, "harley-mlp": 0.975, "modern-cnn": 0.985}


@pytest.mark.parametrize("name", SHIPPED)
def test_they_are_small_finite_and_what_they_are_called(name: str):
    network, model, info = shipped(name)
    assert network == preset(name, (1, 28, 28), 10)
    assert SHIPPED[name].path.stat().st_size < 1_000_000
    assert all(torch.isfinite(tensor).all() for tensor in model.state_dict().values())
    assert not model.training
    assert info.classes == tuple("0123456789")
    card = SHIPPED[name].card()
    assert card["commands"] == SHIPPED[name].commands
    assert card["parameters"] == network.parameters


@pytest.mark.data
@pytest.mark.parametrize("name", SHIPPED)
def test_they_read_mnist_as_well_as_their_card_says(name: str):
    from convolab import evaluate, load

    _, model, info = shipped(name)
    accuracy = evaluate(model, load("mnist"), normalize=info.normalize()).accuracy
    assert accuracy >= CLAIMED[name]
    assert accuracy == pytest.approx(SHIPPED[name].card()["test accuracy"], abs=3e-4)


@pytest.mark.data
@pytest.mark.parametrize("name", SHIPPED)
def test_digits_that_are_not_in_the_middle_are_read_too(name: str):
    from convolab import load

    _, model, info = shipped(name)
    data = load("mnist")
    images = np.asarray(data.test_images[:1000])
    normalize: Normalize = info.normalize()
    for down, right in ((4, -4), (-3, 3)):
        moved = np.roll(images, (down, right), (2, 3))  # what leaves at one edge is black
        with torch.inference_mode():
            answers = model(normalize(torch.from_numpy(moved.transpose(0, 2, 3, 1).copy()))).argmax(1)
        assert (answers.numpy() == data.test_labels[:1000]).mean() > 0.92


def test_an_unknown_one_is_one_sentence():
    with pytest.raises(NetworkError, match=r'"harley".*Did you mean "harley-'):
        shipped("harley")
