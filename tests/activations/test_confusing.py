"""Confusing inputs: two labels really become equally likely, by a small change within the pixels' range."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from look_kit import built, inspected, picture

from convolab.activations import Inspector, confuse
from convolab.activations.confusing import least_change
from convolab.errors import DataError, SettingsError
from convolab.networks import Network, preset
from convolab.networks.layers import Conv2d, Flatten, GlobalAvgPool2d, Linear, MaxPool2d, ReLU, ScaledTanh

Make = Callable[[], tuple[Inspector, np.ndarray]]


def taught(network: Network, classes: int = 4) -> tuple[Inspector, np.ndarray]:
    """A network that learned to tell noisy patterns apart, and one image of each, within −1 … 1."""
    generator = torch.Generator().manual_seed(1)
    patterns = torch.rand(classes, *network.input_shape, generator=generator).round()
    labels = torch.arange(256) % classes
    model = network.build(0)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(60):
        noise = 0.6 * torch.rand(256, *network.input_shape, generator=generator) - 0.3
        images = 2 * (patterns[labels] + noise).clamp(0, 1) - 1
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
    return Inspector(network, model.eval(), [f"pattern {i}" for i in range(classes)]), images[
        :classes
    ].numpy()


def convolutional() -> tuple[Inspector, np.ndarray]:
    layers = (
        Conv2d(out_channels=6, kernel_size=3, padding=1), ReLU(), MaxPool2d(kernel_size=2, stride=2),
        Flatten(), Linear(out_features=16), ReLU(), Linear(out_features=4),
    )  # fmt: skip
    return taught(Network(input_shape=(1, 8, 8), layers=layers))


def scaled_tanh() -> tuple[Inspector, np.ndarray]:
    layers = (
        Flatten(), Linear(out_features=24), ScaledTanh(), Linear(out_features=4), ScaledTanh(),
    )  # fmt: skip
    return taught(Network(input_shape=(2, 6, 7), layers=layers))


@pytest.mark.parametrize("make", [convolutional, scaled_tanh])
def test_two_labels_become_equally_likely_from_either_side(make: Make) -> None:
    inspector, images = make()
    for first, second in ((0, 1), (1, 0), (2, 3)):
        for image in (images[first], images[second]):
            found = confuse(inspector, image, first, second)
            assert found.succeeded, found.message
            with torch.no_grad():
                logits = inspector.model(torch.from_numpy(found.image)[None])[0]
            shares = torch.softmax(logits, 0)
            assert abs(float(shares[first] - shares[second])) <= 0.01
            assert float(shares.max()) <= max(float(shares[first]), float(shares[second])) + 0.01
            assert found.image.min() >= -1 - 1e-6
            assert found.image.max() <= 1 + 1e-6
            change = (found.image.astype(float) - image) / 2
            assert found.distance == pytest.approx(np.linalg.norm(change), rel=1e-4)
            assert found.mean_change == pytest.approx(np.abs(change).mean(), rel=1e-4)
            assert found.largest_change == pytest.approx(np.abs(change).max(), rel=1e-4)
            assert found.path.shape == (12, *image.shape)
            np.testing.assert_allclose(found.path[0], image, atol=1e-6)
            np.testing.assert_array_equal(found.path[-1], found.image)
            for frame, told in zip(found.path, found.shares, strict=True):
                np.testing.assert_allclose(inspector.run(frame).prediction.shares, told, atol=1e-5)
            assert inspector.classes[first] in found.message


def test_of_a_linear_network_the_change_is_the_shortest_there_is() -> None:
    """The nearest point of a plane is known exactly."""
    network = Network(input_shape=(1, 3, 4), layers=(Flatten(), Linear(out_features=2)))
    inspector, model = inspected(network)
    image = 0.3 * picture(network)
    found = confuse(inspector, image, 0, 1, low=-10, high=10)
    weight, bias = (value.detach().double().numpy() for value in (model[1].weight, model[1].bias))
    normal, offset = weight[0] - weight[1], bias[0] - bias[1]
    shortest = -(normal @ image.ravel() + offset) / (normal @ normal) * normal
    np.testing.assert_allclose((found.image - image).ravel(), shortest, atol=1e-4)
    assert found.distance == pytest.approx(np.linalg.norm(shortest) / 20, rel=1e-3)


def test_it_is_shorter_than_fading_into_an_image_of_the_other_label() -> None:
    inspector, images = convolutional()
    found = confuse(inspector, images[0], 0, 1)
    fading = images[0] + np.linspace(0, 1, 200)[:, None, None, None] * (images[1] - images[0])
    with torch.no_grad():
        logits = inspector.model(torch.from_numpy(fading.astype(np.float32)))
    crossing = fading[int((logits[:, 0] < logits[:, 1]).int().argmax())]
    assert found.distance < np.linalg.norm((crossing - images[0]) / 2)


def test_ranges_may_differ_between_channels() -> None:
    layers = (Conv2d(out_channels=3, kernel_size=3), ReLU(), GlobalAvgPool2d(), Linear(out_features=3))
    network = Network(input_shape=(3, 6, 6), layers=layers)
    inspector = Inspector(network, built(network))
    low, high = np.array([-1.0, -2.0, 0.0]), np.array([1.0, 2.5, 0.5])
    low, high = low[:, None, None], high[:, None, None]
    image = (low + np.random.default_rng(0).random((3, 6, 6)) * (high - low)).astype(np.float32)
    found = confuse(inspector, image, 0, 1, low=low, high=high)
    assert (found.image >= low - 1e-6).all()
    assert (found.image <= high + 1e-6).all()
    change = (found.image - image) / (high - low)
    assert found.distance == pytest.approx(np.linalg.norm(change), rel=1e-3)


def test_what_cannot_be_is_told() -> None:
    # Outputs that never change: nothing lies between them.
    network = Network(input_shape=(1, 3, 3), layers=(Flatten(), Linear(out_features=3)))
    model = network.build(0)
    with torch.no_grad():
        model[1].weight.zero_()
        model[1].bias.copy_(torch.tensor([2.0, 0.0, 1.0]))
    image = np.zeros((1, 3, 3), np.float32)
    found = confuse(Inspector(network, model), image, 0, 1)
    assert not found.succeeded
    assert "No image was found" in found.message
    np.testing.assert_array_equal(found.image, image)


def test_bad_input_is_refused() -> None:
    inspector, _ = inspected(preset("harley-mlp", (1, 28, 28), 10))
    image = np.zeros((1, 28, 28), np.float32)
    with pytest.raises(SettingsError, match="choose two labels"):
        confuse(inspector, image, 3, "3")
    with pytest.raises(SettingsError, match='no label "eleven"'):
        confuse(inspector, image, 3, "eleven")
    with pytest.raises(SettingsError, match='no label "10"'):
        confuse(inspector, image, 3, 10)
    with pytest.raises(DataError, match="takes images of 1 × 28 × 28"):
        confuse(inspector, image[0], 3, 4)
    with pytest.raises(DataError, match="beyond its range"):
        confuse(inspector, image + 3, 3, 4)
    with pytest.raises(SettingsError, match="low must be below high"):
        confuse(inspector, image, 3, 4, low=1, high=0)


def test_least_change_meets_its_conditions() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        rows = rng.normal(size=(3, 30))
        low, high = -rng.random(30), rng.random(30)
        inside = low + (high - low) * rng.random(30)
        targets = rows @ inside
        equal = np.array([True, False, False])
        change, multipliers = least_change(rows, targets, equal, low, high, sweeps=500)
        assert abs(rows[0] @ change - targets[0]) < 1e-5
        assert (rows[1:] @ change <= targets[1:] + 1e-5).all()
        assert (change >= low).all()
        assert (change <= high).all()
        # Karush-Kuhn-Tucker: the change follows from multipliers of the right sign, unused ones being 0.
        np.testing.assert_allclose(change, np.clip(multipliers @ rows, low, high), atol=1e-9)
        assert (multipliers[1:] <= 0).all()
        assert np.abs(multipliers[1:] * (rows[1:] @ change - targets[1:])).max() < 1e-4
