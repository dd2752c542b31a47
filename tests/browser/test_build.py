"""The Build room as a person uses it: network, settings, data, links, files; mouse and keyboard."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from visiting import PHONE, Lab, open_room, screenshot

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Locator, Page

pytestmark = pytest.mark.data


def layer(page: Page, number: int | str) -> Locator:
    return page.locator(f'[data-layer="{number}"]')


def field(place: Page | Locator, name: str) -> Locator:
    return place.locator(f'[data-field="{name}"] :is(input, select)').first


def script(name: str) -> str:
    return (Path(__file__).parent / f"{name}.js").read_text()


def wait_for_types(page: Page, wanted: list[str]) -> None:
    page.wait_for_function(
        "wanted => [...document.querySelectorAll('[data-layer]')].map(c => c.dataset.type).join() === wanted",
        arg=",".join(wanted),
    )


def expect_shape(page: Page, number: int, shapes: str) -> None:
    page.wait_for_selector(f'[data-layer="{number}"][aria-label$="{shapes}"]')


PRESET = ["Conv2d", "ReLU", "MaxPool2d", "Conv2d", "ReLU", "MaxPool2d", "Flatten", "Linear"]


def test_editing_a_layer_changes_the_shapes_below_at_once(page: Page):
    expect_shape(page, 1, "28·28·1 to 28·28·8")
    field(layer(page, 1), "out_channels").fill("12")
    expect_shape(page, 3, "28·28·12 to 14·14·12")
    page.get_by_text("12,978 parameters").wait_for()
    assert field(page, "preset").input_value() == ""
    page.keyboard.press("ArrowUp")
    expect_shape(page, 3, "28·28·13 to 14·14·13")


def test_an_invalid_kernel_shows_its_error_and_a_fix_mends_it(page: Page):
    field(layer(page, 1), "stride").fill("2")
    problem = layer(page, 1).locator(".problem")
    problem.wait_for()
    assert "28" in problem.inner_text()
    page.get_by_text("The totals are known when every layer fits.").wait_for()
    screenshot(page, "build-error")
    problem.locator("button").first.click()
    problem.wait_for(state="hidden")
    page.get_by_text("activations per example").wait_for()


def test_what_cannot_be_read_stays_and_breaks_nothing(page: Page):
    kernel = field(layer(page, 1), "kernel_size")
    for text, said in (("5x", 'not "5x"'), ("", "is empty"), ("1000000000", "64"), ("-1", "1")):
        kernel.fill(text)
        layer(page, 1).locator(".complaint", has_text=said).wait_for()
        assert kernel.input_value() == text
    expect_shape(page, 1, "28·28·1 to 28·28·8")
    # Not even when something else changes.
    field(layer(page, 4), "out_channels").fill("3")
    expect_shape(page, 4, "14·14·8 to 14·14·3")
    assert kernel.input_value() == "-1"
    kernel.fill("3")
    layer(page, 1).locator(".complaint").wait_for(state="detached")
    expect_shape(page, 1, "28·28·1 to 30·30·8")


def test_layers_by_keyboard_with_undo_and_redo(page: Page):
    layer(page, 2).focus()
    page.keyboard.press("Alt+ArrowUp")
    moved = ["ReLU", "Conv2d", *PRESET[2:]]
    wait_for_types(page, moved)
    page.wait_for_function("() => document.activeElement?.dataset.layer === '1'")
    page.keyboard.press("d")
    wait_for_types(page, ["ReLU", *moved])
    page.wait_for_function("() => document.activeElement?.dataset.layer === '2'")
    page.keyboard.press("Delete")
    wait_for_types(page, moved)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    wait_for_types(page, PRESET)
    assert field(page, "preset").input_value() == "convolutional"
    page.keyboard.press("Control+Shift+z")
    wait_for_types(page, moved)


def test_layers_by_mouse_dragged_inserted_removed_duplicated(page: Page):
    # Dragged: the first ReLU under the first max pool.
    layer(page, 2).locator(".grip").hover()
    page.mouse.down()
    box = layer(page, 3).bounding_box()
    assert box
    page.mouse.move(box["x"] + 60, box["y"] + 40, steps=4)
    page.mouse.move(box["x"] + 60, box["y"] + box["height"] + 10, steps=6)
    page.mouse.up()
    page.wait_for_selector('[data-layer="2"][data-type="MaxPool2d"]')
    wait_for_types(page, ["Conv2d", "MaxPool2d", "ReLU", *PRESET[3:]])
    layer(page, 1).hover()
    page.get_by_role("button", name="Duplicate layer 1").click()
    wait_for_types(page, ["Conv2d", "Conv2d", "MaxPool2d", "ReLU", *PRESET[3:]])
    layer(page, 2).hover()
    page.get_by_role("button", name="Remove layer 2").click()
    wait_for_types(page, ["Conv2d", "MaxPool2d", "ReLU", *PRESET[3:]])
    page.get_by_role("button", name="Insert a layer here").first.click(force=True)
    page.get_by_role("dialog").get_by_role("button", name="Residual block").click()
    wait_for_types(page, ["Residual", "Conv2d", "ReLU", "Conv2d", "MaxPool2d", "ReLU", *PRESET[3:]])
    # Inside the block: another layer after its first.
    layer(page, "1.1").focus()
    page.keyboard.press("Insert")
    page.get_by_role("dialog").get_by_role("button", name="Batch norm").click()
    page.wait_for_selector('[data-layer="1.2"][data-type="BatchNorm2d"]')


def test_settings_that_do_not_apply_are_not_shown(page: Page):
    assert field(page, "momentum").is_visible()
    field(page, "optimizer").select_option("adam")
    field(page, "beta1").wait_for()
    field(page, "momentum").wait_for(state="hidden")
    rate = field(page, "learning_rate")
    rate.fill("0")
    complaint = page.locator('[data-field="learning_rate"] .complaint').first
    complaint.wait_for()
    assert complaint.inner_text().startswith("Learning rate must be greater than 0")
    rate.fill("0.002")
    complaint.wait_for(state="detached")
    page.wait_for_function("() => location.search.includes('learning_rate=0.002')")
    page.reload()
    page.wait_for_selector('[data-field="beta1"]')
    assert field(page, "learning_rate").input_value() == "0.002"


def test_the_custom_network_of_a_data_set_comes_back(page: Page):
    field(layer(page, 1), "out_channels").fill("9")
    expect_shape(page, 1, "28·28·1 to 28·28·9")
    field(page, "dataset").select_option("cifar10")
    expect_shape(page, 1, "32·32·3 to 32·32·9")
    layer(page, 1).focus()
    page.keyboard.press("Delete")
    page.wait_for_selector('[data-layer="1"][data-type="ReLU"]')
    field(page, "dataset").select_option("mnist")
    expect_shape(page, 1, "28·28·1 to 28·28·9")
    field(page, "preset").select_option("fully-connected")
    page.wait_for_selector('[data-layer="1"][data-type="Flatten"]')
    field(page, "preset").select_option("")
    expect_shape(page, 1, "28·28·1 to 28·28·9")


def test_a_recipe_for_one_minute_brings_its_layers_and_settings(page: Page):
    field(page, "dataset").select_option("cifar10")
    field(page, "preset").select_option("cifar10/1-minute")
    page.wait_for_selector('[data-layer="1"][aria-label*="32·32·3 to 31·31·"]')
    assert layer(page, 1).locator('[data-field="whitening"] input').is_checked()
    assert field(page, "optimizer").input_value() == "muon"
    assert field(page, "budget").input_value() == "60"
    assert page.locator('[data-field="flip"] input').first.is_checked()
    # Another data set: the same network, but digits are not mirrored.
    field(page, "dataset").select_option("mnist")
    page.wait_for_selector('[data-layer="1"][aria-label*="28·28·1 to 27·27·"]')
    assert not page.locator('[data-field="flip"] input').first.is_checked()
    field(page, "preset").select_option("convolutional")
    expect_shape(page, 1, "28·28·1 to 28·28·8")
    assert field(page, "optimizer").input_value() == "momentum"


def test_a_copied_link_opens_the_same_model_elsewhere(page: Page, lab: Lab, browser):
    field(layer(page, 1), "kernel_size").fill("3")
    field(layer(page, 1), "padding").fill("1")
    field(page, "batch_size").fill("128")
    page.wait_for_function("() => location.search.includes('batch_size=128')")
    page.get_by_role("button", name="Copy link").click()
    page.get_by_text("Copied").wait_for()
    link = page.evaluate("navigator.clipboard.readText()")
    assert "run=" not in link
    elsewhere = browser.new_context().new_page()
    elsewhere.goto(link)
    expect_shape(elsewhere, 1, "28·28·1 to 28·28·8")
    assert field(layer(elsewhere, 1), "kernel_size").input_value() == "3"
    assert field(elsewhere, "batch_size").input_value() == "128"
    assert elsewhere.locator(".link-problems").count() == 0
    elsewhere.context.close()


def test_a_bad_link_says_what_it_could_not_read(visitor: BrowserContext, lab: Lab):
    page = visitor.new_page()
    open_room(page, lab, "/build?data=cifar10&net=resnext&learning_rate=fast&hide=settings")
    said = page.locator(".link-problems").inner_text()
    assert "resnext" in said
    assert "earning rate" in said
    assert field(page, "dataset").input_value() == "cifar10"
    assert field(page, "preset").input_value() == "convolutional"
    assert page.locator('[data-field="optimizer"]').count() == 0
    page.get_by_role("button", name="Dismiss").click()
    page.locator(".link-problems").wait_for(state="detached")


def test_networks_go_out_as_files_and_come_in_again(page: Page, tmp_path: Path):
    def choose(item: str) -> None:
        page.get_by_role("button", name="More", exact=True).click()
        page.get_by_text(item, exact=True).click()

    field(layer(page, 1), "out_channels").fill("6")
    expect_shape(page, 1, "28·28·1 to 28·28·6")
    with page.expect_download() as download:
        choose("Download the network")
    saved = tmp_path / "network.json"
    download.value.save_as(saved)
    assert json.loads(saved.read_text())["layers"][0]["out_channels"] == 6
    field(page, "preset").select_option("lenet-5")
    page.wait_for_selector('[data-type="AvgPool2d"]')

    broken = tmp_path / "broken.json"
    broken.write_text(saved.read_text()[:200])
    choose("Open a network file …")
    dialog = page.get_by_role("dialog")
    dialog.locator("input[type=file]").set_input_files(broken)
    dialog.get_by_text(re.compile(r"broken\.json: .*broken at line")).wait_for()
    dialog.locator("input[type=file]").set_input_files(saved)
    expect_shape(page, 1, "28·28·1 to 28·28·6")

    original = tmp_path / "original.json"
    original.write_text('[{"layerName":"Flatten"},{"layerName":"Fully connected","hiddenUnits":10}]')
    dialog.wait_for(state="hidden")
    choose("Open a network file …")
    page.get_by_role("dialog").locator("input[type=file]").set_input_files(original)
    wait_for_types(page, ["Flatten", "Linear"])
    page.get_by_role("dialog").wait_for(state="hidden")

    choose("Export as PyTorch code …")
    page.get_by_role("dialog").get_by_text("nn.Linear(784, 10)").wait_for()


def test_examples_by_class(page: Page):
    picture = page.get_by_role("img", name="training examples of MNIST by class")
    page.wait_for_function(
        "picture => picture.complete && picture.naturalWidth === 238", arg=picture.element_handle()
    )
    page.get_by_text("5,421 to 6,742").wait_for()
    page.get_by_role("button", name="Test 10,000").click()
    field(page, "label").select_option("7")
    seven = page.get_by_role("img", name="test examples of MNIST of class 7")
    seven.wait_for()
    page.get_by_label("Page 1 of 13").wait_for()
    page.get_by_role("button", name="Examples before").click()
    page.get_by_label("Page 13 of 13").wait_for()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_fits_a_phone(visitor: BrowserContext, lab: Lab, dark: bool):
    page = visitor.new_page()
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.emulate_media(color_scheme="dark" if dark else "light")
    open_room(page, lab)
    for column in ("Data", "Network", "Training"):
        page.get_by_role("tab", name=column).click()
        page.wait_for_selector(f"section.shown[data-column={column.lower()}]")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        screenshot(page, f"build-phone-{column.lower()}-{'dark' if dark else 'light'}")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_can_be_read_in_both_themes(page: Page, dark: bool):
    page.emulate_media(color_scheme="dark" if dark else "light")
    page.wait_for_function("dark => document.body.classList.contains('body--dark') === dark", arg=dark)
    field(layer(page, 1), "stride").fill("2")
    layer(page, 1).locator(".problem").wait_for()
    screenshot(page, f"build-{'dark' if dark else 'light'}")
    faint = page.evaluate(script("contrast"))
    assert faint == []


def test_every_control_has_a_name(page: Page):
    nameless = page.evaluate(script("nameless"))
    assert nameless == []
    page.get_by_role("button", name="About this machine").click()
    page.get_by_role("dialog").get_by_text("PyTorch").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="hidden")
    page.keyboard.press("?")
    page.get_by_role("dialog").get_by_text("this list").wait_for()


def test_own_images_become_a_data_set(page: Page, tmp_path: Path):
    def pictures(name: str, classes: tuple[str, ...]) -> Path:
        path = tmp_path / name
        with zipfile.ZipFile(path, "w") as archive:
            for shade, label in enumerate(classes):
                for index in range(5):
                    picture = io.BytesIO()
                    Image.new("RGB", (20 + index, 16), (90 * shade, 200, 10 * index)).save(picture, "PNG")
                    archive.writestr(f"{label}/{index}.png", picture.getvalue())
            archive.writestr(f"{classes[0]}/broken.png", b"not a picture")
        return path

    page.get_by_role("button", name="Your own images").click()
    dialog = page.get_by_role("dialog")
    dialog.locator("input[type=file]").wait_for(state="attached")
    assert page.evaluate(script("nameless")) == []
    dialog.locator("input[type=file]").set_input_files(pictures("One kind.zip", ("cats",)))
    dialog.get_by_text("One kind.zip is here").wait_for()
    assert field(dialog, "name").input_value() == "one-kind"
    dialog.get_by_role("button", name="Make the data set").click()
    dialog.locator(".note.bad").wait_for()
    assert "class" in dialog.locator(".note.bad").inner_text()
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")

    page.get_by_role("button", name="Your own images").click()
    dialog.locator("input[type=file]").set_input_files(pictures("Pets.zip", ("cats", "dogs")))
    field(dialog, "size").fill("16")
    dialog.get_by_text("Pets.zip is here").wait_for()
    dialog.get_by_role("button", name="Make the data set").click()
    dialog.get_by_text("10 images of 2 classes").wait_for()
    dialog.get_by_text("cats/broken.png").wait_for()
    dialog.get_by_role("button", name="Use these images").click()
    expect_shape(page, 1, "16·16·3 to 16·16·16")
    page.get_by_role("img", name="training examples of pets by class").wait_for()
    page.get_by_role("button", name="Remove these images").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove", exact=True).click()
    expect_shape(page, 1, "28·28·1 to 28·28·8")
    assert "pets" not in field(page, "dataset").inner_text()


def test_the_theme_is_remembered(page: Page):
    page.get_by_role("button", name="Theme").click()
    page.get_by_text("Dark", exact=True).click()
    page.wait_for_selector("body.body--dark")
    page.reload()
    page.wait_for_selector("body.body--dark [data-room]")
