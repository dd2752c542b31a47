from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from convolab.datasets import Dataset, examples, picture, sprite
from convolab.errors import DataError


def make(channels: int) -> Dataset:
    random = np.random.default_rng(channels)
    images = random.integers(0, 256, (30, channels, 4, 6), dtype=np.uint8)
    labels = np.arange(30) % 3
    return Dataset("x", "X", ("a", "b", "c"), images, labels, images[::-1], labels[::-1])


def pixels(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        array = np.asarray(image)
    return array[..., None] if array.ndim == 2 else array


def test_pages_of_a_class():
    data = make(1)
    first = examples(data, "train", 1, 0, 4)
    assert (first.indices, first.page, first.pages, first.total) == ((1, 4, 7, 10), 0, 3, 10)
    last = examples(data, "train", 1, 99, 4)
    assert (last.indices, last.page) == ((25, 28), 2)
    assert examples(data, "test", None, 0, 5).indices == (0, 1, 2, 3, 4)
    assert examples(data, "train", page=-3, per_page=100).total == 30
    assert all(data.labels("test")[index] == 2 for index in examples(data, "test", 2).indices)


def test_a_class_without_examples_has_one_empty_page():
    data = make(1)
    data = Dataset("x", "X", ("a", "b", "c", "d"), *(data.images("train"), data.labels("train")) * 2)
    assert examples(data, "train", 3) == type(examples(data))((), 0, 1, 0)
    assert pixels(sprite(data, [], 5)).shape == (4, 6, 1)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("scale", [1, 3])
def test_a_contact_sheet_shows_each_image_in_its_cell(channels, scale):
    data = make(channels)
    chosen = [5, 0, 29, 5, 7, 11, 2]
    sheet = pixels(sprite(data, chosen, 3, scale))
    assert sheet.shape == (3 * 4 * scale, 3 * 6 * scale, channels)
    for cell, index in enumerate(chosen):
        row, column = divmod(cell, 3)
        top, left = row * 4 * scale, column * 6 * scale
        shown = sheet[top : top + 4 * scale : scale, left : left + 6 * scale : scale]
        np.testing.assert_array_equal(shown.transpose(2, 0, 1), data.train_images[index])
    assert (sheet[-4 * scale :, 6 * scale :] == 0).all()


def test_one_picture(capsys):
    data = make(3)
    shown = pixels(picture(data, 4, 2, "test"))
    assert shown.shape == (8, 12, 3)
    np.testing.assert_array_equal(shown[::2, ::2].transpose(2, 0, 1), data.test_images[4])


@pytest.mark.parametrize(
    "call",
    [
        lambda data: examples(data, "validation"),
        lambda data: examples(data, "train", 3),
        lambda data: examples(data, "train", -1),
        lambda data: examples(data, per_page=0),
        lambda data: sprite(data, [30]),
        lambda data: sprite(data, [-1]),
        lambda data: sprite(data, [0], 0),
        lambda data: sprite(data, [0], 1, 0),
        lambda data: sprite(data, [0], 1, 5000),
        lambda data: picture(data, 30),
    ],
)
def test_what_does_not_exist_is_a_sentence(call):
    with pytest.raises(DataError, match=r"\.$"):
        call(make(1))
