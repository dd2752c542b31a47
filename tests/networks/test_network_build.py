"""Initial weights: as described, fixed by the seed, and without touching anybody else's random numbers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from convolab.networks import Network, preset
from convolab.networks.layers import (
    LENET5_CONNECTIONS,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    Linear,
    ReLU,
    Residual,
    ScaledTanh,
)

WIDE = Network(
    input_shape=(8, 6, 6),
    layers=(Conv2d(out_channels=300, kernel_size=3), Flatten(), Linear(out_features=40)),
)


def test_weights_of_the_original_are_truncated_normal() -> None:
    model = WIDE.build(3)
    # A normal distribution cut at two deviations has 0.8796 of the deviation.
    for weight, sigma in ((model[0].weight, 0.1), (model[2].weight, (300 * 16) ** -0.5)):
        assert weight.abs().max() <= 2 * sigma
        assert weight.abs().max() > 1.9 * sigma
        assert weight.std().item() == pytest.approx(0.8796 * sigma, rel=0.02)
        assert weight.mean().abs() < 0.03 * sigma
    assert not model[0].bias.any()
    assert not model[2].bias.any()


def test_weights_of_pytorch_are_uniform() -> None:
    model = WIDE.changed(initialization="pytorch").build(3)
    for module, bound in ((model[0], 72**-0.5), (model[2], 4800**-0.5)):
        for tensor in (module.weight, module.bias):
            assert tensor.abs().max() <= bound
            assert tensor.abs().max() > 0.85 * bound
        assert module.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)
    torch.manual_seed(0)
    theirs = nn.Conv2d(8, 300, 3)
    assert theirs.weight.std().item() == pytest.approx(model[0].weight.std().item(), rel=0.02)


@pytest.mark.parametrize("table", [None, tuple((i, (i + 1) % 8) for i in range(8))])
def test_dirac_convolutions_begin_by_passing_their_input_on(table: tuple | None) -> None:
    layer = Conv2d(out_channels=8, kernel_size=3, padding=1, bias=False, connections=table)
    network = Network(input_shape=(8, 6, 6), layers=(layer,), initialization="dirac")
    x = torch.randn(2, 8, 6, 6)
    assert torch.allclose(network.build()(x), x, atol=1e-6)
    if table is None:
        wide = network.changed(layers=(layer.changed(out_channels=12),)).build()
        assert torch.allclose(wide(x)[:, :8], x, atol=1e-6)
        assert wide[0].weight[8:].std().item() == pytest.approx(72**-0.5 / 3**0.5, rel=0.2)


def test_connection_tables_are_initialised_by_their_own_fan_in() -> None:
    layer = Conv2d(out_channels=16, kernel_size=5, connections=LENET5_CONNECTIONS)
    network = Network(input_shape=(6, 14, 14), layers=(layer,), initialization="pytorch")
    weight = network.build()[0].dense_weight()
    for inputs, filters in zip(LENET5_CONNECTIONS, weight, strict=True):
        bound = (len(inputs) * 25) ** -0.5
        assert 0.9 * bound < filters.abs().max() <= bound


def test_the_seed_fixes_the_weights_and_nothing_else_moves() -> None:
    network = preset("resnet", (3, 32, 32), 10)
    torch.manual_seed(11)
    state = torch.get_rng_state()
    first = network.build(5).state_dict()
    torch.rand(7)
    again = network.build(5).state_dict()
    other = network.build(6).state_dict()
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["0.weight"], other["0.weight"])
    torch.manual_seed(11)
    network.build(5)
    assert torch.equal(torch.get_rng_state(), state)


def test_variants_share_the_weights_of_layers_they_begin_with() -> None:
    base = preset("convolutional", (3, 32, 32), 10)
    first = base.build(2).state_dict()
    without = base.remove(8).remove(7).remove(6).build(2).state_dict()
    for key in ("0.weight", "3.weight"):
        assert torch.equal(first[key], without[key])
    # Layers without weights of their own shift nothing.
    more = base.insert(1, BatchNorm2d()).insert(2, Dropout()).build(2).state_dict()
    assert torch.equal(first["0.weight"], more["0.weight"])
    assert torch.equal(first["3.weight"], more["5.weight"])
    assert torch.equal(first["10.weight"], more["12.weight"])


def test_every_weighted_layer_gets_different_numbers() -> None:
    layers = tuple(Conv2d(out_channels=4, padding=1) for _ in range(3))
    model = Network(input_shape=(4, 6, 6), layers=(*layers, Residual(layers=layers))).build()
    weights = [m.weight for m in model.modules() if isinstance(m, nn.Conv2d)]
    assert len(weights) == 6
    assert len({tuple(w.flatten().tolist()) for w in weights}) == 6


def test_names_of_the_weights_are_the_places_of_the_layers() -> None:
    keys = set(preset("convolutional", (1, 28, 28), 10).build().state_dict())
    assert keys == {f"{place}.{name}" for place in (0, 3, 7) for name in ("weight", "bias")}
    block = Residual(layers=(Conv2d(out_channels=2, kernel_size=1, bias=False), ReLU()))
    model = Network(input_shape=(1, 4, 4), layers=(ReLU(), block)).build()
    assert set(model.state_dict()) == {"1.body.0.weight", "1.shortcut.weight"}


def test_a_block_adds_its_input() -> None:
    inside = Conv2d(out_channels=3, kernel_size=3, padding=1)
    x = torch.randn(2, 3, 8, 8)
    plain = Network(input_shape=(3, 8, 8), layers=(Residual(layers=(inside,)),)).build()
    assert torch.allclose(plain(x), x + plain[0].body(x))
    stride = Network(
        input_shape=(3, 8, 8),
        layers=(Residual(layers=(inside.changed(out_channels=5, stride=2),)),),
        floor=True,
    ).build()
    expected = stride[0].body(x) + nn.functional.conv2d(x[:, :, ::2, ::2], stride[0].shortcut.weight)
    assert torch.allclose(stride(x), expected, atol=1e-6)


def test_scaled_tanh_keeps_one() -> None:
    module = ScaledTanh().build((1,))
    x = torch.tensor([-100.0, -1.0, 0.0, 1.0, 100.0])
    assert torch.allclose(module(x), torch.tensor([-1.7159, -1.0, 0.0, 1.0, 1.7159]), atol=1e-4)


def test_the_connection_table_computes_a_convolution() -> None:
    layer = Conv2d(out_channels=3, kernel_size=3, stride=2, padding=1, connections=((0,), (0, 1), (1,)))
    module = Network(input_shape=(2, 9, 9), layers=(layer,)).build()[0]
    nn.init.normal_(module.bias)
    x = torch.randn(2, 2, 9, 9, requires_grad=True)
    filters = module.weight
    zero = torch.zeros(3, 3)
    full = torch.stack(
        [
            torch.stack([filters[0], zero]),
            torch.stack([filters[1], filters[2]]),
            torch.stack([zero, filters[3]]),
        ]
    )
    expected = nn.functional.conv2d(x, full, module.bias, 2, 1)
    assert torch.allclose(module(x), expected, atol=1e-6)
    ours = torch.autograd.grad(module(x).square().sum(), [filters, x])
    theirs = torch.autograd.grad(expected.square().sum(), [filters, x])
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-5)
