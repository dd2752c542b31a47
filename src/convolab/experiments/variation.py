"""Variants and repeats of a run: made, tagged, queued, all at the same number of examples."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from convolab.errors import ExperimentError
from convolab.experiments.executor import Executor, Here, wait_for
from convolab.experiments.recipe import Recipe, Start, recipe_of
from convolab.experiments.records import NAME_LENGTH, Experiment, Member, begin
from convolab.experiments.results import Summary, summarise
from convolab.experiments.variants import LENGTHS, Value, proposal
from convolab.runs.folder import RunFolder
from convolab.runs.store import NAME_LENGTH as RUN_NAME_LENGTH

EXAMPLES = 30_000
"""Examples for each variant unless told otherwise: what the assignment suggests."""
MOST_RUNS = 500


def start_variation(
    start: Start,
    key: str,
    values: Iterable[Value] | None = None,
    *,
    examples: int = EXAMPLES,
    seeds: int = 1,
    name: str | None = None,
    executor: Executor | None = None,
) -> Experiment:
    """Vary one thing of a run: a new run for each value (and seed), each on the same number of examples.

    ``key`` and the default ``values`` are those of `proposals`. All runs of one seed have the same order of
    examples, and the same initial weights as far as their first layers are alike, so that they can be
    compared fairly; ``seeds`` says how many runs each value gets. Runs are handed to ``executor`` (the lab's
    queue) if one is given, and else only wait. ConvolabError with one sentence if a value does not fit; then
    nothing was made.
    """
    recipe = recipe_of(start)
    found = proposal(recipe, key)
    chosen = list(dict.fromkeys(found.values if values is None else values))
    if len(chosen) < 2:
        raise ExperimentError(f"{found.title}: give at least two values to compare.")
    if seeds < 1 or len(chosen) * seeds > MOST_RUNS:
        raise ExperimentError(f"An experiment has 1 to {MOST_RUNS} runs, not {len(chosen) * seeds}.")
    plans: list[tuple[Value, str, Recipe]] = []
    for value in chosen:
        variant = found.make(value)
        made = replace(recipe, network=variant.network, settings=variant.settings)
        if found.key not in LENGTHS:
            made = made.for_examples(examples)
        made.check()
        plans += [(value, variant.label, _with_seed(made, recipe, number)) for number in range(seeds)]
    experiment = begin(
        "variants",
        name or f"{found.title}: {recipe.title}"[:NAME_LENGTH],
        recipe.dataset,
        started_from=recipe.title,
        base_run=recipe.run_id,
        varied=found.key,
        title=found.title,
        unit=found.unit,
        examples=None if found.key in LENGTHS else examples,
    )
    return _filled(experiment, recipe, plans, seeds > 1, executor)


def vary(start: Start, key: str, values: Iterable[Value] | None = None, **options: Any) -> Summary:
    """`start_variation`, trained here, one run after the other; returns when all have ended: what they say.

    ``options`` are its ``examples``, ``seeds`` and ``name``. For scripts and notebooks.
    """
    with Here() as here:
        experiment = start_variation(start, key, values, executor=here, **options)
        wait_for(experiment.run_ids)
    return summarise(experiment)


def start_repeats(
    start: Start,
    seeds: int = 5,
    *,
    examples: int | None = None,
    weights_only: bool = False,
    name: str | None = None,
    executor: Executor | None = None,
) -> Experiment:
    """Repeat a run with ``seeds`` seeds in all. The run itself counts as the first, if it is finished.

    ``examples`` sets another length, and then all are new. ``weights_only`` keeps the order of the examples
    and changes the initial weights alone.
    """
    recipe = recipe_of(start)
    if not 2 <= seeds <= MOST_RUNS:
        raise ExperimentError(f"Repeat a run with 2 to {MOST_RUNS} seeds, not {seeds}.")
    if examples is None and not recipe.settings.has_length():
        raise ExperimentError(f"{recipe.title} was trained until it was stopped; say for how many examples.")
    made = recipe if examples is None else recipe.for_examples(examples)
    experiment = begin(
        "repeats",
        name or f"Repeats: {recipe.title}"[:NAME_LENGTH],
        recipe.dataset,
        started_from=recipe.title,
        base_run=recipe.run_id,
        examples=made.settings.examples,
    )
    first = 0
    if examples is None and recipe.run_id and RunFolder(recipe.run_id).state().state == "finished":
        seed = recipe.settings.seed
        member = Member(run_id=recipe.run_id, label=f"seed {seed}", value=seed, seed=seed)
        experiment, first = experiment.with_member(member), 1
    plans = []
    for number in range(first, seeds):
        one = _with_seed(made, recipe, number, weights_only=weights_only)
        shown = one.settings.weights_seed if weights_only else one.settings.seed
        plans.append((shown, f"{'weights ' if weights_only else ''}seed {shown}", one))
    return _filled(experiment, recipe, plans, False, executor)


def _with_seed(made: Recipe, recipe: Recipe, number: int, *, weights_only: bool = False) -> Recipe:
    """The n-th seed after the run's own; where weights had a seed of their own, that one moves along."""
    seed, weights = recipe.settings.seed, recipe.settings.weights_seed
    if weights_only:
        return made.changed(weights_seed=(seed if weights is None else weights) + number)
    return made.changed(seed=seed + number, weights_seed=None if weights is None else weights + number)


def _filled(
    experiment: Experiment,
    recipe: Recipe,
    plans: Iterable[tuple[Value | None, str, Recipe]],
    show_seed: bool,
    executor: Executor | None,
) -> Experiment:
    for value, label, made in plans:
        seed = made.settings.seed
        called = f"{label}, seed {seed}" if show_seed else label
        stem = recipe.title[: max(10, RUN_NAME_LENGTH - len(called) - 3)]
        run_id = made.create(f"{stem} · {called}"[:RUN_NAME_LENGTH], experiment.tags(value))
        experiment = experiment.with_member(Member(run_id=run_id, label=called, value=value, seed=seed))
        if executor is not None:
            executor.submit(run_id)
    return experiment
