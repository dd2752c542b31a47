"""The addresses of the room: examples in and out, what is done with them, files: ``/teach/…``."""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import Request, Response
from nicegui import app
from starlette.concurrency import run_in_threadpool

from convolab.app.figures import plain
from convolab.app.teach import changing, describing
from convolab.app.teach.desk import Desk, desk
from convolab.app.teach.live import live
from convolab.errors import ConvolabError, DataError
from convolab.teach.project import Project
from convolab.teach.scaling import slug
from convolab.teach.settings import ENDING, LARGEST_FILE

IMAGE_LIMIT = 30_000_000
_YEAR = {"Cache-Control": "private, max-age=31536000, immutable"}
_FRESH = {"Cache-Control": "no-store"}


def install() -> None:
    """Register the addresses. Called once, before serving."""
    app.get("/teach/state")(state)
    app.get("/teach/offers")(offers)
    app.get("/teach/image/{project}/{example}")(image)
    app.get("/teach/saved/{project}")(saved)
    app.get("/teach/code/{project}")(code)
    app.post("/teach/images")(bring)
    app.post("/teach/archive")(archive)
    app.post("/teach/why")(why)
    app.post("/teach/do/{action}")(act)
    app.websocket("/teach/live")(live)


# ---------------------------------------------------------------- looking


async def state(project: str, version: int = 0, learned: int = 0) -> Response:
    """All that the page shows of a project; nothing but the version while that is the page's."""

    async def look() -> dict[str, Any]:
        at = await run_in_threadpool(desk, project)
        if at.version == version:
            return {"version": version}
        if at.known() < len(at.project) and not at.base_problem:
            at.feed()
        return await run_in_threadpool(describing.state, at, learned)

    return await _awaited(look())


async def offers() -> Response:
    """What the room offers to choose from."""
    return await _awaited(run_in_threadpool(describing.offers))


async def image(project: str, example: str) -> Response:
    """One example. Its address is its content, so browsers may keep it."""
    try:
        content = (await run_in_threadpool(desk, project)).project.content.get(example)
    except ConvolabError as error:
        return _gone(error)
    if content is None:
        return _gone(DataError("This image is no longer there."))
    kind = "image/png" if content.startswith(b"\x89PNG") else "image/jpeg"
    return Response(content, media_type=kind, headers=_YEAR)


async def saved(project: str) -> Response:
    """Everything as one file."""
    from convolab.teach.files import pack

    def make() -> tuple[bytes, str]:
        at = desk(project)
        with at.project.lock:
            made = pack(at.project.title, at.project, at.settings, at.taught)
        return made, slug(at.project.title) + ENDING

    return await _download(make, "application/zip")


async def code(project: str) -> Response:
    """A script that predicts without the lab."""
    from convolab.teach.script import to_script

    def make() -> tuple[bytes, str]:
        at = desk(project)
        if at.taught is None:
            raise DataError("Train first: then there is something to export.")
        name = slug(at.project.title)
        return to_script(at.taught.classifier, name + ENDING).encode(), f"{name}.py"

    return await _download(make, "text/x-python; charset=utf-8")


# ---------------------------------------------------------------- bringing


async def bring(request: Request, project: str, key: str, name: str = "") -> Response:
    """Add the image in the body to a class."""

    async def take() -> dict[str, Any]:
        content = await _body(request, IMAGE_LIMIT, "The image")
        at = await run_in_threadpool(desk, project)
        try:
            answer = await run_in_threadpool(changing.add_image, at, key, content)
        except DataError as error:
            called = f"“{name[:60]}”" if name else "The picture"
            raise DataError(str(error).replace("The picture", called, 1)) from None
        at.arrived()
        return answer

    return await _posted(request, take)


async def archive(request: Request, project: str, name: str = "") -> Response:
    """A zip with a folder per class, or a file that a lab saved; ``project`` in the answer: a new one."""

    async def take() -> dict[str, Any]:
        at = await run_in_threadpool(desk, project)
        handle = tempfile.NamedTemporaryFile(prefix="convolab-", suffix=".zip", delete=False)  # noqa: SIM115
        path = Path(handle.name)
        keep = False
        try:
            with handle as file:
                length = 0
                async for chunk in request.stream():
                    length += len(chunk)
                    if length > LARGEST_FILE:
                        raise DataError(f"{name or 'The file'} has more than {LARGEST_FILE // 10**6} MB.")
                    file.write(chunk)
            called = name[:80] or "The file"
            if await run_in_threadpool(_is_ours, path):
                return {"project": await run_in_threadpool(changing.open_file, path, called)}
            at.begin("read", changing.read_archive(at, path, called))
            keep = True
            return {}
        finally:
            if not keep:
                path.unlink(missing_ok=True)

    return await _posted(request, take)


async def why(request: Request, project: str, example: str = "", label: int | None = None) -> Response:
    """What an example, or the picture in the body, is taken for, and why."""

    async def take() -> dict[str, Any]:
        content = None if example else await _body(request, IMAGE_LIMIT, "The image")
        at = await run_in_threadpool(desk, project)
        return await changing.explain(at, example, content, label)

    return await _posted(request, take)


def _is_ours(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as found:
            return "convolab.json" in found.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False


# ---------------------------------------------------------------- doing


async def _begin(at: Desk, kind: str) -> dict[str, Any]:
    work = {"train": at.train, "curve": at.measure_curve, "layers": at.measure_layers}[kind]
    if kind == "train":
        at.project.check()  # said at once
    at.begin(kind, work)
    return {}


def _new() -> dict[str, Any]:
    return {"project": Project.create().id}


def _title(at: Desk, title: str) -> dict[str, Any]:
    with at.project.lock:
        at.project.call(title)
    at.touch()
    return {}


CHANGES: dict[str, Callable[[Desk, dict[str, Any]], dict[str, Any]]] = {
    "add-class": lambda at, wanted: changing.add_class(at, str(wanted.get("name", ""))),
    "rename-class": lambda at, wanted: changing.rename_class(
        at, str(wanted.get("key")), str(wanted.get("name", ""))
    ),
    "remove-class": lambda at, wanted: changing.remove_class(at, str(wanted.get("key"))),
    "remove-images": lambda at, wanted: changing.remove_images(at, list(map(str, wanted.get("ids", [])))),
    "undo": lambda at, _: changing.undo(at),
    "settings": lambda at, wanted: changing.configure(at, dict(wanted.get("changes", {}))),
    "title": lambda at, wanted: _title(at, str(wanted.get("title", ""))),
    "delete-project": lambda at, _: changing.delete(at),
}
"""What can be done at once: name in the address → function of the project and of what was sent."""


async def act(request: Request, action: str) -> Response:
    """Do something with a project."""

    async def take() -> dict[str, Any]:
        try:
            wanted = json.loads(await _body(request, 1_000_000, "The request"))
        except ValueError:
            wanted = None
        if not isinstance(wanted, dict):
            raise DataError("This is nothing that can be done.")
        if action == "new":
            return await run_in_threadpool(_new)
        at = await run_in_threadpool(desk, str(wanted.get("project", "")))
        if action in ("train", "curve", "layers"):
            return await _begin(at, action)
        if action not in CHANGES:
            raise DataError("This is nothing that can be done.")
        answer = await run_in_threadpool(CHANGES[action], at, wanted)
        if action in ("undo", "settings"):
            at.feed()
        return answer

    return await _posted(request, take)


# ---------------------------------------------------------------- answering


async def _posted(request: Request, take: Callable[[], Awaitable[dict[str, Any]]]) -> Response:
    # Browsers let any page send to any address; only pages of this lab may.
    if urlsplit(request.headers.get("origin", "")).netloc != request.headers.get("host"):
        return _json({"error": "Only pages of this lab may do that."}, 403)
    return await _awaited(take())


async def _body(request: Request, limit: int, what: str) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise DataError(f"{what} has more than {limit // 1_000_000} MB; choose a smaller one.")
    return bytes(body)


async def _awaited(work: Awaitable[dict[str, Any]]) -> Response:
    """What comes of ``work`` as JSON; a sentence under ``error`` if that is a ConvolabError."""
    try:
        return _json(plain(await work))
    except ConvolabError as error:
        return _json({"error": str(error)})


async def _download(make: Callable[[], tuple[bytes, str]], kind: str) -> Response:
    try:
        content, name = await run_in_threadpool(make)
    except ConvolabError as error:
        return _gone(error)
    headers = {**_FRESH, "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    return Response(content, media_type=kind, headers=headers)


def _gone(error: Exception) -> Response:
    return Response(str(error), status_code=404, media_type="text/plain; charset=utf-8", headers=_FRESH)


def _json(content: Any, status: int = 200) -> Response:
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return Response(text, status, media_type="application/json", headers=_FRESH)
