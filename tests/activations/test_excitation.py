"""What excites a unit, against looking at all images one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from look_kit import EVERY_KIND, inspected

from convolab.activations import exciting
from convolab.activations.inspector import Inspector
from convolab.errors import DataError, UnitError
from convolab.networks import Network, preset
from convolab.networks.layers import ConstantPad2d, Conv2d, ReLU
from convolab.training import Normalize

NORMALIZE = Normalize(np.array([127.5]), np.array([127.5]))


def images(count: int, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def one_by_one(inspector: Inspector, key: str, pictures: np.ndarray) -> np.ndarray:
    """(N, *shape): all values of a level."""
    return np.stack(
        [inspector.run((image.astype(np.float32) - 127.5) / 127.5).values(key).copy() for image in pictures]
    )


@pytest.mark.parametrize(
    ("key", "index"),
    [
        ("input", (0, 2, 3)),
        ("conv1", (3, 7, 0)),
        ("pool2", (4, 1, 1)),
        ("add1", (5, 2, 2)),
        ("linear3", (4,)),
    ],
)
def test_the_strongest_images_are_found(key: str, index: tuple[int, ...]) -> None:
    inspector, _ = inspected(EVERY_KIND)
    pictures = images(23, EVERY_KIND.input_shape)
    reported: list[tuple[int, int]] = []
    found = exciting(
        inspector, key, index, pictures, NORMALIZE, 5, batch=10, progress=lambda *at: reported.append(at)
    )
    truth = one_by_one(inspector, key, pictures)[(slice(None), *index)]
    order = np.argsort(-truth, kind="stable")[:5]
    assert [entry.image for entry in found] == order.tolist()
    np.testing.assert_allclose([entry.value for entry in found], truth[order], rtol=1e-5, atol=1e-5)
    assert {entry.index for entry in found} == {index}
    assert {entry.field for entry in found} == {inspector.field(key, index)}
    assert reported == [(10, 23), (20, 23), (23, 23)]


def test_the_strongest_place_of_a_map() -> None:
    inspector, _ = inspected(EVERY_KIND)
    pictures = images(17, EVERY_KIND.input_shape)
    found = exciting(inspector, "conv2", (2, 0, 0), pictures, NORMALIZE, 17, anywhere=True)
    truth = one_by_one(inspector, "conv2", pictures)[:, 2]
    peaks = truth.reshape(17, -1)
    assert [entry.image for entry in found] == np.argsort(-peaks.max(1), kind="stable").tolist()
    for entry in found:
        place = np.unravel_index(int(peaks[entry.image].argmax()), truth.shape[1:])
        assert entry.index == (2, *place)
        assert entry.field == inspector.field("conv2", entry.index)


def test_the_patch_is_what_the_unit_sees_without_the_border() -> None:
    network = preset("harley-cnn", (1, 28, 28), 10)
    inspector, _ = inspected(network)
    pictures = images(4, (1, 28, 28))
    for index, field, box in (
        ((0, 0, 0), (0, 0, 5, 5), (0, 0, 3, 3)),
        ((1, 10, 12), (10, 12, 15, 17), (8, 10, 13, 15)),
        ((5, 27, 26), (27, 26, 32, 31), (25, 24, 28, 28)),
    ):
        first = exciting(inspector, "conv1", index, pictures, NORMALIZE, 1)[0]
        assert (first.field, first.box) == (field, box)
        expected = pictures[first.image][:, box[0] : box[2], box[1] : box[3]]
        np.testing.assert_array_equal(first.patch, expected)


def test_a_unit_that_sees_only_the_border_has_no_patch() -> None:
    layers = (ConstantPad2d(padding=3), Conv2d(out_channels=1, kernel_size=2), ReLU())
    inspector, _ = inspected(Network(input_shape=(1, 4, 4), layers=layers))
    (found,) = exciting(inspector, "conv1", (0, 0, 0), images(1, (1, 4, 4)), NORMALIZE)
    assert found.box == (0, 0, 0, 0)
    assert found.patch.size == 0


def test_equals_come_in_order_and_a_search_can_be_ended() -> None:
    network = Network(input_shape=(1, 4, 4), layers=(Conv2d(out_channels=1, kernel_size=4), ReLU()))
    inspector, model = inspected(network)
    with torch.no_grad():
        model[0].weight.zero_()
    pictures = images(6, (1, 4, 4))
    found = exciting(inspector, "conv1", (0, 0, 0), pictures, NORMALIZE, 3, batch=2)
    assert [entry.image for entry in found] == [0, 1, 2]

    def enough(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exciting(inspector, "conv1", (0, 0, 0), pictures, NORMALIZE, progress=enough)


def test_bad_input_is_refused() -> None:
    inspector, _ = inspected(EVERY_KIND)
    with pytest.raises(UnitError, match="conv1 has 4 × 8 × 7 units"):
        exciting(inspector, "conv1", (9, 0, 0), images(2, EVERY_KIND.input_shape), NORMALIZE)
    with pytest.raises(DataError, match="takes images of 2 × 13 × 12, not 1 × 28 × 28"):
        exciting(inspector, "conv1", (0, 0, 0), images(2, (1, 28, 28)), NORMALIZE)
