from __future__ import annotations

import asyncio
import inspect
import logging
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from convolab.app.serve import (
    DEFAULT_PORT,
    LARGEST_REQUEST,
    LimitedUploads,
    _choose_port,
    no_hang_up,
    serve,
)
from convolab.errors import ConvolabError


def listening(port: int = 0) -> socket.socket:
    taken = socket.socket()
    taken.bind(("127.0.0.1", port))
    taken.listen()
    return taken


def test_a_port_that_was_asked_for_and_is_taken_is_an_error():
    with listening() as taken, pytest.raises(ConvolabError, match="--port"):
        serve(port=taken.getsockname()[1], show=False)


def test_an_address_that_is_not_here_is_an_error():
    with pytest.raises(ConvolabError, match="--host"):
        serve(host="203.0.113.7", show=False)


def test_without_a_port_the_next_free_one_is_taken():
    first = _choose_port("127.0.0.1", None)
    assert first >= DEFAULT_PORT
    with listening(first):
        assert _choose_port("127.0.0.1", None) > first


@pytest.mark.parametrize(("length", "status"), [(LARGEST_REQUEST, 200), (LARGEST_REQUEST + 1, 413)])
def test_bodies_that_are_too_large_are_refused_before_they_come(length: int, status: int):
    sent = []

    async def application(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "headers": [(b"content-length", str(length).encode())]}
    # In a thread of its own: beside browser tests, this one has a loop that runs already.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, LimitedUploads(application)(scope, None, send)).result()
    assert sent[0]["status"] == status


def test_a_browser_that_left_is_no_error_in_the_log() -> None:
    def record(error: Exception) -> logging.LogRecord:
        parts = ("uvicorn.error", logging.ERROR, "", 0, "Exception in ASGI application", ())
        return logging.LogRecord(*parts, exc_info=(type(error), error, None))

    assert not no_hang_up(record(RuntimeError("No response returned.")))
    assert no_hang_up(record(RuntimeError("something else")))
    assert no_hang_up(record(ValueError("No response returned.")))


def test_the_lab_answers_before_pytorch_is_loaded():
    """It takes longer to load than everything else together; the page is there meanwhile."""
    loads = [line.strip() for line in inspect.getsource(serve).splitlines() if "from convolab" in line]
    assert len(loads) > 6
    code = "\n".join(["import sys", *loads, "print([n for n in ('torch', 'mlflow') if n in sys.modules])"])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
