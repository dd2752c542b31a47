"""Following many runs in a terminal: a bar there, a line for each run elsewhere, Ctrl-C that keeps all."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convolab.cli.networks import read_network
from convolab.cli.output import console
from convolab.errors import DataError, RunError
from convolab.words import duration

if TYPE_CHECKING:
    from convolab.experiments import Recipe

WORKERS = Annotated[
    int,
    typer.Option(
        help="Processes that train at the same time; 0: this one. CONVOLAB_SCHEDULER names a cluster.",
        min=0,
        max=64,
    ),
]
START = Annotated[str, typer.Argument(help="A run, by its name or the start of its id, or a data set.")]
NETWORK = Annotated[
    str | None,
    typer.Option(help="With a data set: a preset or a network's JSON file. Default: convolutional."),
]
LOOK_SECONDS = 0.2


def start_of(text: str, network: str | None = None) -> Recipe:
    """The recipe of a run, or of a data set with a network and the default settings.

    RunError if ``text`` is neither.
    """
    from convolab.datasets import info
    from convolab.experiments import Recipe, recipe_of
    from convolab.training.settings import TrainingSettings

    try:
        dataset = info(text).name
    except DataError:
        dataset = ""
    if network is not None and not dataset:
        raise RunError(f'--network goes with a data set, and "{text}" is none.')
    if dataset:
        return Recipe(dataset, read_network(network or "convolutional", dataset), TrainingSettings())
    return recipe_of(text)


@contextmanager
def interruptible(ask: Callable[[], None], say: Callable[[str], None]) -> Iterator[None]:
    """The first Ctrl-C calls ``ask``; a second one ends at once."""

    def handler(*_: Any) -> None:
        ask()
        say("Stopping with checkpoints … (Ctrl-C again ends it at once)")
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Board:
    """Shows how some runs stand."""

    def __init__(self, total: int, *, to_stderr: bool = False) -> None:
        self.console = console(to_stderr)
        self.live = (sys.stderr if to_stderr else sys.stdout).isatty()
        self.total = total
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Board:
        if self.live:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

            columns = (SpinnerColumn(), BarColumn(24), MofNCompleteColumn(), TextColumn("{task.description}"))
            self._bar = Progress(*columns, console=self.console)
            self._bar.start()
            self._task = self._bar.add_task("getting ready …", total=self.total)
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, text: str) -> None:
        """A line that stays."""
        self.console.print(text, markup=False)

    def now(self, done: float, text: str) -> None:
        """What happens at present; shown on a terminal alone."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, description=text)


def follow(runs: Sequence[tuple[str, str]], *, to_stderr: bool = False) -> bool:
    """Watch runs, given as (id, label), until all have ended, or until Ctrl-C; whether they ended."""
    from convolab.experiments.executor import ENDED, state_of

    stop = threading.Event()
    told: set[str] = set()
    with Board(len(runs), to_stderr=to_stderr) as board, interruptible(stop.set, board.say):
        while not stop.is_set():
            states = {run_id: state_of(run_id) for run_id, _ in runs}
            for run_id, label in runs:
                if states[run_id] in ENDED and run_id not in told:
                    told.add(run_id)
                    board.say(f"[{len(told)}/{len(runs)}] {label}: {outcome(run_id, states[run_id])}")
            running = [(run_id, label) for run_id, label in runs if states[run_id] not in ENDED]
            if not running:
                return True
            board.now(*_present(len(told), running, states))
            time.sleep(LOOK_SECONDS)
    return False


def outcome(run_id: str, state: str) -> str:
    """What came of a run, in a few words."""
    from convolab.runs import RunFolder

    if state == "deleted":
        return "deleted"
    now = RunFolder(run_id).state()
    if state != "finished":
        return f"{state}. {now.reason}".strip()
    accuracy = "?" if now.figures.test_accuracy is None else f"{100 * now.figures.test_accuracy:.2f} %"
    return (
        f"{accuracy} of the test images right after {now.figures.examples:,} examples, "
        f"{duration(now.figures.seconds)} of training"
    )


def _present(done: int, running: Sequence[tuple[str, str]], states: dict[str, str]) -> tuple[float, str]:
    from convolab.errors import ConvolabError
    from convolab.runs import RunFolder

    shares, parts = 0.0, []
    for run_id, label in running:
        if states[run_id] not in ("running", "paused"):
            continue
        try:
            figures = RunFolder(run_id).state().figures
        except ConvolabError:
            continue
        shares += figures.fraction or 0.0
        accuracy = "" if figures.test_accuracy is None else f" · test {100 * figures.test_accuracy:.1f} %"
        left = "" if figures.seconds_left is None else f" · {duration(figures.seconds_left)} left"
        parts.append(f"{label}{' (paused)' if states[run_id] == 'paused' else ''}{accuracy}{left}")
    return done + shares, "; ".join(parts) or "waiting …"
