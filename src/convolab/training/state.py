"""The state of a run: model, optimizer, position, random numbers; saved to and restored from a checkpoint."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from convolab.datasets import Dataset
from convolab.errors import TrainingError
from convolab.evaluation.measure import Evaluation
from convolab.training.averaging import Average
from convolab.training.checkpoints import (
    PrivateRandomness,
    all_finite,
    load_weights_into,
    optimizer_tensors,
    read_checkpoint,
    restore_optimizer,
    write_checkpoint,
)
from convolab.training.checks import check_fit, check_same_run
from convolab.training.data import DROPOUT_STREAM, seed_of
from convolab.training.device import choose_device, synchronize
from convolab.training.figures import Figures
from convolab.training.optimizers import make_optimizer
from convolab.training.plan import EvaluationPace, Plan, Position
from convolab.training.precision import Precision
from convolab.training.settings import TrainingSettings
from convolab.training.weights import read_weights, save_weights

if TYPE_CHECKING:
    from convolab.networks import Network


class NotFinite(TrainingError):
    """The loss or a weight is infinite or NaN."""


class TrainingState:
    """Everything that changes while a network is trained, and the parts it is trained with."""

    def __init__(
        self,
        network: Network,
        dataset: Dataset,
        settings: TrainingSettings,
        initial_weights: Mapping[str, Tensor] | str | Path | None = None,
    ) -> None:
        check_fit(network, dataset, settings)
        self.network = network
        self.dataset = dataset
        self.settings = settings
        self.device = choose_device(settings.device)
        self.position = Position()
        self.learning_rate = settings.learning_rate
        """The full learning rate; the schedule scales it."""
        self.precision: Precision | None = None
        """Chosen when training begins."""
        self.evaluation: Evaluation | None = None
        """The latest figures on the test set."""
        self.evaluated_at = 0
        """Examples seen when they were measured."""
        self.checkpointed_at: int | None = None
        """Examples seen at the latest checkpoint; None before the first."""
        self.plan = Plan(settings, len(dataset.train_labels))
        self.pace = EvaluationPace(settings.evaluate_every)
        self.figures = Figures(len(dataset.train_labels), self.device)
        self._randomness = PrivateRandomness(seed_of(settings.seed, DROPOUT_STREAM), self.device)
        self._reported_seconds = 0.0
        self._tick: float | None = None
        """When the training clock was last read; None while it stands still."""

        seed = settings.seed if settings.weights_seed is None else settings.weights_seed
        self.model: nn.Sequential = network.build(seed)
        if initial_weights is not None:
            if isinstance(initial_weights, str | Path):
                initial_weights = read_weights(initial_weights)
            load_weights_into(self.model, dict(initial_weights), "The initial weights")
        self.model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.fitted = initial_weights is not None
        """Whether whitening convolutions have their filters already."""
        self.optimizer = make_optimizer(self.model, settings)
        self.average = Average(self.model, settings.average) if settings.average else None

    @property
    def measured(self) -> nn.Sequential:
        """What is measured and kept: the running mean of the weights if there is one, else the model."""
        return self.average.model if self.average else self.model

    @property
    def examples(self) -> int:
        """Training examples seen so far."""
        return self.position.examples

    def save(self, path: str | Path) -> None:
        """Write a checkpoint to ``path``, whole or not at all.

        CheckpointError if it cannot be written, TrainingError if weights are no longer finite.
        """
        self._read_clock()
        model = self.model.state_dict()
        if not all_finite(model.values()):
            raise NotFinite("The weights are no longer finite numbers, so they were not saved.")
        tensors = {f"model.{name}": tensor for name, tensor in model.items()}
        tensors |= self.average.tensors() if self.average else {}
        tensors |= optimizer_tensors(self.optimizer)
        tensors |= {f"random.{kind}": state for kind, state in self._randomness.now().items()}
        write_checkpoint(Path(path), tensors, self._record())

    def save_weights(self, path: str | Path) -> None:
        """Write the weights with all that is needed to use them, as `convolab.save_weights` does.

        TrainingError if the file cannot be written or weights are no longer finite.
        """
        save_weights(
            path, self.measured, self.network, self.dataset, self.settings.normalization, self._summary()
        )

    def _read_clock(self) -> None:
        """Bring the training clock up to date; waits for a GPU that still works on what it was given."""
        synchronize(self.device)
        if self._tick is not None:
            now = time.perf_counter()
            self.position.seconds += now - self._tick
            self._tick = now

    def _summary(self) -> dict[str, Any]:
        test = self.evaluation
        return {
            **asdict(self.position),
            "train_accuracy": self.figures.recent_accuracy,
            "test_accuracy": test.accuracy if test else None,
            "test_loss": test.loss if test else None,
            "settings": self.settings.model_dump(mode="json"),
        }

    def _identity(self) -> dict[str, Any]:
        """What has to be the same for a checkpoint to be this run's."""
        return {
            "network": json.loads(self.network.to_json()),
            "data set": self.dataset.name,
            "number of training images": len(self.dataset.train_labels),
        }

    def _record(self) -> dict[str, Any]:
        """The part of a checkpoint that is not tensors."""
        return {
            **self._identity(),
            "settings": self.settings.model_dump(mode="json"),
            "position": asdict(self.position),
            "learning_rate": self.learning_rate,
            "precision": asdict(self.precision) if self.precision else None,
            "recent": self.figures.state(),
            "evaluation": asdict(self.evaluation) if self.evaluation else None,
            "evaluated_at": self.evaluated_at,
        }

    def _restore(self, path: Path) -> None:
        """Go on from a checkpoint. CheckpointError or TrainingError if that cannot be."""
        tensors, record = read_checkpoint(path)
        check_same_run(path, record, self._identity(), self.settings)
        weights = {name.removeprefix("model."): t for name, t in tensors.items() if name.startswith("model.")}
        load_weights_into(self.model, weights, f"The weights in {path}")
        self.fitted = True
        if self.average:
            mean = {n.removeprefix("average."): t for n, t in tensors.items() if n.startswith("average.")}
            load_weights_into(self.average.model, mean, f"The averaged weights in {path}")
        restore_optimizer(self.optimizer, tensors)
        for kind in self._randomness.states:
            if f"random.{kind}" in tensors:  # absent where the run moved to another kind of device
                self._randomness.states[kind] = tensors[f"random.{kind}"]
        self.position = Position(**record["position"])
        self.learning_rate = record["learning_rate"]
        self.figures.restore(record["recent"])
        if record["precision"]:
            self.precision = Precision(**record["precision"])
        if record["evaluation"]:
            self.evaluation = Evaluation(**record["evaluation"])
            self.evaluated_at = record["evaluated_at"]
            self.pace.evaluated(self.position, self.evaluation.seconds)
        self.checkpointed_at = self.examples
        self._reported_seconds = self.position.seconds
