"""The feature network: names, order, what is computed and what is not, and fast convolutions that agree."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from style_kit import LAYERS, picture, small_dataset, tiny_network
from torch import nn
from torch.nn import functional as F

from convolab import winograd
from convolab.errors import NetworkError, SettingsError
from convolab.style.features import PICTURE, Convolution, Pooling
from convolab.style.loading import from_modules, load_network, vgg
from convolab.style.vgg import CHANNELS, MEANS, VGGS
from convolab.winograd import convolution


def random_weights(name: str) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        key: torch.randn(shape, generator=generator)
        * (0.05 if len(shape) == 1 else (2 / (9 * shape[1])) ** 0.5)
        for key, shape in VGGS[name].weight_shapes().items()
    }


def test_vgg_has_the_layers_of_the_paper() -> None:
    assert VGGS["vgg-16"].layers[:6] == ("conv1_1", "relu1_1", "conv1_2", "relu1_2", "pool1", "conv2_1")
    assert [len(VGGS[name].convolution_names) for name in ("vgg-16", "vgg-19")] == [13, 16]
    assert VGGS["vgg-16"].layers[-2:] == ("relu5_3", "pool5")
    assert VGGS["vgg-19"].layers[-2:] == ("relu5_4", "pool5")
    # Without the fully connected layers: the known numbers of parameters.
    for name, parameters in (("vgg-16", 14_714_688), ("vgg-19", 20_024_384)):
        shapes = VGGS[name].weight_shapes().values()
        assert sum(int(torch.Size(shape).numel()) for shape in shapes) == parameters


@pytest.mark.parametrize(
    ("name", "pooling", "wanted"),
    [
        ("vgg-16", "average", ["relu1_1", "conv2_2", "pool2", "relu3_3"]),
        ("vgg-16", "max", ["relu1_1", "conv2_2", "pool2", "relu3_3"]),
        ("vgg-19", "max", ["relu1_2", "relu3_4", "pool3", "conv4_4", "relu4_4", "relu5_4"]),
    ],
)
def test_vgg_against_plain_pytorch(name: str, pooling: Pooling, wanted: list[str]) -> None:
    weights = random_weights(name)
    network = vgg(name, weights, pooling)
    x = picture(0, 35, 46)
    found = network(x, wanted)

    y = x[:, [2, 1, 0]] * 255 - torch.tensor(MEANS[::-1]).view(1, 3, 1, 1)
    by_hand = {}
    for layer in VGGS[name].layers:
        if layer.startswith("conv"):
            y = F.conv2d(y, weights[f"{layer}.weight"], weights[f"{layer}.bias"], padding=1)
        elif layer.startswith("relu"):
            y = F.relu(y)
        else:
            y = F.avg_pool2d(y, 2) if pooling == "average" else F.max_pool2d(y, 2)
        by_hand[layer] = y
        if layer == wanted[-1]:
            break
    for layer in wanted:
        assert found[layer].shape == by_hand[layer].shape
        assert network.shape(layer, 35, 46) == tuple(by_hand[layer].shape[1:])
        error = (found[layer] - by_hand[layer]).norm() / by_hand[layer].norm()
        assert float(error) < 2e-5
    assert torch.equal(found[PICTURE], x)
    assert set(found) == {*wanted, PICTURE}


def test_nothing_deeper_is_computed_than_was_asked_for() -> None:
    network = tiny_network()
    seen: list[str] = []
    for name, module in network.steps:
        module.register_forward_hook(lambda *_, name=name: seen.append(name))
    network(picture(), ["relu2_1", "relu1_1"])
    assert "conv2_1" in seen
    assert not {"conv2_2", "relu2_2", "pool2", "conv3_1"} & set(seen)


def test_what_a_unit_sees() -> None:
    network = tiny_network()
    assert [network.stride(layer) for layer in LAYERS] == [1, 2, 4]
    for layer, reach in (("relu1_1", 1), ("relu1_2", 2), ("relu2_1", 5)):
        assert network.reach(layer) == reach
    # A pixel farther away than the reach changes nothing.
    one = picture(0, 40, 40)
    two = one.clone()
    two[:, :, 20, 20] += 0.5
    changed = (network(one, ["relu3_1"])["relu3_1"] != network(two, ["relu3_1"])["relu3_1"]).any(1)[0]
    rows = changed.any(1).nonzero().flatten() * 4
    assert int((rows - 20).abs().max()) <= network.reach("relu3_1") + 3


def test_replicate_padding_hides_the_edge_of_a_plain_picture() -> None:
    plain = torch.full((1, 3, 16, 16), 0.9)
    zero = tiny_network()(plain, ["relu1_1"])["relu1_1"]
    repeated = tiny_network(padding="replicate")(plain, ["relu1_1"])["relu1_1"]
    assert float((repeated - repeated[:, :, 8:9, 8:9]).abs().max()) < 1e-6
    assert float((zero - zero[:, :, 8:9, 8:9]).abs().max()) > 0.1


def test_unknown_layers_and_small_pictures_are_refused() -> None:
    with pytest.raises(SettingsError, match=r'no layer in tiny "relu2_9"\. Did you mean "relu2_'):
        tiny_network()(picture(), ["relu2_9"])
    with pytest.raises(SettingsError, match="too small for these layers: they need 4 pixels a side"):
        tiny_network()(picture(0, 3, 9), ["relu3_1"])
    assert tiny_network()(picture(0, 4, 4), ["relu3_1"])["relu3_1"].shape == (1, 18, 1, 1)


@pytest.mark.parametrize("size", [(13, 18), (4, 4), (1, 9), (33, 30)])
@pytest.mark.parametrize("relu", [False, True])
def test_fast_convolutions_agree_with_direct_ones(size: tuple[int, int], relu: bool) -> None:
    if not winograd.usable(32, 48, torch.device("cpu")):
        pytest.skip("Numba cannot be used here, so direct convolutions do the work")
    generator = torch.Generator().manual_seed(2)
    weight = torch.randn(48, 32, 3, 3, generator=generator)
    bias = torch.randn(48, generator=generator)
    fast = Convolution(weight, bias)
    x = torch.randn(2, 32, *size, generator=generator).requires_grad_()
    slope = torch.randn(2, 48, *size, generator=generator)
    y = fast(x, relu=relu)
    (back,) = torch.autograd.grad(y, x, slope)

    double = x.detach().double().requires_grad_()
    exact = F.conv2d(double, weight.double(), bias.double(), padding=1)
    exact = exact.relu() if relu else exact
    (wanted,) = torch.autograd.grad(exact, double, slope.double())
    with torch.no_grad():
        assert float((y - exact).norm() / exact.norm()) < 1e-5
        # A unit next to 0 may be on in one and off in the other.
        assert float((back - wanted).norm() / wanted.norm()) < (1e-2 if relu else 1e-5)


def test_without_numba_everything_still_works(monkeypatch: pytest.MonkeyPatch) -> None:
    network = tiny_network(maps=32)
    fast = network(picture(), LAYERS)
    monkeypatch.setattr(convolution, "_kernels", lambda: None)
    plain = network(picture(), LAYERS)
    for layer in LAYERS:
        assert torch.allclose(fast[layer], plain[layer], rtol=1e-3, atol=1e-4)


def test_a_network_trained_in_the_lab_serves_as_well(tmp_path: Path) -> None:
    from convolab.networks import preset
    from convolab.style.loading import trained
    from convolab.training import save_weights

    data = small_dataset()
    described = preset("convolutional", data.input_shape, len(data.classes))
    model = described.build(3)
    path = tmp_path / "mine.safetensors"
    save_weights(path, model, described, data)
    network = trained(path)
    parts = ("conv", "relu", "pool")
    assert network.layers == tuple(f"{part}{i}" for i in (1, 2, 3) for part in parts)
    x = picture(0, 32, 32)
    last = network.layers[-1]
    found = network(x, [last])[last]
    with torch.no_grad():
        by_hand = model[: len(network.layers)]((x * 255) / 127.5 - 1)
    assert torch.allclose(found, by_hand, rtol=1e-3, atol=1e-4)
    assert load_network(str(path)).layers == network.layers


def test_grey_networks_and_blocks_serve_too_and_dense_ones_are_refused() -> None:
    from convolab.networks import preset

    grey = preset("lenet-5", (1, 28, 28), 10).build()
    network = from_modules("LeNet", grey, (127.5,), (127.5,))
    assert network.layers[0].startswith("conv")
    assert network(picture(0, 40, 40), [network.layers[-1]])[network.layers[-1]].shape[1] == 120
    blocks = preset("resnet", (3, 32, 32), 10).build().eval()
    network = from_modules("ResNet", blocks, (127.5,) * 3, (127.5,) * 3)
    assert any(layer.startswith("block") for layer in network.layers)
    last = network.layers[-1]
    assert network.shape(last, 64, 64) == tuple(network(picture(0, 64, 64), [last])[last].shape[1:])
    dense = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    with pytest.raises(NetworkError, match="no convolution"):
        from_modules("Dense", dense, (0.0,) * 3, (1.0,) * 3)
    with pytest.raises(SettingsError, match='Did you mean "vgg-16"'):
        load_network("vgg16")


def test_channels_of_vgg() -> None:
    shapes = VGGS["vgg-19"].weight_shapes()
    assert [shapes[f"conv{block}_1.bias"] for block in range(1, 6)] == [(count,) for count in CHANNELS]
