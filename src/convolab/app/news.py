"""The addresses from which the lab's widgets get what they show: ``/live/…``.

One socket, ``/live/news``, answers all panels of a browser tab at once with what is new to it (a socket,
because a request costs browser and server more); the other addresses answer when something is pressed.
Nothing here changes a run.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request, Response, WebSocket, WebSocketDisconnect
from nicegui import app, ui
from starlette.concurrency import run_in_threadpool

from convolab.app import jobs
from convolab.app.experiments import challenging, sweeping, trying
from convolab.app.experiments.index import INDEX
from convolab.app.inference import Predictor, compute, parse_indices, warm_up
from convolab.app.live import VIEWS, RunView
from convolab.app.restyle import filters, learning, videos
from convolab.app.status import draft_status, status
from convolab.app.transfer import grid as grids
from convolab.app.transfer import view as transfers
from convolab.errors import ConvolabError, DataError
from convolab.widgets.widget import FOLDER, served_at

DRAFT = "draft-"
"""Keys of networks that are not trained yet begin so; all others are ids of runs."""
PATIENCE = 0.4
"""Seconds that an answer waits for predictions; what takes longer comes with a later one."""
PICTURE_LIMIT = 30_000_000
"""Bytes of a picture of one's own."""
_YEAR = {"Cache-Control": "private, max-age=31536000, immutable"}
_TELLERS: dict[str, tuple[str, Callable[[str], tuple[dict[str, Any] | None, bool]]]] = {
    "t": ("transfer", transfers.news),
    "g": ("grid", grids.news),
    "r": ("runs", INDEX.news),
    "v": ("experiment", trying.news),
    "w": ("sweep", sweeping.news),
    "k": ("challenge", challenging.news),
    "l": ("learning", learning.news),
    "x": ("study", filters.news),
    "y": ("video", videos.news),
}
"""What is asked → its name in the answer, and who knows what is new, and whether more will come by itself."""


def install() -> None:
    """Register the addresses and the widgets' style sheets. Called once, before serving."""
    for sheet in sorted(FOLDER.glob("*.css")):
        ui.add_head_html(f'<link rel="stylesheet" href="{served_at()}/{sheet.name}">', shared=True)
    app.on_startup(warm_up)
    app.websocket("/live/news")(news_socket)
    app.get("/live/mistakes")(mistakes)
    app.get("/live/cell")(cell)
    app.get("/live/pictures.png")(pictures)
    app.get("/live/curves.csv")(curves_csv)
    app.post("/live/own")(own)


async def news_socket(socket: WebSocket) -> None:
    """Answers each question of a tab with what is new to it, both as JSON; see `news`."""
    # Browsers let any page open a socket to any address; only pages of this lab may.
    origin = urlsplit(socket.headers.get("origin", "")).netloc
    if origin != socket.headers.get("host"):
        await socket.close(1008)
        return
    await socket.accept()
    local = socket.client is None or socket.client.host in ("127.0.0.1", "::1")
    # What is no question (ValueError, AttributeError) ends the socket, as closing it does.
    with contextlib.suppress(WebSocketDisconnect, RuntimeError, ValueError, AttributeError):
        while True:
            question = json.loads(await socket.receive_text())
            asked = {str(name): str(value) for name, value in question.items()}
            await socket.send_text(_text(await news(asked, local)))


async def news(asked: Mapping[str, str], local: bool = True) -> dict[str, Any]:
    """What is new to a tab.

    ``asked`` holds ``tab`` and ``source`` (what it shows), then for each panel in sight what it has already:
    ``s`` status, ``c`` curves, ``m`` confusion matrix, ``p`` predictions, ``f`` filters, ``j`` jobs,
    ``t`` a style transfer, ``g`` a grid of them, ``r`` the table of runs, ``v`` variants or repeats,
    ``w`` a sweep, ``k`` the challenge, ``l`` a style being learned, ``x`` filters over
    filters, ``y`` a video.
    ``local``: whether the browser is on this machine.
    """
    source = asked.get("source", "")
    answer: dict[str, Any] = {}
    shown: RunView | None = None
    runs = await _views(_run_keys(source, asked.get("c", "")))
    if source and not source.startswith(DRAFT):
        shown = runs.get(source)
    predictor = _predictor(source, shown)
    active = any(view.active for view in runs.values())
    if "j" in asked:
        found = await run_in_threadpool(jobs.JOBS.refreshed)
        active = active or found["active"]
        if found["version"] != asked["j"]:
            answer["jobs"] = found
    for key, (name, told) in _TELLERS.items():
        if asked.get(key):
            new, more = await run_in_threadpool(told, asked[key])
            active = active or more
            if new is not None:
                answer[name] = new
    if "s" in asked:
        part = _status(source, shown)
        if part["version"] != asked["s"]:
            answer["status"] = part
    if "c" in asked:
        answer["curves"] = _curves(asked["c"], runs)
    if "m" in asked and (shown is not None or asked["m"]):
        part = shown.confusion() if shown else {"version": ""}
        if part["version"] != asked["m"]:
            answer["confusion"] = part
    if predictor is not None:
        version = predictor.version()
        answer["weights"] = f"{source}~{version}"
        if "p" in asked:
            sample, _, had = asked["p"].partition("~")
            if had != version:
                answer["predictions"] = await _soon(predictor.predict, sample)
        if "f" in asked:
            page, _, had = asked["f"].partition("~")
            if had != version:
                answer["filters"] = await _soon(predictor.filters, int(page) if page.isdigit() else 0)
    answer["interval"] = VIEWS.interval(asked.get("tab", "")[:32], active, local)
    for name in ("predictions", "filters"):
        if name in answer and answer[name] is None:
            del answer[name]
            answer["interval"] = min(answer["interval"], PATIENCE)
    return answer


async def mistakes(source: str, seed: int = 0) -> Response:
    """Test images that the newest weights of ``source`` get wrong."""
    predictor = await _source(source)
    if predictor is None:
        return _json({"error": "Choose a network first."})
    try:
        found, looked = await compute(predictor.mistakes, seed)
    except ConvolabError as error:
        return _json({"error": str(error)})
    return _json({"indices": found, "looked": looked})


async def cell(source: str, predicted: int, request: Request) -> Response:
    """The test images of one cell of the confusion matrix, with the newest weights."""
    predictor = await _source(source)
    true = request.query_params.get("true", "")
    if predictor is None or not true.isdigit():
        return _json({"error": "There is no such cell."})
    try:
        found, total = await compute(predictor.cell, int(true), predicted)
    except ConvolabError as error:
        return _json({"error": str(error)})
    return _json({"indices": found, "total": total, "dataset": predictor.dataset_name})


def pictures(dataset: str, indices: str) -> Response:
    """Test images side by side in one PNG. A plain function: the server runs it in a thread."""
    import numpy as np

    from convolab.app.pictures import colored
    from convolab.app.pictures import dataset as at_hand

    try:
        images = at_hand(dataset).test_images
        index = [i for i in parse_indices(indices) if 0 <= i < len(images)]
        if not index:
            raise DataError("There are no such images.")
        sheet = np.concatenate([_square(colored(np.asarray(images[i]))) for i in index], axis=1)
    except ConvolabError as error:
        return Response(str(error), status_code=404, media_type="text/plain")
    return Response(_png(sheet), media_type="image/png", headers=_YEAR)


async def curves_csv(runs: str) -> Response:
    """All exact values of the curves of some runs."""
    views = await _views(key for key in runs.split(",") if key and not key.startswith(DRAFT))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = "run,name,set,examples,batches,seconds,loss,accuracy,examples_per_second"
    writer.writerow(names.split(","))
    for run_id, view in views.items():
        for kind, rows in (("train", view.train), ("test", view.test)):
            for row in rows:
                writer.writerow([run_id, view.name, kind, *row, *([""] * (6 - len(row)))])
    headers = {"Content-Disposition": 'attachment; filename="convolab-curves.csv"'}
    return Response(text.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


async def own(request: Request, source: str) -> Response:
    """What the network says about a picture of one's own (the body), and what it is given of it."""
    predictor = await _source(source)
    if predictor is None:
        return _json({"error": "Choose a network first."})
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > PICTURE_LIMIT:
            return _json(
                {"error": f"The picture has more than {PICTURE_LIMIT // 1_000_000} MB; choose a smaller one."}
            )
    return _json(await _safely(_own, predictor, content))


# -------------------------------------------------------------------- within


def _run_keys(source: str, curves: str) -> set[str]:
    keys = {part.partition("~")[0] for part in curves.split(",")} | {source}
    return {key for key in keys if key and not key.startswith(DRAFT)}


async def _views(keys: Iterable[str]) -> dict[str, RunView]:
    """The views of some runs, with what is new in their folders; those that are gone are left out."""
    found: dict[str, RunView] = {}
    for key in keys:
        try:
            view = VIEWS.known(key)
            if view is None:
                view = await run_in_threadpool(VIEWS.run, key)
        except ConvolabError:
            continue
        if await run_in_threadpool(view.refresh):
            view.tell()
        found[key] = view
    return found


def _predictor(source: str, shown: RunView | None) -> Predictor | None:
    return VIEWS.draft(source) if source.startswith(DRAFT) else shown.predictor if shown else None


async def _source(source: str) -> Predictor | None:
    views = await _views({source} if source and not source.startswith(DRAFT) else ())
    return _predictor(source, views.get(source))


def _status(source: str, shown: RunView | None) -> dict[str, Any]:
    if shown is not None:
        position = jobs.JOBS.position(shown.run_id)
        return {**status(shown, position), "version": f"{source}~{shown.version}~{position}"}
    if source and not source.startswith(DRAFT):
        gone = draft_status("This run is no longer in the lab; train it anew.", "warn")
        return {**gone, "version": f"{source}~gone"}
    return {**draft_status(), "version": source}


def _curves(asked: str, runs: dict[str, RunView]) -> dict[str, Any]:
    parts = (part.partition("~") for part in asked.split(",") if part)
    found = {key: runs[key].curves(cursor) for key, _, cursor in parts if key in runs}
    # A run without news costs nothing, unless it has just ended: then it need not be asked for again.
    return {
        key: part
        for key, part in found.items()
        if part["reset"] or part["train"] or part["test"] or part["ended"]
    }


def _own(predictor: Predictor, content: bytes) -> dict[str, Any]:
    from convolab.datasets import dataset_input

    dataset = predictor.dataset()
    pixels, sentence = dataset_input(content, dataset)
    return {
        "classes": list(dataset.classes),
        "shares": predictor.classify(pixels),
        "input": _data_address(pixels),
        "done": sentence,
        "untrained": not predictor.trained,
    }


async def _soon(function: Any, *arguments: Any) -> dict[str, Any] | None:
    """What ``function`` says; None if that takes long.

    What takes long goes on, is remembered by the predictor, and found there by the next question. An error
    has no version, so that it is asked for again.
    """
    task = _pending.get((function, *arguments))
    if task is None:
        task = asyncio.create_task(_safely(function, *arguments))
        _pending[function, *arguments] = task
        task.add_done_callback(lambda _: _pending.pop((function, *arguments), None))
    done, _ = await asyncio.wait([task], timeout=PATIENCE)
    if not done:
        return None
    answer = task.result()
    return {**answer, "version": ""} if "error" in answer else answer


_pending: dict[tuple[Any, ...], asyncio.Task[dict[str, Any]]] = {}
"""Predictions that are being made, so that tabs which ask for the same wait for the same."""


async def _safely(function: Any, *arguments: Any) -> dict[str, Any]:
    try:
        result: dict[str, Any] = await compute(function, *arguments)
    except ConvolabError as error:
        return {"error": str(error)}
    return result


def _square(pixels: Any) -> Any:
    """Padded to a square with black, so that images of one sheet can be told apart by its height."""
    import numpy as np

    height, width, _ = pixels.shape
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    padding = ((top, side - height - top), (left, side - width - left), (0, 0))
    return np.pad(pixels, padding)


def _png(pixels: Any) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _data_address(pixels: Any) -> str:
    """uint8 (C, H, W) as an address that holds the picture itself."""
    import base64

    from convolab.app.pictures import colored

    return "data:image/png;base64," + base64.b64encode(_png(_square(colored(pixels)))).decode()


def _json(content: Any) -> Response:
    return Response(_text(content), media_type="application/json", headers={"Cache-Control": "no-store"})


def _text(content: Any) -> str:
    return json.dumps(content, separators=(",", ":"), allow_nan=False)
