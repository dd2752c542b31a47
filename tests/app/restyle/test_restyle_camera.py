"""The live camera of the room Fast style without a browser: frames in, painted frames out."""

from __future__ import annotations

import asyncio
import io
import json
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from PIL import Image
from restyle_kit import noise

from convolab.app.restyle import camera
from convolab.app.restyle.painting import Order, painter
from convolab.errors import DataError


def frame(kind: int = camera.RAW, width: int = 48, height: int = 32) -> tuple[bytes, np.ndarray]:
    pixels = np.asarray(noise(width, height))
    head = camera.HEAD.pack(7, width, height, kind)
    if kind == camera.JPEG:
        return head + camera.jpeg(pixels), pixels
    rgba = np.dstack([pixels, np.full(pixels.shape[:2], 9, np.uint8)])
    return head + rgba.tobytes(), pixels


@pytest.mark.parametrize("keep", [False, True])
def test_a_frame_comes_back_painted_with_its_number(keep: bool) -> None:
    message, pixels = frame()
    order = Order("", "stripes", 0.8, keep=keep)
    answer = camera.answered(message, order)
    number, width, height, kind, milliseconds = camera.ANSWER.unpack_from(answer)
    assert (number, width, height, kind) == (7, 48, 32, camera.RAW)
    assert milliseconds > 0
    rgba = np.frombuffer(answer, np.uint8, offset=camera.ANSWER.size).reshape(32, 48, 4)
    assert (rgba[..., 3] == 255).all()
    if not keep:
        assert np.array_equal(rgba[..., :3], painter("stripes").frame(pixels, 0.8))
    else:  # the photo's colours: hues hardly move where there is colour
        plain = painter("stripes").frame(pixels, 0.8).astype(float)
        own = pixels.astype(float) - pixels.mean(2, keepdims=True)
        apart = [np.abs(part - part.mean(2, keepdims=True) - own).mean() for part in (rgba[..., :3], plain)]
        assert apart[0] < apart[1]


def test_frames_can_travel_as_jpeg() -> None:
    message, _ = frame(camera.JPEG)
    answer = camera.answered(message, Order("", "stripes"))
    assert camera.ANSWER.unpack_from(answer)[:4] == (7, 48, 32, camera.JPEG)
    with Image.open(io.BytesIO(answer[camera.ANSWER.size :])) as opened_:
        assert (opened_.format, opened_.size) == ("JPEG", (48, 32))


def test_what_is_no_frame_is_refused() -> None:
    message, _ = frame()
    jpeg, _ = frame(camera.JPEG)
    for bad in (
        b"",
        message[:-1],
        struct.pack("<IIII", 1, 5000, 5000, 1) + jpeg[16:],
        struct.pack("<IIII", 1, 40, 32, 1) + jpeg[16:],
        struct.pack("<IIII", 1, 48, 32, 1) + b"no picture",
        struct.pack("<IIII", 1, 48, 32, 7) + message[16:],
    ):
        with pytest.raises(DataError):
            camera.read_frame(bad)


def test_the_camera_leaves_cores_to_the_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    from convolab.training.device import at_most, usable_cores

    monkeypatch.setenv("CONVOLAB_THREADS", "6")
    with at_most(2):
        assert usable_cores() == 2
    with at_most(0):
        assert usable_cores() == 1
    assert usable_cores() == 6
    seen = []
    monkeypatch.setattr(camera, "painted_frame", lambda pixels, order: seen.append(usable_cores()) or pixels)
    camera.answered(frame()[0], Order("", "stripes"), cores=3)
    assert seen == [3]


def test_of_frames_that_wait_the_newest_is_painted(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slowly(message: bytes, *_: object) -> bytes:
        begun.set()
        assert go_on.wait(20)
        return message[:4]

    monkeypatch.setattr(camera, "answered", slowly)

    class Socket:
        """A browser's end: what it sends comes out of a queue, what it gets is kept."""

        client = None

        def __init__(self) -> None:
            self.sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
            self.got: list[Any] = []

        async def receive(self) -> dict[str, Any]:
            return await self.sent.get()

        async def send_text(self, text: str) -> None:
            self.got.append(json.loads(text))

        async def send_bytes(self, content: bytes) -> None:
            self.got.append(struct.unpack("<I", content)[0])

        async def until(self, count: int) -> None:
            while len(self.got) < count:
                await asyncio.sleep(0.01)

    async def visit() -> list[Any]:
        socket = Socket()
        served = asyncio.create_task(camera._Camera(socket).run())  # type: ignore[arg-type]
        await socket.sent.put({"type": "websocket.receive", "text": json.dumps({"style": "waves"})})
        await socket.until(1)
        for number in (1, 2, 3, 4):
            await socket.sent.put({"type": "websocket.receive", "bytes": struct.pack("<I", number)})
            while number == 1 and not begun.is_set():
                await asyncio.sleep(0.01)
        while not socket.sent.empty():
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)  # the last one is taken
        go_on.set()
        await socket.until(3)
        await socket.sent.put({"type": "websocket.disconnect"})
        await served
        return socket.got

    with ThreadPoolExecutor(1) as pool:  # this thread may have an event loop already
        got = pool.submit(asyncio.run, asyncio.wait_for(visit(), 60)).result()
    assert got == [{"ready": "Waves"}, 1, 4]
