"""The network as it learns in bf16: paintings and slopes are those of the network itself."""

from __future__ import annotations

import pytest
import torch
from style_kit import picture
from torch import Tensor

from convolab.compiled import sharing
from convolab.style.fast import learning_pass
from convolab.style.fast.network import TransformNetwork

ARCHITECTURE = "c5s1-16,d32,d32,R32x2,U16,U16,c5s1-3"

pytestmark = pytest.mark.skipif(learning_pass._kernels() is None, reason="Numba cannot be used here")


def slopes_of(network: TransformNetwork, painted: Tensor) -> Tensor:
    """Of all weights, of a smooth measure of a painting."""
    network.zero_grad()
    wanted = picture(5, *painted.shape[2:])
    (painted - wanted).square().mean().backward()
    return torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])


@pytest.mark.parametrize("size", [(48, 40), (37, 43), (16, 16)])
@pytest.mark.parametrize("strength", [1.0, 0.4])
@pytest.mark.parametrize("shared", [True, False])
def test_paintings_and_slopes_are_the_networks(
    size: tuple[int, int], strength: float, shared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "LEAST_SHARED", 0)
    monkeypatch.setattr(learning_pass, "LEAST_SHARED", 0 if shared else 10**9)
    network = TransformNetwork(ARCHITECTURE, 1)
    generator = torch.Generator().manual_seed(2)
    for parameter in network.parameters():
        if parameter.dim() == 1:  # so that no scale and no shift is 1 or 0
            parameter.data += 0.1 * torch.randn(len(parameter), generator=generator)
    network.last.weight.data.mul_(5)
    photo = picture(3, *size)
    assert learning_pass.usable(network, photo)
    exact = network(photo, strength)
    exact_slopes = slopes_of(network, exact)
    found = learning_pass.paint(network, photo, strength)
    slopes = slopes_of(network, found)
    assert found.dtype is torch.float32
    assert 1e-5 < float((found - exact).detach().norm() / exact.detach().norm()) < 0.01
    assert slopes.shape == exact_slopes.shape
    # How far slopes are from those of fp32 depends on the maps: what PyTorch's own bf16 gives is the measure.
    with torch.autocast("cpu", torch.bfloat16):
        theirs = network(photo, strength)
    error, their_error = (
        float((one - exact_slopes).norm() / exact_slopes.norm())
        for one in (slopes, slopes_of(network, theirs))
    )
    assert error < 1.2 * their_error + 0.01
    assert their_error < 0.3


def test_the_same_photo_gives_the_same_slopes_to_the_last_bit() -> None:
    network = TransformNetwork(ARCHITECTURE, 1)
    photo = picture(3, 64, 64)
    first, second = (slopes_of(network, learning_pass.paint(network, photo)) for _ in range(2))
    assert torch.equal(first, second)


def test_what_it_cannot_do_is_left_to_the_network() -> None:
    network = TransformNetwork(ARCHITECTURE, 1)
    assert not learning_pass.usable(network, picture(0, 12, 40))
    assert not learning_pass.usable(network, torch.cat([picture(0, 32, 32)] * 2))
    photo = picture(0, 32, 32)
    assert torch.equal(learning_pass.paint(network, photo, 0.0), photo)
