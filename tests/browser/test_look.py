"""Looking inside as a person does: drawing, pointing, walking by keyboard, saving; also into runs."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from visiting import PHONE, Lab, open_room, screenshot

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Locator, Page

pytestmark = [pytest.mark.data, pytest.mark.browser]

HERE = Path(__file__).parent
PATIENCE = 60_000
INKED = """() => {
    const context = document.querySelector('.cl-nl-over').getContext('2d');
    return context.getImageData(0, 0, 2000, 2000).data.filter((value, i) => i % 4 === 3 && value > 0).length;
}"""
"""How many pixels are drawn over the units."""
SHARE = "bar => bar.getBoundingClientRect().height / bar.parentElement.getBoundingClientRect().height"
SEVEN = [(0.26, 0.24), (0.74, 0.24), (0.44, 0.86)]


def enter(page: Page, lab: Lab, query: str = "") -> None:
    """Open the room and wait for the first frame."""
    open_room(page, lab, f"/look{'?' + query if query else ''}")
    page.wait_for_function("() => window.convolabLook?.frame()", timeout=PATIENCE)


def look(page: Page, expression: str, argument: Any = None) -> Any:
    """Evaluate something of the room's own objects, with ``look`` and ``argument``."""
    return page.evaluate(
        f"argument => {{ const look = window.convolabLook; return {expression}; }}", argument
    )


def until(page: Page, condition: str, argument: Any = None) -> None:
    page.wait_for_function(
        f"argument => {{ const look = window.convolabLook; return {condition}; }}",
        arg=argument,
        timeout=PATIENCE,
    )


def stroke(page: Page, points: list[tuple[float, float]], steps: int = 12) -> None:
    """Draw on the pad with the mouse, through points given as shares of its sides."""
    box = page.locator(".cl-look .cl-pad").bounding_box()
    assert box
    places = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=steps)
    page.mouse.up()


def clear(page: Page) -> None:
    page.get_by_role("button", name="Clear", exact=True).click()
    until(page, "look.frame().empty")


def guess(page: Page) -> Locator:
    return page.locator(".cl-nb-first").first


def shares(page: Page) -> list[float]:
    """Heights of the bars, as they stand in the page."""
    found = page.locator(".cl-nb-track i").evaluate_all(f"bars => bars.map({SHARE})")
    return [float(height) for height in found]


def at(page: Page, level: str, index: list[int]) -> tuple[float, float]:
    """Where a unit stands in the window."""
    box = page.locator(".cl-nl-over").first.bounding_box()
    x, y = look(page, "look.view().centre(argument[0], argument[1])", [level, index])
    assert box
    return box["x"] + x, box["y"] + y


def painted(page: Page, place: tuple[float, float]) -> list[int]:
    """The colour on the canvas at a place in the window."""
    return list(
        page.evaluate(
            """([x, y]) => {
                const canvas = document.querySelector('.cl-nl-base');
                const box = canvas.getBoundingClientRect();
                const scale = canvas.width / box.width;
                const [left, top] = [(x - box.left) * scale, (y - box.top) * scale];
                return [...canvas.getContext('2d').getImageData(left, top, 1, 1).data];
            }""",
            list(place),
        )
    )


def test_a_seven_is_lit_at_once_drawn_erased_and_comes_back(lab: Lab, visitor: BrowserContext):
    page = visitor.new_page()
    enter(page, lab)
    assert guess(page).inner_text() == "7"
    page.get_by_text("Test image 0 of MNIST, labelled “7”, given as it is.").wait_for()
    page.wait_for_function(
        "() => location.search.includes('network=harley-cnn') && location.search.includes('test=0')"
    )
    screenshot(page, "look")

    clear(page)
    page.get_by_text(re.compile("^Nothing is drawn: this is how the network responds")).wait_for()
    screenshot(page, "look-empty")

    # While the pen moves, not after: frames come before it is lifted.
    look(page, "look.timings = []")
    box = page.locator(".cl-look .cl-pad").bounding_box()
    assert box
    places = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in SEVEN]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=12)
    for _ in range(200):
        if look(page, "look.timings.length") >= 3:
            break
        page.mouse.move(places[-1][0] + random.uniform(-3, 3), places[-1][1])
        page.wait_for_timeout(50)
    assert look(page, "look.timings.length >= 3 && !look.frame().empty")
    page.mouse.up()
    page.wait_for_function(
        "() => document.querySelector('.cl-nb-first').textContent === '7'", timeout=PATIENCE
    )
    page.get_by_text(re.compile("The drawing was cut out.* centred by its centre of mass")).wait_for()
    page.wait_for_function("() => !location.search.includes('test=')")
    screenshot(page, "look-drawn")

    # It is erased from its foot upwards, and the bars change: how soon depends on how sure the network is.
    before = shares(page)
    page.get_by_role("radio", name="Eraser").click()
    for path in ([(0.4, 0.95), (0.6, 0.55)], [(0.44, 0.86), (0.74, 0.28)], [(0.74, 0.24), (0.4, 0.24)]):
        given = look(page, "[...look.frame().given.pixels]")
        stroke(page, path)
        until(page, "look.frame().given.pixels.some((value, i) => value !== argument[i])", given)
        page.wait_for_timeout(300)
        changes = [abs(now - then) for now, then in zip(shares(page), before, strict=True)]
        if max(changes) > 0.02:
            break
    assert max(changes) > 0.02
    erased = look(page, "[...look.frame().given.pixels]")
    page.get_by_role("button", name="Undo", exact=True).click()
    page.wait_for_function(
        "() => document.querySelector('.cl-nb-first').textContent === '7'", timeout=PATIENCE
    )
    until(page, "look.frame().given.pixels.some((value, i) => value !== argument[i])", erased)

    # As drawn instead of centred: the input is another one.
    centred = look(page, "[...look.frame().given.pixels]")
    page.get_by_role("radio", name="As drawn").click()
    page.get_by_text("The drawing was resized to 28×28.").wait_for()
    assert look(page, "[...look.frame().given.pixels]") != centred
    page.wait_for_function("() => location.search.includes('input=drawn')")

    # A reload keeps the drawing and the choice.
    drawn = look(page, "[...look.frame().given.pixels]")
    page.reload()
    page.wait_for_function("() => window.convolabLook?.frame()", timeout=PATIENCE)
    until(
        page, "[...look.frame().given.pixels].every((value, i) => Math.abs(value - argument[i]) < 3)", drawn
    )
    page.get_by_text("The drawing was resized to 28×28.").wait_for()
    assert lab.errors() == []


def test_colours_edges_levels_and_space(lab: Lab, visitor: BrowserContext):
    page = visitor.new_page()
    enter(page, lab, "test=0")
    # The colour of a cell says its value: blue below zero, orange above.
    outputs = look(page, "[...look.frame().slots.a.raw]")
    red, _, blue, _ = painted(page, (at(page, "linear3", [7])[0] + 14, at(page, "linear3", [7])[1] + 14))
    assert outputs[7] > 1
    assert red > blue + 60
    red, _, blue, _ = painted(page, (at(page, "linear3", [3])[0] + 14, at(page, "linear3", [3])[1] + 14))
    assert outputs[3] < -1
    assert blue > red + 60

    # Edges: pointed at, a unit tells its value and its sum, and lines lead to what it sees.
    page.mouse.move(*at(page, "conv2", [3, 5, 5]))
    line = page.locator(".cl-nl-line").first
    line.get_by_text(
        re.compile(r"^Convolution 5×5, map 4, row 6, column 6: −?[\d.]+\. Sum of 75 products, bias")
    ).wait_for()
    unit = page.evaluate(
        "convolabLook.ask({ do: 'unit', level: 'conv2', index: [3, 5, 5] }).then(answer => answer.unit)"
    )
    largest = max(abs(value) for entry in unit["inputs"] for row in entry["products"] for value in row)
    assert look(page, "look.view().strongest()") == pytest.approx(largest, rel=1e-6)
    with_edges = page.evaluate(INKED)
    screenshot(page, "look-edges")
    page.mouse.move(5, 5)
    page.wait_for_function(f"before => ({INKED})() < before / 4", arg=with_edges)

    # Scales: per map every map has its own limit, for all they share one; the legend says which.
    page.get_by_role("radio", name="for all").click()
    page.locator(".cl-look-legend", has_text="the same for all levels").wait_for()
    limits = look(page, "look.view().limits()")
    assert len(set(limits)) == 1
    values = look(
        page, "look.frame().slots.a.values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)"
    )
    assert limits[0] == pytest.approx(values, rel=1e-6)
    page.get_by_role("radio", name="per map").click()

    # A level is hidden, from the list and with its own cross, and shown again.
    page.get_by_role("button", name="Levels", exact=True).click()
    page.get_by_role("checkbox", name=re.compile("Convolution 5×5 6 maps")).uncheck()
    until(page, "look.view().centre('conv1', [0, 0, 0]) === null")
    page.keyboard.press("Escape")
    page.wait_for_function("() => location.search.includes('hide=conv1')")
    page.locator(".cl-nl-label[data-level=pool2]").hover()
    page.locator(".cl-nl-label[data-level=pool2] .cl-nl-hide").click()
    until(page, "look.view().centre('pool2', [0, 0, 0]) === null")
    screenshot(page, "look-hidden")
    page.get_by_role("button", name="Levels", exact=True).click()
    for name in ("Convolution 5×5 6 maps", "Max pooling 2×2 16 maps"):
        page.get_by_role("checkbox", name=re.compile(name)).check()
    page.keyboard.press("Escape")
    until(page, "look.view().centre('conv1', [0, 0, 0]) && look.view().centre('pool2', [0, 0, 0])")

    # In space: drawn, turned with the mouse, enlarged with the wheel; and back.
    flat = at(page, "conv1", [2, 10, 10])
    page.get_by_role("radio", name="3D").click()
    until(page, "Math.hypot(...look.view().centre('conv1', [2, 10, 10])) > 0")
    page.wait_for_timeout(300)
    one = at(page, "conv1", [2, 10, 10])
    assert one != flat
    assert painted(page, one)[3] == 255
    page.mouse.move(*one)
    line.get_by_text(re.compile("^Convolution 5×5, map 3, row 11, column 11")).wait_for()
    box = page.locator(".cl-nl-over").first.bounding_box()
    assert box
    page.mouse.move(box["x"] + 40, box["y"] + box["height"] - 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + box["height"] - 60, steps=4)
    page.mouse.up()
    two = at(page, "conv1", [2, 10, 10])
    assert abs(two[0] - one[0]) + abs(two[1] - one[1]) > 20
    page.mouse.wheel(0, -300)
    until(
        page,
        "Math.hypot(look.view().centre('conv1', [2, 10, 10])[0] - argument[0], 0) > 1",
        [two[0] - box["x"]],
    )
    page.wait_for_timeout(300)
    screenshot(page, "look-space")
    page.wait_for_function("() => location.search.includes('space=3d')")
    page.get_by_role("radio", name="Flat").click()
    until(
        page,
        "Math.hypot(look.view().centre('conv1', [2, 10, 10])[0] - argument[0]) < 1",
        [flat[0] - box["x"]],
    )
    assert lab.errors() == []


def test_by_keyboard_alone(lab: Lab, visitor: BrowserContext):
    page = visitor.new_page()
    enter(page, lab, "test=0")
    # From the pad …
    page.locator(".cl-look .cl-pad").focus()
    page.keyboard.press("Delete")
    until(page, "look.frame().empty")
    page.keyboard.press("Space")
    for _ in range(6):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    until(page, "!look.frame().empty")
    # … to the network: the first unit is the first guess, then down to the pixels.
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.cl-nl-over')"):
            break
    best = look(page, "look.frame().slots.a.order[0]")
    spoken = page.locator(".cl-nl > [role=status]")
    spoken.get_by_text(re.compile(rf"^Fully connected, unit {best + 1} \(“{best}”\): ")).wait_for()
    marked = [look(page, "look.selected().level")]
    for _ in range(8):
        page.keyboard.press("PageDown")
        marked.append(look(page, "look.selected().level"))
    expected = ["linear3", "linear2", "linear1", "pool2", "conv2", "pool1", "conv1", "input"]
    assert marked[:8] == expected
    page.keyboard.press("PageUp")
    before = look(page, "look.selected()")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    after = look(page, "look.selected()")
    assert after["level"] == before["level"] == "conv1"
    step = [b - a for a, b in zip(before["index"], after["index"], strict=True)]
    assert step in ([0, -1, 1], [1, -1, -27])
    spoken.get_by_text(re.compile(r"^Convolution 5×5, map \d, row \d+, column \d+: −?[\d.]+$")).wait_for()
    page.wait_for_function("() => location.search.includes('unit=conv1:')")
    page.keyboard.press("Enter")
    page.get_by_role("dialog", name=re.compile("^Convolution 5×5, map")).wait_for()
    page.keyboard.press("Escape")
    # The address brings the mark back.
    unit = look(page, "look.view().marked")
    page.reload()
    page.wait_for_function("() => window.convolabLook?.frame()", timeout=PATIENCE)
    until(page, "look.view().marked === argument", unit)
    # Everything that can be focused has a name, and text can be read.
    assert page.evaluate((HERE / "nameless.js").read_text()) == []
    assert page.evaluate((HERE / "contrast.js").read_text()) == []
    assert lab.errors() == []


def test_two_networks_side_by_side_and_a_picture_of_them(lab: Lab, visitor: BrowserContext):
    page = visitor.new_page()
    enter(page, lab, "test=2&compare=harley-cnn@start")
    until(page, "look.view(1)?.frame")
    assert page.locator(".cl-look-pane").count() == 2
    assert page.locator(".cl-nb-first").first.inner_text() == "1"
    page.locator(".cl-look-pane").nth(1).get_by_text("before training").wait_for()
    first, second = (look(page, f"[...look.frame().slots.{slot}.values.slice(0, 2000)]") for slot in "ab")
    assert first[:1024] == second[:1024]
    assert first[1024:] != second[1024:]
    screenshot(page, "look-compared")
    page.get_by_label("Beside it").select_option(label="Harley's MLP")
    until(page, "look.view(1)?.layout?.units === 1194")
    page.wait_for_function("() => location.search.includes('compare=harley-mlp')")
    page.get_by_label("Beside it").select_option(label="Nothing")
    page.wait_for_function("() => document.querySelectorAll('.cl-look-pane').length === 1")

    page.get_by_role("button", name="Save the view").click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name="Picture with legend (PNG)").click()
    from PIL import Image

    with Image.open(download.value.path()) as picture:
        size = look(page, "look.view().size()")
        assert picture.width > 2 * size[0]
        assert picture.height > 2 * size[1]
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1_000_000) or []}
        assert len(colours) > 200
    page.get_by_role("button", name="Save the view").click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name="All activations (CSV)").click()
    lines = download.value.path().read_text().splitlines()
    assert len(lines) == 1 + 9134
    assert lab.errors() == []


def test_bad_input_is_one_sentence_in_its_place(lab: Lab, visitor: BrowserContext):
    page = visitor.new_page()
    enter(page, lab)
    page.locator(".cl-look input[type=file]").set_input_files(
        [{"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"}]
    )
    page.get_by_role("alert").get_by_text(
        "“notes.txt” is not a picture; choose a PNG, JPEG or the like."
    ).wait_for()
    page.locator(".cl-look input[type=file]").set_input_files(
        [{"name": "broken.png", "mimeType": "image/png", "buffer": b"\x89PNG\r\n\x1a\nbroken"}]
    )
    page.get_by_role("alert").get_by_text(re.compile("^The picture cannot be used: ")).wait_for()
    assert guess(page).inner_text() == "7"
    screenshot(page, "look-bad-picture")
    # A picture of another size and mode is made to fit, and that is said.
    from io import BytesIO

    from PIL import Image

    photo = Image.new("RGB", (300, 200), "white")
    photo.paste("black", (140, 30, 160, 170))
    file = BytesIO()
    photo.save(file, "JPEG")
    page.locator(".cl-look input[type=file]").set_input_files(
        [{"name": "one.jpg", "mimeType": "image/jpeg", "buffer": file.getvalue()}]
    )
    page.get_by_text(re.compile(r"made grey, inverted.*It was 300×200\.")).wait_for()
    assert page.get_by_role("alert").filter(visible=True).count() == 0

    enter_without_frame = f"{lab.url}/look?network=harly-cnn&run=0000"
    page.goto(enter_without_frame)
    page.get_by_role("alert").get_by_text(re.compile("There is no run 0000")).wait_for(timeout=PATIENCE)
    page.get_by_role("combobox", name="Network").select_option(label="Harley's MLP")
    page.wait_for_function("() => window.convolabLook?.layout()?.units === 1194", timeout=PATIENCE)
    assert lab.errors() == []


def test_a_run_on_photographs(lab: Lab, visitor: BrowserContext):
    """A run that is looked at before it trains, and refreshed as it does; a test image for a drawing."""
    code = (
        "import sys; from convolab.networks import Network; from convolab.runs import create_run, execute;"
        "from convolab.networks.layers import Flatten, Linear, MaxPool2d;"
        "from convolab.training.settings import TrainingSettings;"
        "layers = (MaxPool2d(kernel_size=4, stride=4), Flatten(), Linear(out_features=10));"
        "network = Network(input_shape=(3, 32, 32), layers=layers);"
        "run = create_run('cifar10', network, TrainingSettings(examples=640));"
        "print(run, flush=True); sys.stdin.readline(); execute(run)"
    )
    environment = {**os.environ, "CONVOLAB_HOME": str(lab.home)}
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        run = process.stdout.readline().strip()
        page = visitor.new_page()
        enter(page, lab, f"run={run}&test=3")
        page.get_by_text("not trained yet").wait_for()
        page.get_by_text("Test image 3 of CIFAR-10, labelled “airplane”, given as it is.").wait_for()
        assert page.get_by_role("radio", name="Centred").is_hidden()
        before = look(page, "[...look.frame().slots.a.raw]")
        process.stdin.write("\n")
        process.stdin.flush()
        page.get_by_text(re.compile("of 10,000 test images")).first.wait_for(timeout=PATIENCE)
        until(page, "look.frame().slots.a.raw.some((value, i) => value !== argument[i])", before)
    screenshot(page, "look-run")
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.wait_for_timeout(300)
    screenshot(page, "look-phone")
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= PHONE["width"]
    assert lab.errors() == []


def test_only_pages_of_the_lab_may_open_the_socket(lab: Lab):
    from websockets.exceptions import ConnectionClosed, InvalidStatus
    from websockets.sync.client import connect

    address = lab.url.replace("http", "ws") + "/look/live"
    with pytest.raises(InvalidStatus):
        connect(address, origin="http://evil.example")  # type: ignore[arg-type]
    with connect(address, origin=lab.url) as socket:  # type: ignore[arg-type]
        socket.send('{"do": "fly", "id": 3}')
        assert '"id":3' in str(socket.recv())
        socket.send(b"\xff\xff\xff\xff no picture")
        with pytest.raises(ConnectionClosed):
            socket.recv()
    assert lab.errors() == []
