"""A tiny data set in the form of MNIST, a web server that gives it, and folders of pictures."""

from __future__ import annotations

import gzip
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convolab.datasets import builtin, store
from convolab.datasets.builtin import BuiltIn
from convolab.datasets.sources import Source, Website


def idx(array: np.ndarray) -> bytes:
    return (
        struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()
    )


@dataclass
class Tiny:
    """A data set of 40 + 20 pictures of 6×6 in three classes."""

    parts: dict[str, np.ndarray]

    @property
    def files(self) -> dict[str, bytes]:
        return {
            "train-images-idx3-ubyte": idx(self.parts["train_images"][:, 0]),
            "train-labels-idx1-ubyte": idx(self.parts["train_labels"]),
            "t10k-images-idx3-ubyte": idx(self.parts["test_images"][:, 0]),
            "t10k-labels-idx1-ubyte": idx(self.parts["test_labels"]),
        }

    @property
    def packed(self) -> dict[str, bytes]:
        return {f"{name}.gz": gzip.compress(content) for name, content in self.files.items()}

    def item(self, *sources: Source) -> BuiltIn:
        digests = {part: store.digest(array) for part, array in self.parts.items()}
        return BuiltIn("tiny", "Tiny", ("a", "b", "c"), (1, 6, 6), 40, 20, "idx", digests, sources)


@pytest.fixture
def tiny() -> Tiny:
    random = np.random.default_rng(0)
    parts = {}
    for split, count in (("train", 40), ("test", 20)):
        parts[f"{split}_images"] = random.integers(0, 256, (count, 1, 6, 6), dtype=np.uint8)
        parts[f"{split}_labels"] = (np.arange(count) % 3).astype(np.uint8)
    return Tiny(parts)


@dataclass
class Web:
    """A web server on this machine: what it gives, and what it was asked for."""

    files: dict[str, bytes]
    address: str = ""
    asked: list[str] = field(default_factory=list)
    delay: float = 0.0
    """Seconds before each answer."""
    cut: int | None = None
    """Stop after so many bytes of a file, though more were promised."""
    hang: threading.Event = field(default_factory=threading.Event)
    """After a cut, keep the connection open until this is set."""
    hanging: bool = False

    def site(self) -> Website:
        return Website(self.address, {name: len(content) for name, content in self.files.items()})


@pytest.fixture
def web(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    state = Web(tiny.packed)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.removeprefix("/")
            state.asked.append(name)
            time.sleep(state.delay)
            content = state.files.get(name)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: state.cut])
            self.wfile.flush()
            if state.hanging:
                state.hang.wait(30)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.address = f"http://127.0.0.1:{server.server_port}/"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield state
    state.hang.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def cache(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for data sets."""
    folder = tmp_path / "datasets"
    monkeypatch.setenv("CONVOLAB_DATA", str(folder))
    return folder


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch, tiny: Tiny) -> Callable[..., BuiltIn]:
    """Make "tiny" a built-in data set with these sources."""

    def add(*sources: Source) -> BuiltIn:
        item = tiny.item(*sources)
        monkeypatch.setitem(builtin.BUILT_INS, "tiny", item)
        return item

    return add


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of 10 red, 10 green and 5 blue pictures with a little noise."""
    random = np.random.default_rng(0)
    root = tmp_path / "colours"
    for channel, (name, count) in enumerate((("red", 10), ("green", 10), ("blue", 5))):
        (root / name).mkdir(parents=True)
        for number in range(count):
            pixels = random.integers(0, 40, (20, 30, 3), dtype=np.uint8)
            pixels[..., channel] += 200
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    return root
