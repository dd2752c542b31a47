"""What a network answers to each test image: the basis of all statistics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from convolab.datasets import Dataset
from convolab.errors import DataError
from convolab.evaluation.measure import BATCH, refusing_misfits
from convolab.training.data import Normalize, images_tensor
from convolab.training.settings import TrainingSettings


@dataclass(frozen=True)
class Outputs:
    """The answers of a network to all test images of a data set, in the data set's order."""

    probabilities: np.ndarray
    """float64 (N, classes), rows sum to 1: softmax of what the network puts out."""
    labels: np.ndarray
    """int64 (N,)."""
    classes: tuple[str, ...]
    dataset: str

    @property
    def predicted(self) -> np.ndarray:
        """int64 (N,): the likeliest class of each image."""
        return np.asarray(self.probabilities.argmax(1))

    @property
    def right(self) -> np.ndarray:
        """bool (N,)."""
        return np.asarray(self.predicted == self.labels)


@torch.no_grad()
def outputs(
    model: nn.Module,
    dataset: Dataset,
    settings: TrainingSettings | None = None,
    *,
    normalize: Normalize | None = None,
    progress: Callable[[float], None] | None = None,
) -> Outputs:
    """Run ``model`` (float32 NCHW in, logits out) over the whole test set, in fp32 on the model's own device.

    Of ``settings`` only the normalisation counts; ``normalize`` replaces it. ``progress`` is told the share
    that is done. The model is left in the mode it was in. DataError for an empty test set or a number of
    classes that differs, NetworkError if the model does not fit the images.
    """
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    if not len(dataset.test_labels):
        raise DataError(f"{dataset.title} has no test images to measure on.")
    if normalize is None:
        normalize = Normalize.of(dataset, (settings or TrainingSettings()).normalization, device)
    images = images_tensor(dataset.test_images, device)
    found = []
    training = model.training
    model.eval()
    try:
        with refusing_misfits(dataset):
            for first in range(0, len(images), BATCH):
                logits = model(normalize(images[first : first + BATCH])).double()
                if logits.ndim != 2 or logits.shape[1] != len(dataset.classes):
                    raise DataError(
                        f"The network tells {'×'.join(map(str, logits.shape[1:]))} classes apart, "
                        f"but {dataset.title} has {len(dataset.classes)}."
                    )
                found.append(torch.softmax(logits, 1).cpu())
                if progress is not None:
                    progress(min(1.0, (first + BATCH) / len(images)))
    finally:
        model.train(training)
    labels = np.array(dataset.test_labels, dtype=np.int64)
    return Outputs(torch.cat(found).numpy(), labels, tuple(dataset.classes), dataset.name)
