"""Pooling, batch norm and GELU in one go, beside PyTorch's own layers in double precision."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from convolab.fused import fused
from convolab.fused.functions import gelu_as_bf16


def block(maps: int, pooling: bool) -> list[nn.Module]:
    norm = nn.BatchNorm2d(maps)
    nn.init.uniform_(norm.weight, 0.5, 1.5)
    nn.init.uniform_(norm.bias, -1, 1)
    return [*([nn.MaxPool2d(2)] if pooling else []), norm, nn.GELU()]


def maps_of(*shape: int) -> Tensor:
    x = torch.randn(shape) * 2 + 0.3
    return x.to(torch.bfloat16).contiguous(memory_format=torch.channels_last)


def run(parts: list, x: Tensor) -> Tensor:
    for part in parts:
        x = part(x)
    return x


def close(found: Tensor, exact: Tensor, tolerance: float) -> bool:
    return float((found.double() - exact).norm() / exact.norm()) < tolerance


@pytest.mark.parametrize("pooling", [True, False], ids=["pooled", "not pooled"])
@pytest.mark.parametrize("shape", [(64, 16, 32, 32), (5, 24, 15, 13), (3, 1, 2, 3)], ids=str)
def test_values_and_gradients_are_pytorchs(shape: tuple[int, ...], pooling: bool) -> None:
    layers = block(shape[1], pooling)
    twin = [type(layer)(2) if isinstance(layer, nn.MaxPool2d) else layer for layer in layers]
    norm = next(layer for layer in layers if isinstance(layer, nn.BatchNorm2d))
    exact_norm = nn.BatchNorm2d(shape[1]).double()
    exact_norm.load_state_dict(norm.state_dict())
    exact_norm.double()
    twin = [exact_norm if layer is norm else layer for layer in twin]
    x = maps_of(*shape)
    ours, theirs = x.clone().requires_grad_(), x.double().requires_grad_()
    parts = fused(layers)
    assert len(parts) == 1  # else PyTorch would be compared with itself
    y, exact = run(parts, ours), run(twin, theirs)
    assert y.dtype is torch.bfloat16
    assert close(y.detach(), exact.detach(), 0.004)
    slope = torch.randn(exact.shape).to(torch.bfloat16)
    y.backward(slope)
    exact.backward(slope.double())
    assert ours.grad is not None
    assert theirs.grad is not None
    assert close(ours.grad, theirs.grad, 0.01)
    for mine, other in ((norm.weight, exact_norm.weight), (norm.bias, exact_norm.bias)):
        assert mine.grad is not None
        assert other.grad is not None
        assert close(mine.grad, other.grad, 0.005)
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        assert close(getattr(norm, name), getattr(exact_norm, name).double(), 1e-5)


def test_where_several_are_largest_the_first_gets_the_slope() -> None:
    x = torch.zeros(1, 1, 4, 4, dtype=torch.bfloat16).contiguous(memory_format=torch.channels_last)
    x[0, 0, 0, 1] = x[0, 0, 1, 0] = 1
    x.requires_grad_()
    run(fused(block(1, True)), x).backward(torch.tensor([[[[1.0, 2], [3, 5]]]]))
    assert x.grad is not None
    assert x.grad[0, 0].float().ne(0).nonzero().tolist() == [[0, 1], [0, 2], [2, 0], [2, 2]]


def test_gelu_is_as_good_as_bf16_can_say() -> None:
    x = torch.linspace(-12, 12, 40_000).view(1, 8, 50, 100)
    exact = nn.functional.gelu(x.double())
    off = (gelu_as_bf16(x).double() - exact).abs()
    assert float((off - exact.abs() / 256).max()) < 2e-4


def test_no_scale_is_learned_where_it_is_fixed() -> None:
    layers = block(4, False)
    layers[0].weight.requires_grad_(False)  # type: ignore[union-attr]
    x = maps_of(2, 4, 6, 6).requires_grad_()
    run(fused(layers), x).sum().backward()
    assert layers[0].weight.grad is None
    assert layers[0].bias.grad is not None


def test_a_network_that_is_evaluated_is_left_to_pytorch() -> None:
    layers = [nn.GELU(), *block(4, True)]
    for layer in layers:
        layer.eval()
    x = maps_of(2, 4, 6, 6)
    with torch.no_grad():
        assert torch.equal(run(fused(layers), x), run(layers, x))


def test_what_does_not_suit_is_left_as_it_is() -> None:
    odd = [nn.MaxPool2d(3, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.GELU(approximate="tanh")]
    assert fused(odd) == odd
    x = torch.randn(2, 4, 6, 6, requires_grad=True)  # fp32
    layers = block(4, True)
    assert torch.equal(run(fused(layers), x), run(layers, x))


def test_the_same_whatever_the_number_of_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    def once() -> tuple[Tensor, Tensor]:
        torch.manual_seed(1)
        layers = block(16, True)
        x = maps_of(40, 16, 32, 32).requires_grad_()
        y = run(fused(layers), x)
        y.backward(torch.ones_like(y))
        assert x.grad is not None
        return y.detach(), x.grad

    monkeypatch.setenv("CONVOLAB_THREADS", "1")
    alone = once()
    monkeypatch.setenv("CONVOLAB_THREADS", "3")
    for one, other in zip(alone, once(), strict=True):
        assert close(one, other.double(), 1e-3)
