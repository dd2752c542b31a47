"""Serving the lab: one process, one port, everything it needs at hand."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from convolab.errors import ConvolabError
from convolab.home import home

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

DEFAULT_PORT = 8080
LARGEST_REQUEST = 2_010_000_000
"""Bytes: the largest zip of one's own images, and what a form adds to it."""
_TRIES = 50

_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
    '<rect width="32" height="32" rx="6" fill="#0b6b66"/>'
    '<g fill="none" stroke="#fff" stroke-width="2"><rect x="5" y="5" width="16" height="16" rx="2"/>'
    '<rect x="10" y="10" width="16" height="16" rx="2" fill="#0b6b66"/></g>'
    '<rect x="14" y="14" width="6" height="6" rx="1" fill="#fff"/></svg>'
)


def serve(host: str = "127.0.0.1", port: int | None = None, show: bool = True) -> None:
    """Serve the lab until it is interrupted; prints its address.

    Without a ``port`` it is 8080, or the next one that is free. ``show`` opens a browser, if there is a
    display to open one on. Raises ConvolabError if the address cannot be listened on.
    """
    port = _choose_port(host, port)
    folder = home()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        secret = _secret(folder / "secret")
    except OSError as error:
        raise ConvolabError(
            f"The lab's home {folder} cannot be written ({error.strerror}); set CONVOLAB_HOME to another."
        ) from None
    # Read by NiceGUI when it is imported; it would keep visitors' settings in the working directory.
    os.environ["NICEGUI_STORAGE_PATH"] = str(folder / "visitors")
    from nicegui import app, run, ui

    from convolab.app import background, news, pictures, theme
    from convolab.app.experiments import routes as experiments
    from convolab.app.look import socket as look
    from convolab.app.report import routes as report
    from convolab.app.restyle import routes as restyle
    from convolab.app.shell import lab
    from convolab.app.teach import routes as teach
    from convolab.app.transfer import routes as transfer

    theme.install()
    pictures.install()
    news.install()
    look.install()
    report.install()
    transfer.install()
    restyle.install()
    teach.install()
    experiments.install()

    async def start() -> None:
        print(f"convolab is at {_address(host, port)} (Ctrl-C ends it)", flush=True)
        await run.io_bound(background.start)

    app.add_middleware(LimitedUploads)
    app.on_startup(start)
    app.on_shutdown(background.stop)
    logging.getLogger("nicegui").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(no_hang_up)
    ui.run(
        lab,
        host=host,
        port=port,
        title="convolab",
        favicon=_ICON,
        dark=None,
        language="en-US",
        reload=False,
        show=show and _has_display(),
        show_welcome_message=False,
        tailwind=False,
        storage_secret=secret,
        # Nothing here binds to plain attributes, so the polling loop has nothing to look at.
        binding_refresh_interval=None,
        reconnect_timeout=30,
        # Packing all activations of a network would take longer than computing them.
        ws_per_message_deflate=False,
        session_middleware_kwargs={"max_age": 365 * 24 * 3600, "same_site": "lax"},
    )


def no_hang_up(record: logging.LogRecord) -> bool:
    """A filter that drops one record: of a browser that left before its answer, as it does with pictures.

    Starlette's middleware takes that for an application without an answer.
    """
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, RuntimeError) and str(error) == "No response returned.")


class LimitedUploads:
    """Refuses requests that announce a body larger than any file the lab takes (ASGI middleware)."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 413, or pass the request on."""
        if scope["type"] == "http":
            length = dict(scope["headers"]).get(b"content-length", b"0")
            if length.isdigit() and int(length) > LARGEST_REQUEST:
                head = {"type": "http.response.start", "status": 413, "headers": [(b"connection", b"close")]}
                await send(head)
                await send({"type": "http.response.body", "body": b"This file is larger than the lab takes."})
                return
        await self._application(scope, receive, send)


def _choose_port(host: str, port: int | None) -> int:
    if port is not None:
        problem = _problem(host, port)
        if problem:
            raise ConvolabError(f"The lab cannot listen on {host}:{port} ({problem}); choose another --port.")
        return port
    for candidate in range(DEFAULT_PORT, DEFAULT_PORT + _TRIES):
        problem = _problem(host, candidate)
        if not problem:
            return candidate
    raise ConvolabError(f"The lab cannot listen on {host} ({problem}); say where with --host and --port.")


def _problem(host: str, port: int) -> str:
    """Why nothing can listen there, or nothing."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except (OSError, OverflowError) as error:
        return getattr(error, "strerror", None) or str(error)
    return ""


def _address(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, host)
    return f"http://{shown}:{port}"


def _has_display() -> bool:
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _secret(path: Path) -> str:
    """The key that signs visitors' cookies: made once, so that they are known again after a restart."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32))
    return path.read_text().strip() or secrets.token_hex(32)
