"""The socket of the room: ``/teach/live``. A picture of the camera comes in, what it is taken for goes out.

The page sends a picture only when it has the answer to the one before. Nothing of them is kept.
"""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any
from urllib.parse import urlsplit

from fastapi import WebSocket, WebSocketDisconnect
from starlette.concurrency import run_in_threadpool

from convolab.app.teach.computing import looking
from convolab.app.teach.describing import seen
from convolab.app.teach.desk import Desk, desk
from convolab.errors import ConvolabError
from convolab.teach.examples import squared

PICTURE_LIMIT = 2_000_000
"""Bytes of one picture of the camera."""


async def live(socket: WebSocket, project: str) -> None:
    """Serve one tab until it closes."""
    # Browsers let any page open a socket to any address; only pages of this lab may.
    origin = urlsplit(socket.headers.get("origin", "")).netloc
    if origin != socket.headers.get("host"):
        await socket.close(1008)
        return
    await socket.accept()
    try:
        at = await run_in_threadpool(desk, project)
    except ConvolabError as error:
        await socket.send_text(json.dumps({"error": str(error)}))
        await socket.close(1000)
        return
    why, label = False, None
    with contextlib.suppress(WebSocketDisconnect, RuntimeError, ValueError, AttributeError, TypeError):
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            if message.get("text") is not None:
                wanted = json.loads(message["text"])
                why = bool(wanted.get("why"))
                label = wanted["label"] if isinstance(wanted.get("label"), int) else None
            elif message.get("bytes") is not None:
                answer = await _answered(at, message["bytes"], why, label)
                await socket.send_text(json.dumps(answer, separators=(",", ":"), allow_nan=False))


async def _answered(at: Desk, content: bytes, why: bool, label: int | None) -> dict[str, Any]:
    taught = at.taught
    if taught is None:
        return {"error": "Train first: then the lab says what the camera sees."}
    if len(content) > PICTURE_LIMIT:
        return {"error": "This picture of the camera is too large."}

    def look() -> dict[str, Any]:
        began = time.perf_counter()
        made = taught.classifier
        answer = seen(at, made, made.look(squared(content)), why, label)
        return {**answer, "ms": round((time.perf_counter() - began) * 1000, 1)}

    try:
        return await looking(look)
    except ConvolabError as error:
        return {"error": str(error)}
