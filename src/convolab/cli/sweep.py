"""`convolab sweep`: search for good settings and architectures; stop, and go on tomorrow."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convolab.cli.following import NETWORK, START, WORKERS, Board, interruptible, start_of
from convolab.cli.networks import JSON_OPTION
from convolab.cli.options import seconds as as_seconds
from convolab.cli.output import console, fetching, print_json, print_table
from convolab.errors import ExperimentError, unknown

if TYPE_CHECKING:
    from convolab.experiments import Sweep

app = typer.Typer(help="Search for good settings and architectures.", invoke_without_command=True)
NAME = Annotated[str, typer.Argument(help="A sweep: its name or the start of its id.")]
AT_ONCE = Annotated[
    int | None,
    typer.Option(help="Trials under way at the same time. Default: as many as there are workers.", min=1),
]


@app.callback()
def overview(context: typer.Context, json: JSON_OPTION = False) -> None:
    """List sweeps, or work on one."""
    if context.invoked_subcommand is None:
        list_all(json=json)


@app.command("list")
def list_all(json: JSON_OPTION = False) -> None:
    """List sweeps, newest first."""
    from convolab.experiments import Sweep, experiments
    from convolab.experiments.variants import shown

    found = [Sweep.open(one) for one in experiments("sweep")]
    if json:
        print_json([{**_about(one), "best": _best(one)} for one in found])
        return
    if not found:
        print("No sweeps yet. Begin with 'convolab sweep new mnist'.")
        return
    lines = []
    for one in found:
        best = one.best()
        values = ", ".join(f"{name} {shown(value)}" for name, value in best.values.items()) if best else ""
        accuracy = f"{100 * (best.accuracy or 0):.2f} %" if best else ""
        lines.append([one.id, one.name, f"{len(one.trials())} of {one.spec.trials}", accuracy, values])
    print_table(["sweep", "name", "trials", "best", "with"], lines, right=["trials", "best"])


@app.command()
def new(
    start: START,
    space: Annotated[str, typer.Option(help="A space to search: settings, architecture or both.")] = "",
    search: Annotated[
        list[str] | None,
        typer.Option(help="One thing to search: learning_rate=0.001..1:log, batch_size=32,64, blocks=1..4."),
    ] = None,
    network: NETWORK = None,
    trials: Annotated[int, typer.Option(help="How many trials.", min=1)] = 20,
    examples: Annotated[
        int | None, typer.Option(help="Length of a trial in training examples. Default: 10,000.", min=1)
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="Length of a trial in training time, like 20s.", metavar="TIME")
    ] = None,
    prune: Annotated[
        bool, typer.Option(help="End trials early that are worse than half of the rest.")
    ] = True,
    seed: Annotated[int, typer.Option(help="Of the search.", min=0)] = 0,
    name: Annotated[str | None, typer.Option(help="What to call the sweep.")] = None,
    database: Annotated[
        str, typer.Option(help="URL of a database for the trials, instead of a file in the lab's home.")
    ] = "",
    workers: WORKERS = 0,
    at_once: AT_ONCE = None,
    json: JSON_OPTION = False,
) -> int:
    """Begin a sweep and make its trials. Ctrl-C puts it aside."""
    from convolab.datasets import load
    from convolab.experiments import SPACES, Sweep, parse_dimension

    recipe = start_of(start, network)
    if space and space not in SPACES:
        raise ExperimentError(unknown("space", space, SPACES))
    own = [parse_dimension(text, recipe) for text in search or ()]
    named = {one.name for one in own}
    chosen = SPACES[space or "settings"] if space or not own else ()
    with fetching() as progress:
        load(recipe.dataset, progress=progress)
    sweep = Sweep.new(
        recipe,
        (*(one for one in chosen if one.name not in named), *own),
        trials=trials,
        examples=examples,
        seconds=None if budget is None else as_seconds(budget),
        prune=prune,
        seed=seed,
        name=name,
        database=database,
    )
    return _drive(sweep, workers, at_once, json)


@app.command("continue")
def go_on(
    sweep: NAME,
    trials: Annotated[int, typer.Option(help="Trials more than were asked for.", min=0)] = 0,
    workers: WORKERS = 0,
    at_once: AT_ONCE = None,
    json: JSON_OPTION = False,
) -> int:
    """Go on with a sweep, also one whose process was killed; trials go on from their checkpoints."""
    return continue_sweep(sweep, trials=trials, workers=workers, at_once=at_once, json=json)


@app.command()
def show(sweep: NAME, json: JSON_OPTION = False) -> None:
    """Show a sweep: its trials, the best of them, how much each setting matters."""
    show_sweep(sweep, json)


def continue_sweep(
    text: str, *, trials: int = 0, workers: int = 0, at_once: int | None = None, json: bool = False
) -> int:
    """`convolab sweep continue`."""
    from convolab.experiments import Sweep

    found = Sweep.open(text)
    if trials:
        found.extend(trials)
    return _drive(found, workers, at_once, json)


def show_sweep(text: str, json: bool) -> None:
    """`convolab sweep show`."""
    from convolab.experiments import Sweep

    _report(Sweep.open(text), json)


def _drive(sweep: Sweep, workers: int, at_once: int | None, json: bool) -> int:
    from convolab.experiments import Driver, open_executor

    console(to_stderr=json).print(
        f"{sweep.name} · sweep {sweep.id} · {sweep.spec.trials} trials of {sweep.spec.length} over "
        f"{', '.join(one.text for one in sweep.spec.space)}",
        markup=False,
    )
    told = {one.number for one in sweep.trials() if one.state in ("finished", "pruned", "failed")}
    with open_executor(workers) as executor, Board(sweep.spec.trials, to_stderr=json) as board:
        driver = Driver(sweep, executor, at_once=at_once)

        def look() -> None:
            _tell(sweep, board, told)

        with interruptible(driver.stop, board.say):
            finished = driver.run(look)
        look()
    if not finished:
        again = f"Put aside. Go on with 'convolab sweep continue {sweep.id}'."
        console(to_stderr=True).print(again, markup=False)
    _report(sweep, json)
    return 0


def _tell(sweep: Sweep, board: Board, told: set[int]) -> None:
    """A line for each trial that has ended; the others in the bar."""
    from convolab.experiments.variants import shown

    now, share = [], 0.0
    for trial in sweep.trials():
        values = ", ".join(f"{name} {shown(value)}" for name, value in trial.values.items())
        accuracy = "" if trial.accuracy is None else f" {100 * trial.accuracy:.2f} %"
        if trial.state in ("finished", "pruned", "failed"):
            if trial.number not in told:
                told.add(trial.number)
                why = f" {trial.reason}" if trial.state != "finished" and trial.reason else ""
                board.say(f"trial {trial.number}: {trial.state}{accuracy} ({values}){why}")
        else:
            share += trial.fraction or 0.0
            now.append(f"trial {trial.number}{accuracy}")
    board.now(len(told) + share, ", ".join(now) or "asking …")


def _report(sweep: Sweep, json: bool) -> None:
    from convolab.experiments.sweeps import rows

    trials, importance = sweep.trials(), sweep.importance()
    if json:
        print_json(
            {
                **_about(sweep),
                "trials": [asdict(trial) for trial in trials],
                "best": _best(sweep),
                "importance": importance,
                "words": sweep.words(),
            }
        )
        return
    head, *lines = rows(trials, sweep.spec.space)
    print_table(head, lines, right=head[2:-1])
    if importance:
        shares = [f"{name} {100 * share:.0f} %" for name, share in importance.items()]
        print(f"What decides, by share: {', '.join(shares)}.")
    print(sweep.words())


def _about(sweep: Sweep) -> dict[str, Any]:
    return {
        "id": sweep.id,
        "name": sweep.name,
        "dataset": sweep.spec.dataset,
        "space": [one.text for one in sweep.spec.space],
        "planned": sweep.spec.trials,
        "length": sweep.spec.length,
        "driven": sweep.driven,
    }


def _best(sweep: Sweep) -> dict[str, Any] | None:
    best = sweep.best()
    return asdict(best) if best else None
