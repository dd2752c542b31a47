"""Runs measured on whole test sets for the room: all statistics of one, or two compared image by image.

What a network answers is kept in memory, so that the second question about it costs nothing. Measuring takes
seconds; who asks is told how far it is, and asks again.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from convolab.app.inference import compute
from convolab.app.state import dataset_infos
from convolab.errors import ConvolabError, DataError
from convolab.runs.folder import RunFolder, RunSpec
from convolab.words import duration, shape_text

if TYPE_CHECKING:
    from convolab.evaluation import Outputs

KEPT = 24
"""Answers of networks to test sets that are kept: about a megabyte each."""
PATIENCE = 0.3
"""Seconds that an answer waits for the result before it says how far it is."""
LISTED = 40
"""Mistakes and confused pairs that are told."""
_kept: OrderedDict[tuple[str, str, int], Outputs] = OrderedDict()
_work: dict[tuple[str, ...], _Work] = {}


@dataclass
class _Work:
    task: asyncio.Task[dict[str, Any]] | None = None
    fraction: float = 0.0
    parts: int = 1
    """How many networks are measured."""
    done: set[str] = field(default_factory=set)


def test_sets(spec: RunSpec) -> list[dict[str, Any]]:
    """Data sets that a run can be tested on: its own first, then others of the same shape and classes."""
    infos = dataset_infos()
    own = infos.get(spec.dataset)
    found = [{"name": spec.dataset, "title": own.title if own else spec.dataset, "own": True}]
    classes = len(own.classes) if own else 0
    for info in infos.values():
        fits = info.input_shape == spec.network.input_shape and len(info.classes) == classes
        if fits and info.present and info.name != spec.dataset:
            found.append({"name": info.name, "title": info.title, "own": False})
    return found


async def statistics(run_id: str, dataset: str) -> dict[str, Any]:
    """All figures of a run on a test set, or ``{"working": share}`` while it is measured. ConvolabError."""
    return await _soon(("statistics", run_id, dataset), 1, lambda work: _statistics(run_id, dataset, work))


async def comparison(first: str, second: str, dataset: str) -> dict[str, Any]:
    """Two runs image by image, or ``{"working": share}`` while they are measured. ConvolabError."""
    return await _soon(
        ("comparison", first, second, dataset), 2, lambda work: _comparison(first, second, dataset, work)
    )


async def _soon(
    key: tuple[str, ...], parts: int, function: Callable[[_Work], dict[str, Any]]
) -> dict[str, Any]:
    work = _work.get(key)
    if work is None:
        work = _work[key] = _Work(parts=parts)
        work.task = asyncio.create_task(compute(function, work))
    assert work.task is not None
    done, _ = await asyncio.wait([work.task], timeout=PATIENCE)
    if not done:
        return {"working": round(work.fraction, 3)}
    _work.pop(key, None)
    return work.task.result()


def _statistics(run_id: str, dataset: str, work: _Work) -> dict[str, Any]:
    from convolab.evaluation import cost
    from convolab.evaluation import statistics as figures_of
    from convolab.runs import load_network

    answers = _answers(run_id, dataset, work)
    found = figures_of(answers, mistakes=LISTED)
    network, model, _ = load_network(run_id)
    return {
        **asdict(found),
        "classes": list(answers.classes),
        "cost": asdict(cost(network, model)),
        "run": run_id,
        "name": _name(run_id),
        "title": _title(dataset),
    }


def _comparison(first: str, second: str, dataset: str, work: _Work) -> dict[str, Any]:
    from convolab.evaluation import compare
    from convolab.evaluation.figures import wilson

    specs = [RunFolder(run_id).spec() for run_id in (first, second)]
    check_comparable(*specs)
    answers = [_answers(run_id, dataset, work) for run_id in (first, second)]
    found = compare(*answers)
    sides = [
        {
            "run": run_id,
            "name": _name(run_id),
            "accuracy": float(one.right.mean()),
            "interval": wilson(int(one.right.sum()), len(one.right)),
            "trained_on": "" if spec.dataset == dataset else _title(spec.dataset),
        }
        for run_id, one, spec in zip((first, second), answers, specs, strict=True)
    ]
    return {
        **asdict(found),
        "total": found.total,
        "real": found.real,
        "words": found.words,
        "runs": sides,
        "dataset": dataset,
        "title": _title(dataset),
    }


def check_comparable(first: RunSpec, second: RunSpec) -> None:
    """DataError if no test set fits both networks, with what can still be compared."""
    shapes = [spec.network.input_shape for spec in (first, second)]
    classes = [spec.network.output_shape for spec in (first, second)]
    if shapes[0] != shapes[1] or classes[0] != classes[1]:
        takes = [
            f"{spec.name} takes pictures of {shape_text(spec.network.input_shape)} ({_title(spec.dataset)})"
            for spec in (first, second)
        ]
        raise DataError(
            f"{takes[0]}, {takes[1]}, so no test set fits both. Their curves, figures and networks can still "
            "be looked at side by side."
        )


def _answers(run_id: str, dataset: str, work: _Work) -> Outputs:
    """What the newest weights of a run answer to a test set, measured once."""
    from convolab.datasets import load
    from convolab.evaluation import outputs
    from convolab.runs import load_network

    try:
        stamp = RunFolder(run_id).weights_path.stat().st_mtime_ns
    except OSError:
        stamp = 0
    key = (run_id, dataset, stamp)
    if key not in _kept:
        info = dataset_infos().get(dataset)
        if info is None or not info.present:
            raise DataError(f"{_title(dataset)} is not in this lab; choose it in the room Build to get it.")
        data = load(dataset)
        network, model, weights = load_network(run_id)
        network.check(len(data.classes), data.input_shape)
        before = work.fraction

        def progress(share: float) -> None:
            work.fraction = before + share / work.parts

        # The pixels as in training, whatever the mean of another data set may be.
        _kept[key] = outputs(model, data, normalize=weights.normalize(), progress=progress)
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    _kept.move_to_end(key)
    work.fraction = max(work.fraction, (len(work.done | {run_id})) / work.parts)
    work.done.add(run_id)
    return _kept[key]


def reached(run_id: str, accuracy: float) -> dict[str, Any]:
    """When a run was first measured with at least this accuracy, in words. RunError if it is gone."""
    from convolab.runs import curves

    found = curves(run_id).reached(accuracy)
    goal = f"{100 * accuracy:g} %"
    if found is None:
        return {"words": f"{goal} of the test images was never measured."}
    examples, seconds = found
    return {
        "words": f"{goal} was first measured after {examples:,} examples, {duration(seconds)} of training."
    }


def _name(run_id: str) -> str:
    try:
        return RunFolder(run_id).spec().name
    except ConvolabError:
        return run_id[:8]


def _title(dataset: str) -> str:
    info = dataset_infos().get(dataset)
    return info.title if info else dataset
