"""The objective over several sizes: its value and its slope."""

from __future__ import annotations

import pytest
import torch
from style_kit import LAYERS, picture, tiny_network

from convolab.style.objective import Objective, Weights, style_target
from convolab.style.pyramid import Pyramid


def objectives() -> list[Objective]:
    network = tiny_network(double=True)
    weights = Weights(0.4, (0.5, 0.3, 0.2))
    made = []
    for height, width in ((16, 20), (32, 40)):
        style = style_target(network, picture(7, height, width).double(), LAYERS, "gram")
        content = picture(1, height, width).double()
        made.append(
            Objective(network, content, [style], weights, content_layers=("relu2_2",), style_layers=LAYERS)
        )
    return made


def test_the_total_is_of_all_sizes_and_the_rest_of_the_finest() -> None:
    coarse, fine = objectives()
    x = picture(2, 32, 40).double()
    small = torch.nn.functional.interpolate(x, (16, 20), mode="bicubic", antialias=True)
    both = Pyramid(fine, [coarse], 0.25)
    found, _ = both(x)
    expected = 0.75 * fine(x)[0].total + 0.25 * coarse(small)[0].total
    assert found.total == pytest.approx(expected)
    assert found.style == fine(x)[0].style
    assert both.measure(x).total == pytest.approx(expected)
    assert Pyramid(fine, [coarse], 0.0)(x)[0] == fine(x)[0]


def test_its_slope_against_finite_differences() -> None:
    coarse, fine = objectives()
    both = Pyramid(fine, [coarse], 0.5)
    x = picture(2, 32, 40).double()
    slope = both(x)[1]
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        direction = torch.randn(x.shape, generator=generator, dtype=torch.float64)
        step = 1e-6 * direction
        along = (both(x + step)[0].total - both(x - step)[0].total) / 2e-6
        assert float((slope * direction).sum()) == pytest.approx(along, rel=1e-4, abs=1e-6)


def test_changed_weights_reach_all_sizes() -> None:
    coarse, fine = objectives()
    both = Pyramid(fine, [coarse], 0.5)
    both.weights = Weights(0.9, (1.0, 0.0, 0.0))
    assert coarse.weights == fine.weights == both.weights
