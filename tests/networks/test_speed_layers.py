"""What the fast recipes are made of: whitening, a fixed scale, scaled outputs; and the recipes themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from convolab.networks import PRESETS, Network, preset
from convolab.networks.layers import BatchNorm2d, Conv2d, Flatten, Linear, Scale, ShapeError
from convolab.networks.modules import WhiteningConv2d, whiten
from convolab.training import TrainingSettings


def patterns(count: int = 400) -> torch.Tensor:
    """Pictures (count, 3, 12, 12) with neighbours and colours that are much alike."""
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(count, 3, 14, 14, generator=generator)
    smooth = nn.functional.avg_pool2d(noise, 3, 1)
    return smooth + 0.7 * smooth.mean(1, keepdim=True)


def test_what_comes_out_of_a_whitening_convolution_is_uncorrelated() -> None:
    images = patterns()
    module = WhiteningConv2d(3, 24, 2)
    module.fit(images)
    out = module(images - images.mean((0, 2, 3), keepdim=True)).detach()
    positive = out[:, 0::2].transpose(0, 1).flatten(1).double()
    covariance = torch.cov(positive)
    assert torch.allclose(
        covariance - torch.diag(covariance.diagonal()), torch.zeros(12, 12, dtype=torch.float64), atol=1e-3
    )
    # As much variance as the directions have by themselves, over that and a little: 1 but for the weakest.
    patches = np.lib.stride_tricks.sliding_window_view(images.double().numpy(), (2, 2), axis=(2, 3))
    found = np.linalg.eigvalsh(np.cov(patches.transpose(0, 2, 3, 1, 4, 5).reshape(-1, 12).T))[::-1]
    assert np.allclose(covariance.diagonal(), found / (found + WhiteningConv2d.EPSILON), atol=2e-3)
    assert covariance[0, 0] > 0.99
    assert torch.equal(module.weight[1::2], -module.weight[0::2])
    # The strongest directions come first: their filters are the smallest.
    sizes = module.weight[0::2].flatten(1).norm(dim=1)
    assert bool((sizes.diff() >= 0).all())


def test_whitening_layers_are_fitted_to_what_reaches_them() -> None:
    network = Network(
        input_shape=(3, 12, 12),
        layers=(
            Scale(factor=2.0),
            Conv2d(out_channels=6, kernel_size=2, whitening=True),
            Flatten(),
            Linear(out_features=2),
        ),
    )
    model = network.build(0)
    images = patterns()
    whiten(model, images)
    reference = WhiteningConv2d(3, 6, 2)
    reference.fit(2 * images)
    assert torch.equal(model[1].weight, reference.weight)
    assert not model[1].weight.requires_grad
    assert model.training
    assert network.parameters == 6 + 6 * 11 * 11 * 2 + 2


def test_more_maps_than_directions_are_refused_with_a_way_out() -> None:
    network = Network(
        input_shape=(1, 8, 8), layers=(Conv2d(out_channels=20, kernel_size=2, whitening=True), Flatten())
    )
    error = network.problem()
    assert isinstance(error, ShapeError)
    assert "at most 8 maps" in str(error)
    assert error.fixes[0].apply(network).layers[0].out_channels == 8
    assert error.fixes[1].apply(network).problem() is None
    with pytest.raises(ValueError, match="remove the connections"):
        Conv2d(out_channels=1, connections=((0,),), whitening=True)


def test_a_fixed_scale_is_not_learned() -> None:
    network = Network(
        input_shape=(2, 4, 4), layers=(BatchNorm2d(scale=False), Flatten(), Linear(out_features=2))
    )
    model = network.build(0)
    model(torch.randn(8, 2, 4, 4)).square().sum().backward()
    assert model[0].weight.grad is None
    assert model[0].bias.grad is not None
    assert network.parameters == 2 + 66


@pytest.mark.parametrize("name", [name for name, entry in PRESETS.items() if entry.settings])
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28)])
def test_recipes_fit_all_data_sets_at_all_their_sizes(name: str, shape: tuple[int, int, int]) -> None:
    settings = TrainingSettings(**PRESETS[name].settings)
    network = preset(name, shape, 10)
    assert network.problem(10) is None
    assert settings.budget
    model = network.build(0)
    for size in (shape[1], int(shape[1] * settings.start_size)):
        assert model(torch.zeros(2, shape[0], size, size)).shape == (2, 10)
