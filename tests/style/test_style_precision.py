"""The number format of a feature network: bf16 only where it agrees with fp32 and is worth it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from style_kit import LAYERS, tiny_network

from convolab.style import precision
from convolab.training.number_formats import Precision


def tried(
    monkeypatch: pytest.MonkeyPatch, seconds: float, feature_error: float, slope_error: float
) -> Precision:
    """What a trial says where fp32 takes one second and bf16 so many, with such relative errors."""
    clock = SimpleNamespace(now=0.0)

    def timed(network: object, layers: object, picture: object) -> list[torch.Tensor]:
        low = network.precision == "bf16"  # type: ignore[attr-defined]
        clock.now += seconds if low else 1.0
        errors = [feature_error if low else 0.0] * len(LAYERS) + [slope_error if low else 0.0]
        return [torch.full((4,), 1 + error) for error in errors]

    monkeypatch.setattr(precision, "_try", timed)
    monkeypatch.setattr(precision, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    network = tiny_network()
    found = precision._tried(network, LAYERS)
    assert network.precision == "fp32"  # as before the trial
    return found


def test_bf16_is_chosen_where_it_agrees_and_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    found = tried(monkeypatch, 0.5, 0.005, 0.05)
    assert (found.name, "2.0 times as fast" in found.reason) == ("bf16", True)


@pytest.mark.parametrize(
    ("seconds", "feature_error", "slope_error", "reason"),
    [
        (0.97, 0.005, 0.05, "only 1.0 times as fast"),
        (0.5, 0.3, 0.05, "wrong results on this machine (relative error 0.3)"),
        (0.5, 0.005, 0.2, "wrong results on this machine (relative error 0.2)"),
        (0.5, float("nan"), 0.05, "wrong results on this machine"),
    ],
)
def test_bf16_is_refused_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, seconds: float, feature_error: float, slope_error: float, reason: str
) -> None:
    found = tried(monkeypatch, seconds, feature_error, slope_error)
    assert found.name == "fp32"
    assert reason in found.reason


def test_what_is_tried_are_features_and_the_slope_of_the_picture() -> None:
    network = tiny_network(maps=16)
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    *features, slope = precision._try(network, LAYERS, picture)
    assert [maps.shape[1] for maps in features] == [network.maps(layer) for layer in LAYERS]
    assert slope.shape == picture.shape
    assert float(slope.norm()) > 0


def test_what_the_settings_say_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_tried", lambda *_: pytest.fail("tried"))
    for name in ("fp32", "bf16"):
        assert precision.choose(tiny_network(), LAYERS, name).name == name
    monkeypatch.setattr(precision, "has_bf16", lambda: False)
    assert "no instructions" in precision.choose(tiny_network(), LAYERS).reason
