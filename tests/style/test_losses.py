"""The assignment's measures against plain loops, and the losses of painting against finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from style_kit import LAYERS, picture, tiny_network

from convolab.style.losses import (
    ContentLoss,
    GramLoss,
    Loss,
    Region,
    TotalVariation,
    WassersteinLoss,
    content_diff,
    gram_matrix,
    style_diff,
    style_diff_by_layer,
    style_moments,
)


def loops_gram(features: np.ndarray) -> np.ndarray:
    maps, rows, columns = features.shape
    found = np.zeros((maps, maps))
    for i in range(maps):
        for j in range(maps):
            total = 0.0
            for y in range(rows):
                for x in range(columns):
                    total += float(features[i, y, x]) * float(features[j, y, x])
            found[i, j] = total
    return found


def test_measures_are_those_of_the_assignment() -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 4, 5, 6))
    ours = gram_matrix(torch.from_numpy(a))
    np.testing.assert_allclose(ours.numpy(), loops_gram(a), rtol=1e-12)
    np.testing.assert_allclose(gram_matrix(torch.from_numpy(a)[None]).numpy(), loops_gram(a), rtol=1e-12)

    squares = sum(
        (float(a[m, y, x]) - float(b[m, y, x])) ** 2 for m in range(4) for y in range(5) for x in range(6)
    )
    assert float(content_diff(torch.from_numpy(a), torch.from_numpy(b))) == pytest.approx(math.sqrt(squares))

    one = {"first": torch.from_numpy(a), "second": torch.from_numpy(a[:2])}
    two = {"first": torch.from_numpy(b), "second": torch.from_numpy(b[:2])}
    by_hand = {}
    for layer in one:
        difference = loops_gram(one[layer].numpy()) - loops_gram(two[layer].numpy())
        by_hand[layer] = sum(float(value) ** 2 for value in difference.ravel())
    found = style_diff_by_layer(one, two)
    assert {layer: float(value) for layer, value in found.items()} == pytest.approx(by_hand)
    assert float(style_diff(one, two)) == pytest.approx(sum(by_hand.values()))
    assert float(style_diff(one, two, ["second"])) == pytest.approx(by_hand["second"])


def test_gram_matrices_are_symmetric_and_positive_semi_definite() -> None:
    features = tiny_network()(picture(), LAYERS)
    for layer in LAYERS:
        gram = gram_matrix(features[layer]).double()
        assert torch.equal(gram, gram.T) or float((gram - gram.T).abs().max() / gram.abs().max()) < 1e-6
        lowest, highest = torch.linalg.eigvalsh(gram)[[0, -1]].tolist()
        assert lowest > -1e-5 * highest


def test_a_picture_does_not_differ_from_itself() -> None:
    network = tiny_network()
    features = network(picture(), LAYERS)
    again = network(picture(), LAYERS)
    assert float(style_diff(features, again, LAYERS)) == 0
    assert float(content_diff(features["relu3_1"], again["relu3_1"])) == 0
    at = features["relu2_1"].clone().requires_grad_()
    (slope,) = torch.autograd.grad(content_diff(at, again["relu2_1"]), at)
    assert torch.equal(slope, torch.zeros_like(slope))  # a number, where the norm has no slope


def test_style_does_not_depend_on_where_things_are_but_content_does() -> None:
    across = torch.arange(64) % 8
    texture = torch.stack([across / 7, (across - 3).abs() / 4, 1 - across / 7])[:, None, :]
    texture = texture.expand(3, 32, 64)[None].contiguous()
    shifted = texture.roll(4, dims=3)
    network = tiny_network()
    one, two = network(texture, LAYERS), network(shifted, LAYERS)
    other = network(picture(3, 32, 64), LAYERS)
    # Away from the edges, where the zeros beyond them are not seen, over whole periods of the texture.
    for layer in LAYERS:
        margin = 16 // network.stride(layer)
        assert network.reach(layer) <= 16
        inner = [{layer: features[layer][..., margin:-margin]} for features in (one, two, other)]
        scale = float(style_diff(inner[0], inner[2]))
        assert float(style_diff(inner[0], inner[1])) < 1e-9 * scale
        if network.stride(layer) < 4:
            assert float(content_diff(inner[0][layer], inner[1][layer])) > 0.1 * scale**0.25
    # Of maps that are shifted themselves nothing at all changes.
    moved = {layer: one[layer].roll(2, dims=3) for layer in LAYERS}
    scale = float(style_diff(one, other, LAYERS))
    assert float(style_diff(one, moved, LAYERS)) < 1e-9 * scale


def losses(features: torch.Tensor, target: torch.Tensor) -> list[Loss]:
    places = features.shape[2] * features.shape[3]
    mask = torch.linspace(0, 1, places, dtype=torch.float64).reshape(features.shape[2:])
    return [
        ContentLoss("x", target),
        GramLoss("x", style_moments(target, "gram"), places),
        GramLoss("x", style_moments(target, "gram"), places, mask),
        WassersteinLoss("x", style_moments(target, "wasserstein"), places),
        WassersteinLoss("x", style_moments(target, "wasserstein"), places, mask),
        TotalVariation(),
    ]


@pytest.mark.parametrize("index", range(6))
def test_slopes_of_each_loss_against_finite_differences(index: int) -> None:
    generator = torch.Generator().manual_seed(5)
    features = torch.rand(1, 3, 4, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    target = torch.rand(1, 3, 4, 5, generator=generator, dtype=torch.float64)
    loss = losses(features, target)[index]
    assert torch.autograd.gradcheck(lambda x: loss.value(loss.measure(x, Region())), features)


def test_slopes_of_the_assignments_measures_against_finite_differences() -> None:
    generator = torch.Generator().manual_seed(6)
    a, b, c = (torch.rand(1, 3, 4, 5, generator=generator, dtype=torch.float64) for _ in range(3))
    a.requires_grad_()
    c.requires_grad_()
    assert torch.autograd.gradcheck(gram_matrix, a)
    assert torch.autograd.gradcheck(lambda x: gram_matrix(x[0]), a)
    assert torch.autograd.gradcheck(content_diff, (a, b))
    assert torch.autograd.gradcheck(content_diff, (a, c))
    assert torch.autograd.gradcheck(lambda x, y: style_diff({"one": x}, {"one": y}), (a, b))
    two = {"one": b, "two": 2 * b}
    assert torch.autograd.gradcheck(lambda x, y: style_diff({"one": x, "two": y}, two), (a, c))


@pytest.mark.parametrize("index", range(6))
def test_losses_are_zero_at_their_target_and_positive_elsewhere(index: int) -> None:
    generator = torch.Generator().manual_seed(5)
    target = torch.rand(1, 3, 6, 6, generator=generator, dtype=torch.float64)
    other = torch.rand(1, 3, 6, 6, generator=generator, dtype=torch.float64)
    loss = losses(target, target)[index]
    if isinstance(loss, TotalVariation):
        target = torch.full_like(target, 0.3)
    elif getattr(loss, "mask", None) is None:
        assert float(loss.value(loss.measure(target, Region()))) == pytest.approx(0, abs=2e-3)
    assert float(loss.value(loss.measure(other, Region()))) > 5e-3


def test_normalised_losses_do_not_depend_on_the_scale_of_the_activations_or_the_size() -> None:
    network = tiny_network()
    one, two = picture(1), picture(2)
    content, style = network(one, LAYERS), network(two, LAYERS)
    for layer in LAYERS:
        places = content[layer].shape[2] * content[layer].shape[3]
        plain = GramLoss(layer, style_moments(style[layer], "gram"), places)(content)
        scaled = GramLoss(layer, style_moments(7 * style[layer], "gram"), places)({layer: 7 * content[layer]})
        assert float(scaled) == pytest.approx(float(plain), rel=1e-4)
        wide = torch.cat([content[layer]] * 3, dim=3)
        tripled = GramLoss(layer, style_moments(style[layer], "gram"), 3 * places)({layer: wide})
        assert float(tripled) == pytest.approx(float(plain), rel=1e-4)


def test_the_wasserstein_distance_of_normal_distributions() -> None:
    # One map: ‖μ − ν‖² + (σ − τ)², over ν² + τ².
    a = torch.tensor([1.0, 2.0, 3.0, 6.0], dtype=torch.float64).reshape(1, 1, 2, 2)
    b = torch.tensor([0.0, 1.0, 5.0, 8.0], dtype=torch.float64).reshape(1, 1, 2, 2)
    loss = WassersteinLoss("x", style_moments(b, "wasserstein"), 4)
    mean, deviation = float(a.mean()), float(a.std(correction=0))
    other, spread = float(b.mean()), float(b.std(correction=0))
    by_hand = ((mean - other) ** 2 + (deviation - spread) ** 2) / (other**2 + spread**2)
    assert float(loss({"x": a})) == pytest.approx(by_hand, rel=1e-3)


def test_a_mask_leaves_out_what_is_black_in_it() -> None:
    network = tiny_network()
    features = network(picture(1), ["relu1_1"])["relu1_1"]
    style = network(picture(2), ["relu1_1"])["relu1_1"]
    mask = torch.zeros(features.shape[2:])
    mask[:, :10] = 1
    moments = style_moments(style, "gram")
    masked = GramLoss("relu1_1", moments, mask.numel(), mask)({"relu1_1": features})
    left = features[:, :, :, :10]
    alone = GramLoss("relu1_1", moments, left.shape[2] * left.shape[3])({"relu1_1": left})
    assert float(masked) == pytest.approx(float(alone), rel=1e-5)
