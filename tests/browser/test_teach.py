"""The room Teach as a person uses it: from an empty page to live predictions; and what goes wrong."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from visiting import CHROMIUM, DESKTOP, PHONE, Lab, open_room, screenshot

from homes import with_store

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = [pytest.mark.browser, pytest.mark.data]

PATIENCE = 120_000
"""Milliseconds; generous, for machines that are busy with other things."""
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


@pytest.fixture(scope="module")
def teach_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab whose base network is at hand."""
    from convolab.errors import DataError
    from convolab.style.weights import fetch_weights

    try:
        fetch_weights("vgg-16")
    except DataError as error:
        pytest.skip(f"VGG-16 cannot be had here: {error}")
    home = tmp_path_factory.mktemp("teach") / "home"
    with_store(home)
    running = Lab(home).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def filmed(browser: Browser) -> Iterator[Browser]:
    """A Chromium with a fake camera: a green picture with a pie that fills and a clock."""
    path = browser.browser_type.executable_path
    for found in ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome", path):
        if Path(found).exists():
            path = found
            break
    chromium = browser.browser_type.launch(executable_path=path, args=[*CHROMIUM, *CAMERA])
    yield chromium
    chromium.close()


def ready(page: Page, lab: Lab) -> Page:
    """The room with an empty project."""
    page.set_default_timeout(30_000)
    open_room(page, lab, "/teach")
    page.locator(".te-classes[data-ready]").wait_for()
    return page


def card(page: Page, name: str) -> Locator:
    """A class's card."""
    return page.locator(".te-card", has=page.get_by_label(f"Hold to record images of {name}", exact=True))


def images_of(page: Page, name: str) -> int:
    """How many images the card says that a class has."""
    return int(re.sub(r"\D", "", card(page, name).locator(".te-card-head .num").inner_text()))


def png(colour: tuple[int, int, int], seed: int, side: int = 64) -> bytes:
    """A noisy picture of one colour."""
    random = np.random.default_rng(seed)
    pixels = np.clip(np.array(colour) + random.normal(0, 30, (side, side, 3)), 0, 255)
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def upload(page: Page, name: str, files: list[dict[str, object]]) -> None:
    """Choose files for a class."""
    with page.expect_file_chooser() as chooser:
        card(page, name).locator("button", has_text="Files …").click()
    chooser.value.set_files(files)  # type: ignore[arg-type]


def red(count: int, side: int = 64) -> list[dict[str, object]]:
    """Files of red pictures."""
    return [
        {"name": f"red-{i}.png", "mimeType": "image/png", "buffer": png((190, 40, 40), i, side)}
        for i in range(count)
    ]


def hold(page: Page, name: str, wanted: int) -> None:
    """Hold the record button until there are so many images."""
    button = card(page, name).locator(".te-record")
    button.scroll_into_view_if_needed()
    box = button.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 20, box["y"] + 10)
    page.mouse.down()
    page.wait_for_function(
        "([name, wanted]) => { const mine = [...document.querySelectorAll('.te-card')]"
        ".find((one) => one.querySelector('.te-name').value === name);"
        "return parseInt(mine.querySelector('.te-card-head .num').textContent) >= wanted; }",
        arg=[name, wanted],
        timeout=PATIENCE,
    )
    page.mouse.up()


def test_from_an_empty_page_to_live_predictions(filmed: Browser, teach_lab: Lab, tmp_path: Path) -> None:
    problems: list[str] = []
    context = filmed.new_context(viewport=DESKTOP, reduced_motion="reduce")  # type: ignore[arg-type]
    context.on("weberror", lambda error: problems.append(str(error.error)))
    page = ready(context.new_page(), teach_lab)
    page.get_by_text("Nothing leaves this machine").wait_for()
    assert page.get_by_role("button", name="Train", exact=True).is_disabled()
    page.get_by_text('The class "Class 1" has no images').wait_for()
    screenshot(page, "teach-empty")

    hold(page, "Class 1", 8)
    upload(page, "Class 2", red(8))
    page.wait_for_function(
        "() => [...document.querySelectorAll('.te-card-head .num')][1].textContent.startsWith('8 ')"
    )
    field = card(page, "Class 2").get_by_label("Name of the class")
    field.fill("Red")
    field.press("Enter")
    card(page, "Red").wait_for()
    page.get_by_role("button", name="Train", exact=True).click()
    page.get_by_text(re.compile(r"Linear on relu5_3 of VGG-16: learned from \d+ images")).wait_for(
        timeout=PATIENCE
    )
    # The camera sees what was recorded as the first class; the bars follow it.
    verdict = page.locator(".te-verdict", has_text=re.compile(r"Class 1, \d+ %"))
    verdict.wait_for(timeout=PATIENCE)
    page.wait_for_function("() => +document.querySelector('.te-live').dataset.answers > 5")
    assert int(verdict.inner_text().split(", ")[1].removesuffix(" %")) > 60
    assert page.locator(".te-nearest img").count() == 5
    page.get_by_label("Why: show the evidence").check()
    page.get_by_text("Orange speaks for Class 1").wait_for()
    page.locator(".te-overlay").wait_for()
    held_out = page.locator(".te-results .cl-figures", has_text="held-out images")
    assert re.search(r"100.0 %\s*\d+ of \d+ held-out images", held_out.inner_text())
    page.locator(".te-map canvas[aria-label*='2 classes']").wait_for()
    page.locator("rect[role=button][aria-label^='Red']").last.click()
    page.get_by_text(re.compile(r"\d held-out images?: recognised as Red")).wait_for()
    screenshot(page, "teach-live")

    # An example is looked at in the same place, and back.
    card(page, "Red").locator(".te-thumb").first.click()
    page.locator(".te-verdict", has_text=re.compile(r"Red, \d+ %")).wait_for()
    page.get_by_role("button", name="Back to the camera").click()
    verdict.wait_for()

    # The curve, and what deleting an example does.
    page.get_by_role("button", name="Measure the curve").click()
    page.locator("svg[aria-label^='held-out accuracy against examples per class']").wait_for(timeout=PATIENCE)
    before = images_of(page, "Red")
    frame = card(page, "Red").locator(".te-thumb-frame").first
    frame.hover()
    frame.locator(".te-thumb-remove").click()
    page.get_by_text("Removed 1 image.").wait_for()
    assert images_of(page, "Red") == before - 1
    page.get_by_text("Examples or settings have changed since").wait_for()
    page.get_by_role("button", name="Take it back").click()
    page.wait_for_function("() => document.querySelector('.te-undo').hidden")
    assert images_of(page, "Red") == before
    page.wait_for_function("() => !/changed since/.test(document.querySelector('.te-training').textContent)")

    # Everything as one file, opened as another project; the address leads back to this one.
    with page.expect_download() as download:
        page.get_by_role("link", name="Save everything").click()
    saved = tmp_path / "mine.teach"
    download.value.save_as(saved)
    address = page.url
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Open …").click()
    with page.expect_navigation():
        chooser.value.set_files(saved)
    page.locator(".te-classes[data-ready]").wait_for()
    assert page.url != address
    assert images_of(page, "Red") == before
    page.get_by_text(re.compile(r"Linear on relu5_3 of VGG-16: learned from")).wait_for()
    page.emulate_media(color_scheme="dark")
    screenshot(page, "teach-opened-dark")
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.get_by_role("tab", name="Learned").click()
    screenshot(page, "teach-phone-dark")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]
    page.goto(address)
    page.locator(".te-classes[data-ready]").wait_for()
    assert images_of(page, "Class 1") >= 8
    context.close()
    assert not problems
    assert teach_lab.errors() == []


def test_what_goes_wrong_is_said_and_loses_nothing(visitor, teach_lab: Lab) -> None:
    before = len(teach_lab.errors())
    page = visitor.new_page()
    open_room(page, teach_lab, "/teach")
    page.locator(".te-classes[data-ready]").wait_for()
    with page.expect_navigation():
        page.get_by_role("button", name="New", exact=True).click()
    page.wait_for_function("() => document.querySelector('.te-card-head .num')?.textContent === '0 images'")
    # No camera in this browser.
    page.get_by_role("button", name="Start the camera").click()
    page.locator(".te-live [role=alert]", has_text="bring images as files").wait_for()
    # A file that is no picture, a picture that is damaged, a zip that is none.
    upload(page, "Class 1", [{"name": "notes.txt", "mimeType": "text/plain", "buffer": b"hi"}])
    page.locator(".te-classes [role=alert]", has_text="notes.txt is no picture").wait_for()
    upload(page, "Class 1", [{"name": "bad.png", "mimeType": "image/png", "buffer": b"\x89PNG broken"}])
    page.locator(".te-classes [role=alert]", has_text="“bad.png” cannot be used").wait_for()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Zip …").click()
    chooser.value.set_files({"name": "x.zip", "mimeType": "application/zip", "buffer": b"no zip"})
    page.get_by_role("alert").filter(has_text="x.zip is neither a folder nor a whole zip").first.wait_for()
    screenshot(page, "teach-problems")
    # One class only.
    page.get_by_role("button", name="Remove the class Class 2").click()
    page.get_by_text('only one class, "Class 1"').wait_for()
    assert page.get_by_role("button", name="Train", exact=True).is_disabled()
    page.get_by_role("button", name="Take it back").click()
    card(page, "Class 2").wait_for()
    # A thousand images at once: it is said how far it is, and the page goes on answering.
    page.get_by_text("More settings").click()
    size = page.get_by_label("Size (pixels)")
    size.fill("32")
    size.press("Tab")
    upload(page, "Class 2", red(1000, 8))
    page.locator(".te-busy", has_text=re.compile(r"of 1,000 images")).wait_for()
    began = page.evaluate("() => performance.now()")
    page.get_by_label("Name of the project").fill("Many")
    page.get_by_label("Name of the project").press("Enter")
    assert page.evaluate("() => performance.now()") - began < 10_000
    page.wait_for_function(
        "() => document.querySelectorAll('.te-card-head .num')[1].textContent === '1,000 images'",
        timeout=PATIENCE,
    )
    assert card(page, "Class 2").locator(".te-thumb").count() == 24
    assert page.get_by_label("Name of the project").input_value() == "Many"
    page.get_by_role("button", name="Delete …").click()
    with page.expect_navigation():
        page.get_by_role("button", name="Delete for good?").click()
    page.close()
    assert teach_lab.errors()[before:] == []
