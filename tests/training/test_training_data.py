import numpy as np
import pytest
import torch
from training_kit import make_dataset

from convolab.training import Normalize, TrainingSettings
from convolab.training.data import TrainingData, images_tensor


def identified(count=10):
    """A data set whose image i has i in every pixel, so that batches say which images they hold."""
    dataset = make_dataset(train=count, shape=(3, 4, 5))
    dataset.train_images[:] = np.arange(count, dtype=np.uint8)[:, None, None, None]
    return dataset


def stream(data, start, count):
    return data.take(start, count)[0][:, 0, 0, 0].int().tolist()


def test_every_image_once_per_epoch_in_another_order_each_time():
    data = TrainingData(identified(), TrainingSettings(normalization="none"), torch.device("cpu"))
    epochs = [stream(data, 10 * epoch, 10) for epoch in range(3)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


def test_the_stream_is_the_same_however_it_is_cut_into_batches():
    settings = TrainingSettings(normalization="none", seed=3)
    whole = stream(TrainingData(identified(), settings, torch.device("cpu")), 0, 27)
    data = TrainingData(identified(), settings, torch.device("cpu"))
    assert stream(data, 0, 7) + stream(data, 7, 7) + stream(data, 14, 13) == whole
    assert stream(data, 20, 7) == whole[20:]
    other = TrainingData(identified(), TrainingSettings(normalization="none", seed=4), torch.device("cpu"))
    assert stream(other, 0, 27) != whole


def test_augmented_examples_do_not_depend_on_the_batches_either():
    dataset = make_dataset(train=50, shape=(3, 12, 12))
    settings = TrainingSettings(flip=True, shift=3, cutout=4)
    whole, labels = TrainingData(dataset, settings, torch.device("cpu")).take(20, 70)
    data = TrainingData(dataset, settings, torch.device("cpu"))
    parts = [data.take(20, 13), data.take(33, 37), data.take(70, 20)]
    assert torch.equal(whole, torch.cat([images for images, _ in parts]))
    assert torch.equal(labels, torch.cat([labels for _, labels in parts]))
    plain, plain_labels = TrainingData(dataset, TrainingSettings(), torch.device("cpu")).take(20, 70)
    assert torch.equal(labels, plain_labels)
    assert not torch.equal(whole, plain)


def test_labels_stay_with_their_images():
    dataset = make_dataset(train=60)
    images, labels = TrainingData(dataset, TrainingSettings(normalization="none"), torch.device("cpu")).take(
        0, 60
    )
    known = dict(zip([image.tobytes() for image in dataset.train_images], dataset.train_labels, strict=True))
    found = [known[image.numpy().astype(np.uint8).tobytes()] for image in images]
    assert found == labels.tolist()


@pytest.mark.parametrize(
    ("normalization", "expected"),
    [("[-1, 1]", lambda x: x / 127.5 - 1), ("[0, 1]", lambda x: x / 255), ("none", lambda x: x)],
)
def test_normalisation_of_pixels(normalization, expected):
    dataset = make_dataset(train=20, shape=(3, 8, 6))
    found = Normalize.of(dataset, normalization)(images_tensor(dataset.train_images))
    assert found.dtype == torch.float32
    np.testing.assert_allclose(
        found.numpy(), expected(dataset.train_images.astype(float)), rtol=1e-5, atol=1e-6
    )


def test_per_channel_normalisation_gives_mean_0_and_deviation_1():
    dataset = make_dataset(train=200, shape=(3, 8, 6))
    found = Normalize.of(dataset, "per-channel")(images_tensor(dataset.train_images))
    np.testing.assert_allclose(found.mean((0, 2, 3)), 0, atol=1e-3)
    np.testing.assert_allclose(found.std((0, 2, 3), correction=0), 1, atol=1e-3)


def test_memory_mapped_images_come_whole(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (4500, 3, 5, 4), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    np.testing.assert_array_equal(images_tensor(mapped).numpy(), images.transpose(0, 2, 3, 1))
