"""The image transformation network: its description, its parts against PyTorch's own, sizes, strength."""

from __future__ import annotations

import pytest
import torch
from fast_kit import TINY
from style_kit import picture
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from convolab.errors import NetworkError
from convolab.style.fast.architecture import SIZES, parse
from convolab.style.fast.network import OVERSHOOT, Norm, TransformNetwork, Up

MODES = {"reflect": "reflect", "replicate": "replicate", "zeros": "constant"}


@pytest.mark.parametrize("text", [*SIZES, TINY, "c3s2-4, d6, R6x2, U5, c5s1-5, U4, c7s1-3"])
def test_what_is_said_of_an_architecture_is_what_is_built(text: str) -> None:
    architecture = parse(text)
    network = TransformNetwork(architecture)
    assert architecture.parameters == sum(p.numel() for p in network.parameters())
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.rand(1, 3, 128, 128))
    # Enlarging computes one more row and column at the border.
    assert counter.get_total_flops() / 2 == pytest.approx(architecture.multiply_adds(128, 128), rel=0.03)


def test_named_sizes_have_their_names() -> None:
    assert {parse(text).name for text in SIZES.values()} == set(SIZES)
    assert parse("c3s1-4,d8,U4,c3s1-3").name == "c3s1-4,d8,U4,c3s1-3"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("standrad", 'Did you mean "standard"?'),
        ("c5s1-8,d16,u8,c5s1-3", "write U8"),
        ("c5s1-8,d16,U8,c5s1-4", "must end with a convolution of 3 filters"),
        ("c5s1-8,d16,c5s1-3", "each d needs a U"),
        ("c5s1-8,U8,d8,c5s1-3", "enlarges the picture before"),
        ("c5s1-8,d16,R8,U8,c5s1-3", "as many filters as go in, 16"),
        ("c4s1-8,c5s1-3", "kernels are odd"),
        ("c5s1-8,d9999,U8,c5s1-3", "filters are 1 to 512"),
        ("c5s1-8,R8x900,c5s1-3", "at most 40 parts"),
        ("c5s1-8,x16,c5s1-3", '"x16" is no part'),
        ("c5s1-3", "one convolution only"),
        ("c15s1-512,d512,R512x5,U512,c5s1-3", "million weights"),
    ],
)
def test_wrong_architectures_are_refused_with_a_sentence(text: str, said: str) -> None:
    with pytest.raises(NetworkError, match=r"\.$") as error:
        parse(text)
    assert said in str(error.value)


@pytest.mark.parametrize("padding", MODES)
def test_enlarging_is_repeating_pixels_and_a_convolution(padding: str) -> None:
    up = Up(3, parse("c3s1-3,d3,U5,c3s1-3").parts[2])
    x = torch.randn(2, 3, 5, 7)
    large = F.pad(F.interpolate(x, scale_factor=2, mode="nearest"), [1] * 4, mode=MODES[padding])
    assert torch.allclose(up(x, padding), F.conv2d(large, up.weight), atol=1e-5)


@pytest.mark.parametrize("relu", [True, False])
def test_norms_and_their_slopes_are_those_of_pytorch(relu: bool) -> None:
    norm = Norm(4)
    torch.manual_seed(0)
    for parameter in norm.parameters():
        parameter.data = torch.randn(4)
    x = torch.randn(2, 4, 6, 5, requires_grad=True)
    slope = torch.randn(2, 4, 6, 5)

    def reference(x: Tensor) -> Tensor:
        y = F.instance_norm(
            x, weight=norm.scale + 0.7 * norm.weak_scale, bias=norm.shift + 0.7 * norm.weak_shift
        )
        return F.relu(y) if relu else y

    inputs = (x, *norm.parameters())
    ours, theirs = norm(x, 0.3, relu), reference(x)
    assert torch.allclose(ours, theirs, atol=1e-5)
    for own, other in zip(
        torch.autograd.grad(ours, inputs, slope), torch.autograd.grad(theirs, inputs, slope), strict=True
    ):
        assert torch.allclose(own, other, atol=1e-4)


def plain(network: TransformNetwork, photo: Tensor, mode: str) -> Tensor:
    """The same network at full strength, in PyTorch's own operations."""
    weights = network.state_dict()

    def conv(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = weights[f"{name}.weight"]
        return F.conv2d(F.pad(x, [weight.shape[2] // 2] * 4, mode=mode), weight, stride=stride)

    def norm(x: Tensor, name: str) -> Tensor:
        return F.instance_norm(x, weight=weights[f"{name}.scale"], bias=weights[f"{name}.shift"])

    x = photo * 4 - 2
    sizes = []
    for i, part in enumerate(network.architecture.parts[:-1]):
        if part.kind == "residual":
            y = F.relu(norm(conv(x, f"steps.{i}.first.conv"), f"steps.{i}.first.norm"))
            x = x + norm(conv(y, f"steps.{i}.second.conv"), f"steps.{i}.second.norm")
            continue
        if part.stride == 2:
            sizes.append(x.shape[2:])
        if part.kind == "up":
            x = F.interpolate(x, scale_factor=2, mode="nearest")
        x = conv(x, f"steps.{i}.conv", part.stride)
        if part.kind == "up":
            height, width = sizes.pop()
            x = x[:, :, :height, :width]
        x = F.relu(norm(x, f"steps.{i}.norm"))
    x = conv(x, "last") + weights["color"].view(1, 3, 1, 1)
    x = x + weights["photo"].view(1, 3, 1, 1) * torch.atanh((photo - 0.5) / OVERSHOOT)
    return 0.5 + OVERSHOOT * torch.tanh(x)


@pytest.mark.parametrize("padding", MODES)
def test_the_whole_network_is_what_its_text_says(padding: str) -> None:
    network = TransformNetwork("c5s1-4,d6,d8,R8x2,U6,U4,c5s1-3", 3)
    network.last.weight.data.mul_(10)
    photo = picture(1, 40, 52)
    with torch.no_grad():
        assert torch.allclose(network(photo, 1.0, padding), plain(network, photo, MODES[padding]), atol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(33, 47), (16, 16), (5, 61), (1, 1), (2, 3)])
def test_odd_and_tiny_pictures_keep_their_size(height: int, width: int) -> None:
    network = TransformNetwork("c9s1-4,d6,d8,R8,U6,U4,c9s1-3")
    with torch.no_grad():
        painted = network(torch.rand(1, 3, height, width))
    assert painted.shape == (1, 3, height, width)
    assert bool(torch.isfinite(painted).all())


def test_a_picture_of_one_colour_stays_one_colour_unless_zeros_frame_it() -> None:
    network = TransformNetwork("c5s1-4,d6,R6,U4,c5s1-3", 1)
    grey = torch.full((1, 3, 24, 24), 0.4)
    with torch.no_grad():
        painted = {mode: network(grey, 1.0, mode) for mode in MODES}
    spread = {mode: float((p.amax((2, 3)) - p.amin((2, 3))).max()) for mode, p in painted.items()}
    assert spread["reflect"] < 1e-4
    assert spread["replicate"] < 1e-4
    assert spread["zeros"] > 1e-3


def test_strength_zero_is_the_photo_and_little_strength_changes_little() -> None:
    network = TransformNetwork(TINY, 2)
    network.last.weight.data.mul_(10)
    photo = picture()
    with torch.no_grad():
        assert torch.equal(network(photo, 0.0), photo)
        changes = [float((network(photo, s) - photo).abs().mean()) for s in (0.01, 0.1, 0.3, 1.0)]
    assert changes[0] < 0.05 * changes[-1]
    assert changes == sorted(changes)


def test_the_same_seed_gives_the_same_weights_and_leaves_the_random_state_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one = TransformNetwork(TINY, 7).state_dict()
    assert torch.equal(torch.rand(1), expected)
    other = TransformNetwork(TINY, 7).state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not torch.equal(one["last.weight"], TransformNetwork(TINY, 8).state_dict()["last.weight"])
