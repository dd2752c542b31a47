"""The whole assignment by itself, on the real data, from the training to the page that is handed in."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convolab.errors import ConvolabError, ExperimentError
from convolab.experiments.challenge import challenge_recipe, score_of, start_challenge
from convolab.experiments.challenge import words as score_words
from convolab.experiments.executor import ENDED, Executor, go_on, state_of
from convolab.experiments.recipe import Recipe
from convolab.experiments.records import Experiment, find_experiment
from convolab.experiments.results import summarise
from convolab.experiments.scores import Score, find_score
from convolab.experiments.tour_page import Page
from convolab.experiments.variation import start_variation
from convolab.home import home
from convolab.networks import preset
from convolab.runs.files import replace_text
from convolab.runs.folder import RunFolder
from convolab.training.settings import TrainingSettings


@dataclass(frozen=True)
class Plan:
    """How much of everything."""

    name: str
    datasets: dict[str, int]
    """Training examples on each data set: the first is looked into, the last is the hard one."""
    second: str
    """A second network, trained on the last data set for the same examples, to be compared with the first."""
    counts: tuple[int, ...]
    """Numbers of convolutional layers to compare."""
    variant_examples: int
    picture: int
    """Long side of the pictures that are painted, in pixels."""
    steps: int
    """Of painting."""
    features: str
    """The feature network of painting: ``vgg-16``, ``own`` for one of the tour, ``auto``: VGG-16 if here."""
    minutes: tuple[float, ...]
    """Challenges."""

    @property
    def easy(self) -> str:
        """The first data set."""
        return next(iter(self.datasets))

    @property
    def hard(self) -> str:
        """The last data set."""
        return list(self.datasets)[-1]


QUICK = Plan(
    name="quick",
    datasets={"mnist": 6_000, "fashion-mnist": 6_000, "cifar10": 10_000},
    second="modern-cnn",
    counts=(1, 2, 3),
    variant_examples=4_000,
    picture=128,
    steps=30,
    features="auto",
    minutes=(0.5,),
)
"""At most three minutes on two cores."""
FULL = Plan(
    name="full",
    datasets={"mnist": 60_000, "fashion-mnist": 60_000, "cifar10": 100_000},
    second="modern-cnn",
    counts=(1, 2, 3, 4, 5),
    variant_examples=30_000,
    picture=320,
    steps=150,
    features="vgg-16",
    minutes=(1.0, 5.0, 10.0),
)
"""At most forty minutes on two cores; sixteen of them are the challenges."""
PLANS = {plan.name: plan for plan in (QUICK, FULL)}
LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Stage:
    """Where the tour is."""

    part: int
    """From 1."""
    parts: int
    title: str
    run_id: str | None = None
    """What trains at present, if anything does."""
    said: str = ""
    """What came of the part, once it is done."""


class Tour:
    """One tour. What was done of it is noted in the lab's home, so that one that was stopped goes on."""

    def __init__(self, plan: Plan, executor: Executor) -> None:
        self.plan = plan
        self.executor = executor
        self._path = home() / f"tour-{plan.name}.json"
        self._done = self._read()
        self.page = Page(plan.name)

    @property
    def continues(self) -> bool:
        """Whether an earlier tour of this plan was stopped before its end."""
        return bool(self._done)

    def stages(self, folder: Path | None = None) -> Iterator[Stage]:
        """Go through all parts; yields each as it begins, while it trains, and as it ends.

        At the end the page is written to ``folder`` and its path is what the last stage says. Stop asking,
        and close the executor, to put the tour aside.
        """
        parts: list[tuple[str, Callable[[], Iterator[str | None]]]] = [
            ("Training on three data sets", self._train),
            ("Comparing two networks", self._compare),
            ("Why one data set is harder", self._difficulty),
            ("Looking inside", self._look),
            ("How many layers", self._vary),
            ("Style transfer", self._transfer),
            ("Restyling", self._restyle),
            ("The challenge", self._challenge),
        ]
        for number, (title, work) in enumerate(parts, 1):
            yield Stage(number, len(parts) + 1, title)
            for run_id in work():
                if run_id is not None:
                    yield Stage(number, len(parts) + 1, title, run_id)
            yield Stage(number, len(parts) + 1, title, said=self.page.latest)
        written = self.page.build(folder)
        self._path.unlink(missing_ok=True)
        yield Stage(len(parts) + 1, len(parts) + 1, "The page", said=str(written))

    # ---------------------------------------------------------------- parts

    def _train(self) -> Iterator[str | None]:
        for dataset, examples in self.plan.datasets.items():
            yield from self._run(dataset, self._recipe(dataset, "convolutional", examples))
        runs = [self._done[dataset] for dataset in self.plan.datasets]
        self.page.training(runs)

    def _compare(self) -> Iterator[str | None]:
        examples = self.plan.datasets[self.plan.hard]
        yield from self._run("second", self._recipe(self.plan.hard, self.plan.second, examples))
        done, elsewhere = self._done, list(self.plan.datasets)[1]
        self.page.comparison(done[self.plan.hard], done["second"], done[self.plan.easy], elsewhere)

    def _difficulty(self) -> Iterator[str | None]:
        yield None
        self.page.difficulty(tuple(self.plan.datasets))

    def _look(self) -> Iterator[str | None]:
        yield None
        self.page.looking(self._done[self.plan.easy])

    def _vary(self) -> Iterator[str | None]:
        experiment = self._experiment()
        go_on(experiment.run_ids, self.executor)
        for run_id in experiment.run_ids:
            yield from self._until_ended(run_id)
        self.page.variants(experiment, summarise(experiment))

    def _transfer(self) -> Iterator[str | None]:
        yield None
        self.page.transfer(self._done[self.plan.hard], self.plan.picture, self.plan.steps, self.plan.features)

    def _restyle(self) -> Iterator[str | None]:
        yield None
        self.page.restyling(2 * self.plan.picture)  # one pass is quick

    def _challenge(self) -> Iterator[str | None]:
        scores: list[Score] = []
        for minutes in self.plan.minutes:
            key = f"challenge {minutes:g}"
            if f"{key} score" not in self._done:
                recipe = challenge_recipe(self.plan.hard, minutes)
                yield from self._run(key, recipe, minutes)
                self._note(f"{key} score", score_of(self._done[key]).id)
            scores.append(find_score(self._done[f"{key} score"]))
        self.page.challenge([(score, score_words(score)) for score in scores])

    # ---------------------------------------------------------------- runs

    def _recipe(self, dataset: str, network: str, examples: int) -> Recipe:
        from convolab.datasets import info, load

        load(dataset)  # fetched, if it is not here
        about = info(dataset)
        made = preset(network, about.input_shape, len(about.classes))
        return Recipe(dataset, made, TrainingSettings()).for_examples(examples)

    def _run(self, key: str, recipe: Recipe, minutes: float | None = None) -> Iterator[str | None]:
        """Train what is not trained yet, and wait for it."""
        run_id = self._done.get(key)
        if run_id is None or state_of(run_id) in ("deleted", "failed", "stopped"):
            name = f"Tour: {recipe.dataset} {recipe.network.name}, {self.plan.name}"
            if minutes is not None:
                run_id = start_challenge(recipe, minutes, name=f"tour, {recipe.network.name}")
            else:
                run_id = recipe.create(_free(name), {"experiment.kind": "tour"})
            self._note(key, run_id)
        go_on([run_id], self.executor)
        yield from self._until_ended(run_id)

    def _until_ended(self, run_id: str) -> Iterator[str | None]:
        while (state := state_of(run_id)) not in ENDED:
            time.sleep(LOOK_SECONDS)
            yield run_id
        if state != "finished":
            folder = RunFolder(run_id)
            reason = folder.state().reason if folder.exists else "It was deleted."
            raise ExperimentError(f"The tour ends here: a run is {state}. {reason}".strip())

    def _experiment(self) -> Experiment:
        with suppress(ConvolabError):
            found = find_experiment(self._done.get("variants", ""))
            if len(found.members) == len(self.plan.counts):
                return found
        recipe = self._recipe(self.plan.hard, "convolutional", self.plan.variant_examples)
        made = start_variation(
            recipe, "conv_blocks", self.plan.counts, examples=self.plan.variant_examples, name="Tour: layers"
        )
        self._note("variants", made.id)
        return made

    def _note(self, key: str, value: str) -> None:
        self._done[key] = value
        self._path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(self._path, json.dumps(self._done, indent=1))

    def _read(self) -> dict[str, str]:
        try:
            found: Any = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def _free(stem: str) -> str:
    from convolab.runs.store import runs_here

    taken = {info.name for info in runs_here()}
    if stem not in taken:
        return stem
    number = 2
    while f"{stem} {number}" in taken:
        number += 1
    return f"{stem} {number}"
