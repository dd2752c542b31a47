"""The addresses of the room: what is asked when something is pressed, ``/experiments/…``.

What comes by itself, as the table of runs, comes with the news of everything else (`convolab.app.news`).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request, Response
from nicegui import app
from starlette.concurrency import run_in_threadpool

from convolab.app.experiments import challenging, details, differences, measured, sweeping, trying
from convolab.app.experiments.index import INDEX
from convolab.app.figures import plain
from convolab.app.jobs import steer
from convolab.app.state import dataset_infos
from convolab.errors import ConvolabError, RunError, SettingsError
from convolab.experiments import export_score, find_score
from convolab.experiments.scores import LARGEST, file_name
from convolab.networks import PRESETS

MOST_CHOSEN = 20
"""Runs that can be looked at together."""


def install() -> None:
    """Register the addresses, and read all runs once, so that the table is at hand. Called once."""
    app.get("/experiments/run")(about)
    app.get("/experiments/differences")(compared)
    app.get("/experiments/layers")(layers)
    app.get("/experiments/statistics")(statistics)
    app.get("/experiments/comparison")(comparison)
    app.get("/experiments/reached")(reached)
    app.get("/experiments/proposals")(proposals)
    app.get("/experiments/offers")(offers)
    app.get("/experiments/score.json")(score_file)
    for name, action in ACTIONS.items():
        app.post(f"/experiments/do/{name}")(_posted(action))
    app.on_startup(warm_up)
    app.on_shutdown(sweeping.stop_all)


async def warm_up() -> None:
    """Read all runs while nobody waits for them."""
    await run_in_threadpool(INDEX.rows)


# ---------------------------------------------------------------- looking


async def about(run: str) -> Response:
    """One run: where it is shown, and what it can be tested on."""
    return await _answer(details.about, run)


async def compared(runs: str) -> Response:
    """How some runs differ."""
    return await _answer(lambda: differences.differences(_ids(runs)))


async def layers(first: str, second: str) -> Response:
    """The networks of two runs side by side."""
    return await _answer(differences.layers, first, second)


async def statistics(run: str, dataset: str) -> Response:
    """All figures of a run on a test set, or how far measuring them is."""
    return await _awaited(measured.statistics(run, dataset))


async def comparison(first: str, second: str, dataset: str) -> Response:
    """Two runs compared image by image, or how far measuring them is."""
    return await _awaited(measured.comparison(first, second, dataset))


async def reached(run: str, accuracy: float) -> Response:
    """When a run reached an accuracy, 0 to 1."""
    return await _answer(measured.reached, run, accuracy)


async def proposals(run: str) -> Response:
    """What can be varied of a run."""
    return await _answer(trying.offered, run)


async def offers() -> Response:
    """What the forms of the room offer: data sets, networks, spaces; and what was made until now."""
    return await _answer(_offers)


def _offers() -> dict[str, Any]:
    return {
        "datasets": [
            {"name": one.name, "title": one.title, "present": one.present} for one in dataset_infos().values()
        ],
        "presets": [{"name": one.name, "title": one.title} for one in PRESETS.values()],
        "spaces": sweeping.spaces(),
        "sweeps": sweeping.listed(),
        "experiments": trying.listed(),
    }


def score_file(score: str) -> Response:
    """A score as the file that is handed on."""
    try:
        found = find_score(score)
    except ConvolabError as error:
        return Response(str(error), 404, media_type="text/plain")
    headers = {"Content-Disposition": f'attachment; filename="{file_name(found)}"'}
    return Response(export_score(found), media_type="application/json", headers=headers)


# ---------------------------------------------------------------- doing

Action = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


async def _note(wanted: dict[str, Any]) -> dict[str, Any]:
    return await run_in_threadpool(details.note, str(wanted.get("run")), wanted)


async def _rename(wanted: dict[str, Any]) -> dict[str, Any]:
    return await run_in_threadpool(details.renamed, str(wanted.get("run")), str(wanted.get("name", "")))


async def _delete(wanted: dict[str, Any]) -> dict[str, Any]:
    found = wanted.get("runs")
    return await run_in_threadpool(
        details.deleted, [str(one) for one in found] if isinstance(found, list) else []
    )


async def _experiment(wanted: dict[str, Any]) -> dict[str, Any]:
    return await trying.act(str(wanted.get("id")), str(wanted.get("action")))


async def _sweep(wanted: dict[str, Any]) -> dict[str, Any]:
    return await sweeping.act(str(wanted.get("id")), str(wanted.get("action")), wanted.get("more"))


async def _stop(wanted: dict[str, Any]) -> dict[str, Any]:
    await steer("stop", str(wanted.get("run")))
    INDEX.look_again()
    return {}


async def _repeat_score(wanted: dict[str, Any]) -> dict[str, Any]:
    return await challenging.repeat(str(wanted.get("score")))


async def _import_score(wanted: dict[str, Any]) -> dict[str, Any]:
    return await run_in_threadpool(challenging.take_in, str(wanted.get("text", "")))


async def _remove_score(wanted: dict[str, Any]) -> dict[str, Any]:
    return await run_in_threadpool(challenging.remove, str(wanted.get("score")))


ACTIONS: dict[str, Action] = {
    "note": _note,
    "rename": _rename,
    "delete": _delete,
    "stop": _stop,
    "variants": trying.start,
    "fair": trying.start_fair,
    "experiment": _experiment,
    "sweep": sweeping.start,
    "steer-sweep": _sweep,
    "challenge": challenging.start,
    "repeat-score": _repeat_score,
    "import-score": _import_score,
    "remove-score": _remove_score,
}
"""What can be done from the page: name of the address → function of what was sent."""


def _posted(action: Action) -> Callable[[Request], Awaitable[Response]]:
    async def post(request: Request) -> Response:
        # A page of another site can send plain text to any address, but not our own origin.
        origin = urlsplit(request.headers.get("origin", "")).netloc
        if origin != request.headers.get("host"):
            return _json({"error": "Only pages of this lab may do that."}, 403)
        if int(request.headers.get("content-length") or 0) > 2 * LARGEST:
            return _json({"error": "This is too large."}, 413)
        try:
            wanted = json.loads(await request.body())
        except ValueError:
            wanted = None
        if not isinstance(wanted, dict):
            return _json({"error": "This is nothing that can be done."}, 400)
        return await _awaited(action(wanted))

    return post


# ---------------------------------------------------------------- answering


async def _answer(function: Callable[..., dict[str, Any]], *arguments: Any) -> Response:
    return await _awaited(run_in_threadpool(function, *arguments))


async def _awaited(work: Awaitable[dict[str, Any]]) -> Response:
    """What comes of ``work`` as JSON; a sentence under ``error`` if that is a ConvolabError."""
    try:
        return _json(plain(await work))
    except ConvolabError as error:
        return _json({"error": str(error)})


def _ids(text: str) -> list[str]:
    found = list(dict.fromkeys(part for part in text.split(",") if part))
    if not found:
        raise RunError("Choose at least one run.")
    if len(found) > MOST_CHOSEN:
        raise SettingsError(f"Choose at most {MOST_CHOSEN} runs to look at them together.")
    return found


def _json(content: Any, status: int = 200) -> Response:
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return Response(text, status, media_type="application/json", headers={"Cache-Control": "no-store"})
