"""The socket of the room: ``/look/live``. Pictures come in and frames go out, one at a time, newest wins.

The page sends a picture only when it has the frame of the one before; questions are answered beside that.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any
from urllib.parse import urlsplit

from fastapi import WebSocket, WebSocketDisconnect
from nicegui import app

from convolab.app.look.given import PICTURE_LIMIT
from convolab.app.look.session import Session
from convolab.errors import ConvolabError
from convolab.widgets.frames import unpack

WATCH_EVERY = 0.5
"""Seconds between two looks whether a run has newer weights."""
_QUESTIONS_AT_ONCE = 16


def install() -> None:
    """Register the address. Called once, before serving."""
    app.websocket("/look/live")(live)


async def live(socket: WebSocket) -> None:
    """Serve one tab until it closes."""
    # Browsers let any page open a socket to any address; only pages of this lab may.
    origin = urlsplit(socket.headers.get("origin", "")).netloc
    if origin != socket.headers.get("host"):
        await socket.close(1008)
        return
    await socket.accept()
    await _Conversation(socket).run()


class _Conversation:
    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._session = Session()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        self._spawn(self._watch())
        try:
            # What is no question (ValueError and the like) ends the socket, as closing it does.
            with contextlib.suppress(
                WebSocketDisconnect, RuntimeError, ValueError, AttributeError, TypeError
            ):
                while True:
                    message = await self._socket.receive()
                    if message["type"] == "websocket.disconnect":
                        break
                    if message.get("bytes") is not None:
                        await self._look(message["bytes"])
                    elif len(self._tasks) < _QUESTIONS_AT_ONCE:
                        self._spawn(self._answer(json.loads(message["text"])))
        finally:
            for task in self._tasks:
                task.cancel()

    async def _look(self, message: bytes) -> None:
        if len(message) > PICTURE_LIMIT + 100_000:
            await self._send({"id": 0, "error": "The picture is too large; choose a smaller one."})
            return
        header, content = unpack(message)
        try:
            frame = await self._session.look(header, content)
        except ConvolabError as error:
            await self._send({"id": header.get("id", 0), "error": str(error)})
            return
        if frame is None:
            await self._send({"id": header.get("id", 0), "error": ""})
        else:
            await self._socket.send_bytes(frame)

    async def _answer(self, asked: dict[str, Any]) -> None:
        answer = await self._session.answer(asked)
        await self._send({**answer, "id": asked.get("id", 0)})

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_EVERY)
            changes = await self._session.renewed()
            for change in changes:
                await self._send(change)
            if changes and (frame := await self._session.frame()) is not None:
                await self._socket.send_bytes(frame)

    async def _send(self, content: dict[str, Any]) -> None:
        try:
            text = json.dumps(content, separators=(",", ":"), allow_nan=False)
        except ValueError:
            said = "The numbers are no longer finite: training has diverged; look at an earlier state."
            text = json.dumps({"id": content.get("id", 0), "error": said})
        await self._socket.send_text(text)

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Any) -> None:
        # The tab may have gone meanwhile.
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await work
