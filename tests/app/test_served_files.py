"""Files that are written anew while others look at them are sent whole, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response

from convolab.app.report import routes as report_routes
from convolab.app.restyle import routes as restyle_routes
from convolab.app.transfer import routes as transfer_routes
from convolab.report import PinBlock, add_pin, new


def received(response: Response) -> bytes:
    """What arrives at the other end."""
    parts: list[bytes] = []

    async def receive() -> MutableMapping[str, Any]:
        await asyncio.Event().wait()  # whoever asked does not hang up
        raise AssertionError

    async def send(message: MutableMapping[str, Any]) -> None:
        parts.append(message.get("body", b""))

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    with ThreadPoolExecutor(1) as thread:  # a browser test may have left a loop running in this one
        thread.submit(lambda: asyncio.run(response(scope, receive, send))).result()
    return b"".join(parts)


@pytest.mark.parametrize("routes", [restyle_routes, transfer_routes])
def test_a_picture_that_is_replaced_meanwhile_arrives_whole(routes: object, tmp_path: Path) -> None:
    path = tmp_path / "000001.png"
    path.write_bytes(b"first picture")
    response = routes._file(lambda: path, "image/png")  # type: ignore[attr-defined]
    path.write_bytes(b"next")
    assert received(response) == b"first picture"
    path.unlink()
    assert routes._file(lambda: path, "image/png").status_code == 404  # type: ignore[attr-defined]


def test_a_page_opened_by_many_at_once_arrives_whole(home: Path) -> None:
    pin = add_pin("picture", "Waves", {"waves.png": b"a picture"})
    page = new("Mine").changed(blocks=(PinBlock(pin=pin.id),)).save()
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: report_routes.exported(page.name, "index.html"), range(16)))
        packed = list(threads.map(lambda _: report_routes.archive(page.name), range(4)))
    assert {answer.status_code for answer in (*answers, *packed)} == {200}
    assert len({bytes(answer.body) for answer in answers}) == 1
    assert all(bytes(answer.body).startswith(b"PK") for answer in packed)
