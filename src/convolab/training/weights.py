"""Trained weights as one file that says all that is needed to use them: safetensors with a JSON record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from torch import Tensor, nn

from convolab.datasets import Dataset, normalizer
from convolab.errors import NetworkError, TrainingError
from convolab.training.checkpoints import all_finite, load_weights_into
from convolab.training.data import Normalize
from convolab.training.files import read_metadata, read_tensors, why_not_written, write_tensors
from convolab.training.settings import Normalization

if TYPE_CHECKING:
    from convolab.networks import Network

KIND = "convolab weights"
VERSION = 1


@dataclass(frozen=True)
class WeightsInfo:
    """What a file of weights says about them."""

    dataset: str
    """Name of the data set they were learned on."""
    classes: tuple[str, ...]
    normalization: Normalization
    mean: tuple[float, ...]
    """Per channel, on the scale 0 … 255."""
    std: tuple[float, ...]
    figures: dict[str, Any]
    """Training figures at the time of saving: examples, seconds, test accuracy, settings, …; may be empty."""

    def normalize(self) -> Normalize:
        """What turns uint8 (N, H, W, C) images into what the network takes."""
        return Normalize(np.array(self.mean), np.array(self.std))


def save_weights(
    path: str | Path,
    model: nn.Module,
    network: Network,
    dataset: Dataset,
    normalization: Normalization = "[-1, 1]",
    figures: Mapping[str, Any] | None = None,
) -> None:
    """Write ``model``'s weights with its network, classes and normalisation to one safetensors file.

    An older file is replaced only when the new one is whole. ``figures`` is anything JSON can hold.
    TrainingError if the file cannot be written or a weight is not finite.
    """
    weights = model.state_dict()
    if not all_finite(weights.values()):
        raise TrainingError("The weights are no longer finite numbers, so they were not saved.")
    mean, std = normalizer(dataset, normalization)
    record = {
        "version": VERSION,
        "network": network.to_json(),
        "dataset": dataset.name,
        "classes": list(dataset.classes),
        "normalization": normalization,
        "mean": np.asarray(mean, dtype=float).tolist(),
        "std": np.asarray(std, dtype=float).tolist(),
        "figures": dict(figures or {}),
    }
    try:
        write_tensors(Path(path), weights, {"kind": KIND, "record": json.dumps(record)})
    except OSError as error:
        raise TrainingError(
            f"The weights could not be written to {path}: {why_not_written(error)}."
        ) from error


def load_weights(path: str | Path) -> tuple[Network, nn.Sequential, WeightsInfo]:
    """The network, the trained model (in evaluation mode, on the CPU) and what is known about them.

    Safe with files from anywhere: nothing in them is run, and a file that promises a network larger than
    itself is refused before anything of that size is made. NetworkError with one sentence if the file is not
    ours or not whole.
    """
    from convolab.networks import Network

    path = Path(path)
    record, shapes = _read_record(path)
    try:
        network = Network.from_json(record["network"])
        info = WeightsInfo(
            dataset=str(record["dataset"]),
            classes=tuple(str(name) for name in record["classes"]),
            normalization=record["normalization"],
            mean=tuple(float(value) for value in record["mean"]),
            std=tuple(float(value) for value in record["std"]),
            figures=dict(record["figures"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise NetworkError(f"{path.name} is damaged: its description cannot be read.") from error
    network.check(len(info.classes))
    if network.parameters > sum(int(np.prod(shape)) for shape in shapes.values()):
        raise NetworkError(f"{path.name} is damaged: it holds fewer weights than its network has.")
    model = network.build(0)
    try:
        load_weights_into(model, read_tensors(path), f"The weights in {path.name}")
    except TrainingError as error:
        raise NetworkError(str(error)) from None
    return network, model.eval(), info


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The weights alone, by name. NetworkError if the file is not ours or not whole."""
    _read_record(Path(path))
    return read_tensors(Path(path))


def _read_record(path: Path) -> tuple[dict[str, Any], dict[str, tuple[int, ...]]]:
    try:
        metadata, shapes = read_metadata(path)
        if metadata.get("kind") == KIND:
            record = json.loads(metadata["record"])
            if record["version"] <= VERSION:
                return record, shapes
            raise NetworkError(f"{path.name} was written by a newer convolab; update this one to open it.")
    except FileNotFoundError:
        raise NetworkError(f"There is no file {path}.") from None
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise NetworkError(
            f"{path.name} cannot be read: it is no safetensors file, is damaged or was cut short."
        ) from error
    raise NetworkError(f"{path.name} holds no weights saved by convolab.")
