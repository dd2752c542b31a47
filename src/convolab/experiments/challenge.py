"""The challenge: how many of CIFAR-10's test images are right after one, five or ten minutes of training?

The clock is the one of training alone: fetching and loading images, evaluation and checkpoints do not count.
It ends the run by itself, as a time budget. A challenge is an ordinary run; `score_of` makes a score of it.
"""

from __future__ import annotations

import math
from typing import Any

from convolab.errors import ExperimentError
from convolab.experiments.executor import Executor
from convolab.experiments.recipe import Recipe
from convolab.experiments.scores import Check, Score, keep_score, new_score_id
from convolab.experiments.speed import this_machine
from convolab.experiments.sweep_space import architecture
from convolab.networks import Network
from convolab.runs.files import now
from convolab.runs.folder import RunFolder, RunSpec
from convolab.runs.history import curves
from convolab.training.settings import TrainingSettings

TARGET = 0.6
MINUTES = (1, 5, 10)
DATASET = "cifar10"
SCATTER = 0.01
"""What repeating a training may change for no other reason than another machine's rounding."""
_POINTS = 200


def challenge_settings() -> TrainingSettings:
    """What to begin with: a learning rate that rises and falls, and pictures that are mirrored."""
    return TrainingSettings(
        optimizer="nesterov",
        learning_rate=0.1,
        momentum=0.9,
        weight_decay=0.0005,
        batch_size=128,
        normalization="per-channel",
        flip=True,
        label_smoothing=0.1,
        examples=1,
        schedule="one-cycle",
    )


def challenge_recipe(dataset: str = DATASET, minutes: float = 1) -> Recipe:
    """A network and settings to begin with; more time allows for a wider network. DataError."""
    from convolab.datasets import info

    about = info(dataset)
    filters = 16 if minutes < 3 else 32
    network: Network = architecture(
        about.input_shape,
        len(about.classes),
        blocks=3,
        filters=filters,
        growth=2,
        kernel=3,
        norm="batch norm",
    ).changed(name=f"challenger {filters}")
    return Recipe(dataset, network, challenge_settings()).for_seconds(60 * minutes)


def start_challenge(
    recipe: Recipe,
    minutes: float,
    *,
    target: float = TARGET,
    name: str = "",
    executor: Executor | None = None,
) -> str:
    """Make the run of a challenge, tagged as one, and hand it to ``executor`` if one is given; its id.

    ``name`` is what the score will be called. ExperimentError for no time or an impossible target.
    """
    if not (math.isfinite(minutes) and minutes > 0):
        raise ExperimentError(f"A challenge takes some minutes of training, not {minutes:g}.")
    if not 0 < target <= 1:
        raise ExperimentError(f"The target is a share of the test images, above 0 to 1, not {target:g}.")
    made = recipe.for_seconds(60 * minutes)
    tags = {"experiment.kind": "challenge", "challenge.target": str(target), "challenge.name": name}
    run_id = made.create(_free_name(f"Challenge {made.dataset} {minutes:g} min"), tags)
    if executor is not None:
        executor.submit(run_id)
    return run_id


def score_of(run_id: str, *, gflops: float | None = None) -> Score:
    """The score of a challenge that has ended, put into the table. Measures the machine's speed: a second.

    ExperimentError if the run is no challenge, did not use its time, or cannot be repeated as it was.
    """
    folder = RunFolder(run_id)
    spec, state = folder.spec(), folder.state()
    budget = spec.settings.budget
    if budget is None:
        raise ExperimentError(f"{spec.name} had no time budget, so it is no challenge.")
    if state.state != "finished" or state.figures.test_accuracy is None:
        raise ExperimentError(f"{spec.name} is {state.state}; a score needs its whole time.")
    started, changed = _beginning(folder)
    _check_repeatable(spec, changed)
    target = float(spec.tags.get("challenge.target", TARGET))
    found = curves(run_id)
    reached = found.reached(target)
    figures = state.figures
    return keep_score(
        Score(
            id=new_score_id(),
            name=spec.tags.get("challenge.name", ""),
            when=now(),
            dataset=spec.dataset,
            budget=budget,
            target=target,
            network=spec.network,
            settings=spec.settings,
            accuracy=state.figures.test_accuracy,
            test_images=int(started.get("test_size", 0)) or 1,
            examples=figures.examples,
            seconds=figures.seconds,
            reached_seconds=reached[1] if reached else None,
            reached_examples=reached[0] if reached else None,
            curve=_thinned(found.test["seconds"], found.test["test_accuracy"]),
            machine=this_machine(
                figures.device or "", figures.precision or "", int(started.get("threads", 0)), gflops=gflops
            ),
            run_id=run_id,
        )
    )


def start_repeat(score: Score, executor: Executor | None = None) -> str:
    """Make the run that repeats a score: the same network, settings, seed and number of examples; its id.

    Not the same seconds: another machine makes more or fewer of them. DataError without its data set.
    """
    recipe = Recipe(score.dataset, score.network, score.settings).for_examples(score.examples)
    tags = {"experiment.kind": "repeated score", "challenge.score": score.id}
    run_id = recipe.create(
        _free_name(f"Repeat of {score.dataset} {score.minutes:g} min {score.id[:6]}"), tags
    )
    if executor is not None:
        executor.submit(run_id)
    return run_id


def check_repeat(score: Score, run_id: str, *, gflops: float | None = None) -> Score:
    """What repeating a score came to, noted in the table. ExperimentError if that run has not finished.

    It counts as the same if the accuracies differ by no more than chance does between two measurements on
    the test images, and one percentage point for what other machines round differently.
    """
    folder = RunFolder(run_id)
    state = folder.state()
    accuracy = state.figures.test_accuracy
    if state.state != "finished" or accuracy is None:
        raise ExperimentError(f"{folder.name} is {state.state}; only a finished run can confirm a score.")
    tolerance = tolerance_of(score)
    check = Check(
        when=now(),
        accuracy=accuracy,
        seconds=state.figures.seconds,
        gflops=this_machine(state.figures.device or "", gflops=gflops).gflops,
        tolerance=tolerance,
        confirmed=abs(accuracy - score.accuracy) <= tolerance,
        run_id=run_id,
    )
    return keep_score(score.model_copy(update={"checks": (*score.checks, check)}))


def tolerance_of(score: Score) -> float:
    """The largest difference of accuracy that counts as the same."""
    p = score.accuracy
    return SCATTER + 1.96 * math.sqrt(2 * p * (1 - p) / score.test_images)


def words(score: Score) -> str:
    """A score in a sentence or two."""
    sentence = (
        f"{100 * score.accuracy:.2f} % of {score.test_images:,} test images after {score.seconds:.0f} s of "
        f"training ({score.examples:,} examples)."
    )
    goal = f"{100 * score.target:g} %"
    if score.reached_seconds is not None:
        sentence += f" {goal} was first measured after {score.reached_seconds:.0f} s."
    else:
        sentence += f" {goal} was not reached."
    if score.checks:
        last = score.checks[-1]
        outcome = "confirmed" if last.confirmed else "NOT confirmed"
        sentence += (
            f" Repeated: {100 * last.accuracy:.2f} % in {last.seconds:.0f} s of training, {outcome} (a "
            f"difference of {100 * last.tolerance:.1f} points may be chance)."
        )
    return sentence


def _beginning(folder: RunFolder) -> tuple[dict[str, Any], bool]:
    """The first Started event, and whether the learning rate was changed by hand."""
    entries = folder.entries()[0]
    started = next((entry for entry in entries if entry.get("kind") == "started"), {})
    return started, any(entry.get("kind") == "learning_rate_changed" for entry in entries)


def _check_repeatable(spec: RunSpec, changed: bool) -> None:
    if spec.started_from:
        raise ExperimentError(f"{spec.name} began with trained weights; a challenge does not.")
    if changed:
        raise ExperimentError(
            f"The learning rate of {spec.name} was changed by hand, so it cannot be repeated."
        )


def _thinned(x: list[float], y: list[float]) -> tuple[tuple[float, float], ...]:
    points = [(round(a, 2), b) for a, b in zip(x, y, strict=True)]
    every = max(1, math.ceil(len(points) / _POINTS))
    return (
        tuple(points[::every]) if len(points) % every == 1 or every == 1 else (*points[::every], points[-1])
    )


def _free_name(stem: str) -> str:
    from convolab.runs.store import runs_here

    taken = {info.name for info in runs_here()}
    number = 1
    while f"{stem} {number}" in taken:
        number += 1
    return f"{stem} {number}"
