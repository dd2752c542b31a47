"""`convolab evaluate` and `convolab compare`: how good a run is, and whether another one is better."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from convolab.cli.networks import JSON_OPTION
from convolab.cli.output import fetching, print_json, print_table
from convolab.cli.runs import RUN

if TYPE_CHECKING:
    from convolab.evaluation import Outputs, Statistics
    from convolab.runs import RunInfo

DATASET = Annotated[str | None, typer.Option(help="Another data set to test on.")]
_SHOWN = 5


def evaluate(
    run: RUN,
    dataset: DATASET = None,
    reach: Annotated[
        float | None, typer.Option(help="Say when this test accuracy was reached, 0 to 1.", min=0, max=1)
    ] = None,
    json: JSON_OPTION = False,
) -> int:
    """Measure a run on a whole test set: accuracy, calibration, classes, confusions, cost."""
    from dataclasses import asdict

    from convolab.evaluation import cost, statistics
    from convolab.runs import curves, find, load_network

    found = find(run)
    answers = _answers(found, dataset)
    figures = statistics(answers)
    network, model, _ = load_network(found.run_id)
    costs = cost(network, model)
    reached = None if reach is None else curves(found.run_id).reached(reach)
    if json:
        print_json(
            {
                "run_id": found.run_id,
                "name": found.name,
                "dataset": figures.dataset,
                "test_accuracy": figures.accuracy,
                "test_loss": figures.log_loss,
                "correct": figures.correct,
                "total": figures.total,
                "interval": figures.interval,
                "top2": figures.top2,
                "top3": figures.top3,
                "brier": figures.brier,
                "calibration_error": figures.calibration_error,
                "per_class_accuracy": {entry.name: entry.recall for entry in figures.per_class},
                "per_class": [asdict(entry) for entry in figures.per_class],
                "reliability": [asdict(entry) for entry in figures.reliability],
                "confusion": figures.confusion,
                "confused": [asdict(pair) for pair in figures.confused[:20]],
                "mistakes": [asdict(mistake) for mistake in figures.mistakes[:20]],
                **asdict(costs),
                **({} if reach is None else {"reached": reached}),
            }
        )
        return 0
    _print(found.name, figures, answers.classes)
    print(
        f"{costs.parameters:,} parameters, {costs.multiply_adds:,} multiply-adds; on this machine "
        f"{costs.milliseconds:.2f} ms for one image, {costs.milliseconds_in_batch:.3f} ms for each of many."
    )
    if reach is not None and reached is None:
        print(f"{100 * reach:g} % of the test images was never reached.")
    elif reached is not None:
        print(
            f"{100 * (reach or 0):g} % was first measured after {reached[0]:,} examples, "
            f"{reached[1]:.1f} s of training."
        )
    return 0


def compare(
    first: RUN,
    second: Annotated[str, typer.Argument(help="Another run: its name or the start of its id.")],
    dataset: DATASET = None,
    json: JSON_OPTION = False,
) -> int:
    """Compare two runs image by image: is one really better, or was it chance?"""
    from dataclasses import asdict

    from convolab.evaluation import compare as compare_answers
    from convolab.evaluation import statistics
    from convolab.runs import find

    runs = [find(text) for text in (first, second)]
    answers = [_answers(run, dataset) for run in runs]
    result = compare_answers(*answers)
    figures = [statistics(one) for one in answers]
    if json:
        print_json(
            {
                "runs": [
                    {"run_id": run.run_id, "name": run.name, "test_accuracy": one.accuracy}
                    for run, one in zip(runs, figures, strict=True)
                ],
                **asdict(result),
                "real": result.real,
                "words": result.words,
            }
        )
        return 0
    rows = [
        ["accuracy", *(_with_interval(one) for one in figures)],
        ["log loss", *(f"{one.log_loss:.4f}" for one in figures)],
        ["calibration error", *(f"{100 * one.calibration_error:.1f} %" for one in figures)],
        ["only this one right", f"{result.only_first:,}", f"{result.only_second:,}"],
    ]
    print_table(["", *(run.name for run in runs)], rows)
    print(f"Both right: {result.both:,} of {result.total:,}, neither: {result.neither:,}.")
    print(result.words)
    return 0


def _answers(run: RunInfo, dataset: str | None) -> Outputs:
    from convolab.datasets import load
    from convolab.evaluation import outputs
    from convolab.runs import RunFolder, load_network

    with fetching() as progress:
        data = load(dataset or RunFolder(run.run_id).spec().dataset, progress=progress)
    network, model, info = load_network(run.run_id)
    network.check(len(data.classes), data.input_shape)
    # The pixels as in training, whatever the mean of another data set may be.
    return outputs(model, data, normalize=info.normalize())


def _with_interval(figures: Statistics) -> str:
    low, high = figures.interval
    return f"{100 * figures.accuracy:.2f} % ({100 * low:.1f} … {100 * high:.1f})"


def _print(name: str, figures: Statistics, classes: tuple[str, ...]) -> None:
    low, high = figures.interval
    print(
        f"{name}: {100 * figures.accuracy:.2f} % of {figures.total:,} test images of {figures.dataset} right "
        f"(95 % interval {100 * low:.1f} … {100 * high:.1f} %), loss {figures.log_loss:.4f}."
    )
    print(
        f"Among the two likeliest {100 * figures.top2:.1f} %, the three {100 * figures.top3:.1f} %; "
        f"Brier score {figures.brier:.3f}; calibration error {100 * figures.calibration_error:.1f} %."
    )
    print_table(
        ["class", "right", "precision", "F1", "images"],
        [
            [
                entry.name,
                f"{100 * entry.recall:.1f} %",
                f"{100 * entry.precision:.1f} %",
                f"{100 * entry.f1:.1f} %",
                f"{entry.count:,}",
            ]
            for entry in figures.per_class
        ],
        right=["right", "precision", "F1", "images"],
    )
    if not figures.mistakes:
        return
    pairs: list[Any] = [
        f"{classes[pair.true]} taken for {classes[pair.predicted]} {pair.count}×"
        for pair in figures.confused[:_SHOWN]
    ]
    print(f"Most confused: {', '.join(pairs)}.")
    worst = [
        f"{mistake.index} ({classes[mistake.label]} taken for {classes[mistake.predicted]}, "
        f"{100 * mistake.probability:.1f} %)"
        for mistake in figures.mistakes[:_SHOWN]
    ]
    print(f"Most confident mistakes, by number of the test image: {', '.join(worst)}.")
