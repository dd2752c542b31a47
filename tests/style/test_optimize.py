"""The optimizers: they find minima, and go on from a saved state as if nothing had happened."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from convolab.style.optimize import Adam, Lbfgs, Optimizer, Smooth


def bowl(x: Tensor) -> tuple[float, Tensor]:
    """A quadratic with curvatures from 0.01 to 10 and its minimum at 0.4 everywhere."""
    curvature = torch.logspace(-2, 1, x.numel()).reshape(x.shape)
    away = x - 0.4
    return float((curvature * away.square()).sum() / 2), curvature * away


def valley(x: Tensor) -> tuple[float, Tensor]:
    """Rosenbrock's curved valley in neighbouring pairs, minimum 0 at 1."""
    y = x.detach().double().requires_grad_()
    a, b = y.flatten()[::2], y.flatten()[1::2]
    total = (100 * (b - a**2) ** 2 + (1 - a) ** 2).sum()
    (slope,) = torch.autograd.grad(total, y)
    return float(total.detach()), slope.float()


def start(value: float = 0.0) -> Tensor:
    return torch.full((1, 3, 2, 4), value)


def test_lbfgs_finds_the_bottom_of_a_bowl_and_of_a_curved_valley() -> None:
    optimizer = Lbfgs(start(), 10)
    for _ in range(80):
        optimizer.step(bowl)
    assert optimizer.loss < 1e-5
    optimizer = Lbfgs(start(-0.5), 10)
    for _ in range(300):
        optimizer.step(valley)
    assert optimizer.loss < 1e-4


def test_lbfgs_never_gets_worse() -> None:
    optimizer = Lbfgs(start(-0.5), 5)
    before = float("inf")
    for _ in range(60):
        optimizer.step(valley)
        assert optimizer.loss <= before
        assert optimizer.loss == pytest.approx(valley(optimizer.picture)[0])
        before = optimizer.loss


def test_a_good_preconditioner_saves_steps() -> None:
    curvature = torch.logspace(-2, 1, 24).reshape(1, 3, 2, 4)
    plain, helped = Lbfgs(start(), 3), Lbfgs(start(), 3, lambda gradient: gradient / curvature)
    for _ in range(8):
        plain.step(bowl)
        helped.step(bowl)
    assert helped.loss < plain.loss / 100


def test_lbfgs_survives_losses_that_are_not_numbers() -> None:
    def cliff(x: Tensor) -> tuple[float, Tensor]:
        if float(x.abs().max()) > 0.45:
            return float("nan"), torch.full_like(x, float("nan"))
        return bowl(x)

    optimizer = Lbfgs(start(), 5)
    for _ in range(60):
        optimizer.step(cliff)
    assert bool(torch.isfinite(optimizer.picture).all())
    assert optimizer.loss < 0.01


def test_adam_moves_by_its_learning_rate_and_stays_in_range() -> None:
    optimizer = Adam(start(0.1), learning_rate=0.05)
    optimizer.step(bowl)
    assert torch.allclose(optimizer.picture, start(0.15), atol=1e-4)
    upward = Adam(start(0.95), learning_rate=0.1)
    for _ in range(3):
        upward.step(lambda x: (0.0, -torch.ones_like(x)))
    assert float(upward.picture.max()) == 1.0


@pytest.mark.parametrize("make", [lambda x: Lbfgs(x, 4), lambda x: Adam(x, 0.05)])
def test_going_on_from_a_saved_state(make: Callable[[Tensor], Optimizer]) -> None:
    whole = make(start(-0.5))
    for _ in range(30):
        whole.step(valley)
    first = make(start(-0.5))
    for _ in range(17):
        first.step(valley)
    second = make(start(9.0))
    second.restore({name: tensor.clone() for name, tensor in first.state().items()})
    for _ in range(13):
        second.step(valley)
    assert torch.equal(whole.picture, second.picture)
    assert whole.loss == second.loss


def test_within_bounds_the_minimum_is_that_of_the_box() -> None:
    # A bowl whose minimum lies outside for half of the pixels: the best of the box is at its wall.
    target = torch.linspace(-1, 1, 24).reshape(1, 3, 2, 4)
    weights = torch.logspace(-1, 1, 24).reshape(1, 3, 2, 4)

    def tilted(x: Tensor) -> tuple[float, Tensor]:
        away = x - target
        together = away.sum() * 0.3  # pixels are coupled
        return float((weights * away.square()).sum() / 2 + away.sum() ** 2 * 0.15), weights * away + together

    optimizer = Lbfgs(start(0.3), 10, bounds=(0.0, 0.5))
    for _ in range(80):
        optimizer.step(tilted)
        assert 0 <= float(optimizer.picture.min()) <= float(optimizer.picture.max()) <= 0.5
    slope = tilted(optimizer.picture)[1]
    inside = (optimizer.picture > 0) & (optimizer.picture < 0.5)
    assert float(slope[inside].abs().max()) < 1e-3
    assert float(slope[optimizer.picture == 0].min()) > -1e-3  # held by the wall, not stuck to it
    assert float(slope[optimizer.picture == 0.5].max()) < 1e-3


def test_the_preconditioner_of_pictures_is_symmetric_positive_and_prefers_what_is_smooth() -> None:
    smooth = Smooth(12, 10, torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(1, 3, 12, 10, generator=generator) for _ in range(2))
    assert float((a * smooth(b)).sum()) == pytest.approx(float((smooth(a) * b).sum()), rel=1e-4)
    assert float((a * smooth(a)).sum()) > 0
    across = torch.arange(10) % 2 * 2.0 - 1
    fine = across.expand(1, 3, 12, 10)
    plain = torch.ones(1, 3, 12, 10)
    assert float(smooth(plain).mean()) > 10 * float((smooth(fine) * fine).mean()) > 0
