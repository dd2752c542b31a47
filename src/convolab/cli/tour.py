"""`convolab tour`: the whole assignment by itself, and the page made of it."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convolab.cli.following import WORKERS, Board, interruptible, outcome
from convolab.cli.networks import JSON_OPTION
from convolab.cli.output import fetching, print_json
from convolab.errors import ConvolabError
from convolab.words import duration

if TYPE_CHECKING:
    from convolab.experiments.tour import Plan, Stage


def tour(
    quick: Annotated[
        bool, typer.Option("--quick", help="Small: three minutes on two cores, instead of forty.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The folder to write the page to.")
    ] = None,
    workers: WORKERS = 0,
    json: JSON_OPTION = False,
) -> int:
    """Run the whole assignment on the real data, and build the page from what came of it.

    Trains on the three data sets, compares, looks inside, varies, transfers a style, takes the challenge.
    Ctrl-C puts it aside; the same command goes on with it.
    """
    from convolab.experiments import open_executor
    from convolab.experiments.tour import FULL, QUICK, Tour

    plan = QUICK if quick else FULL
    _get_data(plan)
    begun = time.monotonic()
    told: list[dict[str, str]] = []
    stop = threading.Event()
    written = ""
    with open_executor(workers) as executor, Board(9, to_stderr=json) as board:
        work = Tour(plan, executor)
        if work.continues:
            board.say("Going on with the tour that was put aside.")
        with interruptible(stop.set, board.say):
            for stage in work.stages(output):
                if stop.is_set():
                    break
                _show(stage, board, begun)
                if stage.said:
                    told.append({"part": stage.title, "said": stage.said})
                    written = stage.said
    seconds = time.monotonic() - begun
    if stop.is_set():
        print(f"Put aside. Go on with 'convolab tour{' --quick' if quick else ''}'.")
        return 0
    if json:
        print_json({"plan": plan.name, "seconds": round(seconds, 1), "parts": told, "written": written})
    else:
        print(f"Done in {duration(seconds)}. The page: {written}")
    return 0


def _get_data(plan: Plan) -> None:
    from convolab.datasets import load

    with fetching() as progress:
        for name in plan.datasets:
            load(name, progress=progress)


def _show(stage: Stage, board: Board, begun: float) -> None:
    """A line as a part begins and as it ends; what trains in the bar."""
    if stage.said:
        board.say(f"   {stage.said}")
        board.now(stage.part, stage.title)
    elif stage.run_id is None:
        board.say(f"[{stage.part}/{stage.parts}] {stage.title} ({duration(time.monotonic() - begun)})")
        board.now(stage.part - 1, stage.title)
    else:
        board.now(stage.part - 1, f"{stage.title}: {_figure(stage.run_id)}")


def _figure(run_id: str) -> str:
    from convolab.runs import RunFolder

    try:
        folder = RunFolder(run_id)
        state = folder.state()
        if state.state == "finished":
            return outcome(run_id, "finished")
        left = "" if state.figures.seconds_left is None else f", {duration(state.figures.seconds_left)} left"
        return f"{folder.name}, {state.figures.examples:,} examples{left}"
    except ConvolabError:
        return ""
