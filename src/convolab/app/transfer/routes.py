"""The addresses of the room: pictures in and out, Gram matrices, films: ``/transfer/…``.

News of a transfer come with those of everything else (`convolab.app.news`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import Request, Response
from nicegui import app
from starlette.concurrency import run_in_threadpool

from convolab.app.transfer import library, saving
from convolab.app.transfer.library import PICTURE_LIMIT
from convolab.errors import ConvolabError, DataError
from convolab.style.job_folder import TransferFolder

_YEAR = {"Cache-Control": "private, max-age=31536000, immutable"}
_FRESH = {"Cache-Control": "no-store"}


def install() -> None:
    """Register the addresses. Called once, before serving."""
    app.post("/transfer/pictures")(bring)
    app.get("/transfer/pictures/{key}/thumb.jpg")(thumb)
    app.get("/transfer/pictures/{key}/tile.jpg")(tile)
    app.get("/transfer/pictures/{key}/picture")(picture)
    app.get("/transfer/jobs/{run_id}/{step}.png")(iterate)
    app.get("/transfer/jobs/{run_id}/{step}.gram")(gram)
    app.get("/transfer/jobs/{run_id}/save/{step}.png")(save)
    app.get("/transfer/jobs/{run_id}/film.{kind}")(film)
    app.get("/transfer/jobs/{run_id}/losses.csv")(losses)
    app.get("/transfer/jobs/{run_id}/content")(content)


async def bring(request: Request, name: str = "", mask: bool = False) -> Response:
    """Take the picture in the body into the library; what is known of it, or a sentence as ``error``."""
    # Browsers let any page send to any address; only pages of this lab may.
    if urlsplit(request.headers.get("origin", "")).netloc not in ("", request.headers.get("host")):
        return _json({"error": "Only pages of this lab may bring pictures."}, 403)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > PICTURE_LIMIT:
            too_much = f"The picture has more than {PICTURE_LIMIT // 1_000_000} MB; choose a smaller one."
            return _json({"error": too_much})
    try:
        take: Callable[..., dict[str, Any]] = library.bring_mask if mask else library.bring
        arguments = (bytes(body),) if mask else (bytes(body), name)
        return _json(await run_in_threadpool(take, *arguments))
    except ConvolabError as error:
        said = str(error)
        return _json({"error": said.replace("The picture", _named(name), 1) if not mask else said})


def thumb(key: str) -> Response:
    """A small JPEG of a picture. A plain function: the server runs it in a thread."""
    return _file(lambda: library.thumbnail(key), "image/jpeg")


def tile(key: str) -> Response:
    """A JPEG to choose by, at once. A plain function: the server runs it in a thread."""
    return _file(lambda: library.tile(key), "image/jpeg")


def picture(key: str) -> Response:
    """A picture as a JPEG of at most 1600 pixels a side, upright and flat: what a browser can show."""
    from io import BytesIO

    from PIL import Image

    from convolab.style.pictures import read_picture

    try:
        opened = read_picture(library.path(key))
        opened.thumbnail((1600, 1600), Image.Resampling.LANCZOS)
    except ConvolabError as error:
        return _gone(error)
    buffer = BytesIO()
    opened.save(buffer, "JPEG", quality=92)
    return Response(buffer.getvalue(), media_type="image/jpeg", headers=_YEAR)


def iterate(run_id: str, step: int) -> Response:
    """The picture after a step. Its address changes (``?v=``) when it is painted anew."""
    return _file(lambda: TransferFolder(run_id).iterate_path(step), "image/png")


def gram(run_id: str, step: int) -> Response:
    """The Gram matrices after a step, as `convolab.style.grams.pack` wrote them."""
    return _file(lambda: TransferFolder(run_id).gram_path(step), "application/octet-stream")


def content(run_id: str) -> Response:
    """The photo of a transfer, small, to compare the picture with."""
    from io import BytesIO

    from PIL import Image, ImageOps

    from convolab.style.pictures import read_picture

    try:
        folder = TransferFolder(run_id)
        size = folder.spec().settings.size
        opened = ImageOps.contain(read_picture(folder.content_path), (size, size), Image.Resampling.LANCZOS)
    except ConvolabError as error:
        return _gone(error)
    buffer = BytesIO()
    opened.save(buffer, "JPEG", quality=92)
    return Response(buffer.getvalue(), media_type="image/jpeg", headers=_YEAR)


def save(run_id: str, step: int) -> Response:
    """The picture after a step, to be kept, with its settings in it."""
    return _download(run_id, f"-{step}.png", "image/png", lambda folder: saving.png(folder, step))


def film(run_id: str, kind: str) -> Response:
    """All kept pictures as a film: ``gif``, ``webp`` or ``apng``."""
    if kind not in saving.KINDS:
        return _gone(DataError("A film can be a gif, a webp or an apng."))
    ending = "png" if kind == "apng" else kind
    return _download(run_id, f".{ending}", saving.KINDS[kind], lambda folder: saving.film(folder, kind))


def losses(run_id: str) -> Response:
    """All exact values of the curves."""
    kind = "text/csv; charset=utf-8"
    return _download(run_id, "-losses.csv", kind, lambda folder: saving.losses(folder).encode())


# -------------------------------------------------------------------- within


def _file(find: Callable[[], Path], kind: str) -> Response:
    try:
        path = find()
    except ConvolabError as error:
        return _gone(error)
    try:
        # At once: a file that is replaced meanwhile would not have the length that was promised.
        return Response(path.read_bytes(), media_type=kind, headers=_YEAR)
    except OSError:
        return _gone(DataError("This is no longer kept."))


def _download(run_id: str, ending: str, kind: str, make: Callable[[TransferFolder], bytes]) -> Response:
    try:
        folder = TransferFolder(run_id)
        name = "".join(sign if sign.isalnum() else "-" for sign in folder.name)[:60].strip("-") + ending
        made = make(folder)
    except ConvolabError as error:
        return _gone(error)
    disposition = f"attachment; filename*=UTF-8''{quote(name)}"
    return Response(made, media_type=kind, headers={"Content-Disposition": disposition, **_FRESH})


def _gone(error: Exception) -> Response:
    return Response(str(error), status_code=404, media_type="text/plain; charset=utf-8", headers=_FRESH)


def _json(content: Any, status: int = 200) -> Response:
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return Response(text, status, media_type="application/json", headers=_FRESH)


def _named(name: str) -> str:
    return f"“{name[:60]}”" if name else "The picture"
