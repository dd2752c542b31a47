"""The room Transfer as a person uses it: real workers, and the real VGG-16 where it can be had."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from visiting import PHONE, Lab, open_room, restarted, screenshot

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

pytestmark = pytest.mark.browser

PATIENCE = 120_000
"""Milliseconds; generous, for machines that are busy with other things."""
STEPS = 200
"""Enough that a fast machine is still painting when the space key pauses it."""
HERE = Path(__file__).resolve().parent
SMALL_NETWORK = """
import numpy as np
from pathlib import Path
from PIL import Image
from convolab.datasets import import_images
from convolab.networks import Network
from convolab.runs import create_run, execute
from convolab.training.settings import TrainingSettings
import tempfile
folder = Path(tempfile.mkdtemp())
random = np.random.default_rng(0)
for name in ("dark", "bright"):
    (folder / name).mkdir()
    for i in range(20):
        pixels = random.integers(0, 120, (16, 16, 3)) + 120 * (name == "bright")
        Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{i}.png")
import_images(folder, "shades", size=16, color=True)
layers = [{"type": "Conv2d", "out_channels": 8, "kernel_size": 3, "padding": 1}, {"type": "ReLU"},
          {"type": "MaxPool2d", "kernel_size": 2}, {"type": "Conv2d", "out_channels": 16, "kernel_size": 3},
          {"type": "ReLU"}, {"type": "Flatten"}, {"type": "Linear", "out_features": 2}]
network = Network.model_validate({"input_shape": (3, 16, 16), "name": "shades", "layers": layers})
run = create_run("shades", network, TrainingSettings(examples=320, batch_size=16), name="shades 1")
execute(run)
print(run)
"""


def feature_network(lab: Lab) -> str:
    """``vgg-16``; where its weights are neither here nor to be had, a small network trained in this lab."""
    from convolab.errors import DataError
    from convolab.style.weights import fetch_weights

    try:
        fetch_weights("vgg-16")
    except DataError:
        return f"run:{small_network(lab)}"
    return "vgg-16"


def small_network(lab: Lab) -> str:
    """The id of a run of a small network in the lab."""
    import subprocess
    import sys

    environment = {**os.environ, "CONVOLAB_HOME": str(lab.home)}
    command = [sys.executable, "-c", SMALL_NETWORK]
    made = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return made.stdout.split()[-1]


def script(name: str) -> str:
    return (HERE / f"{name}.js").read_text()


def until(page: Page, condition: Callable[[], bool], what: str) -> None:
    for _ in range(PATIENCE // 100):
        if condition():
            return
        page.wait_for_timeout(100)
    raise AssertionError(
        f"In vain waited for: {what}. The page: {page.locator('.ct-stage-panel').inner_text()}"
    )


def main(page: Page, label: str) -> None:
    """Wait until the big button offers ``label``, and press it."""
    page.locator(".ct-main:enabled", has_text=re.compile(f"^{label}$")).click(timeout=PATIENCE)


def step(page: Page) -> int:
    """After how many steps the picture is that is on the stage; -1 for the photo."""
    return int(page.locator(".ct-picture").get_attribute("data-step") or -1)


def job(page: Page) -> str:
    page.wait_for_function("() => location.search.includes('job=')", timeout=PATIENCE)
    found = re.search(r"job=([\w-]+)", page.url)
    assert found
    return found[1]


def pixels(page: Page, selector: str) -> str:
    """What a canvas or an image shows, to be compared."""
    return str(
        page.evaluate(
            """selector => {
                const node = document.querySelector(selector);
                const canvas = document.createElement('canvas');
                canvas.width = canvas.height = 64;
                canvas.getContext('2d').drawImage(node, 0, 0, 64, 64);
                return canvas.toDataURL();
            }""",
            selector,
        )
    )


def events(lab: Lab, page: Page) -> list[dict[str, object]]:
    lines = (lab.home / "transfers" / job(page) / "events.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def picture(
    mode: str = "RGB", size: tuple[int, int] = (40, 30), kind: str = "PNG", **options: object
) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, options.pop("color", 100)).save(buffer, kind, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def huge() -> bytes:
    """A PNG of 20,000×20,000 pixels that takes a few bytes and is never decoded."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 1, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def test_paint_pause_change_w_resume_reload_finish_and_load_settings_back(
    lab: Lab, visitor: BrowserContext, tmp_path: Path
):
    network = feature_network(lab)
    page = visitor.new_page()
    open_room(page, lab, f"/transfer?photo=lab-lake&style=lab-waves&size=96&steps={STEPS}&network={network}")
    page.locator(".ct-picture[alt^='The photo']").wait_for(timeout=PATIENCE)
    page.get_by_text("The losses appear here").wait_for()
    assert page.evaluate(script("nameless")) == []
    assert page.evaluate(script("contrast")) == []

    main(page, "Paint")
    until(page, lambda: step(page) >= 1, "a first picture")
    first, curve = pixels(page, ".ct-picture"), pixels(page, ".ct-curves canvas")
    begun = step(page)
    until(page, lambda: step(page) > begun, "a next picture")
    assert pixels(page, ".ct-picture") != first
    until(page, lambda: pixels(page, ".ct-curves canvas") != curve, "curves that grow")
    screenshot(page, "transfer-working")

    # The space key pauses; what is paused stands still.
    page.locator("body").press("Space")
    page.locator(".cl-sentence", has_text="Paused after").wait_for(timeout=PATIENCE)
    reached = max(int(str(event["step"])) for event in events(lab, page))
    assert reached < STEPS
    page.get_by_label("W as a number, 0 to 1").fill("0.8")
    page.keyboard.press("Enter")
    until(page, lambda: any(e["kind"] == "weights_changed" for e in events(lab, page)), "the new W")
    changed = next(event for event in events(lab, page) if event["kind"] == "weights_changed")
    assert (changed["weight"], changed["step"]) == (0.8, reached)
    assert max(int(str(event["step"])) for event in events(lab, page)) == reached

    # All of it survives a reload.
    page.reload()
    page.locator(".cl-sentence", has_text="Paused after").wait_for(timeout=PATIENCE)
    assert page.get_by_label("W as a number, 0 to 1").input_value() == "0.80"
    until(page, lambda: step(page) == reached, "the picture after the reload")
    main(page, "Resume")
    page.locator(".cl-sentence", has_text=f"Finished after {STEPS} steps").wait_for(timeout=2 * PATIENCE)
    until(page, lambda: step(page) == STEPS, "the finished picture")
    weights = [event["weight"] for event in events(lab, page) if event["kind"] == "iterate"]
    assert weights == [0.5] * reached + [0.8] * (STEPS - reached)

    # Back through the pictures, and the Gram matrices with them.
    page.locator(".ct-grams .cl-readout", has_text="the matrices differ by").wait_for()
    style, late = pixels(page, ".ct-gram"), gram_distance(page)
    page.locator(".ct-scrubber").focus()
    page.keyboard.press("Home")
    until(page, lambda: step(page) < 5, "the first pictures")
    until(page, lambda: gram_distance(page) > late, "Gram matrices further apart at the beginning")
    assert pixels(page, ".ct-gram") == style
    page.get_by_role("button", name="Newest").click()
    until(page, lambda: step(page) == STEPS, "the newest picture")
    screenshot(page, "transfer-finished")

    # Save it, and the film.
    saved = tmp_path / "painted.png"
    download(page, "This picture, with its settings (PNG)", saved)
    with Image.open(saved) as painted:
        assert painted.size == (96, 96)
    film = tmp_path / "film.gif"
    download(page, "All pictures as a film (GIF)", film)
    with Image.open(film) as opened:
        assert opened.n_frames > 5  # type: ignore[attr-defined]

    # Another visitor loads the settings from the picture.
    open_room(page, lab, "/transfer")
    assert page.get_by_label("W as a number, 0 to 1").input_value() == "0.50"
    page.locator("[data-place=photo] input[type=file]").set_input_files(saved)
    page.get_by_text(f"The lab painted this picture: House by a lake as Waves, {STEPS} steps.").wait_for()
    page.get_by_role("button", name="Load its settings").click()
    page.wait_for_function("() => location.search.includes('size=96')")
    assert page.get_by_label("W as a number, 0 to 1").input_value() == "0.80"
    for said in ("photo=lab-lake", "style=lab-waves", "weight=0.8", f"steps={STEPS}"):
        assert said in page.url
    assert lab.errors() == []


def gram_distance(page: Page) -> float:
    found = re.search(r"differ by ([\d.]+) %", page.locator(".ct-grams .cl-readout").inner_text())
    return float(found[1]) if found else 0.0


def download(page: Page, item: str, path: Path) -> None:
    page.get_by_role("button", name="Save the picture").click()
    with page.expect_download(timeout=PATIENCE) as found:
        page.get_by_role("menuitem", name=item).click()
    found.value.save_as(path)


def test_a_killed_worker_and_a_killed_lab_are_no_loss(fresh_lab: Lab, visitor: BrowserContext):
    network = feature_network(fresh_lab)
    page = visitor.new_page()
    address = f"/transfer?photo=lab-waves&style=lab-dots&size=96&steps=20000&network={network}"
    open_room(page, fresh_lab, address)
    main(page, "Paint")
    until(page, lambda: step(page) >= 2, "some steps")
    # Paused and resumed, so that there is a saved state; then the power goes off in the worker.
    main(page, "Pause")
    main(page, "Resume")
    page.locator(".ct-main", has_text="Pause").wait_for(timeout=PATIENCE)
    state = json.loads((fresh_lab.home / "transfers" / job(page) / "state.json").read_text())
    os.kill(state["pid"], signal.SIGKILL)
    page.locator(".ct-stage-panel .cl-sentence", has_text="goes on by itself").wait_for(timeout=PATIENCE)
    until(page, lambda: [e["kind"] for e in events(fresh_lab, page)].count("started") == 2, "the next worker")
    resumed = [event for event in events(fresh_lab, page) if event["kind"] == "started"][1]
    assert int(str(resumed["step"])) > 0
    until(page, lambda: step(page) > int(str(resumed["step"])), "painting that goes on")

    # The ring lists it like a run.
    page.get_by_role("button", name=re.compile("^Jobs: 1 job under way")).click(timeout=PATIENCE)
    page.get_by_role("dialog", name="Jobs").get_by_text(re.compile("^Painting: ")).wait_for()
    page.keyboard.press("Escape")

    restarted(fresh_lab, page)
    page.locator(".cl-sentence", has_text="Interrupted after").wait_for(timeout=PATIENCE)
    screenshot(page, "transfer-interrupted")
    main(page, "Resume")
    page.locator(".ct-main", has_text="Pause").wait_for(timeout=PATIENCE)
    page.get_by_role("button", name="Stop", exact=True).click()
    page.locator(".cl-sentence", has_text="Stopped after").wait_for(timeout=PATIENCE)
    assert fresh_lab.errors() == []


def test_masks_grid_and_a_lab_network_as_feature_network(lab: Lab, visitor: BrowserContext):
    network = f"run:{small_network(lab)}"
    page = visitor.new_page()
    open_room(page, lab, f"/transfer?photo=lab-waves&style=lab-dots&size=64&steps=8&network={network}")
    page.get_by_label("conv1 for style").wait_for()
    page.get_by_role("button", name="Add Hatching as a further style").click()
    page.wait_for_function("() => location.search.includes('style=lab-dots,lab-hatching')")

    # The second style in the middle of the picture.
    page.get_by_role("button", name="Masks …").click()
    dialog = page.get_by_role("dialog", name="Masks")
    box = dialog.locator("canvas").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    screenshot(page, "transfer-masks")
    dialog.get_by_role("button", name="Use these masks").click()
    page.wait_for_function("() => /mask=mask-\\w+,mask-/.test(location.search)")
    masks = [
        Image.open(lab.home / "pictures" / key / "picture").convert("L")
        for key in re.findall(r"mask-\w{20}", page.url)
    ]
    centres = [mask.getpixel((mask.width // 2, mask.height // 2)) for mask in masks]
    corners = [mask.getpixel((2, 2)) for mask in masks]
    assert (centres, corners) == ([0, 255], [255, 0])
    main(page, "Paint")
    page.locator(".cl-sentence", has_text="Finished after 8 steps").wait_for(timeout=PATIENCE)
    page.get_by_role("radio", name="relu1 · 2").wait_for()  # a Gram matrix for each style

    page.get_by_role("button", name="Grid", exact=True).click()
    page.get_by_label("W of the rows").fill("0.2, 1.4")
    page.get_by_label("Size, pixels").fill("48")
    page.get_by_label("Steps", exact=True).last.fill("4")
    page.get_by_role("button", name="Paint the grid").click()
    page.locator(".ct-grid .note.bad", has_text="W must be between 0 and 1, not 1.4").wait_for()
    page.get_by_label("W of the rows").fill("0.2, 0.9")
    page.get_by_role("button", name="Paint the grid").click()
    page.locator(".ct-grid", has_text=re.compile(r"(\d+) of \1 pictures are finished")).wait_for(
        timeout=PATIENCE
    )
    assert page.get_by_role("rowheader").all_inner_texts() == ["W = 0.2", "W = 0.9"]
    screenshot(page, "transfer-grid")
    cells = page.locator(".ct-cell").count()
    assert cells == 2 * page.get_by_role("columnheader").count()
    page.locator(".ct-cell").last.click()
    page.locator(".cl-sentence", has_text="Finished after 4 steps").wait_for()
    assert page.get_by_label("W as a number, 0 to 1").input_value() == "0.90"
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    screenshot(page, "transfer-phone", full_page=True)
    page.set_viewport_size({"width": 1440, "height": 900})
    assert lab.errors() == []


def test_pictures_from_outside_good_and_bad(lab: Lab, visitor: BrowserContext, tmp_path: Path):
    page = visitor.new_page()
    open_room(page, lab, "/transfer?style=lab-dots")
    file = page.locator("[data-place=photo] input[type=file]")
    problem = page.locator("[data-place=photo] .note.bad")

    def bring(name: str, content: bytes) -> None:
        path = tmp_path / name
        path.write_bytes(content)
        file.set_input_files(path)

    exif = Image.Exif()
    exif[0x0112] = 6  # taken with the camera turned
    for name, content, size in (
        ("turned.jpg", picture(kind="JPEG", size=(40, 30), exif=exif), "30×40"),
        ("print.jpg", picture("CMYK", (33, 22), "JPEG", color=(0, 200, 200, 0)), "33×22"),
        ("glass.png", picture("RGBA", (24, 20), color=(255, 0, 0, 0)), "24×20"),
        ("grey.png", picture("L", (50, 20)), "50×20"),
    ):
        bring(name, content)
        page.locator(".ct-photo", has_text=size).wait_for()
        assert problem.is_hidden()
    shown = page.evaluate(
        """async () => {
            const image = await createImageBitmap(await (await fetch(
                document.querySelector('[data-place=photo] [aria-label="Photo: glass"] img').src)).blob());
            const canvas = new OffscreenCanvas(1, 1);
            canvas.getContext('2d').drawImage(image, 0, 0);
            return [...canvas.getContext('2d').getImageData(0, 0, 1, 1).data];
        }"""
    )
    assert shown == [255, 255, 255, 255]  # what is transparent lies on white
    for name, content, said in (
        (
            "notes.txt",
            b"no picture",
            "“notes.txt” cannot be used: it is not a picture of a kind that can be read.",
        ),
        ("dot.png", picture(size=(1, 1)), "“dot.png” has 1×1 pixels; at least 16 a side are needed."),
        ("huge.png", huge(), "“huge.png” cannot be used: it has more than 100 million pixels."),
    ):
        bring(name, content)
        problem.filter(has_text=said).wait_for()
        assert page.locator(".ct-photo", has_text="50×20").is_visible()  # what was there stays
    page.get_by_label("W as a number, 0 to 1").fill("3")
    page.keyboard.press("Enter")
    page.locator(".ct-weight .complaint", has_text="W must be a number from 0 to 1, not “3”").wait_for()
    for name in ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"):
        page.get_by_label(f"{name} for style").uncheck()
    page.locator(
        ".ct-layers-panel .complaint", has_text=re.compile("^Without style layers W must be 0")
    ).wait_for()
    # Where the answer comes while the mouse is still pressing, the press is repeated on the box drawn anew.
    until(page, page.get_by_label("relu5_1 for style").is_checked, "the last style layer put back")
    screenshot(page, "transfer-bad-input")

    open_room(page, lab, "/transfer?style_layers=relu9_1&style=gone&job=transfer-none")
    said = page.locator(".link-problems").inner_text()
    for part in ("relu9_1", "This picture is no longer in the lab", "There is no transfer transfer-none"):
        assert part in said
    assert lab.errors() == []
