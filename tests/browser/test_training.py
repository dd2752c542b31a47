"""Training as a person sees it: started, watched, steered, killed, compared; real MNIST, real workers."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import psutil
import pytest
from visiting import PHONE, Lab, open_room, restarted, screenshot

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Locator, Page

pytestmark = [pytest.mark.data, pytest.mark.browser]

ENDLESS = "/build?examples=none"
"""MNIST, Convolutional, and no end before Stop is pressed."""
PATIENCE = 120_000
"""Milliseconds; generous, for machines that are busy with other things."""


def main(page: Page) -> Locator:
    return page.locator("[data-key=train]")


def wait_for_button(page: Page, label: str) -> None:
    """Wait until the big button offers ``label``."""
    page.wait_for_function(
        """label => {
            const button = document.querySelector('[data-key=train]');
            return button && !button.disabled && button.innerText.includes(label);
        }""",
        arg=label,
        timeout=PATIENCE,
    )


def figure(page: Page, name: str) -> str:
    """The value of one of the figures, as text; empty if it is not there."""
    return str(
        page.evaluate(
            """name => [...document.querySelectorAll('.cl-figures > div')]
                .find(box => box.querySelector('dt').textContent === name)
                ?.querySelector('b').textContent ?? ''""",
            name,
        )
    )


def test_accuracy(page: Page) -> float:
    found = re.match(r"([\d.]+) %", figure(page, "Test accuracy"))
    return float(found[1]) if found else 0.0


test_accuracy.__test__ = False  # type: ignore[attr-defined]


def examples(page: Page) -> int:
    """How far the shown run is."""
    found = re.match(r"[\d,]+", page.locator(".cl-progress span").first.text_content() or "")
    return int(found[0].replace(",", "")) if found else 0


def until(page: Page, condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE / 1000
    while not condition():
        assert time.monotonic() < deadline, (
            f"In vain waited for: {what}. The page: {page.locator('.cl-status').inner_text()}"
        )
        page.wait_for_timeout(100)


def wait_for_end(page: Page) -> None:
    """Wait until a run of 6,400 examples has ended by itself."""
    said = "Training ended after 6,400 examples, as planned."
    page.locator(".cl-sentence", has_text=said).wait_for(timeout=PATIENCE)


def run_id(page: Page) -> str:
    page.wait_for_function("() => location.search.includes('run=')")
    found = re.search(r"run=([\w-]+)", page.url)
    assert found
    return found[1]


def worker_of(lab: Lab, run: str) -> int:
    """The process that trains a run."""
    from convolab.runs import RunState

    state = RunState.model_validate_json((lab.home / "runs" / run / "state.json").read_bytes())
    return state.pid


def test_train_to_90_percent_pause_reload_resume_steer_stop(fresh_lab: Lab, visitor: BrowserContext):
    page = visitor.new_page()
    open_room(page, fresh_lab, ENDLESS)
    # Before training: predictions of the untrained network, and its filters.
    page.wait_for_selector(".cl-tile")
    assert page.locator(".cl-tile").count() == 15
    page.get_by_text("not trained yet").first.wait_for()
    assert page.get_by_text("Curves of loss, accuracy and speed appear here").is_visible()

    main(page).click()
    wait_for_button(page, "Pause")
    until(page, lambda: test_accuracy(page) >= 90, "90 % test accuracy")
    assert "of 10,000 test images" in page.locator(".cl-figures").inner_text()
    until(page, lambda: page.locator(".cl-tile[data-right=true]").count() >= 10, "predictions that are right")
    screenshot(page, "training-working")

    # The space key pauses; what is paused stands still.
    page.locator("body").press("Space")
    wait_for_button(page, "Resume")
    page.locator(".cl-sentence", has_text="Paused at").wait_for()
    reached = examples(page)
    screenshot(page, "training-paused")

    page.reload()
    wait_for_button(page, "Resume")
    until(page, lambda: examples(page) == reached, "the same place after a reload")
    assert test_accuracy(page) >= 90

    page.get_by_role("button", name="One batch").click()
    until(page, lambda: examples(page) == reached + 64, "exactly one batch more")
    wait_for_button(page, "Resume")

    main(page).click()
    wait_for_button(page, "Pause")
    until(page, lambda: examples(page) > reached + 640, "training that goes on")

    # The learning rate, while it runs; a senseless one is refused where it was typed.
    rate = page.get_by_label("Learning rate now")
    rate.fill("-3")
    page.locator(".rate-now .complaint", has_text="greater than 0").wait_for()
    rate.fill("0.013")
    page.locator(".rate-now .complaint").wait_for(state="detached")
    events = fresh_lab.home / "runs" / run_id(page) / "events.jsonl"
    until(page, lambda: '"learning_rate":0.013' in events.read_text(), "the new learning rate in the run")

    page.get_by_role("button", name="Stop", exact=True).click()
    page.locator(".cl-sentence", has_text="Stopped at").wait_for(timeout=PATIENCE)
    screenshot(page, "training-stopped", full_page=True)

    # Start anew: the same initial weights as before.
    page.get_by_role("button", name="Start anew").click()
    wait_for_button(page, "Train")
    page.get_by_text("not trained yet").first.wait_for()
    assert fresh_lab.errors() == []


def test_a_second_tab_sees_the_run_and_a_killed_worker_is_no_loss(fresh_lab: Lab, visitor: BrowserContext):
    page = visitor.new_page()
    open_room(page, fresh_lab, ENDLESS)
    main(page).click()
    wait_for_button(page, "Pause")
    until(page, lambda: examples(page) >= 640, "some examples")
    second = visitor.new_page()
    second.goto(page.url)
    wait_for_button(second, "Pause")
    second.set_viewport_size(PHONE)  # type: ignore[arg-type]
    before = examples(second)
    until(second, lambda: examples(second) > before, "the second tab to follow")
    second.locator(".cl-curves canvas").first.wait_for()
    screenshot(second, "training-phone")
    second.close()

    # Paused and resumed, so that there is a checkpoint; then the power goes off in the worker.
    main(page).click()
    wait_for_button(page, "Resume")
    main(page).click()
    wait_for_button(page, "Pause")
    worker = worker_of(fresh_lab, run_id(page))
    assert psutil.pid_exists(worker)
    os.kill(worker, signal.SIGKILL)
    page.get_by_text(re.compile("goes on by itself")).first.wait_for(timeout=PATIENCE)
    screenshot(page, "training-recovered")
    reached = examples(page)
    until(page, lambda: examples(page) > reached, "training that goes on by itself")

    # The lab is killed and started again: the page comes back by itself and offers to resume.
    restarted(fresh_lab, page)
    page.locator(".cl-sentence", has_text="Interrupted at").wait_for(timeout=PATIENCE)
    wait_for_button(page, "Resume")
    screenshot(page, "training-interrupted")
    main(page).click()
    wait_for_button(page, "Pause")

    # The list of jobs says the same, and can stop it.
    page.get_by_role("button", name=re.compile("^Jobs")).click()
    jobs = page.get_by_role("dialog", name="Jobs")
    jobs.get_by_text(re.compile("^Training: ")).wait_for(timeout=PATIENCE)
    screenshot(page, "training-jobs")
    jobs.get_by_role("button", name=re.compile("^Stop")).first.click()
    jobs.get_by_text(re.compile("^Stopped at")).wait_for(timeout=PATIENCE)
    page.keyboard.press("Escape")
    assert jobs.is_hidden()


def test_looking_closely_at_a_trained_network(lab: Lab, visitor: BrowserContext):
    page = visitor.new_page()
    open_room(page, lab, "/build?examples=6400")
    main(page).click()
    wait_for_end(page)
    until(page, lambda: test_accuracy(page) > 80, "the last evaluation")

    # A curve's exact values: by keyboard, and in the file.
    page.locator(".cl-curves canvas").first.focus()
    page.keyboard.press("End")
    page.locator(".cl-curves .cl-readout", has_text="at 6,400 examples").wait_for()
    page.get_by_role("button", name="Save the curves").click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name="All exact values (CSV)").click()
    lines = download.value.path().read_text().splitlines()
    assert lines[0].startswith("run,name,set,examples")
    assert [line.split(",")[3] for line in lines if ",test," in line][-1] == "6400"

    # A cell of the confusion matrix leads to its images: by keyboard, the cell of rightly recognised zeros.
    matrix = page.locator(".cl-confusion canvas").first
    matrix.scroll_into_view_if_needed()
    matrix.focus()
    page.keyboard.press("ArrowRight")
    page.locator(".cl-confusion .cl-readout", has_text="“0” taken for what it is").wait_for()
    page.keyboard.press("Enter")
    page.locator(
        ".cl-cell-images", has_text="test images with the newest weights: “0”, rightly recognised"
    ).wait_for()
    page.wait_for_selector(".cl-sheet canvas")
    assert page.locator(".cl-sheet canvas").count() == 60
    box = matrix.bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.3)
    page.locator(".cl-cell-images", has_text="taken for").wait_for()

    # Only mistakes: none of what is shown is right.
    page.get_by_role("button", name="Only mistakes").click()
    until(page, lambda: page.locator(".cl-tile[data-right=false]").count() == 15, "15 mistakes")

    # A digit drawn with the mouse, then one with the keyboard.
    pad = page.locator(".cl-pad")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.8, steps=8)
    page.mouse.up()
    page.get_by_text(re.compile(r"The network says “1”, \d+\.\d\s%\.")).wait_for()
    page.get_by_text(re.compile("centred by its centre of mass")).wait_for()
    screenshot(page, "training-drawing")
    page.get_by_role("button", name="Clear", exact=True).click()
    page.get_by_text("Draw something and see").wait_for()
    pad.focus()
    page.keyboard.press("Space")
    for _ in range(8):
        page.keyboard.press("ArrowDown")
    page.get_by_text(re.compile(r"The network says “\d”")).wait_for()
    page.keyboard.press("Control+z")
    page.get_by_text("Draw something and see").wait_for()

    # Another run beside it.
    page.locator('[data-field="learning_rate"] input').first.fill("0.01")
    page.get_by_text("Learning rate now").wait_for(state="hidden")
    first = run_id(page)
    main(page).click()
    page.wait_for_function(
        "id => location.search.includes('run=') && !location.search.includes(id)", arg=first
    )
    wait_for_end(page)
    page.get_by_role("button", name="Compare").click()
    page.get_by_role("checkbox", name=re.compile("learning rate 0.1")).first.check()
    page.locator(".cl-legend", has_text="learning rate 0.1").wait_for()
    page.wait_for_function("id => location.search.includes('with=' + id)", arg=first)
    page.keyboard.press("Escape")
    screenshot(page, "training-compared", full_page=True)
    assert lab.errors() == []


def test_predictions_of_a_run_from_the_command_line(lab: Lab, visitor: BrowserContext):
    """A run that this lab did not start is shown as soon as its address is opened."""
    import subprocess
    import sys

    code = (
        "from convolab.networks import preset; from convolab.runs import create_run, execute;"
        "from convolab.training.settings import TrainingSettings;"
        "network = preset('fully-connected', (1, 28, 28), 10);"
        "run = create_run('mnist', network, TrainingSettings(examples=6400));"
        "print(run); execute(run)"
    )
    environment = {**os.environ, "CONVOLAB_HOME": str(lab.home)}
    made = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    page = visitor.new_page()
    open_room(page, lab, f"/build?net=fully-connected&examples=6400&run={made.stdout.split()[0]}")
    wait_for_end(page)
    page.get_by_text("128 units of the first").wait_for()
    until(page, lambda: test_accuracy(page) > 50, "its accuracy")


def test_news_are_small_and_many_tabs_ask_seldom(lab: Lab, visitor: BrowserContext):
    page = visitor.new_page()
    open_room(page, lab, ENDLESS)
    main(page).click()
    wait_for_button(page, "Pause")
    until(page, lambda: examples(page) >= 1_280, "some examples")
    before = page.evaluate("({ ...convolabFeed })")
    page.wait_for_timeout(4_000)
    after = page.evaluate("({ ...convolabFeed })")
    requests = after["requests"] - before["requests"]
    assert requests >= 2
    assert (after["bytes"] - before["bytes"]) / requests < 6_000
    run = run_id(page)
    # Many that look: each is told to come back less often.
    interval = page.evaluate(
        """async ([run]) => {
            const ask = (tab) => new Promise((done) => {
                const socket = new WebSocket(location.origin.replace('http', 'ws') + '/live/news');
                socket.onopen = () => socket.send(JSON.stringify({ tab, source: run, s: '' }));
                socket.onmessage = (event) => (socket.close(), done(JSON.parse(event.data).interval));
            });
            const found = [];
            for (let i = 0; i < 20; i += 1) found.push(await ask('tab ' + i));
            return found.at(-1);
        }""",
        [run],
    )
    assert interval >= 5
    page.get_by_role("button", name="Stop", exact=True).click()
    page.locator(".cl-sentence", has_text="Stopped at").wait_for(timeout=PATIENCE)


def test_pages_of_other_sites_get_no_news(lab: Lab):
    from websockets.exceptions import ConnectionClosed, InvalidStatus
    from websockets.sync.client import connect

    address = lab.url.replace("http", "ws") + "/live/news"
    with pytest.raises(InvalidStatus):
        connect(address, origin="http://evil.example")  # type: ignore[arg-type]
    with connect(address, origin=lab.url) as socket:  # type: ignore[arg-type]
        socket.send('{"tab": "x", "j": ""}')
        assert "interval" in str(socket.recv())
        socket.send("no question")
        with pytest.raises(ConnectionClosed):
            socket.recv()
    assert lab.errors() == []
