"""Heads: small networks of the lab's own layers on features, trained by the lab's own loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from convolab.datasets import Dataset
from convolab.errors import TrainingError
from convolab.networks import Network
from convolab.networks.layers import Flatten, Linear, ReLU
from convolab.teach.scaling import NORMALIZATION
from convolab.teach.settings import ClassifierKind
from convolab.training.settings import TrainingSettings

if TYPE_CHECKING:
    from torch import nn

    from convolab.training.events import Event

BATCH = 32
STEPS = 200
"""Steps of the optimizer: enough for a few thousand weights, and done in a fraction of a second."""


def head_network(kind: ClassifierKind, grid: tuple[int, int, int], classes: int, hidden: int = 64) -> Network:
    """One linear layer, or a hidden one before it, on images of features."""
    inner = (Linear(out_features=hidden), ReLU()) if kind == "mlp" else ()
    name = "hidden-layer head" if kind == "mlp" else "linear head"
    return Network(input_shape=grid, layers=(Flatten(), *inner, Linear(out_features=classes)), name=name)


def head_settings(train_size: int, seed: int = 0) -> TrainingSettings:
    """How a head is trained on so many examples: the same number of steps for few and for many."""
    batch = min(BATCH, train_size)
    return TrainingSettings(
        optimizer="adam",
        learning_rate=0.01,
        weight_decay=0.02,
        batch_size=batch,
        schedule="cosine",
        batches=STEPS,
        normalization=NORMALIZATION,
        # Few examples, so evaluating on the way would take longer than the steps.
        evaluate_every=batch * STEPS // 4,
        seed=seed,
        precision="fp32",
        device="cpu",
    )


def fit(
    dataset: Dataset, network: Network, settings: TrainingSettings, *, only_end: bool = False
) -> nn.Sequential:
    """Train a head in memory; the model in evaluation mode. ``only_end``: no evaluations on the way."""
    from convolab.training import Training

    if only_end:
        settings = settings.changed(evaluate_every=10**9)
    training = Training(network, dataset, settings)
    for _ in training.events():
        pass
    _check(training.finished.stopped_because if training.finished else "", settings)
    return training.model.eval()


def fit_as_run(
    dataset: Dataset,
    network: Network,
    settings: TrainingSettings,
    name: str,
    tags: dict[str, str] | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> tuple[str, nn.Sequential]:
    """Train a head on a published data set as an ordinary run; its id, and the model in evaluation mode."""
    from convolab.runs import create_run, execute, load_network

    run_id = create_run(dataset, network, settings, name=name, tags=tags)
    end = execute(run_id, on_event)
    _check(end.stopped_because if end else "", settings)
    return run_id, load_network(run_id)[1]


def _check(reason: str, settings: TrainingSettings) -> None:
    if reason == "not finite":
        raise TrainingError(
            f"The head's loss is no longer a number at learning rate {settings.learning_rate:g}."
        )
