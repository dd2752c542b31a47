"""The addresses of the room: paintings, styles, studies of filters, learning, videos: ``/fast/…``.

What comes by itself comes with the news of everything else (`convolab.app.news`), frames of the camera over a
socket of their own (`convolab.app.restyle.camera`).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import Request, Response
from fastapi.responses import FileResponse
from nicegui import app
from starlette.concurrency import run_in_threadpool

from convolab.app.figures import plain as finite
from convolab.app.restyle import camera, filters, learning, measures, photo_sets, samples, shelf, videos
from convolab.app.restyle.painting import File, Order, encoded, in_turn, painted, photo
from convolab.app.transfer import networks
from convolab.app.transfer.library import PICTURE_LIMIT
from convolab.errors import ConvolabError, DataError, SettingsError

_YEAR = {"Cache-Control": "private, max-age=31536000, immutable"}
_FRESH = {"Cache-Control": "no-store"}
_FILES = {"X-Content-Type-Options": "nosniff"}


def install() -> None:
    """Register the addresses. Called once, before serving."""
    camera.install()
    app.get("/fast/styles")(styles)
    app.get("/fast/styles/{name}/thumb.jpg")(thumb)
    app.get("/fast/styles/{name}/file")(style_file)
    app.get("/fast/photos")(photos)
    app.get("/fast/samples/{name}")(sample)
    app.get("/fast/painted/{name}.{ending}")(painting)
    app.get("/fast/photo/{name}.{ending}")(sized_photo)
    app.get("/fast/studies/{key}/{cell}/{what}")(study_picture)
    app.get("/fast/learning")(learnings)
    app.get("/fast/learn-settings")(learn_settings)
    app.get("/fast/learning/{run_id}/{name}")(learning_file)
    app.get("/fast/videos")(video_list)
    app.get("/fast/videos/{key}/{name}")(video_file)
    app.post("/fast/bring/style")(bring_style)
    app.post("/fast/bring/photo")(bring_photo)
    app.post("/fast/bring/video")(bring_video)
    for name, action in ACTIONS.items():
        app.post(f"/fast/do/{name}")(_posted(action))
    app.on_shutdown(videos.stop_all)


# ---------------------------------------------------------------- pictures


async def painting(request: Request, name: str, ending: str) -> Response:
    """A photo in a style; the query says which and how. ``X-Seconds`` is how long painting took."""
    return await _picture(lambda: painted(order_of(request.query_params), ending), ending, name)


async def sized_photo(request: Request, name: str, ending: str) -> Response:
    """The photo at the size at which it is painted."""

    def make() -> File:
        order = order_of(request.query_params)
        return encoded(photo(order.photo, order.size), ending)

    return await _picture(make, ending, name)


async def _picture(make: Callable[[], File], ending: str, name: str) -> Response:
    if ending not in ("jpg", "png"):
        return _gone(DataError("Pictures come as jpg and png."))
    try:
        file = await in_turn(make)
    except ConvolabError as error:
        return Response(str(error), 422, media_type="text/plain; charset=utf-8", headers=_FRESH)
    headers = {"X-Seconds": f"{file.seconds:.4f}", "X-Size": f"{file.width}x{file.height}", **_FRESH}
    if ending == "png":
        headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name[:80])}.png"
    return Response(file.content, media_type=file.kind, headers=headers)


def order_of(wanted: Mapping[str, Any]) -> Order:
    """What a page wants painted. SettingsError for what cannot be."""
    try:
        strength, size = float(wanted.get("strength", 1)), int(wanted.get("size", 512))
    except (TypeError, ValueError):
        raise SettingsError("Strength and size must be numbers.") from None
    return Order(
        photo=str(wanted.get("photo", "")),
        style=str(wanted.get("style", "")),
        strength=strength,
        size=size or None,
        padding=str(wanted.get("padding", "reflect")),
        keep=wanted.get("keep") in (True, "yes"),
    )


async def study_picture(key: str, cell: str, what: str) -> Response:
    """A picture of a study, or its difference from the one before."""

    def make() -> File:
        return filters.find(key).file(cell, what)

    try:
        file = await run_in_threadpool(make)
    except ConvolabError as error:
        return _gone(error)
    return Response(file.content, media_type=file.kind, headers=_YEAR)


async def photos() -> Response:
    """The photos at hand."""
    return await _awaited(run_in_threadpool(samples.offered))


def sample(name: str) -> Response:
    """A small JPEG of a photo at hand. A plain function: the server runs it in a thread."""
    return _jpeg(lambda: samples.tile(name))


# ---------------------------------------------------------------- styles


async def styles() -> Response:
    """All styles."""
    return await _awaited(run_in_threadpool(lambda: {"styles": shelf.listed()}))


def thumb(name: str) -> Response:
    """The small picture of a style's painting. A plain function: the server runs it in a thread."""
    return _jpeg(lambda: shelf.thumbnail(shelf.plain(name)))


def style_file(name: str) -> Response:
    """A style as one file, to be used elsewhere."""
    try:
        path = shelf.file_of(name)
    except ConvolabError as error:
        return _gone(error)
    return FileResponse(path, media_type="application/octet-stream", filename=path.name, headers=_FRESH)


async def bring_style(request: Request, name: str = "") -> Response:
    """Take the style file in the body into the library; its name there, or a sentence as ``error``."""
    return await _brought(request, shelf.LARGEST, lambda content: shelf.take_in(content, name))


async def bring_photo(request: Request, into: str = "") -> Response:
    """Take the picture in the body into a set of photos to learn from."""
    return await _brought(request, PICTURE_LIMIT, lambda content: photo_sets.bring(content, into))


async def bring_video(request: Request, name: str = "") -> Response:
    """Take the video in the body; what it is, or a sentence as ``error``."""
    if _foreign(request):
        return _refused()
    path: Path | None = None
    try:
        path = await run_in_threadpool(videos.receiving)
        size = 0
        with path.open("wb") as file:
            async for chunk in request.stream():
                size += len(chunk)
                if size > videos.LARGEST:
                    raise DataError(
                        "The video has more than 2 GB; cut it, or paint it with 'convolab stylize'."
                    )
                await run_in_threadpool(file.write, chunk)
        return _json(await run_in_threadpool(videos.bring, path, name))
    except ConvolabError as error:
        return _json({"error": str(error)})
    except OSError as error:
        return _json({"error": f"The video cannot be kept: {(error.strerror or str(error)).lower()}."})
    finally:
        if path is not None:
            path.unlink(missing_ok=True)


# ---------------------------------------------------------------- learning, videos


async def learnings() -> Response:
    """What was and is being learned, and what learning still has to fetch."""

    def look() -> dict[str, Any]:
        megabytes = 0 if networks.is_here(learning.NETWORK) else networks.megabytes(learning.NETWORK)
        return {"earlier": learning.earlier(), "fetch": round(megabytes)}

    return await _awaited(run_in_threadpool(look))


def learn_settings() -> dict[str, Any]:
    """What can be chosen for learning beside the network, the time and W."""
    return learning.more()


def learning_file(run_id: str, name: str) -> Response:
    """A picture of a style being learned."""
    return _file(lambda: learning.file_of(run_id, name), None if name == "painting" else "image/png")


async def video_list() -> Response:
    """The videos that were brought."""
    return await _awaited(run_in_threadpool(lambda: {"videos": videos.listed()}))


def video_file(key: str, name: str) -> Response:
    """A video as it came (``source``), one picture of it, or as it was painted; parts of it on request."""
    if name == "source":
        return _file(lambda: videos.source(key), None)
    if name == "still.jpg":
        return _jpeg(lambda: videos.still(key))
    return _file(lambda: videos.painted_file(key, name), "video/mp4")


# ---------------------------------------------------------------- doing

Action = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


async def _rename(wanted: dict[str, Any]) -> dict[str, Any]:
    return await run_in_threadpool(shelf.rename, str(wanted.get("name")), str(wanted.get("title", "")))


async def _remove(wanted: dict[str, Any]) -> dict[str, Any]:
    return await run_in_threadpool(shelf.remove, str(wanted.get("name")))


async def _sample(wanted: dict[str, Any]) -> dict[str, Any]:
    return await run_in_threadpool(samples.take, str(wanted.get("name")))


async def _fetch_photos(wanted: dict[str, Any]) -> dict[str, Any]:
    return samples.fetch()


async def _fetch_network(wanted: dict[str, Any]) -> dict[str, Any]:
    """VGG-16 for measuring: ``working`` with a sentence, or ``done``."""
    if await run_in_threadpool(measures.network_is_here):
        return {"done": True}
    return {"working": await learning.fetched()}


async def _study(wanted: dict[str, Any]) -> dict[str, Any]:
    return await run_in_threadpool(filters.begin, wanted, order_of)


async def _unlearn(wanted: dict[str, Any]) -> dict[str, Any]:
    return await run_in_threadpool(learning.delete, str(wanted.get("job")))


async def _paint_video(wanted: dict[str, Any]) -> dict[str, Any]:
    return await run_in_threadpool(lambda: videos.paint(wanted, order_of(wanted)))


async def _stop_video(wanted: dict[str, Any]) -> dict[str, Any]:
    return await run_in_threadpool(videos.stop, str(wanted.get("video")))


async def _remove_video(wanted: dict[str, Any]) -> dict[str, Any]:
    return await run_in_threadpool(videos.remove, str(wanted.get("video")))


ACTIONS: dict[str, Action] = {
    "rename": _rename,
    "remove": _remove,
    "sample": _sample,
    "fetch-photos": _fetch_photos,
    "fetch-network": _fetch_network,
    "study": _study,
    "learn": learning.begin,
    "steer": learning.steer,
    "unlearn": _unlearn,
    "video": _paint_video,
    "stop-video": _stop_video,
    "remove-video": _remove_video,
}
"""What can be done from the page: name of the address → function of what was sent."""


def _posted(action: Action) -> Callable[[Request], Awaitable[Response]]:
    async def post(request: Request) -> Response:
        if _foreign(request):
            return _refused()
        if int(request.headers.get("content-length") or 0) > 100_000:
            return _json({"error": "This is too large."}, 413)
        try:
            wanted = json.loads(await request.body())
        except ValueError:
            wanted = None
        if not isinstance(wanted, dict):
            return _json({"error": "This is nothing that can be done."}, 400)
        return await _awaited(action(wanted))

    return post


# ---------------------------------------------------------------- within


async def _brought(request: Request, largest: int, take: Callable[[bytes], dict[str, Any]]) -> Response:
    if _foreign(request):
        return _refused()
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > largest:
            return _json(
                {"error": f"The file has more than {largest // 1_000_000} MB; choose a smaller one."}
            )
    return await _awaited(run_in_threadpool(take, bytes(body)))


def _foreign(request: Request) -> bool:
    # Browsers let any page send to any address; only pages of this lab may.
    origin = urlsplit(request.headers.get("origin", "")).netloc
    return bool(origin != request.headers.get("host"))


def _refused() -> Response:
    return _json({"error": "Only pages of this lab may do that."}, 403)


def _jpeg(make: Callable[[], bytes]) -> Response:
    try:
        return Response(make(), media_type="image/jpeg", headers=_YEAR)
    except ConvolabError as error:
        return _gone(error)


def _file(find: Callable[[], Path], kind: str | None) -> Response:
    try:
        path = find()
    except ConvolabError as error:
        return _gone(error)
    if not path.is_file():
        return _gone(DataError("This is no longer kept."))
    if kind is None:
        kind = "image/jpeg" if path.name == "painting" else None
    if kind in ("image/png", "image/jpeg"):
        # Pictures are replaced while others look: a file of another length than was promised is an error.
        return Response(path.read_bytes(), media_type=kind, headers={**_FRESH, **_FILES})
    return FileResponse(path, media_type=kind, headers={**_FRESH, **_FILES} if kind else _FRESH)


def _gone(error: Exception) -> Response:
    return Response(str(error), status_code=404, media_type="text/plain; charset=utf-8", headers=_FRESH)


async def _awaited(work: Awaitable[dict[str, Any]]) -> Response:
    """What comes of ``work`` as JSON; a sentence under ``error`` if that is a ConvolabError."""
    try:
        return _json(finite(await work))
    except ConvolabError as error:
        return _json({"error": str(error)})


def _json(content: Any, status: int = 200) -> Response:
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return Response(text, status, media_type="application/json", headers=_FRESH)
