"""The challenge for the room: taken, watched, made a score at its end; scores exchanged and repeated."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from convolab.app import longwork
from convolab.app.experiments.index import INDEX
from convolab.app.experiments.sweeping import seconds as positive
from convolab.app.figures import plain
from convolab.app.jobs import JOBS, the_queue
from convolab.app.live import VIEWS
from convolab.app.state import dataset_infos, preset_for
from convolab.errors import ConvolabError, ExperimentError
from convolab.experiments import (
    Recipe,
    Score,
    challenge_recipe,
    check_repeat,
    find_score,
    high_scores,
    import_score,
    recipe_of,
    remove_score,
    score_of,
    start_challenge,
    start_repeat,
)
from convolab.experiments.challenge import TARGET, words
from convolab.networks import PRESETS
from convolab.runs.files import replace_text
from convolab.runs.folder import RunFolder

CHALLENGE, REPEAT = "challenge", "repeated score"
_SETTLED = "scored"
"""A file in the folder of a challenge's run: it has become a score, or the reason why it did not."""
_OPEN = ("queued", "running", "paused", "interrupted")
_SETTLE_EVERY = 2.0
_OTHERS_AFTER = 20.0
"""Seconds after its end that a challenge of another process is left to it: it makes its own score."""
_lock = threading.Lock()
_settled_at = -1e9
_settling = False
_problems: dict[str, str] = {}
_started: set[str] = set()
"""Runs of challenges that this process began."""


# ---------------------------------------------------------------- asking


async def start(wanted: dict[str, Any]) -> dict[str, Any]:
    """Take the challenge; the run's id, or ``{"waiting": sentence}`` while its images are fetched.

    ``base`` is ``starter``, the name of a preset, or the id of a run whose network and settings are taken.
    ConvolabError with one sentence.
    """
    from nicegui import run

    minutes = positive(wanted.get("minutes"), "Minutes")
    dataset = str(wanted.get("dataset") or "cifar10")
    if waiting := fetched_first(dataset):
        return {"waiting": waiting}
    queue = await the_queue()
    recipe = await run.io_bound(recipe_for, str(wanted.get("base", "starter")), dataset, minutes)
    assert recipe is not None
    target = positive(wanted.get("target") or 100 * TARGET, "The target") / 100
    name = str(wanted.get("name") or "").strip()[:100]
    run_id = await run.io_bound(
        lambda: start_challenge(recipe, minutes, target=target, name=name, executor=queue)
    )
    _started.add(str(run_id))
    JOBS.look_again()
    INDEX.look_again()
    return {"run": run_id}


def recipe_for(base: str, dataset: str, minutes: float) -> Recipe:
    """Network and settings for a challenge. ConvolabError if there is no such thing, or it does not fit."""
    starter = challenge_recipe(dataset, minutes)
    if base in ("", "starter"):
        return starter
    if base in PRESETS:
        return replace(starter, network=preset_for(dataset, base))
    found = recipe_of(RunFolder(base).spec())
    if found.dataset != dataset:
        raise ExperimentError(f"{found.title} was trained on {found.dataset}; choose a run on {dataset}.")
    return found


def fetched_first(dataset: str) -> str:
    """What is said while a data set is fetched; empty once it is here. DataError if no source answers."""
    info = dataset_infos().get(dataset)
    if info is not None and info.present:
        return ""
    work = longwork.fetching(dataset)
    if work is None:
        before = _fetched.pop(dataset, None)
        if before is not None and before.error:
            raise ConvolabError(before.error)
        work = longwork.fetch(dataset)
    _fetched[dataset] = work
    return work.sentence


_fetched: dict[str, longwork.LongWork] = {}


async def repeat(score_id: str) -> dict[str, Any]:
    """Repeat a score here; the run's id, or ``{"waiting": sentence}``. ConvolabError."""
    from nicegui import run

    score = await run.io_bound(find_score, score_id)
    assert score is not None
    if waiting := fetched_first(score.dataset):
        return {"waiting": waiting}
    queue = await the_queue()
    run_id = await run.io_bound(start_repeat, score, queue)
    _started.add(str(run_id))
    JOBS.look_again()
    INDEX.look_again()
    return {"run": run_id}


def take_in(text: str) -> dict[str, Any]:
    """Put a score that was exported into the table. ExperimentError if it is none."""
    return {"score": import_score(text).id}


def remove(score_id: str) -> dict[str, Any]:
    """Take a score out of the table. ExperimentError if there is none."""
    score = find_score(score_id)
    if score.run_id and RunFolder(score.run_id).exists:
        _note(RunFolder(score.run_id), "deleted")  # else its run would become a score again
    remove_score(score)
    return {}


# ---------------------------------------------------------------- telling


def news(asked: str) -> tuple[dict[str, Any] | None, bool]:
    """What is new since ``run~version``: the scores, and the challenge that is under way or was asked for.

    Off the event loop.
    """
    wanted, _, had = asked.removeprefix("shown-").partition("~")
    rows = [row for row in INDEX.rows() if row["tags"].get("experiment.kind") in (CHALLENGE, REPEAT)]
    _settle(rows)
    open_rows = [row for row in rows if row["state"] in _OPEN]
    shown = next((row for row in rows if row["id"] == wanted), None) or next(iter(open_rows), None)
    answer: dict[str, Any] = {"run": _live(shown) if shown else None, "settling": _settling}
    try:
        answer["scores"] = [_line(score) for score in high_scores()]
        answer["problem"] = ""
    except ConvolabError as error:
        answer["scores"], answer["problem"] = [], str(error)
    version = f"{hash(str(answer)) & 0xFFFFFFFF:x}"
    active = _settling or any(row["state"] in ("running", "queued") for row in open_rows)
    return (None if version == had else {**answer, "version": version}), active


def _live(row: dict[str, Any]) -> dict[str, Any]:
    """A challenge that is shown large: its curve until now."""
    found = {
        name: row[name] for name in ("id", "name", "state", "reason", "seconds", "examples", "test_accuracy")
    }
    found["problem"] = _problems.get(row["id"], "")
    found["repeats"] = row["tags"].get("challenge.score", "")
    found["target"] = float(row["tags"].get("challenge.target") or TARGET)
    try:
        view = VIEWS.run(row["id"])
        view.refresh()
    except ConvolabError:
        return {**found, "budget": None, "curve": [], "left": None}
    found["budget"] = view.spec.settings.budget
    found["planned"] = view.spec.settings.examples
    found["network"] = view.spec.network.name or "custom"
    found["dataset"] = view.spec.dataset
    found["curve"] = [[line[2], line[4]] for line in view.test]
    found["position"] = JOBS.position(row["id"]) if row["state"] == "queued" else None
    progress = view.progress or {}
    found["seconds"] = progress.get("seconds", found["seconds"])
    found["train_accuracy"] = progress.get("train_accuracy")
    shown: dict[str, Any] = plain(found)
    return shown


def _line(score: Score) -> dict[str, Any]:
    shown = score.model_dump(mode="json", exclude={"network", "settings"})
    shown |= {
        "title": score.title,
        "minutes": score.minutes,
        "network": score.network.name or "custom",
        "parameters": score.network.parameters,
        "work": score.work,
        "confirmed": score.confirmed,
        "words": words(score),
        "here": bool(score.run_id) and not score.imported and RunFolder(score.run_id).exists,
    }
    found: dict[str, Any] = plain(shown)
    return found


# ---------------------------------------------------------------- from runs to scores


def _settle(rows: list[dict[str, Any]]) -> None:
    """Make scores of challenges whose time is over, in a thread: the machine's speed is measured for that."""
    global _settled_at, _settling
    with _lock:
        if _settling or time.monotonic() - _settled_at < _SETTLE_EVERY:
            return
        _settled_at = time.monotonic()
        waiting = [row for row in rows if row["state"] == "finished" and _is_ours(row["id"])]
        if not waiting:
            return
        _settling = True
    threading.Thread(target=_settled, args=(waiting,), name="scores", daemon=True).start()


def _is_ours(run_id: str) -> bool:
    """Whether a finished challenge has no score yet and nobody else is about to make it."""
    if _path(run_id).exists():
        return False
    if run_id in _started:
        return True
    try:
        ended = (RunFolder(run_id).path / "state.json").stat().st_mtime
    except OSError:
        return False
    return time.time() - ended > _OTHERS_AFTER


def _settled(rows: list[dict[str, Any]]) -> None:
    global _settling
    try:
        for row in rows:
            folder = RunFolder(row["id"])
            try:
                _note(folder, _made(row))
            except ConvolabError as error:
                _problems[row["id"]] = str(error)
                _note(folder, str(error))
    finally:
        _settling = False


def _made(row: dict[str, Any]) -> str:
    """Make a score of a challenge, or check one that was repeated; its id."""
    run_id = row["id"]
    if row["tags"]["experiment.kind"] == REPEAT:
        score = find_score(row["tags"].get("challenge.score", ""))
        if all(check.run_id != run_id for check in score.checks):
            check_repeat(score, run_id)
        return score.id
    there = next((score for score in high_scores() if score.run_id == run_id), None)
    return (there or score_of(run_id)).id


def _path(run_id: str) -> Path:
    return RunFolder(run_id).path / _SETTLED


def _note(folder: RunFolder, text: str) -> None:
    with contextlib.suppress(OSError):
        replace_text(folder.path / _SETTLED, text)
