"""`convolab.look` in a page by anywidget's own protocol: the real module wired to the real Python object."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cards_kit import check_arithmetic, wait_for_card
from visiting import screenshot

import convolab

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

pytest.importorskip("anywidget")
ADDRESS = "http://notebook.test/"
HTML = (Path(__file__).parent / "notebook.html").read_text()


class Kernel:
    """What stands between page and Python in a notebook: a comm, here answered in place."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import comm
        from comm.base_comm import BaseComm

        kernel = self
        self.queue: list[dict[str, Any]] = []
        self.comm: Any = None

        class Comm(BaseComm):
            def publish_msg(self, msg_type: str, data=None, metadata=None, buffers=None, **keys: Any) -> None:  # type: ignore[no-untyped-def]
                if "_esm" in (data or {}).get("state", {}):
                    kernel.comm = self
                if kernel.comm is not self:
                    return  # the widget's layout, which has a comm of its own
                kept = [base64.b64encode(buffer).decode() for buffer in buffers or []]
                kernel.queue.append({**(data or {}), "buffers": kept})

        monkeypatch.setattr(comm, "create_comm", Comm)

    def hear(self, data: str, buffers: list[str]) -> str:
        content = json.loads(data)
        if "open" not in content:
            kept = [memoryview(base64.b64decode(buffer)) for buffer in buffers]
            self.comm.handle_msg({"content": {"data": content}, "buffers": kept})
        return self.told()

    def told(self) -> str:
        messages, self.queue = self.queue, []
        return json.dumps([message for message in messages if "state" in message or "content" in message])


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(monkeypatch)


def show(visitor: BrowserContext, kernel: Kernel) -> Page:
    page = visitor.new_page()
    page.route(f"{ADDRESS}**", lambda route: route.fulfill(body=HTML, content_type="text/html"))
    page.expose_function("python", kernel.hear)
    page.goto(ADDRESS)
    page.wait_for_function("window.ready")
    return page


def test_draw_pick_a_unit_and_read_it_in_python(visitor: BrowserContext, kernel: Kernel):
    view = convolab.look("harley-cnn")
    page = show(visitor, kernel)
    page.get_by_text("Nothing is drawn").wait_for()
    pad = page.locator(".cl-pad").bounding_box()
    assert pad

    def at(x: float, y: float) -> tuple[float, float]:
        return pad["x"] + x * pad["width"], pad["y"] + y * pad["height"]

    page.mouse.move(*at(0.25, 0.2))
    page.mouse.down()
    page.mouse.move(*at(0.75, 0.2), steps=6)
    page.mouse.move(*at(0.45, 0.85), steps=6)
    page.mouse.up()
    page.get_by_text("The drawing was").wait_for()
    page.wait_for_function("document.querySelector('.cl-nb-first').textContent === '7'")
    assert view.prediction["label"] == "7"
    assert view.pixels.max() > 200

    # From output to input by keyboard: the unit under the mark is known in Python.
    page.locator(".cl-nl-over").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('.cl-nl-line').textContent !== ''")
    page.keyboard.press("Enter")
    page.locator(".cl-card [data-role=output]").wait_for()
    assert view.picked is not None
    level, index = view.picked
    card = wait_for_card(page, level, index)
    shown = check_arithmetic(card, view.looked.inspector.level(level).kind)
    assert abs(shown["output"][0] - view.unit.output) < 1e-9
    screenshot(page, "notebook")

    # And the other way round.
    view.picked = ("conv2", (3, 4, 5))
    page.evaluate("messages => fromPython(JSON.parse(messages))", kernel.told())
    page.get_by_text("map 4, row 5, column 6").first.wait_for()
    page.evaluate("end()")


def test_another_picture_from_python_and_the_dark(visitor: BrowserContext, kernel: Kernel):
    import numpy as np

    view = convolab.look("harley-mlp", np.zeros((28, 28), np.uint8))
    page = show(visitor, kernel)
    page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    page.wait_for_selector(".cl-notebook.body--dark")
    picture = np.zeros((28, 28), np.uint8)
    picture[5:23, 13:15] = 255
    view.show(picture)
    page.evaluate("messages => fromPython(JSON.parse(messages))", kernel.told())
    page.get_by_text("Given as it is").wait_for()
    page.wait_for_function(
        "label => document.querySelector('.cl-nb-first').textContent === label", arg=view.prediction["label"]
    )
    assert view.prediction["label"] == "1"
    screenshot(page, "notebook-dark")
