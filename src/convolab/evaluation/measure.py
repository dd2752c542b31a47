"""Measuring a network on a whole test set."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from convolab.datasets import Dataset
from convolab.errors import DataError, NetworkError
from convolab.training.data import Normalize, images_tensor, labels_tensor
from convolab.training.settings import TrainingSettings

BATCH = 250
"""Images per pass: enough to keep all cores busy, few enough that activations stay near the processor."""


@dataclass(frozen=True)
class Evaluation:
    """Figures of a network on a whole test set."""

    correct: int
    total: int
    loss: float
    """Mean cross-entropy in nats, without label smoothing."""
    confusion: list[list[int]]
    """``confusion[true][predicted]``: counts of test images."""
    seconds: float

    @property
    def accuracy(self) -> float:
        """Share of right answers, 0 to 1."""
        return self.correct / self.total


def evaluate(
    model: nn.Module,
    dataset: Dataset,
    settings: TrainingSettings | None = None,
    *,
    normalize: Normalize | None = None,
) -> Evaluation:
    """Measure ``model`` (float32 NCHW in, logits out) on the whole test set, in fp32 on the model's own
    device.

    Of ``settings`` only the normalisation counts; ``normalize`` replaces it, for weights that were learned on
    another data set. The model is left in the mode it was in, and no random state changes. DataError for an
    empty test set, NetworkError if the model does not fit the images or the number of classes.
    """
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    if not len(dataset.test_labels):
        raise DataError(f"{dataset.title} has no test images to measure on.")
    if normalize is None:
        normalize = Normalize.of(dataset, (settings or TrainingSettings()).normalization, device)
    images = images_tensor(dataset.test_images, device)
    labels = labels_tensor(dataset.test_labels, device)
    training = model.training
    model.eval()
    try:
        with refusing_misfits(dataset):
            return evaluate_tensors(model, images, labels, normalize, len(dataset.classes))
    finally:
        model.train(training)


@contextmanager
def refusing_misfits(dataset: Dataset) -> Iterator[None]:
    """PyTorch's complaint about a shape becomes a NetworkError."""
    try:
        yield
    except RuntimeError as error:
        if "shape" not in str(error) and "channels" not in str(error):
            raise
        size = "×".join(map(str, dataset.input_shape))
        raise NetworkError(f"This network does not fit images of {size} ({dataset.title}).") from error


@torch.no_grad()
def evaluate_tensors(
    forward: Callable[[Tensor], Tensor],
    images: Tensor,
    labels: Tensor,
    normalize: Normalize,
    classes: int,
    batch_size: int = BATCH,
) -> Evaluation:
    """Measure ``forward`` (already in evaluation mode) on uint8 images (N, H, W, C) with labels (N,)."""
    start = time.perf_counter()
    device = images.device
    confusion = torch.zeros(classes * classes, dtype=torch.int64, device=device)
    loss = torch.zeros((), device=device, dtype=torch.float32 if device.type == "mps" else torch.float64)
    for first in range(0, len(labels), batch_size):
        truth = labels[first : first + batch_size]
        logits = forward(normalize(images[first : first + batch_size]))
        if logits.ndim != 2 or logits.shape[1] != classes:
            raise NetworkError(
                f"The network ends in {'×'.join(map(str, logits.shape[1:]))} numbers per image, "
                f"but the data set has {classes} classes."
            )
        loss += functional.cross_entropy(logits, truth, reduction="sum")
        confusion += torch.bincount(truth * classes + logits.argmax(1), minlength=classes * classes)
    table = confusion.view(classes, classes).cpu()
    return Evaluation(
        correct=int(table.diagonal().sum()),
        total=len(labels),
        loss=float(loss) / len(labels),
        confusion=table.tolist(),
        seconds=time.perf_counter() - start,
    )
