"""The socket of the live camera: ``/fast/camera``. Frames come in and painted ones go out, newest wins.

A frame is 16 bytes of head (number, width, height, kind: little endian u32; kind 0 raw RGBA, 1 JPEG) and its
pixels; what comes back has the same head, then the milliseconds of painting as f32, then pixels of the same
kind. The page sends the next frame when the last one is half painted, so at most two are on the way: with
one, painting would wait for the browser a third of the time (`docs/LOG.md`). Of frames that wait here all but
the newest are dropped. Settings come as JSON text, and what cannot be done with them goes back as
``{"error": sentence}``.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import struct
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fastapi import WebSocket, WebSocketDisconnect
from nicegui import app

from convolab.app.restyle.painting import Order, in_turn, painter
from convolab.errors import ConvolabError, DataError

if TYPE_CHECKING:
    import numpy as np

HEAD = struct.Struct("<IIII")
ANSWER = struct.Struct("<IIIIf")
RAW, JPEG = 0, 1
MOST_SIDE = 1280
LARGEST = 4 * MOST_SIDE * MOST_SIDE + HEAD.size
QUALITY = 85


def install() -> None:
    """Register the address. Called once, before serving."""
    app.websocket("/fast/camera")(live)


async def live(socket: WebSocket) -> None:
    """Serve one camera until it closes."""
    # Browsers let any page open a socket to any address; only pages of this lab may.
    origin = urlsplit(socket.headers.get("origin", "")).netloc
    if origin != socket.headers.get("host"):
        await socket.close(1008)
        return
    await socket.accept()
    await _Camera(socket).run()


class _Camera:
    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._order: Order | None = None
        self._cores = 1
        self._frame: bytes | None = None
        self._arrived = asyncio.Event()

    async def run(self) -> None:
        painting = asyncio.create_task(self._paint())
        try:
            # What is no message (ValueError and the like) ends the socket, as closing it does.
            with contextlib.suppress(
                WebSocketDisconnect, RuntimeError, ValueError, AttributeError, TypeError
            ):
                while True:
                    message = await self._socket.receive()
                    if message["type"] == "websocket.disconnect":
                        break
                    if message.get("bytes") is not None:
                        self._frame = message["bytes"]
                        self._arrived.set()
                    else:
                        await self._set(json.loads(message["text"]))
        finally:
            painting.cancel()

    async def _set(self, wanted: dict[str, Any]) -> None:
        """Take settings over once the painter for them is made."""
        try:
            order = Order(
                photo="",
                style=str(wanted.get("style", "")),
                strength=float(wanted.get("strength", 1.0)),
                padding=str(wanted.get("padding", "reflect")),
                keep=wanted.get("keep") is True,
            )
            made = await in_turn(painter, order.style, order.padding)
            self._cores = self._share()
        except ConvolabError as error:
            await self._say({"error": str(error)})
            return
        self._order = order
        await self._say({"ready": made.title})

    def _share(self) -> int:
        """Cores for painting: a browser on this machine needs the other half, or both wait for each other."""
        from convolab.training.device import usable_cores

        local = self._socket.client is None or self._socket.client.host in ("127.0.0.1", "::1")
        return usable_cores() // 2 if local else usable_cores()

    async def _paint(self) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                frame, self._frame = self._frame, None
                if frame is None or self._order is None:
                    continue
                try:
                    answer = await in_turn(answered, frame, self._order, self._cores)
                except ConvolabError as error:
                    await self._say({"error": str(error)})
                    continue
                await self._socket.send_bytes(answer)

    async def _say(self, content: dict[str, Any]) -> None:
        await self._socket.send_text(json.dumps(content))


def answered(message: bytes, order: Order, cores: int = 1) -> bytes:
    """The painted frame for one that came, by at most so many cores. DataError if it is none."""
    from convolab.training.device import at_most

    tick = time.perf_counter()
    number, width, height, kind, pixels = read_frame(message)
    with at_most(cores):
        painted = painted_frame(pixels, order)
    milliseconds = 1000 * (time.perf_counter() - tick)
    head = ANSWER.pack(number, width, height, kind, milliseconds)
    if kind == JPEG:
        return head + jpeg(painted)
    out = bytearray(len(head) + 4 * width * height)
    out[: len(head)] = head
    import numpy as np

    rgba = np.frombuffer(out, np.uint8, offset=len(head)).reshape(height, width, 4)
    rgba[..., :3] = painted
    rgba[..., 3] = 255
    return bytes(out)


def read_frame(message: bytes) -> tuple[int, int, int, int, np.ndarray]:
    """Number, width, height, kind, and the pixels as uint8 (height, width, 3). DataError."""
    import numpy as np

    if not HEAD.size < len(message) <= LARGEST:
        raise DataError("This is no frame of a camera.")
    number, width, height, kind = HEAD.unpack_from(message)
    if not (16 <= width <= MOST_SIDE and 16 <= height <= MOST_SIDE):
        raise DataError(f"A frame must have 16 to {MOST_SIDE} pixels a side, not {width}×{height}.")
    if kind == JPEG:
        pixels = from_jpeg(message[HEAD.size :])
        if pixels.shape[:2] != (height, width):
            raise DataError("The frame is not of the size that it says.")
        return number, width, height, kind, pixels
    if kind != RAW or len(message) != HEAD.size + 4 * width * height:
        raise DataError("This is no frame of a camera.")
    whole = np.frombuffer(message, np.uint8, offset=HEAD.size).reshape(height, width, 4)
    return number, width, height, kind, whole[..., :3]


def painted_frame(pixels: np.ndarray, order: Order) -> np.ndarray:
    """uint8 (H, W, 3) to the same, painted. In the painting thread."""
    made = painter(order.style, order.padding).frame(pixels, order.strength)
    if not order.keep:
        return made
    import numpy as np
    from PIL import Image

    from convolab.style.pictures import to_image, to_tensor, with_colors_of

    size = pixels.shape[1], pixels.shape[0]
    own, paint = (to_tensor(Image.fromarray(np.ascontiguousarray(part)), *size) for part in (pixels, made))
    return np.asarray(to_image(with_colors_of(paint, own)))


def jpeg(pixels: np.ndarray) -> bytes:
    """A frame as a JPEG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def from_jpeg(content: bytes) -> np.ndarray:
    """uint8 (H, W, 3). DataError if it is no JPEG, or too large."""
    import numpy as np
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=["JPEG"]) as opened:
            if max(opened.size) > MOST_SIDE:
                raise DataError(f"A frame must have at most {MOST_SIDE} pixels a side.")
            return np.asarray(opened.convert("RGB"))
    except (OSError, SyntaxError, ValueError):
        raise DataError("This is no frame of a camera.") from None
