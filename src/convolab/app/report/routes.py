"""Addresses of the room Page: pins come in, their files and exported pages go out, under ``/report/…``."""

from __future__ import annotations

import base64
import binascii
import json
import re
import threading
from mimetypes import guess_type
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import Request, Response
from fastapi.responses import FileResponse
from nicegui import app
from starlette.concurrency import run_in_threadpool

from convolab.app.report.origin import origin
from convolab.errors import ConvolabError, ReportError
from convolab.home import home
from convolab.report import Pin, add_pin, build, find_pin, open_report
from convolab.report.pinboard import LIMIT
from convolab.runs.files import why

# Whatever a file holds, nothing in it runs in the lab's name when it is opened on its own.
_INERT = {
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self'",
    "X-Content-Type-Options": "nosniff",
}
_EXPORTED = {**_INERT, "Content-Security-Policy": "sandbox allow-popups allow-downloads"}
_BUILDING = threading.Lock()
"""Pages are written anew whenever they are opened: one at a time, and nobody reads half of one."""
_AT_ONCE = 20_000_000
"""Bytes; larger files of a page (videos) are sent in parts."""


def install() -> None:
    """Register the addresses. Called once, before serving."""
    app.post("/report/pin")(pin)
    app.get("/report/pins/{pin_id}/{name}")(pin_file)
    app.get("/report/zip/{page}")(archive)
    app.get("/report/exported/{page}/{path:path}")(exported)


async def pin(request: Request) -> Response:
    """Pin what a panel shows: JSON with kind, title, caption, files, the address of the room, and about.

    Each file has a name, its content in base64, and maybe ``beside``: it is linked, not shown. ``about`` says
    what the panel shows, as in `convolab.app.report.origin`. Answers ``{"id", "title"}`` or
    ``{"error": sentence}``.
    """
    # A page of another site can send plain text to any address, but neither JSON nor our own origin.
    sender = urlsplit(request.headers.get("origin", "")).netloc
    if sender != request.headers.get("host"):
        return _json({"error": "Only the lab itself can pin."}, 403)
    if int(request.headers.get("content-length") or 0) > 1.4 * LIMIT:
        return _json({"error": f"This is more than the {LIMIT / 1e6:.0f} MB that a pin can hold."}, 413)
    try:
        content = json.loads(await request.body())
        files = {_name(one["name"]): base64.b64decode(one["data"], validate=True) for one in content["files"]}
        beside = {_name(one["name"]) for one in content["files"] if one.get("beside")}
        words = {
            name: str(content.get(name) or "")[:2000] for name in ("kind", "title", "caption", "address")
        }
        about = dict(content.get("about") or {})
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
        return _json({"error": "This is nothing that can be pinned."}, 400)
    if not files:
        return _json({"error": "There is nothing to pin here yet."}, 400)
    try:
        made = await run_in_threadpool(_made, words, about, files, beside)
    except ReportError as error:
        return _json({"error": str(error)}, 400)
    return _json({"id": made.id, "title": made.title})


def _made(words: dict[str, str], about: dict[str, Any], files: dict[str, bytes], beside: set[str]) -> Pin:
    found = origin(words["address"], about)
    title = f"{words['title']}: {found.title}" if found.title else words["title"]
    shown = found.files if about.get("show") else {}
    return add_pin(
        words["kind"] or "picture",
        title[:200],
        {name: content for name, content in (shown | files).items() if name not in beside},
        caption=words["caption"],
        settings=found.settings,
        reproduce=found.reproduce,
        run_id=found.run_id,
        needed=found.files | {name: content for name, content in files.items() if name in beside},
    )


def pin_file(pin_id: str, name: str) -> Response:
    """One file of a pin."""
    try:
        path = find_pin(pin_id).path(name)
    except ReportError as error:
        return Response(str(error), 404)
    kind = "text/plain" if path.suffix == ".py" else None
    return FileResponse(path, media_type=kind, headers=_INERT)


def archive(page: str) -> Response:
    """The exported page as a zip."""
    try:
        document = open_report(page)
        with _BUILDING:
            packed = build(document, home() / "report" / "exported" / document.name, archive=True)
            content = packed.read_bytes()
    except ConvolabError as error:
        return Response(str(error), 404)
    except OSError as error:
        return Response(f"The page could not be read: {why(error)}.", 404)
    named = {"content-disposition": f"attachment; filename*=utf-8''{quote(document.name)}.zip"}
    return Response(content, media_type="application/zip", headers=named)


def exported(page: str, path: str) -> Response:
    """A file of the exported page; ``index.html`` is made anew, the others are what it names."""
    try:
        document = open_report(page)
        folder = home() / "report" / "exported" / document.name
        found = (folder / path).resolve()
        with _BUILDING:
            if path == "index.html":
                return Response(
                    build(document, folder).read_bytes(), media_type="text/html", headers=_EXPORTED
                )
            if not found.is_relative_to(folder.resolve()) or not found.is_file():
                return Response("There is no such file in this page.", 404)
            if found.stat().st_size <= _AT_ONCE:
                kind = guess_type(found.name)[0] or "text/plain"
                return Response(found.read_bytes(), media_type=kind, headers=_EXPORTED)
    except ConvolabError as error:
        return Response(str(error), 404)
    except OSError as error:
        return Response(f"The page could not be read: {why(error)}.", 404)
    return FileResponse(found, headers=_EXPORTED)


def _name(text: Any) -> str:
    """A file name that a pin takes, made of what a panel called it."""
    plain = re.sub(r"[^A-Za-z0-9. -]+", "-", str(text)).strip(".- ")
    stem, dot, ending = plain.rpartition(".")
    return f"{stem[-60:].strip('.- ') or 'file'}{dot}{ending}"


def _json(content: Any, status: int = 200) -> Response:
    return Response(json.dumps(content), status, media_type="application/json")
