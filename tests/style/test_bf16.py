"""Feature networks in bf16: what the lab computes itself is what PyTorch's own modules give."""

from __future__ import annotations

import pytest
import torch
from style_kit import LAYERS, picture, tiny_network
from torch import Tensor, nn
from torch.nn import functional

from convolab.compiled import sharing
from convolab.style import bf16
from convolab.style.features import PICTURE, Convolution
from convolab.style.losses import ContentLoss, GramLoss, gram_matrix, style_moments


def apart(found: Tensor, exact: Tensor) -> float:
    return float((found.detach().double() - exact.detach().double()).norm() / exact.detach().double().norm())


def maps(height: int, width: int, count: int = 16) -> Tensor:
    """Activations after a ReLU, with equal neighbours among them, in bf16."""
    x = torch.randn(1, count, height, width, generator=torch.Generator().manual_seed(height))
    return (x * 2).round().div(2).relu().bfloat16().contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("padding", ["zero", "replicate"])
def test_the_first_layer_is_as_exact_as_bf16_can_hold(padding: str) -> None:
    network = tiny_network(maps=16, padding=padding)  # type: ignore[arg-type]
    x = picture(0, 32, 40)
    exact = network(x, LAYERS)
    network.precision = "bf16"
    found = network(x, LAYERS)
    assert found[PICTURE].dtype is torch.float32
    for layer in LAYERS[1:]:
        assert 1e-5 < apart(found[layer], exact[layer]) < 0.02  # it was computed with 8 bits of mantissa
    assert apart(found["relu1_1"].bfloat16(), exact["relu1_1"].bfloat16()) < 0.0003


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("pooling", ["max", "average"])
def test_slopes_of_the_picture_are_those_of_fp32(
    own: bool, pooling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the lab's own convolutions and pooling, and where PyTorch has to do it."""
    if not own:
        monkeypatch.setattr(bf16, "usable", lambda: False)
        monkeypatch.setattr(bf16, "_kernels", lambda: None)
    network = tiny_network(maps=16, pooling=pooling)  # type: ignore[arg-type]
    found = []
    for precision in ("fp32", "bf16"):
        network.precision = precision  # type: ignore[assignment]
        pixels = picture(0, 33, 40).requires_grad_()
        features = network(pixels, LAYERS)
        total = torch.stack([features[layer].float().square().mean() for layer in LAYERS]).sum()
        (slope,) = torch.autograd.grad(total, pixels)
        assert slope.dtype is torch.float32
        found.append(slope)
    assert 1e-4 < apart(found[1], found[0]) < 0.13


@pytest.mark.skipif(not bf16.usable(), reason="PyTorch was built without oneDNN's fused convolutions")
@pytest.mark.parametrize("relu", [True, False])
def test_convolutions_are_pytorchs(relu: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(24, 16, 3, 3, generator=generator), torch.randn(24, generator=generator)
    convolution = Convolution(weight, bias)
    x = maps(13, 10).requires_grad_()
    y = bf16.convolved(x, convolution, relu)
    slopes = torch.randn(y.shape, generator=generator)
    (back,) = torch.autograd.grad(y, x, slopes.bfloat16())
    exact = x.detach().double().requires_grad_()
    z = functional.conv2d(exact, weight.double(), bias.double(), padding=1)
    z = z.relu() if relu else z
    (exact_back,) = torch.autograd.grad(z, exact, slopes.double())
    assert apart(y, z) < 0.005
    assert apart(back, exact_back) < (0.03 if relu else 0.01)  # a value near 0 may be on the other side


@pytest.mark.skipif(bf16._kernels() is None, reason="Numba cannot be used here")
@pytest.mark.parametrize(("height", "width"), [(32, 24), (33, 25), (2, 2), (3, 16)])
def test_pooling_is_pytorchs_to_the_last_bit(
    height: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "LEAST_SHARED", 0)  # on all cores
    x = maps(height, width).requires_grad_()
    found, exact = bf16.pooled(x), functional.max_pool2d(x, 2)
    assert torch.equal(found, exact)
    slopes = torch.randn(exact.shape, generator=torch.Generator().manual_seed(1)).bfloat16()
    backs = [torch.autograd.grad(y, x, slopes)[0] for y in (found, exact)]
    assert torch.equal(*backs)


@pytest.mark.skipif(bf16._kernels() is None, reason="Numba cannot be used here")
@pytest.mark.parametrize(("height", "width"), [(32, 24), (33, 25)])
@pytest.mark.parametrize("wanted", ["both", "maps", "pooled"])
def test_slopes_behind_a_relu_that_is_looked_at_and_pooled(height: int, width: int, wanted: str) -> None:
    before = torch.randn(1, 16, height, width, generator=torch.Generator().manual_seed(2))
    before = (before * 2).round().div(2).bfloat16().contiguous(memory_format=torch.channels_last)
    generator = torch.Generator().manual_seed(3)

    def through(x: Tensor, maps: Tensor, smaller: Tensor) -> Tensor:
        shares = {"both": (1, 1), "maps": (1, 0), "pooled": (0, 1)}[wanted]
        parts = [
            (y * torch.randn(y.shape, generator=generator.manual_seed(len(y[0, 0])))).sum()
            for y, share in zip((maps, smaller), shares, strict=True)
            if share
        ]
        return torch.autograd.grad(torch.stack(parts).sum(), x)[0]

    x = before.clone().requires_grad_()
    exact = through(x, x.relu(), functional.max_pool2d(x.relu(), 2))
    after = before.relu().requires_grad_()
    found = through(after, *bf16.tapped(after))
    assert apart(found, exact) < 0.005
    assert not bool(found[before <= 0].any())


def test_pooling_is_left_to_pytorch_where_it_is_another_one() -> None:
    assert not bf16.can_pool(maps(1, 8))
    assert not bf16.can_pool(torch.cat([maps(8, 8)] * 2))
    network = tiny_network(maps=8)
    network.steps = tuple(
        (name, nn.MaxPool2d(3, 2) if isinstance(module, nn.AvgPool2d) else module)
        for name, module in network.steps
    )
    x = picture(0, 33, 41)
    exact = network(x, ["relu2_1"])["relu2_1"]
    network.precision = "bf16"
    assert apart(network(x, ["relu2_1"])["relu2_1"], exact) < 0.02


@pytest.mark.parametrize("places", [7, 512, 1000, 4099])
def test_gram_matrices_have_more_digits_than_bf16(places: int) -> None:
    features = (
        torch.randn(1, 12, places, 1, generator=torch.Generator().manual_seed(places)).relu().bfloat16()
    )
    found = gram_matrix(features)
    exact = torch.einsum("ai,bi->ab", features[0, :, :, 0].double(), features[0, :, :, 0].double())
    assert found.dtype is torch.float32
    assert apart(found, exact) < (0.003 if places < 64 else 0.0015)


def test_losses_of_bf16_features_are_those_of_fp32() -> None:
    x, target = maps(20, 16), maps(21, 16)[:, :, :20]
    for loss, exact in (
        (ContentLoss("a", target), ContentLoss("a", target.float())),
        (
            GramLoss("a", style_moments(target, "gram"), 320),
            GramLoss("a", style_moments(target.float(), "gram"), 320),
        ),
    ):
        low, full = x.detach().requires_grad_(), x.detach().float().requires_grad_()
        value, exact_value = loss({"a": low}), exact({"a": full})
        assert value.dtype is torch.float32
        assert float(value) == pytest.approx(float(exact_value), rel=0.02)
        (slope,), (exact_slope,) = torch.autograd.grad(value, low), torch.autograd.grad(exact_value, full)
        assert apart(slope, exact_slope) < 0.03
