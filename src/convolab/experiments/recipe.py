"""What a run is made of: data set, network, settings; read off a run or put together, and changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

from convolab.errors import SettingsError
from convolab.networks import Network
from convolab.runs.folder import RunFolder, RunSpec
from convolab.runs.store import RunInfo, create_run, find
from convolab.spec import check
from convolab.training.settings import TrainingSettings


@dataclass(frozen=True)
class Recipe:
    """All that decides how a run ends, the machine aside."""

    dataset: str
    network: Network
    settings: TrainingSettings
    name: str = ""
    """Of the run it was read from."""
    run_id: str | None = None
    """The run it was read from."""

    @property
    def classes(self) -> int:
        """How many classes the data set has. DataError if there is no such data set."""
        from convolab.datasets import info

        return len(info(self.dataset).classes)

    @property
    def title(self) -> str:
        """``cifar10 convolutional 1``, or ``cifar10 convolutional`` where there is no run."""
        return self.name or f"{self.dataset} {self.network.name or 'custom'}"

    def changed(self, **settings: object) -> Recipe:
        """With other settings. SettingsError with one sentence if they are out of range."""
        return replace(self, settings=check(TrainingSettings, {**self.settings.model_dump(), **settings}))

    def for_examples(self, examples: int) -> Recipe:
        """Ends after so many training examples and at nothing else."""
        return self.changed(examples=examples, batches=None, epochs=None, budget=None, target_accuracy=None)

    def for_seconds(self, seconds: float) -> Recipe:
        """Ends after so many seconds of training and at nothing else."""
        return self.changed(budget=seconds, examples=None, batches=None, epochs=None, target_accuracy=None)

    def fair_to(self, other: Recipe) -> Recipe:
        """With the other's initial weights (where layers are the same) and order of examples.

        Both come from the seed; two networks share the weights of their first layers where these are alike.
        """
        return self.changed(seed=other.settings.seed, weights_seed=other.settings.weights_seed)

    def check(self) -> None:
        """Whether a run can be made of it. ConvolabError with one sentence if not: what to change."""
        from convolab.datasets import info

        about = info(self.dataset)
        if self.settings.batch_size > about.train_size > 0:
            raise SettingsError(
                f"Batch size {self.settings.batch_size:,} is larger than the {about.train_size:,} training "
                f"images; choose {about.train_size:,} or less."
            )
        self.network.check(len(about.classes), about.input_shape)

    def create(self, name: str | None = None, tags: dict[str, str] | None = None) -> str:
        """Make a run of it, queued; returns its id. As `convolab.runs.create_run`, with its errors."""
        return create_run(self.dataset, self.network, self.settings, name=name, tags=tags)


Start: TypeAlias = str | RunInfo | RunSpec | Recipe
"""What an experiment starts from: a run's name or id, what is known of a run, or a recipe."""


def recipe_of(start: Start) -> Recipe:
    """The recipe of a run. RunError if there is no such run, or its folder is not here."""
    if isinstance(start, Recipe):
        return start
    if isinstance(start, str):
        start = find(start)
    if isinstance(start, RunInfo):
        start = RunFolder(start.run_id).spec()
    return Recipe(start.dataset, start.network, start.settings, start.name, start.run_id)
