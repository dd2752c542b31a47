"""`convolab variants`, `convolab repeat`, `convolab experiments`: sets of runs that differ in one thing."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convolab.cli.following import NETWORK, START, WORKERS, follow, start_of
from convolab.cli.networks import JSON_OPTION
from convolab.cli.output import console, fetching, print_json, print_table

if TYPE_CHECKING:
    from convolab.experiments import Experiment, Recipe, Summary
    from convolab.experiments.variants import Value

app = typer.Typer(help="List experiments; look at one, go on with it.", invoke_without_command=True)
NAME = Annotated[str, typer.Argument(help="An experiment: its name or the start of its id.")]
EXAMPLES_HELP = "Training examples of each run."


def variants(
    start: START,
    vary: Annotated[
        list[str] | None,
        typer.Option(help="What to vary, with values or without: learning_rate, layer1.out_channels=8,16."),
    ] = None,
    network: NETWORK = None,
    examples: Annotated[int, typer.Option(help=EXAMPLES_HELP, min=1)] = 30_000,
    seeds: Annotated[int, typer.Option(help="Runs for each value, each with another seed.", min=1)] = 1,
    name: Annotated[str | None, typer.Option(help="What to call the experiment.")] = None,
    workers: WORKERS = 0,
    json: JSON_OPTION = False,
) -> int:
    """Vary one thing of a run and see what it does. Without --vary: list what can be varied."""
    from convolab.experiments import open_executor, proposal, start_variation

    recipe = start_of(start, network)
    if not vary:
        return _list_proposals(recipe, json)
    wanted: list[tuple[str, list[Value] | None]] = []
    for text in vary:
        key, equals, values = text.partition("=")
        found = proposal(recipe, key)
        wanted.append((key, [found.parse(part) for part in values.split(",")] if equals else None))
    _get_data(recipe)
    with open_executor(workers) as executor:
        made = [
            start_variation(recipe, key, values, examples=examples, seeds=seeds, name=name, executor=executor)
            for key, values in wanted
        ]
        finished = _follow(made, json)
    return _report(made, finished, json)


def repeat(
    start: START,
    seeds: Annotated[int, typer.Option(help="Seeds in all; a finished run counts as the first.")] = 5,
    network: NETWORK = None,
    examples: Annotated[int | None, typer.Option(help=f"{EXAMPLES_HELP} Default: the run's own.")] = None,
    weights_only: Annotated[
        bool, typer.Option("--weights-only", help="Change the initial weights, not the order of examples.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="What to call the experiment.")] = None,
    workers: WORKERS = 0,
    json: JSON_OPTION = False,
) -> int:
    """Repeat a run with other seeds: mean, spread and 95 % interval of its test accuracy."""
    from convolab.experiments import open_executor, start_repeats

    recipe = start_of(start, network)
    _get_data(recipe)
    with open_executor(workers) as executor:
        made = start_repeats(
            recipe, seeds, examples=examples, weights_only=weights_only, name=name, executor=executor
        )
        finished = _follow([made], json)
    return _report([made], finished, json)


@app.callback()
def overview(context: typer.Context, json: JSON_OPTION = False) -> None:
    """List experiments, or work on one."""
    if context.invoked_subcommand is None:
        list_all(json=json)


@app.command("list")
def list_all(json: JSON_OPTION = False) -> None:
    """List experiments, newest first."""
    from convolab.experiments import experiments

    found = experiments()
    if json:
        print_json([one.model_dump(mode="json") for one in found])
        return
    if not found:
        print("No experiments yet. Begin with 'convolab variants' and a run or a data set.")
        return
    print_table(
        ["experiment", "kind", "name", "data set", "runs", "made"],
        [
            [one.id, one.kind, one.name, one.dataset, str(len(one.members) or ""), one.created[:16]]
            for one in found
        ],
        right=["runs"],
    )


@app.command()
def show(experiment: NAME, json: JSON_OPTION = False) -> None:
    """Show how an experiment stands and what it says."""
    from convolab.experiments import find_experiment

    found = find_experiment(experiment)
    if found.kind == "sweep":
        from convolab.cli.sweep import show_sweep

        show_sweep(found.id, json)
        return
    _report([found], True, json)


@app.command("continue")
def go_on(experiment: NAME, workers: WORKERS = 0, json: JSON_OPTION = False) -> int:
    """Go on with an experiment that was interrupted, from the checkpoints of its runs."""
    from convolab.experiments import find_experiment, open_executor
    from convolab.experiments import go_on as go_on_with

    found = find_experiment(experiment)
    if found.kind == "sweep":
        from convolab.cli.sweep import continue_sweep

        return continue_sweep(found.id, workers=workers, json=json)
    with open_executor(workers) as executor:
        go_on_with(found.run_ids, executor)
        finished = _follow([found], json)
    return _report([found], finished, json)


@app.command()
def delete(
    experiment: NAME,
    runs: Annotated[bool, typer.Option("--runs", help="Delete its runs, too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Forget an experiment; its runs stay unless --runs is given."""
    from convolab.experiments import find_experiment
    from convolab.experiments.executor import state_of
    from convolab.runs import delete as delete_run

    found = find_experiment(experiment)
    what = f"{found.name} with its {len(found.members)} runs" if runs else found.name
    if not yes and not typer.confirm(f"Delete {what}? This cannot be undone."):
        print("Nothing was deleted.")
        return
    for run_id in found.run_ids if runs else ():
        if state_of(run_id) != "deleted":
            delete_run(run_id)
    found.forget()
    print(f"Deleted {found.name}.")


# ---------------------------------------------------------------- parts


def _list_proposals(recipe: Recipe, json: bool) -> int:
    from convolab.experiments import proposals
    from convolab.experiments.variants import shown

    found = proposals(recipe)
    if json:
        keys = ("key", "title", "help", "unit", "current", "values", "kind")
        print_json([{key: getattr(one, key) for key in keys} for one in found])
        return 0
    print_table(
        ["--vary", "what", "now", "values"],
        [[one.key, one.title, shown(one.current), ", ".join(map(shown, one.values))] for one in found],
    )
    return 0


def _get_data(recipe: Recipe) -> None:
    """Fetch the data set before anything begins, where the progress can be seen."""
    from convolab.datasets import load

    with fetching() as progress:
        load(recipe.dataset, progress=progress)


def _follow(made: list[Experiment], json: bool) -> bool:
    out = console(to_stderr=json)
    for one in made:
        out.print(f"{one.name} · experiment {one.id} · {len(one.members)} runs", markup=False)
    runs = [(member.run_id, member.label) for one in made for member in one.members]
    return follow(runs, to_stderr=json)


def _report(made: list[Experiment], finished: bool, json: bool) -> int:
    from convolab.experiments import summarise

    found = [(one, summarise(one)) for one in made]
    if not finished:
        ids = " and ".join(f"'convolab experiments continue {one.id}'" for one in made)
        console(to_stderr=True).print(f"Stopped; what was trained is kept. Go on with {ids}.", markup=False)
    if json:
        print_json({"finished": finished, "experiments": [_as_json(*one) for one in found]})
        return 0
    for one, summary in found:
        _print(one, summary)
    return 0


def _print(experiment: Experiment, summary: Summary) -> None:
    from convolab.experiments.results import rows

    head, *lines = rows(summary)
    print_table(head, lines, right=head[2:])
    if summary.words:
        print(summary.words)


def _as_json(experiment: Experiment, summary: Summary) -> dict[str, Any]:
    return {
        "id": experiment.id,
        "kind": experiment.kind,
        "name": experiment.name,
        "dataset": experiment.dataset,
        "varied": experiment.varied,
        "examples": experiment.examples,
        "runs": [asdict(one) for one in summary.outcomes],
        "points": [{**asdict(point), "accuracy": point.accuracy} for point in summary.points],
        "plateau": asdict(summary.plateau) if summary.plateau else None,
        "spread": asdict(summary.spread) if summary.spread else None,
        "words": summary.words,
    }
