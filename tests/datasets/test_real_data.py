"""The three real data sets, fetched once from whatever source this machine reaches."""

from __future__ import annotations

import hashlib
import struct

import numpy as np
import pytest

from convolab.datasets import dataset_input, examples, load, normalizer, sprite, statistics, verify

pytestmark = pytest.mark.data

MD5 = {
    "mnist": {
        "train_images": "6bbc9ace898e44ae57da46a324031adb",
        "train_labels": "a25bea736e30d166cdddb491f175f624",
        "test_images": "2646ac647ad5339dbf082846283269ea",
        "test_labels": "27ae3e4e09519cfbb04c329615203637",
    },
    "fashion-mnist": {"train_images": "f4a8712d7a061bf5bd6d2ca38dc4d50a"},
}
"""Of the original, unpacked idx files."""

FIRST_LABELS = {
    "mnist": ([5, 0, 4, 1, 9, 2], [7, 2, 1, 0, 4, 1]),
    "fashion-mnist": ([9, 0, 0, 3, 0, 2], [9, 2, 1, 1, 6, 1]),
    "cifar10": ([6, 9, 9, 4, 1, 1], [3, 8, 8, 0, 6, 6]),
}


@pytest.fixture(scope="module", params=["mnist", "fashion-mnist", "cifar10"])
def data(request):
    return load(request.param)


def test_it_is_whole(data):
    verify(data.name)
    channels, side, train = (3, 32, 50_000) if data.name == "cifar10" else (1, 28, 60_000)
    assert data.train_images.shape == (train, channels, side, side)
    assert data.test_images.shape == (10_000, channels, side, side)
    assert data.train_images.dtype == data.test_images.dtype == np.uint8
    assert isinstance(data.train_images, np.memmap)
    for split, first in zip(("train", "test"), FIRST_LABELS[data.name], strict=True):
        assert data.labels(split).dtype == np.int64
        assert data.labels(split)[:6].tolist() == first


@pytest.mark.parametrize(("name", "part"), [(name, part) for name, parts in MD5.items() for part in parts])
def test_the_idx_files_have_the_published_md5(name, part):
    array = getattr(load(name), part)
    array = array[:, 0] if array.ndim == 4 else array
    head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    assert hashlib.md5(head + array.astype(np.uint8).tobytes()).hexdigest() == MD5[name][part]


def test_statistics(data):
    figures = statistics(data)
    assert (figures.minimum, figures.maximum) == (0, 255)
    assert figures.train_counts.sum() == figures.train_size
    if data.name != "mnist":
        assert set(figures.train_counts) == {len(data.train_labels) // 10}
        assert set(figures.test_counts) == {1000}
    else:
        assert figures.train_counts.tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    known = {
        "mnist": ([0.1307], [0.3081]),
        "fashion-mnist": ([0.2860], [0.3530]),
        "cifar10": ([0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]),
    }[data.name]
    np.testing.assert_allclose(figures.channel_mean / 255, known[0], atol=5.1e-5)
    np.testing.assert_allclose(figures.channel_std / 255, known[1], atol=5.1e-5)
    mean, std = normalizer(data, "per-channel")
    sample = (np.asarray(data.train_images[::50]) - mean[:, None, None]) / std[:, None, None]
    assert abs(sample.mean()) < 0.05
    assert abs(sample.std() - 1) < 0.05


def test_a_contact_sheet_of_a_class(data):
    page = examples(data, "train", 3, 1, 100)
    assert (data.train_labels[list(page.indices)] == 3).all()
    assert sprite(data, page.indices, 20).startswith(b"\x89PNG")


def test_digits_of_mnist_on_paper_become_themselves_again():
    from PIL import Image

    mnist = load("mnist")
    far = []
    for index in range(50):
        drawn = Image.fromarray(255 - mnist.test_images[index, 0]).resize(
            (280, 280), Image.Resampling.BICUBIC
        )
        paper = Image.new("L", (600, 450), 255)
        paper.paste(drawn, (17 + 5 * index, 120))
        found, said = dataset_input(paper, mnist)
        assert "centre of mass" in said
        far.append(np.abs(found.astype(int) - mnist.test_images[index]).mean())
    assert np.median(far) < 8, "grey levels out of 255; a digit moved by one pixel differs by about 20"


def test_pictures_for_clothes_are_inverted_and_for_photographs_left_as_they_are():
    from PIL import Image

    white = Image.new("RGB", (90, 60), "white")
    assert dataset_input(white, load("fashion-mnist"))[0].max() == 0
    assert dataset_input(white, load("cifar10"))[0].min() == 255
