"""Pins made of runs: their curves, confusion matrix, statistics, and network with its code."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from convolab.errors import ReportError, RunError, unknown
from convolab.report.drawings import Line, lines_svg, matrix_svg
from convolab.report.origins import of_model, of_runs
from convolab.report.pinboard import Pin, add_pin
from convolab.runs import RunFolder, RunInfo, curves, find

if TYPE_CHECKING:
    from convolab.networks import Network
    from convolab.training.settings import TrainingSettings

Files = dict[str, bytes]


def pin_run(run: str, what: str = "curves", others: Sequence[str] = ()) -> Pin:
    """Pin something of a run: ``what`` is a name in `WHAT`; ``others`` are runs to lay over its curves.

    RunError if there is no such run or it has no figures yet, ReportError for an unknown ``what``.
    """
    if what not in WHAT:
        raise ReportError(unknown("part of a run", what, WHAT))
    found = find(run)
    beside = [find(other) for other in others]
    title, caption, files = WHAT[what](found, beside)
    origin = of_runs([found.run_id, *(one.run_id for one in beside)])
    return add_pin(
        what,
        title,
        files,
        caption=caption,
        settings=origin.settings,
        reproduce=origin.reproduce,
        run_id=found.run_id,
        needed=origin.files,
    )


def pin_network(dataset: str, network: Network, settings: TrainingSettings) -> Pin:
    """Pin a network with its layers as a table, its JSON, and the code that trains it with these settings.

    NetworkError if it has errors.
    """
    origin = of_model(dataset, network, settings)
    caption, files = _described(dataset, network, settings)
    return add_pin(
        "network",
        f"Network {network.name or 'custom'} for {dataset}",
        files,
        caption=caption,
        settings=origin.settings,
        reproduce=origin.reproduce,
    )


def _curves(run: RunInfo, others: list[RunInfo]) -> tuple[str, str, Files]:
    lines, rows = [], [["run", "set", "examples", "seconds", "loss", "accuracy"]]
    for one in (run, *others):
        found = curves(one.run_id)
        if not found.test["examples"]:
            raise RunError(f"{one.name} has no figures yet; let it train for a moment.")
        lines.append(Line(f"{one.name}, test", found.test["examples"], found.test["test_accuracy"]))
        for kind, columns, loss, accuracy in (
            ("train", found.train, "loss", "train_accuracy"),
            ("test", found.test, "test_loss", "test_accuracy"),
        ):
            names = ("examples", "seconds", loss, accuracy)
            for values in zip(*(columns[name] for name in names), strict=True):
                rows.append([one.name, kind, *map(str, values)])
    own = curves(run.run_id)
    if not others:
        lines.append(Line("train", own.train["examples"], own.train["train_accuracy"], dashed=True))
    drawing = lines_svg(lines, "examples", "accuracy", percent=True)
    last = own.test["test_accuracy"][-1]
    caption = f"{100 * last:.1f} % of the test images right after {int(own.test['examples'][-1]):,} examples."
    title = f"Curves of {run.name}" if not others else f"{run.name} and {len(others)} more"
    return title, caption, {"curves.svg": drawing.encode(), "curves.csv": _csv(rows)}


def _confusion(run: RunInfo, others: list[RunInfo]) -> tuple[str, str, Files]:
    figures = _statistics_of(run)
    classes = [entry.name for entry in figures.per_class]
    rows = [
        ["true", *classes],
        *([name, *map(str, row)] for name, row in zip(classes, figures.confusion, strict=True)),
    ]
    worst = figures.confused[0] if figures.confused else None
    caption = f"{figures.correct:,} of {figures.total:,} test images right."
    if worst is not None:
        pair = f"{classes[worst.true]} is taken for {classes[worst.predicted]}"
        caption += f" Most often, {pair}: {worst.count} times."
    files = {
        "confusion.svg": matrix_svg(figures.confusion, classes).encode(),
        "confusion.csv": _csv(rows),
    }
    return f"Confusion matrix of {run.name}", caption, files


def _statistics(run: RunInfo, others: list[RunInfo]) -> tuple[str, str, Files]:
    rows = [["run", "accuracy", "95 % from", "to", "top 2", "log loss", "Brier", "calibration error"]]
    for one in (run, *others):
        s = _statistics_of(one)
        values = (s.accuracy, *s.interval, s.top2, s.log_loss, s.brier, s.calibration_error)
        rows.append([one.name, *(f"{value:.4f}" for value in values)])
    title = f"Statistics of {run.name}" if not others else f"Statistics of {1 + len(others)} runs"
    return title, "Measured on the whole test set.", {"statistics.csv": _csv(rows)}


def _network(run: RunInfo, others: list[RunInfo]) -> tuple[str, str, Files]:
    spec = RunFolder(run.run_id).spec()
    caption, files = _described(spec.dataset, spec.network, spec.settings)
    return f"Network of {run.name}", caption, files


def _described(dataset: str, network: Network, settings: TrainingSettings) -> tuple[str, Files]:
    rows = [["layer", "output shape", "parameters", "multiply-adds"]]
    for step in network.trace():
        shape = "×".join(map(str, step.output_shape or ()))
        layer = f"{step.layer.title} {step.layer.summary}".strip()
        rows.append([layer, shape, str(step.parameters), str(step.multiply_adds)])
    code = network.to_code(settings, dataset)
    files = {
        "layers.csv": _csv(rows),
        "network.json": network.to_json().encode(),
        "train.py": code.encode(),
    }
    return f"{network.parameters:,} parameters, {network.multiply_adds:,} multiply-adds per image.", files


WHAT: dict[str, Callable[[RunInfo, list[RunInfo]], tuple[str, str, Files]]] = {
    "curves": _curves,
    "confusion": _confusion,
    "statistics": _statistics,
    "network": _network,
}
"""What of a run can be pinned."""


def _statistics_of(run: RunInfo) -> Any:
    from convolab.datasets import load
    from convolab.evaluation import outputs, statistics
    from convolab.runs import load_network

    data = load(RunFolder(run.run_id).spec().dataset)
    _, model, info = load_network(run.run_id)
    return statistics(outputs(model, data, normalize=info.normalize()))


def _csv(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
