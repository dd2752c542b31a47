"""The recipes for a few minutes: on real images, within a short budget, and the same bits each time."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from training_kit import make_dataset

from convolab.datasets import Dataset, load
from convolab.networks import PRESETS, preset
from convolab.networks.speed_recipes import SPEED_RECIPES
from convolab.training import Training, TrainingSettings


def trained(name: str, data: Dataset, **changes: Any) -> Training:
    settings = {**PRESETS[name].settings_for(data.input_shape), "device": "cpu", **changes}
    if not {"examples", "batches", "epochs"}.isdisjoint(changes):
        settings.pop("budget")
    classes = len(data.classes)
    training = Training(preset(name, data.input_shape, classes), data, TrainingSettings(**settings))
    for _ in training.events():
        pass
    return training


@pytest.mark.parametrize("name", [recipe.name for recipe in SPEED_RECIPES])
def test_a_seed_gives_the_same_weights_bit_for_bit(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVOLAB_THREADS", "2")
    data = make_dataset(64, 32, (3, 32, 32), 4)
    once, again = (trained(name, data, examples=64, batch_size=32, precision="fp32") for _ in range(2))
    other = trained(name, data, examples=64, batch_size=32, precision="fp32", seed=1)
    states = [training.model.state_dict() for training in (once, again, other)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert not all(torch.equal(states[0][key], states[2][key]) for key in states[0])


def test_digits_are_not_mirrored_and_photos_are() -> None:
    entry = PRESETS["cifar10/1-minute"]
    assert TrainingSettings(**entry.settings_for((3, 32, 32))).flip
    assert not TrainingSettings(**entry.settings_for((1, 28, 28))).flip


@pytest.mark.data
def test_a_third_of_its_budget_still_trains_sensibly() -> None:
    """As on a machine three times as slow: the schedule follows the budget, whatever is managed in it."""
    training = trained("cifar10/1-minute", load("cifar10"), budget=20.0, evaluate_every=10**9)
    assert training.finished is not None
    assert training.finished.stopped_because == "budget"
    assert training.learning_rate * 0.05 > training.optimizer.param_groups[0]["lr"]  # it ended near 0
    accuracy = training.finished.test_accuracy
    assert accuracy is not None
    # One core of a machine without bf16, shared with other tests, manages some thirty batches; chance is 0.1.
    assert accuracy > 0.3
