"""What is checked before training begins, and what is said when it has to end early."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convolab.datasets import Dataset
from convolab.errors import DataError, SettingsError, TrainingError
from convolab.training.device import is_out_of_memory
from convolab.training.resizing import size_at
from convolab.training.settings import TrainingSettings

if TYPE_CHECKING:
    from convolab.networks import Network

MAY_CHANGE = {"examples", "batches", "epochs", "budget", "target_accuracy", "evaluate_every"}
"""Settings that may differ when a run goes on: they say when it ends and is measured, not how it learns."""


def check_fit(network: Network, dataset: Dataset, settings: TrainingSettings) -> None:
    """Whether the three can be trained together; a ConvolabError with one sentence if not."""
    size = len(dataset.train_labels)
    if not size or not len(dataset.test_labels):
        part = "test" if size else "training"
        raise DataError(f"{dataset.title} has no {part} images; import it again with more images per class.")
    if settings.batch_size > size:
        raise SettingsError(
            f"Batch size {settings.batch_size:,} is larger than the {size:,} training images; "
            f"choose {size:,} or less."
        )
    network.check(len(dataset.classes), dataset.input_shape)
    if settings.start_size < 1:
        channels, height, width = dataset.input_shape
        least = (size_at(height, settings.start_size, 0), size_at(width, settings.start_size, 0))
        smaller = network.changed(input_shape=(channels, *least), floor=True)
        same = [a.layer.parameters(a.input_shape or ()) for a in network.trace()]
        if (
            smaller.problem(len(dataset.classes)) is not None
            or [a.layer.parameters(a.input_shape or ()) for a in smaller.trace()] != same
        ):
            raise SettingsError(
                f"This network takes pictures of {height}×{width} only, so training cannot begin with "
                f"{least[0]}×{least[1]}; set the picture size at first to 1, or put global average pooling "
                "before the fully connected layers."
            )


def check_same_run(
    path: Path, record: Mapping[str, Any], identity: Mapping[str, Any], settings: TrainingSettings
) -> None:
    """Whether a checkpoint is one of this network, data set and settings. TrainingError says what differs."""
    for what, mine in identity.items():
        if record[what] != mine:
            raise TrainingError(
                f"The checkpoint {path} belongs to a run with another {what}; "
                "choose another path, or delete it to start over."
            )
    saved, mine = record["settings"], settings.model_dump(mode="json")
    for name, value in mine.items():
        # A setting that a checkpoint does not know yet was as it is when nobody chooses.
        if name not in MAY_CHANGE and saved.get(name, type(settings).model_fields[name].default) != value:
            label = type(settings).model_fields[name].title or name
            raise TrainingError(
                f"The checkpoint {path} belongs to a run with {label.lower()} {saved.get(name)}, "
                f"not {value}; use the same settings to go on with it."
            )


def not_finite_message(
    settings: TrainingSettings, learning_rate: float, examples: int, checkpoint: int | None
) -> str:
    """What to say when the loss is infinite or NaN: likely cause and the last good checkpoint."""
    if settings.normalization == "none":
        cause = (
            "normalisation is none, so pixels go in as 0 to 255, which is too much for "
            f"learning rate {learning_rate:g}; choose normalisation [-1, 1]"
        )
    elif learning_rate * settings.weight_decay > 1:
        cause = (
            f"weight decay {settings.weight_decay:g} times learning rate {learning_rate:g} is above 1, so "
            f"each step overshoots zero; try weight decay {0.01 / learning_rate:g}"
        )
    elif settings.momentum >= 0.99 and settings.optimizer in ("momentum", "nesterov", "rmsprop"):
        cause = f"momentum {settings.momentum:g} lets the steps grow without bounds; try 0.9"
    else:
        cause = f"learning rate {learning_rate:g} is probably too large; try {learning_rate / 10:g}"
    kept = (
        "no checkpoint had been written before"
        if checkpoint is None
        else f"the last good checkpoint is from {checkpoint:,} examples"
    )
    return f"The loss was no longer a finite number after {examples:,} examples: {cause} ({kept})."


def explained(error: BaseException, settings: TrainingSettings) -> TrainingError | None:
    """A sentence for what PyTorch raised while training, where a person can do something about it."""
    if is_out_of_memory(error):
        return TrainingError(
            f"Memory ran out with batches of {settings.batch_size:,} images; "
            "choose a smaller batch size or a smaller network."
        )
    if isinstance(error, ValueError) and "more than 1 value per channel" in str(error):
        return TrainingError(
            "Batch normalisation needs more than one value per channel, but the batch at hand has one image; "
            "choose a batch size of 2 or more that leaves no single image at the end."
        )
    return None
