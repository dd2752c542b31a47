"""Several paintings learned at once, with convolutions in common."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fast_kit import SETTINGS, photos
from style_kit import stripes, tiny_network

from convolab.errors import SettingsError
from convolab.style.fast import library
from convolab.style.fast.learner import Learner
from convolab.style.fast.together import Together, common


@pytest.fixture(autouse=True)
def _own(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "SHIPPED", tmp_path / "shipped")


def learners(**changed: object) -> list[Learner]:
    network, gathered = tiny_network(), photos()
    settings = SETTINGS.changed(learning_rate=0.01)
    pictures = stripes(), stripes(vertical=False, period=12)
    return [
        Learner(painting, settings.changed(seed=seed, **(changed if seed else {})), gathered, network)
        for seed, painting in enumerate(pictures)
    ]


def test_all_get_better_and_only_their_convolutions_are_the_same() -> None:
    one, other = learners()
    mean = (one.model.steps[0].conv.weight + other.model.steps[0].conv.weight).detach() / 2  # type: ignore[union-attr,operator]
    together = Together([one, other])
    assert torch.equal(one.model.steps[0].conv.weight, mean)  # type: ignore[union-attr]
    before = [learner.measure()[0].total for learner in (one, other)]
    turns = []
    for number in range(160):
        learner, _ = together.learn(one.parts.part(number), number / 160)
        turns.append(learner is one)
    assert turns == [True, False] * 80
    assert (together.step, one.step, other.step) == (160, 80, 80)
    for learner, at_first in zip((one, other), before, strict=True):
        assert learner.measure()[0].total < 0.8 * at_first
    for network, another in ((one.model, other.model), (one.average, other.average)):
        weights, others = dict(network.named_parameters()), dict(another.named_parameters())
        for name, weight in weights.items():
            if common(name, weight):
                assert weight is others[name]
            elif "weak" not in name and name != "color":
                assert not torch.equal(weight, others[name]), name
    assert not torch.equal(one.model.steps[0].conv.weight, mean)  # type: ignore[union-attr]


def test_a_saved_state_goes_on_as_it_was(tmp_path: Path) -> None:
    def run(steps: int, *, interrupted: bool) -> list[torch.Tensor]:
        ours = learners()
        together = Together(ours)
        for number in range(steps):
            together.learn(ours[0].parts.part(number), number / steps)
            if interrupted and number == steps // 2:
                for i, learner in enumerate(ours):
                    learner.save(tmp_path / str(i))
                ours = learners()
                together = Together(ours)
                for i, learner in enumerate(ours):
                    learner.restore(tmp_path / str(i))
        return [p.detach() for learner in ours for p in learner.average.parameters()]

    whole, again = run(10, interrupted=False), run(10, interrupted=True)
    assert all(torch.equal(a, b) for a, b in zip(whole, again, strict=True))


@pytest.mark.parametrize("changed", [{"learning_rate": 0.02}, {"architecture": "c3s1-4,d8,R8x2,U4,c3s1-3"}])
def test_networks_and_learning_rates_have_to_be_the_same(changed: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match="same network and learning rate"):
        Together(learners(**changed))
