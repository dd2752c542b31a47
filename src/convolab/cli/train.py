"""`convolab train` and `convolab resume`: a run in this terminal, recorded like every other."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convolab.cli.networks import JSON_OPTION, NETWORK_HELP, read_network
from convolab.cli.options import spec_options
from convolab.cli.output import console, fetching, print_json
from convolab.errors import RunError
from convolab.training.events import (
    Evaluated,
    Event,
    Finished,
    Note,
    Paused,
    Progress,
    Recovered,
    Started,
)
from convolab.training.settings import TrainingSettings
from convolab.words import duration

if TYPE_CHECKING:
    from rich.progress import TaskID

    from convolab.networks import Network

PRESET = "convolutional"
DEFAULT_EXAMPLES = 60_000
"""Where a run stops that was given no stop condition: one pass over MNIST."""


@spec_options(TrainingSettings, "settings")
def train(
    dataset: Annotated[str, typer.Argument(help="A data set: mnist, fashion-mnist, cifar10 or your own.")],
    network: Annotated[
        str | None, typer.Option(help=f"{NETWORK_HELP} Default: convolutional.", show_default=False)
    ] = None,
    start_from: Annotated[
        str | None,
        typer.Option(help="Trained weights to begin with: a run, or a file of exported weights."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="What to call the run.")] = None,
    json: JSON_OPTION = False,
    *,
    settings: TrainingSettings,
    given: dict[str, Any],
) -> int:
    """Train a network, on 60,000 examples unless told otherwise. Ctrl-C stops it with a checkpoint."""
    from convolab.datasets import load
    from convolab.runs import create_run

    weights, their_network = _weights(start_from) if start_from else (None, None)
    chosen = their_network if their_network and not network else read_network(network or PRESET, dataset)
    settings = _with_preset(network, dataset, settings, given)
    if not settings.has_length() and settings.target_accuracy is None:
        settings = settings.changed(examples=DEFAULT_EXAMPLES)
    with fetching() as progress:
        load(dataset, progress=progress)
    run_id = create_run(
        dataset, chosen, settings, name=name, initial_weights=weights, started_from=start_from
    )
    return _follow(run_id, json)


def _with_preset(
    network: str | None, dataset: str, settings: TrainingSettings, given: dict[str, Any]
) -> TrainingSettings:
    """The settings that go with a preset, where nothing else was asked for; a length replaces its own."""
    from convolab.datasets import info
    from convolab.networks import PRESETS
    from convolab.spec import check

    own = PRESETS[network].settings_for(info(dataset).input_shape) if network in PRESETS else {}
    if not own:
        return settings
    if {"examples", "batches", "epochs"} & given.keys():
        own.pop("budget", None)
    return check(TrainingSettings, {**own, **given})


def _weights(text: str) -> tuple[Path, Network]:
    """The file of a run's weights, or the file itself; with the network that they belong to."""
    from convolab.runs import RunFolder, find
    from convolab.training import load_weights

    path = Path(text)
    if not path.is_file():
        path = RunFolder(find(text).run_id).weights_path
    return path, load_weights(path)[0]


def resume(
    run: Annotated[str, typer.Argument(help="A run: its name or the start of its id.")],
    json: JSON_OPTION = False,
) -> int:
    """Go on with a run that was stopped, paused or interrupted, from its last checkpoint."""
    from convolab.runs import find

    found = find(run)
    if found.state == "finished":
        raise RunError(
            f"{found.name} is finished. Train it anew with 'convolab train', or look at it with "
            f"'convolab evaluate {found.run_id[:8]}'."
        )
    return _follow(found.run_id, json)


def _follow(run_id: str, json: bool) -> int:
    from convolab.runs import RunFolder, execute

    folder = RunFolder(run_id)
    spec = folder.spec()
    screen = _Screen(to_stderr=json)
    screen.say(f"{spec.name} · run {run_id[:8]}")
    started: dict[str, Started] = {}
    trouble: list[str] = []

    def show(event: Event) -> None:
        if isinstance(event, Started):
            started["event"] = event
        if isinstance(event, Paused) and event.reason:
            # Nobody is there to press Resume: end here, keep the checkpoint, say how to go on.
            trouble.append(event.reason)
            folder.control(release=True)
        screen.show(event)

    with _stop_on_interrupt(folder, screen), screen:
        end = execute(run_id, on_event=show)
    if end is None:
        why = trouble[0] if trouble else "The run was paused."
        raise RunError(f"{why} Go on with 'convolab resume {run_id[:8]}'.")
    if end.stopped_because == "not finite":
        raise RunError(end.message)
    if end.stopped_because == "user":
        screen.say(f"Stopped with a checkpoint. Go on with 'convolab resume {run_id[:8]}'.")
    if json:
        print_json(_summary(run_id, spec, started["event"], end))
    else:
        screen.say(
            f"{_percent(end.test_accuracy)} of the test images right after {end.examples:,} examples in "
            f"{duration(end.seconds)} of training ({end.examples_per_second:,.0f} examples/s)."
        )
    return 0


def _summary(run_id: str, spec: Any, started: Started, end: Finished) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "name": spec.name,
        "dataset": spec.dataset,
        "network": spec.network.name or "custom",
        "parameters": started.parameters,
        "examples": end.examples,
        "seconds": round(end.seconds, 3),
        "examples_per_second": round(end.examples_per_second, 1),
        "train_accuracy": end.train_accuracy,
        "test_accuracy": end.test_accuracy,
        "test_loss": end.test_loss,
        "precision": started.precision,
        "device": started.device,
        "seed": spec.settings.seed,
        "stopped_because": end.stopped_because,
    }


@contextmanager
def _stop_on_interrupt(folder: Any, screen: _Screen) -> Iterator[None]:
    """The first Ctrl-C asks the run to stop with a checkpoint; a second one ends it at once."""

    def ask(*_: Any) -> None:
        folder.control(stop=True)
        screen.say("Stopping with a checkpoint … (Ctrl-C again ends it at once)")
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _percent(share: float | None) -> str:
    return "?" if share is None else f"{100 * share:.2f} %"


class _Screen:
    """Shows a run's events: one live bar on a terminal, a line per evaluation elsewhere."""

    def __init__(self, to_stderr: bool) -> None:
        self.console = console(to_stderr)
        self.live = (sys.stderr if to_stderr else sys.stdout).isatty()
        self.test = ""
        self.task: TaskID | None = None

    def __enter__(self) -> _Screen:
        if self.live:
            from rich.progress import BarColumn, SpinnerColumn, TextColumn
            from rich.progress import Progress as Bar

            self.bar = Bar(
                SpinnerColumn(), BarColumn(24), TextColumn("{task.description}"), console=self.console
            )
            self.bar.start()
            self.task = self.bar.add_task("loading …", total=None)
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.bar.stop()

    def say(self, text: str) -> None:
        self.console.print(text, markup=False)

    def show(self, event: Event) -> None:
        if isinstance(event, Started):
            where = f"resumed at {event.examples:,} examples" if event.examples else "started"
            self.say(
                f"{where}: {event.parameters:,} parameters · {event.device} · {event.precision} "
                f"({event.precision_reason}) · {event.threads} threads"
            )
        elif isinstance(event, Evaluated):
            self.test = f"test {_percent(event.test_accuracy)}"
            if not self.live:
                self.say(
                    f"{event.examples:>9,} examples  {event.seconds:7.1f} s  "
                    f"test {_percent(event.test_accuracy)} of {event.total:,}  loss {event.test_loss:.4f}"
                )
        elif isinstance(event, Paused):
            self.say(event.reason or "Paused from elsewhere; waiting.")
        elif isinstance(event, Note | Recovered):
            self.say(event.message)
        elif isinstance(event, Progress) and self.live and self.task is not None:
            left = f" · {duration(event.seconds_left)} left" if event.seconds_left is not None else ""
            self.bar.update(
                self.task,
                total=None if event.fraction is None else 1,
                completed=event.fraction or 0,
                description=(
                    f"{event.examples:,} examples · loss {event.loss:.3f} · train "
                    f"{_percent(event.train_accuracy)} · {self.test} · "
                    f"{event.examples_per_second:,.0f}/s{left}"
                ),
            )
