"""What came of an experiment's runs: a line for each, a point for each value, and what they say in words."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from convolab.errors import ConvolabError
from convolab.experiments.plateaus import Plateau, plateau
from convolab.experiments.records import Experiment, Member
from convolab.experiments.spreads import Spread, spread
from convolab.experiments.variants import Value, shown
from convolab.runs.folder import RunFolder

ENDED = ("finished", "stopped", "failed", "deleted")
"""States of runs that go on only if somebody asks."""


@dataclass(frozen=True)
class Outcome:
    """One run of an experiment as it stands."""

    run_id: str
    label: str
    value: Value | None
    seed: int
    state: str
    """That of the run; ``deleted`` if it is gone."""
    reason: str = ""
    test_accuracy: float | None = None
    test_loss: float | None = None
    train_accuracy: float | None = None
    examples: int = 0
    seconds: float = 0.0
    """Of training alone."""
    examples_per_second: float | None = None
    fraction: float | None = None
    """Share of its length that is done."""
    parameters: int = 0
    multiply_adds: int = 0
    """Per example."""

    @property
    def counts(self) -> bool:
        """Whether it came to its end, so that it can be compared with others that did."""
        return self.state == "finished" and self.test_accuracy is not None


@dataclass(frozen=True)
class Point:
    """What came of one value: the mean over its runs that have finished."""

    value: Value
    label: str
    runs: tuple[str, ...]
    accuracies: tuple[float, ...]
    """Test accuracies of the finished runs."""
    seconds: float
    """Mean training time of the finished runs; 0 before there is one."""
    examples_per_second: float
    parameters: int
    multiply_adds: int
    test_images: int

    @property
    def accuracy(self) -> float | None:
        """Their mean; None before there is one."""
        return statistics.fmean(self.accuracies) if self.accuracies else None


@dataclass(frozen=True)
class Summary:
    """An experiment at a glance."""

    outcomes: tuple[Outcome, ...]
    points: tuple[Point, ...]
    """One for each value, in their order; empty for repeats."""
    plateau: Plateau | None
    """For values that have an order, once three of them are finished."""
    spread: Spread | None
    """Of repeats, once two are finished."""
    words: str
    """What it says, in one or two sentences; empty while nothing is finished."""

    @property
    def done(self) -> int:
        """Runs that have ended, in whatever way."""
        return sum(one.state in ENDED for one in self.outcomes)


def summarise(experiment: Experiment) -> Summary:
    """Read how all runs of an experiment stand. Takes about a millisecond for each of them."""
    found = tuple(_outcome(member) for member in experiment.members)
    if experiment.kind == "repeats":
        ended = [one.test_accuracy for one in found if one.counts and one.test_accuracy is not None]
        result = spread(ended) if len(ended) > 1 else None
        words = "" if result is None else f"{result.words} Seeds: {len(ended)}."
        return Summary(found, (), None, result, words)
    points = _points(found, _test_images(experiment))
    level = plateau(points)
    return Summary(found, points, level, None, _words(points, level, found))


def _outcome(member: Member) -> Outcome:
    folder = RunFolder(member.run_id)
    try:
        state, network = folder.state(), folder.spec().network
    except ConvolabError:
        return Outcome(member.run_id, member.label, member.value, member.seed, "deleted")
    now = state.figures
    return Outcome(
        run_id=member.run_id,
        label=member.label,
        value=member.value,
        seed=member.seed,
        state=state.state,
        reason=state.reason,
        test_accuracy=now.test_accuracy,
        test_loss=now.test_loss,
        train_accuracy=now.train_accuracy,
        examples=now.examples,
        seconds=now.seconds,
        examples_per_second=now.examples_per_second,
        fraction=now.fraction,
        parameters=network.parameters,
        multiply_adds=network.multiply_adds,
    )


def _points(outcomes: Sequence[Outcome], test_images: int) -> tuple[Point, ...]:
    values = list(dict.fromkeys(one.value for one in outcomes if one.value is not None))
    if all(not isinstance(value, str) for value in values):
        values.sort(key=float)
    points = []
    for value in values:
        runs = [one for one in outcomes if one.value == value]
        ended = [one for one in runs if one.counts]
        points.append(
            Point(
                value=value,
                label=runs[0].label.split(", seed ")[0],
                runs=tuple(one.run_id for one in runs),
                accuracies=tuple(one.test_accuracy for one in ended if one.test_accuracy is not None),
                seconds=statistics.fmean([one.seconds for one in ended] or [0.0]),
                examples_per_second=statistics.fmean(
                    [one.examples_per_second or 0.0 for one in ended] or [0.0]
                ),
                parameters=max(one.parameters for one in runs),
                multiply_adds=max(one.multiply_adds for one in runs),
                test_images=test_images,
            )
        )
    return tuple(points)


def _words(points: Sequence[Point], level: Plateau | None, outcomes: Sequence[Outcome]) -> str:
    measured = [point for point in points if point.accuracy is not None]
    if not measured:
        return ""
    best = max(measured, key=lambda point: point.accuracy or 0.0)
    sentence = f"Best: {best.label} with {100 * (best.accuracy or 0):.2f} %."
    ended = {one.run_id for one in outcomes if one.state in ENDED}
    without = [point for point in points if point.accuracy is None]
    failed = sum(ended.issuperset(point.runs) for point in without)
    if waiting := len(without) - failed:
        sentence += f" {waiting} of {len(points)} values {'has' if waiting == 1 else 'have'} no result yet."
    if failed:
        sentence += f" {failed} of {len(points)} values came to no result: see the state of its run."
    return f"{sentence} {level.words}" if level is not None else sentence


def _test_images(experiment: Experiment) -> int:
    from convolab.datasets import info

    try:
        return info(experiment.dataset).test_size
    except ConvolabError:
        return 0


def rows(summary: Summary) -> list[list[str]]:
    """The runs as lines of a table, the first one its head: for a terminal, a file or the page."""
    found = [
        ["variant", "state", "test accuracy", "test loss", "examples", "seconds", "examples/s", "parameters"]
    ]
    for one in summary.outcomes:
        found.append(
            [
                one.label,
                one.state,
                "" if one.test_accuracy is None else f"{100 * one.test_accuracy:.2f} %",
                "" if one.test_loss is None else f"{one.test_loss:.4f}",
                f"{one.examples:,}",
                f"{one.seconds:.1f}",
                "" if one.examples_per_second is None else f"{one.examples_per_second:,.0f}",
                f"{one.parameters:,}",
            ]
        )
    return found


def value_text(point: Point) -> str:
    """The value of a point as a person writes it."""
    return shown(point.value)


def markdown(table: Sequence[Sequence[str]]) -> str:
    """A table, the first line its head, as Markdown."""
    head, *lines = [f"| {' | '.join(line)} |" for line in table]
    return "\n".join([head, "|" + "---|" * len(table[0]), *lines])
