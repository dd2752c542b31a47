"""How a run stands, as the training column and the list of jobs say it."""

from __future__ import annotations

from typing import Any

from convolab.app import figures
from convolab.app.live import RunView
from convolab.words import duration
from convolab.words import left as time_left

Tone = str  # "" plain, "warn" worth seeing, "error"


def sentence(view: RunView, position: int | None = None) -> tuple[str, Tone]:
    """The state of a run in one sentence, and how loud to say it. ``position`` counts from 1 in the queue."""
    if view.state is None:
        return "", ""
    state, reason = view.state.state, view.state.reason
    if state == "queued":
        if position is not None and position > 1:
            return f"Waiting for its turn, at place {position} in the queue.", ""
        return "Starting: loading the images and choosing the precision …", ""
    if state == "running":
        if view.started is None:
            return "Starting: loading the images and choosing the precision …", ""
        said = reason or view.notice
        return (said, "warn") if said else ("", "")
    at = f" at {view.state.figures.examples:,} examples" if view.state.figures.examples else ""
    if state == "paused":
        return (f"Paused{at}: {reason}", "warn") if reason else (f"Paused{at}.", "")
    if state == "interrupted":
        return f"Interrupted{at}. {reason} Resume goes on from the last checkpoint.", "warn"
    message = str((view.finished or {}).get("message") or "")
    if state == "failed":
        return reason or message or "The run failed.", "error"
    if state == "stopped":
        return f"Stopped{at}. Resume goes on from there.", ""
    if (view.finished or {}).get("stopped_because") == "not finite":
        return message, "error"
    return message or "Finished.", ""


def status(view: RunView, position: int | None = None) -> dict[str, Any]:
    """What the training column shows of a run."""
    said, tone = sentence(view, position)
    progress, settings = view.progress, view.spec.settings
    examples = max((event["examples"] for event in (progress, view.evaluated) if event), default=0)
    state = view.state.state if view.state else "queued"
    done = left = ""
    if progress or view.started:
        done = _done(view, examples)
        if state == "running" and progress and progress["seconds_left"] is not None:
            left = time_left(progress["seconds_left"])
    return {
        "state": state,
        "sentence": said,
        "tone": tone,
        "fraction": view.fraction,
        "done": done,
        "left": left,
        "figures": _figures(view),
        "learning_rate": progress["learning_rate"] if progress else settings.learning_rate,
    }


def _done(view: RunView, examples: int) -> str:
    planned = (view.started or {}).get("planned_examples")
    if planned:
        return f"{examples:,} of {planned:,} examples"
    budget = view.spec.settings.budget
    if budget is not None:
        seconds = view.progress["seconds"] if view.progress else 0.0
        return f"{examples:,} examples · {duration(seconds)} of {duration(budget)}"
    return f"{examples:,} examples"


def _figures(view: RunView) -> list[tuple[str, str, str]]:
    """Name, value and unit or origin of each figure."""
    found: list[tuple[str, str, str]] = []
    if test := view.evaluated:
        where = f"of {test['total']:,} test images"
        found.append(("Test accuracy", figures.percent(test["test_accuracy"]), where))
    if now := view.progress:
        found.append(("Training accuracy", figures.percent(now["train_accuracy"]), "newest batches"))
        test_loss = f"test {figures.loss(test['test_loss'])}" if test else ""
        found.append(("Loss", figures.loss(now["loss"]), test_loss))
        speed = now["examples_per_second"]
        if view.finished:
            speed = view.finished["examples_per_second"]
        found.append(("Speed", f"{speed:,.0f}", "examples/s"))
        found.append(("Time", duration(now["seconds"]), "of training"))
    return found


def draft_status(message: str = "", tone: Tone = "") -> dict[str, Any]:
    """What the training column shows before a run is started."""
    return {
        "state": "draft",
        "sentence": message,
        "tone": tone,
        "fraction": None,
        "done": "",
        "left": "",
        "figures": [],
        "learning_rate": None,
    }
