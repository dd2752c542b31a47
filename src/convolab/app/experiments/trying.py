"""Variants and repeats for the room: what can be varied of a run, starting it, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from convolab.app.experiments.index import INDEX
from convolab.app.figures import plain
from convolab.app.jobs import JOBS, the_queue
from convolab.errors import ConvolabError, ExperimentError, SettingsError
from convolab.experiments import (
    Executor,
    Experiment,
    Summary,
    experiments,
    find_experiment,
    go_on,
    proposal,
    proposals,
    recipe_of,
    start_repeats,
    start_variation,
    summarise,
)
from convolab.experiments.results import value_text
from convolab.experiments.variants import shown
from convolab.experiments.variation import EXAMPLES
from convolab.runs.folder import RunFolder
from convolab.runs.store import NAME_LENGTH

_CONDITIONS = ("seed", "weights_seed", "examples", "batches", "epochs", "budget", "target_accuracy")
"""Settings that have to be the same for a comparison to be fair."""
_ENDED = ("finished", "stopped", "failed", "deleted")
_MOVING = ("running", "queued")


def offered(run_id: str) -> dict[str, Any]:
    """What can be varied of a run, with values worth trying. ConvolabError if it is not here."""
    spec = RunFolder(run_id).spec()
    found = [
        {
            "key": one.key,
            "title": one.title,
            "help": one.help,
            "unit": one.unit,
            "kind": one.kind,
            "current": shown(one.current),
            "values": [shown(value) for value in one.values],
            "length": one.key in ("batches", "examples", "epochs", "budget"),
        }
        for one in proposals(spec)
    ]
    return {
        "run": run_id,
        "name": spec.name,
        "examples": spec.settings.examples or EXAMPLES,
        "endless": not spec.settings.has_length(),
        "proposals": found,
    }


async def start(wanted: dict[str, Any]) -> dict[str, Any]:
    """Make the runs of a variation or of repeats, queued; the id of the experiment. ConvolabError."""
    from nicegui import run

    queue = await the_queue()
    made = await run.io_bound(_start, wanted, queue)
    assert made is not None
    JOBS.look_again()
    INDEX.look_again()
    return {"experiment": made.id}


def _start(wanted: dict[str, Any], queue: Any) -> Experiment:
    spec = RunFolder(str(wanted.get("run"))).spec()
    if wanted.get("kind") == "repeats":
        examples = wanted.get("examples")
        return start_repeats(
            spec,
            whole(wanted.get("seeds"), "Seeds"),
            examples=whole(examples, "Examples") if str(examples or "").strip() else None,
            weights_only=bool(wanted.get("weights_only")),
            executor=queue,
        )
    found = proposal(spec, str(wanted.get("key")))
    values = [found.parse(str(text)) for text in wanted.get("values", ()) if str(text).strip()]
    return start_variation(
        spec,
        found.key,
        values,
        examples=whole(wanted.get("examples"), "Examples"),
        seeds=whole(wanted.get("seeds", 1), "Seeds"),
        executor=queue,
    )


async def start_fair(wanted: dict[str, Any]) -> dict[str, Any]:
    """Train runs again under the conditions of the first; all ids, to be compared instead. ConvolabError."""
    from nicegui import run

    queue = await the_queue()
    found = wanted.get("runs")
    ids = [str(one) for one in found] if isinstance(found, list) else []
    made = await run.io_bound(fair, ids, queue)
    JOBS.look_again()
    INDEX.look_again()
    return {"runs": made}


def fair(run_ids: Sequence[str], queue: Executor) -> list[str]:
    """The first of some runs, and for each other one a run that can be compared with it fairly, queued.

    That has the seed of the first (the same initial weights where layers are the same, the same order of the
    examples) and its length; a run that has them already stands for itself. ExperimentError for less than two
    runs, for different data sets, or if the first was trained without a set length.
    """
    recipes = [recipe_of(RunFolder(run_id).spec()) for run_id in run_ids]
    if len(recipes) < 2:
        raise ExperimentError("Choose at least two runs to compare them under the same conditions.")
    first = recipes[0]
    if other := next((one for one in recipes if one.dataset != first.dataset), None):
        raise ExperimentError(f"{first.title} is of {first.dataset}, {other.title} of {other.dataset}.")
    if not first.settings.has_length():
        raise ExperimentError(
            f"{first.title} was trained until it was stopped, so others cannot do the same."
        )
    conditions = {name: getattr(first.settings, name) for name in _CONDITIONS}
    found = []
    for run_id, recipe in zip(run_ids, recipes, strict=True):
        changed = recipe.changed(**conditions)
        if changed.settings == recipe.settings:
            found.append(run_id)
            continue
        name = f"{recipe.title[: NAME_LENGTH - 8]} · fairly"
        made = changed.create(name, {"experiment.kind": "fair comparison", "fair_to": run_ids[0]})
        queue.submit(made)
        found.append(made)
    return found


def whole(text: Any, label: str) -> int:
    """A whole number of at least 1, as it is typed: ``30,000``. SettingsError."""
    cleaned = str(text if text is not None else "").replace(",", "").replace(" ", "").strip()
    if not cleaned.isdigit() or int(cleaned) < 1:
        raise SettingsError(f'{label} must be a whole number of at least 1, not "{str(text)[:20]}".')
    return int(cleaned)


def listed() -> list[dict[str, Any]]:
    """All variations and repeats, newest first."""
    return [
        {
            "id": one.id,
            "kind": one.kind,
            "name": one.name,
            "dataset": one.dataset,
            "created": one.created,
            "runs": len(one.members),
        }
        for one in experiments()
        if one.kind in ("variants", "repeats")
    ]


def news(asked: str) -> tuple[dict[str, Any] | None, bool]:
    """What is new of ``id~version``, and whether more will come by itself. Off the event loop."""
    experiment_id, _, had = asked.partition("~")
    try:
        experiment = find_experiment(experiment_id)
        found = _shown(experiment, summarise(experiment))
    except ConvolabError as error:
        found = {"id": experiment_id, "error": str(error)}
    version = f"{hash(str(found)) & 0xFFFFFFFF:x}"
    active = any(one["state"] in _MOVING for one in found.get("outcomes", ()))
    return (None if version == had else {**found, "version": version}), active


def _shown(experiment: Experiment, summary: Summary) -> dict[str, Any]:
    points = [
        {**asdict(point), "accuracy": point.accuracy, "text": value_text(point)} for point in summary.points
    ]
    spread = summary.spread
    return {
        "id": experiment.id,
        "kind": experiment.kind,
        "name": experiment.name,
        "dataset": experiment.dataset,
        "title": experiment.title,
        "unit": experiment.unit,
        "examples": experiment.examples,
        "base": experiment.base_run,
        "outcomes": plain([asdict(one) for one in summary.outcomes]),
        "points": plain(points),
        "plateau": asdict(summary.plateau) if summary.plateau else None,
        "spread": asdict(spread) if spread else None,
        "words": summary.words,
        "done": summary.done,
    }


async def act(experiment_id: str, action: str) -> dict[str, Any]:
    """Stop all runs of an experiment, go on with interrupted ones, or forget that they belong together.

    ConvolabError, ExperimentError for something else.
    """
    from nicegui import run

    experiment = find_experiment(experiment_id)
    if action == "forget":
        experiment.forget()
        return {}
    queue = await the_queue()
    if action == "stop":
        await run.io_bound(stop_all, experiment.run_ids, queue)
    elif action == "continue":
        await run.io_bound(go_on, experiment.run_ids, queue)
    else:
        raise ExperimentError(f'An experiment cannot be asked to "{action[:40]}".')
    JOBS.look_again()
    INDEX.look_again()
    return {}


def stop_all(run_ids: tuple[str, ...], queue: Any) -> None:
    """Stop those of some runs that have not ended, the last first, so that none begins meanwhile."""
    for run_id in reversed(run_ids):
        try:
            if RunFolder(run_id).state().state not in _ENDED:
                queue.stop(run_id)
        except ConvolabError:  # deleted, or ended just now
            continue
