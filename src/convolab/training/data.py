"""Whole data sets as tensors in memory, and the batches taken from them.

Examples come as one endless stream: the training images in an order of their own for every epoch. Batch k
takes the next ``batch_size`` of the stream, so all batches are full (one may span two epochs), every image is
seen exactly once per epoch, and the number of examples seen says everything about what comes next.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from convolab.datasets import Dataset, normalizer
from convolab.training.augmentation import Augmentation, Draws
from convolab.training.settings import Normalization, TrainingSettings

ORDER_STREAM, AUGMENTATION_STREAM, DROPOUT_STREAM = 1, 2, 3
"""Kinds of randomness; each has generators of its own, so that none disturbs another."""

_CHUNK = 2000


def seed_of(seed: int, stream: int, epoch: int = 0) -> int:
    """A 64-bit seed for one kind of randomness in one epoch, well mixed (NumPy's SeedSequence)."""
    return int(np.random.SeedSequence([seed, stream, epoch]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def images_tensor(images: np.ndarray, device: torch.device | str = "cpu") -> Tensor:
    """uint8 (N, C, H, W), memory-mapped or not → uint8 (N, H, W, C) in memory.

    Pixel by pixel, because PyTorch's convolutions are fastest on that order (``channels_last``).
    """
    count, channels, height, width = images.shape
    result = torch.empty((count, height, width, channels), dtype=torch.uint8)
    for start in range(0, count, _CHUNK):
        part = torch.from_numpy(np.array(images[start : start + _CHUNK]))
        result[start : start + _CHUNK] = part.permute(0, 2, 3, 1)
    return result.to(device)


def labels_tensor(labels: np.ndarray, device: torch.device | str = "cpu") -> Tensor:
    """int64 (N,) in memory."""
    return torch.from_numpy(np.array(labels, dtype=np.int64)).to(device)


class Normalize:
    """uint8 (N, H, W, C) → what a network takes: float32 (N, C, H, W), ``(x - mean) / std`` per channel."""

    def __init__(self, mean: np.ndarray, std: np.ndarray, device: torch.device | str = "cpu") -> None:
        self.mean = torch.as_tensor(np.asarray(mean, dtype=np.float32)).to(device)
        self.std = torch.as_tensor(np.asarray(std, dtype=np.float32)).to(device)

    @classmethod
    def of(
        cls, dataset: Dataset, normalization: Normalization, device: torch.device | str = "cpu"
    ) -> Normalize:
        """The normalisation of this name for this data set."""
        return cls(*normalizer(dataset, normalization), device)

    def __call__(self, images: Tensor) -> Tensor:
        """Normalise; the result is in ``channels_last`` memory order."""
        return images.to(torch.float32).sub_(self.mean).div_(self.std).permute(0, 3, 1, 2)


class TrainingData:
    """The training images of a data set on a device, handed out in batches."""

    def __init__(self, dataset: Dataset, settings: TrainingSettings, device: torch.device) -> None:
        self.device = device
        self.images = images_tensor(dataset.train_images, device)
        self.labels = labels_tensor(dataset.train_labels, device)
        self.normalize = Normalize.of(dataset, settings.normalization, device)
        self.seed = settings.seed
        fill = None
        if settings.cutout:
            mean, _ = normalizer(dataset, "per-channel")
            fill = torch.as_tensor(np.asarray(mean)).round().to(torch.uint8).to(device)
        _, height, width = dataset.input_shape
        self.augmentation = Augmentation.of(settings, height, width, fill)
        self._epoch = -1
        self._order = torch.empty(0, dtype=torch.int64)
        self._draws = Draws()

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, start: int, count: int) -> tuple[Tensor, Tensor]:
        """Examples ``start`` to ``start + count`` of the stream: float32 (count, C, H, W), int64 (count,)."""
        epoch, place = divmod(start, len(self))
        if place + count <= len(self):
            images, labels = self._part(epoch, place, count)
        else:
            parts = []
            while count:
                size = min(count, len(self) - place)
                parts.append(self._part(epoch, place, size))
                count, epoch, place = count - size, epoch + 1, 0
            images, labels = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
        return self.normalize(images), labels

    def _part(self, epoch: int, place: int, count: int) -> tuple[Tensor, Tensor]:
        if epoch != self._epoch:
            self._open(epoch)
        part = slice(place, place + count)
        index = self._order[part]
        images = self.images.index_select(0, index)
        if self.augmentation:
            images = self.augmentation.apply(images, self._draws[part])
        return images, self.labels.index_select(0, index)

    def _open(self, epoch: int) -> None:
        """Draw the order of an epoch and what happens to its images: on the CPU, alike for every device."""
        generator = torch.Generator().manual_seed(seed_of(self.seed, ORDER_STREAM, epoch))
        self._order = torch.randperm(len(self), generator=generator).to(self.device)
        if self.augmentation:
            generator.manual_seed(seed_of(self.seed, AUGMENTATION_STREAM, epoch))
            draws = self.augmentation.draw(len(self), generator)
            if self.augmentation.flip and self.augmentation.alternate:
                # One coin for each image, the same in every epoch, and turned over in every other one.
                generator.manual_seed(seed_of(self.seed, AUGMENTATION_STREAM))
                coins = torch.rand(len(self), generator=generator) < 0.5
                draws = replace(draws, flip=coins[self._order.cpu()] ^ bool(epoch % 2))
            self._draws = draws.to(self.device)
        self._epoch = epoch
