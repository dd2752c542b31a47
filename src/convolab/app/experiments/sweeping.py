"""Sweeps for the room: begun, made to go on by threads of this lab, stopped; and what came of them."""

from __future__ import annotations

import threading
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from convolab.app.experiments.index import INDEX
from convolab.app.experiments.trying import whole
from convolab.app.figures import plain
from convolab.app.jobs import JOBS, the_queue
from convolab.errors import ConvolabError, ExperimentError, SettingsError, unknown
from convolab.experiments import (
    SPACES,
    Dimension,
    Recipe,
    Sweep,
    experiments,
    parse_dimension,
    recipe_of,
)
from convolab.networks import PRESETS
from convolab.runs.folder import RunFolder
from convolab.training.settings import TrainingSettings

if TYPE_CHECKING:
    from convolab.experiments import Driver


class _Driven:
    """A sweep that this process makes go on."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.error = ""
        self.stopping = False
        self.thread = threading.Thread(target=self._run, name=f"sweep {driver.sweep.id}", daemon=True)
        self.thread.start()

    @property
    def alive(self) -> bool:
        """Whether it goes on."""
        return self.thread.is_alive()

    def stop(self) -> None:
        """Put its trials aside."""
        self.stopping = True
        self.driver.stop()

    def _run(self) -> None:
        try:
            self.driver.run(every=0.5)
        except ConvolabError as error:
            self.error = str(error)
        except Exception as error:  # what Optuna's database raises has to be seen by somebody
            self.error = f"The sweep ended unexpectedly ({type(error).__name__}: {error}); press Continue."


_driven: dict[str, _Driven] = {}
_opened: dict[str, Sweep] = {}
_importance: dict[str, tuple[int, dict[str, float]]] = {}
_lock = threading.Lock()


def spaces() -> list[dict[str, Any]]:
    """The search spaces to begin with."""
    titles = {"settings": "Settings", "architecture": "Architecture", "both": "Settings and architecture"}
    return [
        {"name": name, "title": titles.get(name, name), "lines": [one.text for one in space]}
        for name, space in SPACES.items()
    ]


async def start(wanted: dict[str, Any]) -> dict[str, Any]:
    """Begin a sweep; its id. ConvolabError with one sentence if something does not fit."""
    from nicegui import run

    queue = await the_queue()
    sweep = await run.io_bound(_new, wanted)
    assert sweep is not None
    _drive(sweep, queue)
    return {"sweep": sweep.id}


def _new(wanted: dict[str, Any]) -> Sweep:
    recipe = start_of(str(wanted.get("start", "")), str(wanted.get("dataset", "")))
    lines = [line.strip() for line in str(wanted.get("space", "")).splitlines() if line.strip()]
    by_seconds = wanted.get("length_in") == "seconds"
    length = wanted.get("length")
    return Sweep.new(
        recipe,
        [parse_dimension(line, recipe) for line in lines],
        trials=whole(wanted.get("trials"), "Trials"),
        examples=None if by_seconds else whole(length, "Examples for each trial"),
        seconds=seconds(length, "Seconds for each trial") if by_seconds else None,
        prune=bool(wanted.get("prune", True)),
        name=str(wanted.get("name") or "").strip() or None,
    )


def start_of(start: str, dataset: str) -> Recipe:
    """The recipe of a run, given by its id, or of a preset for a data set. ConvolabError."""
    from convolab.app.state import preset_for

    if start in PRESETS:
        return Recipe(dataset, preset_for(dataset, start), TrainingSettings())
    if not start:
        raise ExperimentError(unknown("network", start, PRESETS))
    return recipe_of(RunFolder(start).spec())


def seconds(text: Any, label: str) -> float:
    """A time above 0, as it is typed. SettingsError."""
    try:
        value = float(str(text).replace(",", "."))
    except ValueError:
        value = 0.0
    if not 0 < value < 1e7:
        raise SettingsError(f'{label} must be a number above 0, not "{str(text)[:20]}".')
    return value


def _drive(sweep: Sweep, queue: Any) -> None:
    from convolab.experiments import Driver  # with Optuna, which takes its time to be imported

    with _lock:
        known = _driven.get(sweep.id)
        if known is not None and known.alive:
            return
        _driven[sweep.id] = _Driven(Driver(sweep, queue))
    JOBS.look_again()
    INDEX.look_again()


async def act(sweep_id: str, action: str, more: Any = None) -> dict[str, Any]:
    """Stop a sweep, continue it (with ``more`` trials), or forget it. ConvolabError with one sentence."""
    from nicegui import run

    if action == "stop":
        known = _driven.get(sweep_id)
        if known is None or not known.alive:
            raise ExperimentError("This sweep is continued by another process; stop it there.")
        known.stop()
    elif action == "continue":
        queue = await the_queue()
        known = _driven.get(sweep_id)
        count = whole(more, "More trials") if str(more or "").strip() else 0
        if known is not None and known.stopping:  # it may still put its trials aside
            await run.io_bound(known.thread.join, 20)
        if known is not None and known.alive:
            sweep: Sweep | None = known.driver.sweep
        else:
            sweep = await run.io_bound(Sweep.open, sweep_id)
        assert sweep is not None
        sweep.extend(count)
        with _lock:
            _opened.pop(sweep_id, None)
        _drive(sweep, queue)
    elif action == "forget":
        known = _driven.get(sweep_id)
        if known is not None and known.alive:
            raise ExperimentError("This sweep is going on; stop it first.")
        Sweep.open(sweep_id).experiment.forget()
        with _lock:
            _opened.pop(sweep_id, None)
    else:
        raise ExperimentError(f'A sweep cannot be asked to "{action[:40]}".')
    return {}


def stop_all() -> None:
    """Put all sweeps of this process aside, as the lab ends."""
    for known in _driven.values():
        known.stop()
    for known in _driven.values():
        known.thread.join(3)


def listed() -> list[dict[str, Any]]:
    """All sweeps, newest first."""
    return [
        {"id": one.id, "name": one.name, "dataset": one.dataset, "created": one.created}
        for one in experiments("sweep")
    ]


def news(asked: str) -> tuple[dict[str, Any] | None, bool]:
    """What is new of ``id~version``, and whether more will come by itself. Off the event loop."""
    sweep_id, _, had = asked.partition("~")
    try:
        found = _shown(_open(sweep_id))
    except ConvolabError as error:
        found = {"id": sweep_id, "error": str(error), "driven": False}
    version = f"{hash(str(found)) & 0xFFFFFFFF:x}"
    return (None if version == had else {**found, "version": version}), bool(found["driven"])


def _open(sweep_id: str) -> Sweep:
    with _lock:
        if sweep_id not in _opened:
            _opened[sweep_id] = Sweep.open(sweep_id)
        return _opened[sweep_id]


def _shown(sweep: Sweep) -> dict[str, Any]:
    trials = sweep.trials()
    best = sweep.best()
    known = _driven.get(sweep.id)
    return {
        "id": sweep.id,
        "name": sweep.name,
        "dataset": sweep.spec.dataset,
        "length": sweep.spec.length,
        "planned": sweep.spec.trials,
        "prune": sweep.spec.prune,
        "space": [_dimension(one) for one in sweep.spec.space],
        "trials": plain([asdict(one) for one in trials]),
        "best": best.number if best else None,
        "importance": _importance_of(sweep, sum(one.state == "finished" for one in trials)),
        "words": sweep.words(),
        "driven": sweep.driven,
        "ours": known is not None and known.alive,
        "problem": known.error if known is not None else "",
    }


def _importance_of(sweep: Sweep, finished: int) -> dict[str, float]:
    """Counted anew only when another trial has finished."""
    count, found = _importance.get(sweep.id, (-1, {}))
    if count != finished:
        found = sweep.importance()
        _importance[sweep.id] = (finished, found)
    return found


def _dimension(one: Dimension) -> dict[str, Any]:
    return {
        "name": one.name,
        "label": one.label,
        "kind": one.kind,
        "low": one.low,
        "high": one.high,
        "log": one.log,
        "choices": list(one.choices),
        "text": one.text,
    }
