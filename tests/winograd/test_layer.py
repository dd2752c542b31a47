"""Convolutions for training by Winograd's algorithm, against PyTorch's own in double precision."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convolab import winograd
from convolab.networks import Network
from convolab.winograd import convolution
from convolab.winograd.layer import WinogradConv2d, suits

needs_numba = pytest.mark.skipif(
    not winograd.usable(64, 64, torch.device("cpu")), reason="Numba cannot be used here"
)


def layer(inputs: int, outputs: int, *, bias: bool = True) -> WinogradConv2d:
    torch.manual_seed(0)
    made = WinogradConv2d(inputs, outputs, 3, padding=1, bias=bias)
    return made.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def pictures(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(*shape, generator=generator).to(memory_format=torch.channels_last)
    return x.requires_grad_()


def off(a: Tensor, b: Tensor) -> float:
    return float((a.detach() - b.detach()).norm() / b.detach().norm())


@needs_numba
@pytest.mark.parametrize("side", [(16, 16), (7, 7), (4, 4), (13, 6), (1, 3)])
@pytest.mark.parametrize(("inputs", "outputs"), [(64, 64), (48, 80), (96, 48)])
def test_output_and_gradients_are_those_of_a_convolution(
    side: tuple[int, int], inputs: int, outputs: int
) -> None:
    conv, x = layer(inputs, outputs), pictures(17, inputs, *side)
    assert conv.bias is not None
    assert conv.takes(x)
    y = conv(x)
    slope = torch.randn(y.shape, generator=torch.Generator().manual_seed(2))
    back = torch.autograd.grad(y, [x, conv.weight, conv.bias], slope)

    exact = [t.detach().double().requires_grad_() for t in (x, conv.weight, conv.bias)]
    wanted = F.conv2d(exact[0], exact[1], exact[2], padding=1)
    wanted_back = torch.autograd.grad(wanted, exact, slope.double())
    assert off(y, wanted) < 1e-5
    for one, other in zip(back, wanted_back, strict=True):
        assert one.shape == other.shape
        assert off(one, other) < 1e-5


@needs_numba
def test_the_same_bits_each_time_whichever_thread_is_faster() -> None:
    conv, x = layer(64, 64, bias=False), pictures(64, 64, 16, 16)
    seen = []
    for _ in range(4):
        y = conv(x)
        seen.append((y.detach(), *torch.autograd.grad(y.square().sum(), [x, conv.weight])))
    for others in seen[1:]:
        assert all(torch.equal(a, b) for a, b in zip(seen[0], others, strict=True))


@needs_numba
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_any_order_in_memory_and_no_gradient_where_none_is_wanted(order: torch.memory_format) -> None:
    conv = layer(64, 64)
    x = pictures(16, 64, 8, 8).detach().contiguous(memory_format=order)
    y = conv(x)
    assert off(y, F.conv2d(x, conv.weight, conv.bias, padding=1)) < 1e-5
    conv.weight.requires_grad_(False)
    y = conv(x)
    y.sum().backward()
    assert conv.weight.grad is None
    assert conv.bias is not None
    assert conv.bias.grad is not None


def test_small_batches_few_maps_other_types_and_autocast_are_left_to_pytorch() -> None:
    conv = layer(64, 64)
    assert not conv.takes(pictures(1, 64, 8, 8))
    assert not suits(16, 64)
    assert suits(64, 64)
    assert not layer(16, 64).takes(pictures(64, 16, 8, 8))
    double = copy.deepcopy(conv).double()
    assert torch.equal(
        double(pictures(16, 64, 8, 8).double()),
        F.conv2d(pictures(16, 64, 8, 8).double(), double.weight, double.bias, padding=1),
    )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not conv.takes(pictures(16, 64, 8, 8))
        assert conv(pictures(16, 64, 8, 8)).dtype is torch.bfloat16
    strided = WinogradConv2d(64, 64, 3, stride=2, padding=1)
    assert not strided.takes(pictures(16, 64, 8, 8))


def test_without_numba_pytorch_does_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convolution, "_kernels", lambda: None)
    conv, x = layer(64, 64), pictures(16, 64, 8, 8)
    assert not conv.takes(x)
    assert torch.equal(conv(x), F.conv2d(x, conv.weight, conv.bias, padding=1))


def test_networks_are_built_with_it_and_keep_their_names() -> None:
    network = Network.model_validate({
        "input_shape": (3, 8, 8),
        "layers": [
            {"type": "Conv2d", "out_channels": 64, "kernel_size": 3, "padding": 1},
            {"type": "ReLU"},
            {"type": "Conv2d", "out_channels": 64, "kernel_size": 3, "padding": 1},
            {"type": "GlobalAvgPool2d"},
            {"type": "Linear", "out_features": 10},
        ],
    })  # fmt: skip
    model = network.build(0)
    assert isinstance(model[2], WinogradConv2d)
    plain = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1))
    plain.load_state_dict({k: v for k, v in model.state_dict().items() if int(k.split(".")[0]) < 3})
    x = torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    assert off(model[:3](x), plain(x)) < 1e-5
