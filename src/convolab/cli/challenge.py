"""`convolab challenge`, `convolab scores`: 60 % on CIFAR-10 in 1, 5 or 10 minutes, and who came how far."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convolab.cli.following import Board, interruptible
from convolab.cli.networks import JSON_OPTION, NETWORK_HELP, read_network
from convolab.cli.options import spec_options
from convolab.cli.output import console, fetching, print_json, print_table
from convolab.errors import ExperimentError, RunError
from convolab.training.settings import TrainingSettings
from convolab.words import duration

if TYPE_CHECKING:
    from convolab.experiments import Recipe, Score

app = typer.Typer(help="The high-score table of the challenge; repeat and exchange scores.")
SCORE = Annotated[str, typer.Argument(help="A score: its name or the start of its id.")]
_WIDTH = 40


@spec_options(TrainingSettings, "settings")
def challenge(
    dataset: Annotated[str, typer.Argument(help="A data set.")] = "cifar10",
    minutes: Annotated[float, typer.Option(help="Minutes of training alone: 1, 5 or 10.")] = 1.0,
    network: Annotated[
        str | None, typer.Option(help=f"{NETWORK_HELP} Default: one made for the time.", show_default=False)
    ] = None,
    name: Annotated[str, typer.Option(help="What to call the score: your name, or an idea.")] = "",
    target: Annotated[float, typer.Option(help="The share of right test images to reach.")] = 0.6,
    json: JSON_OPTION = False,
    *,
    settings: TrainingSettings,
) -> int:
    """Take the challenge: 60 % of CIFAR-10's test images within so many minutes of training.

    The clock runs on training time alone: loading images and evaluating do not count. Settings that are not
    given are the lab's own for a quick start.
    """
    from convolab.experiments import Here, score_of, start_challenge

    recipe = _recipe(dataset, minutes, network, settings)
    _get_data(recipe)
    with Here() as here:
        run_id = start_challenge(recipe, minutes, target=target, name=name, executor=here)
        board = Board(1, to_stderr=json)
        board.say(
            f"{recipe.network.name or 'custom'}: {recipe.network.parameters:,} parameters. {minutes:g} min "
            "of training alone; loading and evaluation do not count."
        )
        _watch(run_id, board, 60 * minutes, target)
    if _state(run_id) != "finished":
        return _stopped(run_id)
    score = score_of(run_id)
    if json:
        print_json({**score.model_dump(mode="json"), "place": _place(score), "words": _words(score)})
        return 0
    print(_words(score))
    print(
        f"This machine's convolutions: {score.machine.gflops:,.0f} GFLOP/s. Place {_place(score)} for "
        f"{dataset} in {minutes:g} min. Score {score.id}: 'convolab scores export {score.id}' takes it along."
    )
    return 0


@app.callback(invoke_without_command=True)
def overview(
    context: typer.Context,
    dataset: Annotated[str | None, typer.Option(help="Of this data set alone.")] = None,
    json: JSON_OPTION = False,
) -> None:
    """List the high scores, or work on one."""
    if context.invoked_subcommand is not None:
        return
    from convolab.experiments import high_scores

    found = high_scores(dataset)
    if json:
        print_json([one.model_dump(mode="json") for one in found])
        return
    if not found:
        print("No scores yet. Take the challenge with 'convolab challenge cifar10 --minutes 1'.")
        return
    head = [
        "score",
        "name",
        "data set",
        "minutes",
        "accuracy",
        "60 % at",
        "examples",
        "GFLOP/s",
        "device",
        "repeated",
    ]
    print_table(head, [_line(one) for one in found], right=head[3:8])
    print(
        "GFLOP/s: the measured speed of that machine's own convolutions. Minutes times GFLOP/s is what a "
        "score had at its disposal."
    )


@app.command()
def export(
    score: SCORE,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The JSON file to write.")] = None,
) -> None:
    """Write a score as a file, with all that is needed to repeat it."""
    from convolab.experiments import export_score, find_score
    from convolab.experiments.scores import file_name

    found = find_score(score)
    path = output or Path(file_name(found))
    try:
        path.write_text(export_score(found), encoding="utf-8")
    except OSError as error:
        raise ExperimentError(f"{path} cannot be written: {error.strerror or error}.") from None
    print(f"Written: {path}")


@app.command("import")
def import_file(path: Annotated[Path, typer.Argument(help="A score that was exported.")]) -> None:
    """Put a score from another machine into the table."""
    from convolab.experiments import import_score

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise ExperimentError(f"{path} cannot be read: {reason}.") from None
    found = import_score(text)
    print(f"Imported {found.title}: {_words(found)} 'convolab scores repeat {found.id}' checks it.")


@app.command()
def repeat(score: SCORE, json: JSON_OPTION = False) -> int:
    """Repeat a score here, with as many examples as it had, and check it."""
    from convolab.experiments import Here, check_repeat, find_score, start_repeat

    found = find_score(score)
    with Here() as here:
        run_id = start_repeat(found, executor=here)
        board = Board(1, to_stderr=json)
        board.say(f"Repeating {found.title}: {found.examples:,} examples, {100 * found.accuracy:.2f} %.")
        _watch(run_id, board, None, found.target)
    if _state(run_id) != "finished":
        return _stopped(run_id)
    checked = check_repeat(found, run_id)
    if json:
        print_json(
            {**checked.model_dump(mode="json"), "confirmed": checked.confirmed, "words": _words(checked)}
        )
    else:
        print(_words(checked))
    return 0 if checked.confirmed else 1


@app.command()
def delete(score: SCORE) -> None:
    """Take a score out of the table; its run stays."""
    from convolab.experiments import find_score, remove_score

    found = find_score(score)
    remove_score(found)
    print(f"Deleted the score {found.title} of {100 * found.accuracy:.2f} %.")


# ---------------------------------------------------------------- parts


def _recipe(dataset: str, minutes: float, network: str | None, settings: TrainingSettings) -> Recipe:
    """The lab's own, with the network and the settings that were given in place of its own."""
    from dataclasses import replace

    from convolab.experiments import challenge_recipe

    if not minutes > 0:
        raise ExperimentError(f"A challenge takes some minutes of training, not {minutes:g}.")
    recipe = challenge_recipe(dataset, minutes)
    if network is not None:
        recipe = replace(recipe, network=read_network(network, dataset))
    ends = {"examples", "batches", "epochs", "budget", "target_accuracy"} & settings.model_fields_set
    if ends:
        raise ExperimentError(
            f"--{min(ends).replace('_', '-')} does not go with the challenge: --minutes says its length."
        )
    return recipe.changed(**{name: getattr(settings, name) for name in settings.model_fields_set})


def _get_data(recipe: Recipe) -> None:
    from convolab.datasets import load

    with fetching() as progress:
        load(recipe.dataset, progress=progress)


def _watch(run_id: str, board: Board, budget: float | None, target: float) -> None:
    """A live bar towards the target on a terminal, a line for each evaluation elsewhere."""
    from convolab.experiments.executor import ENDED, state_of
    from convolab.runs import RunFolder

    folder = RunFolder(run_id)
    offset = 0
    with board, interruptible(lambda: folder.control(stop=True), board.say):
        while True:
            ended = state_of(run_id) in ENDED
            entries, offset = folder.entries(offset)
            for entry in entries:
                if entry.get("kind") == "evaluated" and entry["examples"]:
                    board.say(_evaluation(entry, budget, target))
            figures = folder.state().figures
            accuracy = "" if figures.test_accuracy is None else f"test {100 * figures.test_accuracy:.2f} % · "
            board.now(figures.fraction or 0.0, f"{accuracy}{figures.seconds:.0f} s of training")
            if ended:
                return
            time.sleep(0.2)


def _evaluation(entry: dict[str, Any], budget: float | None, target: float) -> str:
    accuracy = float(entry["test_accuracy"])
    filled = round(_WIDTH * min(1.0, accuracy))
    goal = round(_WIDTH * target)
    bar = "".join("#" if i < filled else "|" if i == goal else "." for i in range(_WIDTH))
    of = "" if budget is None else f" of {budget:.0f}"
    there = "  target reached" if accuracy >= target else ""
    return f"{float(entry['seconds']):6.1f}{of} s  {bar}  {100 * accuracy:.2f} %{there}"


def _stopped(run_id: str) -> int:
    from convolab.runs import RunFolder

    folder = RunFolder(run_id)
    state = folder.state()
    if state.state == "failed":
        raise RunError(f"{folder.name} failed: {state.reason}")
    console(to_stderr=True).print(
        f"Stopped before its time was over: no score. 'convolab resume {run_id[:8]}' trains the rest.",
        markup=False,
    )
    return 0


def _state(run_id: str) -> str:
    from convolab.runs import RunFolder

    return RunFolder(run_id).state().state


def _words(score: Score) -> str:
    from convolab.experiments.challenge import words

    return words(score)


def _place(score: Score) -> int:
    from convolab.experiments import high_scores

    return [one.id for one in high_scores(score.dataset, score.budget)].index(score.id) + 1


def _line(score: Score) -> list[str]:
    from convolab.experiments.challenge import TARGET

    confirmed = {True: "confirmed", False: "not confirmed", None: "imported" if score.imported else ""}
    reached = "" if score.reached_seconds is None else duration(score.reached_seconds)
    if score.target != TARGET:
        reached = f"{reached or 'never'} ({100 * score.target:g} %)"
    return [
        score.id,
        score.title,
        score.dataset,
        f"{score.minutes:g}",
        f"{100 * score.accuracy:.2f} %",
        reached,
        f"{score.examples:,}",
        f"{score.machine.gflops:,.0f}",
        f"{score.machine.device}, {score.machine.cores} cores",
        confirmed[score.confirmed],
    ]
