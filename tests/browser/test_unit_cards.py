"""Cards of units: their arithmetic from the page's own numbers, moving, pinning, stepping along, the film."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from cards_kit import Cards, check_arithmetic, number, wait_for_card
from PIL import Image
from visiting import DESKTOP, PHONE, Lab, open_room, screenshot

from convolab.activations import Activations, Inspector
from convolab.networks import Network, preset
from convolab.networks.layers import (
    GELU,
    AvgPool2d,
    BatchNorm2d,
    ConstantPad2d,
    Conv2d,
    Flatten,
    GlobalAvgPool2d,
    Linear,
    MaxPool2d,
    ReLU,
    Residual,
    Tanh,
)

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Locator, Page


def look(network: Network, seed: int = 0) -> Activations:
    import torch

    torch.manual_seed(seed)
    model = network.build(seed)
    random = np.random.default_rng(seed)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.5, 2)
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.3)
            elif isinstance(module, torch.nn.Conv2d | torch.nn.Linear) and module.bias is not None:
                module.bias.normal_(0, 0.2)
    picture = random.normal(0, 1, network.input_shape).astype(np.float32)
    return Inspector(network, model.eval()).run(picture)


def every_kind() -> Activations:
    layers = (
        ConstantPad2d(padding=1),
        Tanh(),
        Conv2d(out_channels=3, kernel_size=3, padding=1),
        BatchNorm2d(),
        ReLU(),
        ConstantPad2d(padding=1, value=0.5),
        AvgPool2d(kernel_size=2, stride=2),
        BatchNorm2d(),
        MaxPool2d(kernel_size=2, stride=2, padding=1),
        Residual(layers=(Conv2d(out_channels=12, kernel_size=3, padding=1), GELU())),
        GlobalAvgPool2d(),
        Flatten(),
        Linear(out_features=4),
    )
    return look(Network(input_shape=(2, 12, 12), layers=layers))


@pytest.fixture
def cards(visitor: BrowserContext) -> Cards:
    return Cards(visitor, look(preset("harley-cnn", (1, 28, 28), 10)))


def test_the_numbers_on_the_page_give_the_output_for_every_kind_of_layer(visitor: BrowserContext):
    cards = Cards(visitor, every_kind())
    random = np.random.default_rng(0)
    kinds = set()
    for level in cards.activations.inspector.levels:
        middle = tuple(int(random.integers(size)) for size in level.shape)
        for index in {middle, (0,) * len(level.shape)}:
            card = cards.open(level.key, index)
            shown = check_arithmetic(card, level.kind)
            assert abs(shown["output"][0] - cards.activations.values(level.key)[index]) < 1e-5
            kinds.add(level.kind)
    assert kinds >= {
        "input",
        "pad",
        "function",
        "conv",
        "avgpool",
        "maxpool",
        "add",
        "globalavgpool",
        "linear",
    }


def test_what_max_pooling_leaves_out_is_not_shown_as_a_zero(visitor: BrowserContext):
    layers = (MaxPool2d(kernel_size=2, stride=2, padding=1), Flatten(), Linear(out_features=2))
    cards = Cards(visitor, look(Network(input_shape=(2, 6, 6), layers=layers)))
    pooled = cards.activations.values("pool1")
    corners = [(z, y, x) for z in (0, 1) for y in (0, 3) for x in (0, 3) if pooled[z, y, x] < 0]
    assert corners
    for corner in corners:
        card = cards.open("pool1", corner)
        shown = check_arithmetic(card, "maxpool")
        assert len(shown["tables"][0]["value"]) == 1
        assert shown["tables"][0]["padded"] == 3
        assert card.locator("td.cl-padded").all_inner_texts() == ["–", "–", "–"]


def test_many_maps_are_shown_by_their_size_and_the_rest_as_one_sum(visitor: BrowserContext):
    layers = (Conv2d(out_channels=20, kernel_size=1), Conv2d(out_channels=2, kernel_size=2), Flatten())
    cards = Cards(visitor, look(Network(input_shape=(1, 6, 6), layers=(*layers, Linear(out_features=2)))))
    card = cards.open("conv2", (1, 2, 2))
    assert card.locator(".cl-row canvas").count() == 8
    assert (
        abs(
            sum(
                float(sum_.get_attribute("data-value") or "nan")
                for sum_ in card.locator(".cl-row [data-value]").all()
            )
            + number(card, "bias")
            - number(card, "total")
        )
        < 1e-6
    )
    card.get_by_role("button", name="Show all 20 maps").click()
    assert card.locator(".cl-row canvas").count() == 20
    check_arithmetic(card, "conv")


def test_max_pooling_marks_the_winner_and_leads_to_it(cards: Cards):
    card = cards.open("pool1", (2, 5, 6))
    winner = cards.activations.unit("pool1", (2, 5, 6)).winner
    assert winner is not None
    card.locator("[data-role=winner]").click()
    assert number(cards.card(*winner), "output") == number(cards.card(*winner), "step-output")


def test_cards_follow_the_drawing(cards: Cards):
    card = cards.open("linear2", (17,))
    before = number(card, "output")
    cards.activations = look(preset("harley-cnn", (1, 28, 28), 10), seed=1)
    cards.page.evaluate("cards.refresh()")
    cards.page.wait_for_function(
        "before => +document.querySelector('[data-role=output]').dataset.value !== before", arg=before
    )
    assert number(card, "output") == cards.activations.unit("linear2", (17,)).output
    check_arithmetic(card, "linear")


def box(place: Locator) -> tuple[float, float, float, float]:
    found = place.bounding_box()
    assert found
    return found["x"], found["y"], found["width"], found["height"]


def test_two_pinned_cards_one_dragged_both_stay(cards: Cards):
    page = cards.page
    first = cards.open("conv1", (0, 3, 4), pinned=True)
    second = cards.open("linear3", (7,), pinned=True)
    third = cards.open("pool2", (3, 1, 1))
    cards.open("conv2", (5, 2, 2))  # takes the place of the only one that is not pinned
    assert page.locator(".cl-card").count() == 3
    assert first.is_visible()
    assert second.is_visible()
    assert third.count() == 0
    x, y, _, _ = box(first)
    stays = box(second)
    page.mouse.move(x + 60, y + 20)
    page.mouse.down()
    page.mouse.move(x - 40, y + 150, steps=4)
    page.mouse.up()
    moved = box(first)
    assert (round(moved[0]), round(moved[1])) == (round(x - 100), round(y + 130))
    # Far outside: it stays within the view.
    page.mouse.move(moved[0] + 60, moved[1] + 20)
    page.mouse.down()
    page.mouse.move(-3000, 5000, steps=3)
    page.mouse.up()
    left, top, _, height = box(first)
    assert left >= 16
    assert top + height <= DESKTOP["height"] - 16
    assert box(second) == stays
    screenshot(page, "look-cards-pinned")


def test_stepping_along_and_back_by_mouse(cards: Cards):
    card = cards.open("linear1", (11,))
    place = card.locator("[data-role=contributions] button").first
    name = place.inner_text()
    place.click()
    unit = cards.page.evaluate("selected")
    level, index = unit[0], tuple(unit[1])
    assert level == "pool2"
    assert name == f"Map {index[0] + 1}, row {index[1] + 1}, column {index[2] + 1}"
    card = cards.card(level, index)
    picture = card.locator(".cl-cells").first
    picture.click(position={"x": 8, "y": 8})
    assert cards.page.evaluate("selected")[0] == "conv2"
    back = cards.page.locator(".cl-card [data-role=back]")
    back.click()
    cards.card(level, index)
    back.click()
    cards.card("linear1", (11,))
    assert back.is_hidden()
    assert cards.page.locator(".cl-card").count() == 1


def test_everything_by_keyboard(cards: Cards):
    page = cards.page
    page.locator("#before").focus()
    page.keyboard.press("Shift")  # what follows is by keyboard
    card = cards.open("conv2", (9, 4, 5))
    held = "() => document.activeElement.className"
    assert page.evaluate(held) == "cl-float-grip"
    x, y, _, _ = box(card)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowDown")
    assert box(card)[:2] == (x - 16, y + 64)
    page.keyboard.press("p")
    assert card.get_attribute("data-pinned") == "true"
    for _ in range(8):
        page.keyboard.press("Tab")
        if page.evaluate(held) == "cl-cells":
            break
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    unit = cards.activations.unit("conv2", (9, 4, 5))
    entry = unit.inputs[0]
    assert f"row {entry.row + 2}, column {entry.column + 2}" in card.locator(".cl-readout").inner_text()
    page.keyboard.press("Enter")
    card = cards.card("pool1", (entry.map or 0, entry.row + 1, entry.column + 1))
    page.keyboard.press("Backspace")
    card = cards.card("conv2", (9, 4, 5))
    page.keyboard.press("Escape")
    card.wait_for(state="detached")
    assert page.evaluate("document.activeElement.id") == "before"
    assert page.evaluate("selected") == [None, None]


def test_a_card_is_saved_as_numbers_and_as_a_picture(cards: Cards):
    card = cards.open("linear3", (2,))
    card.get_by_role("button", name="Save the unit").click()
    with cards.page.expect_download() as download:
        card.get_by_role("menuitem", name="Picture (PNG)").click()
    with Image.open(download.value.path()) as picture:
        assert picture.width == 880
        assert len(picture.convert("RGB").getcolors(100_000) or ()) > 50  # the signed scale is in it
    card.get_by_role("button", name="Save the unit").click()
    with cards.page.expect_download() as download:
        card.get_by_role("menuitem", name="All numbers (CSV)").click()
    lines = download.value.path().read_text().splitlines()
    products = [float(line.split(",")[7]) for line in lines if line.startswith("input,")]
    tail = {
        line.split(",")[0]: float(line.split(",")[7]) for line in lines[1:] if not line.startswith("input,")
    }
    assert len(products) == 100
    assert abs(sum(products) + tail["bias"] - tail["sum"]) < 1e-6
    assert tail["output"] == number(card, "output")


def test_a_sheet_at_the_bottom_of_a_phone(cards: Cards):
    page = cards.page
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    cards.open("conv2", (9, 4, 5), pinned=True)
    card = cards.open("linear1", (3,))
    x, y, width, height = box(card)
    assert (x, width) == (0, PHONE["width"])
    assert y + height == PHONE["height"] - 56
    assert page.locator(".cl-card:visible").count() == 1
    screenshot(page, "look-cards-phone")
    page.get_by_role("button", name="Next of 2 cards").first.click()
    assert page.locator(".cl-card:visible").get_attribute("data-unit") == "conv2:9:4:5"
    page.keyboard.press("Escape")
    page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]


@pytest.mark.parametrize("level", ["conv2", "pool1"])
def test_the_film_reaches_the_values_of_the_network(cards: Cards, level: str):
    page = cards.page
    shape = cards.activations.inspector.level(level).shape
    cards.open(level, (4, 2, 3)).locator("[data-role=watch]").click()
    film = page.locator(".cl-film")
    film.locator("[data-role=play]", has_text="Play").wait_for()  # motion is not wanted by this visitor
    page.wait_for_function("document.querySelector('.cl-film').dataset.place !== undefined")
    # One number after the other: the sum of the first place.
    page.keyboard.press("Home")
    unit = cards.activations.unit(level, (4, 0, 0))
    products = [
        p for entry in unit.inputs for p in (entry.values if level == "pool1" else entry.products).ravel()
    ]
    running = 0.0
    for i, product in enumerate(products[:30]):
        page.keyboard.press("ArrowRight")
        running = (
            product
            if level == "pool1" and i == 0
            else (max(running, product) if level == "pool1" else running + product)
        )
        assert abs(number(film, "film-sum") - running) < 1e-6
    page.keyboard.press("End")
    last = cards.activations.unit(level, (4, shape[1] - 1, shape[2] - 1))
    assert abs(number(film, "film-output") - last.output) < 1e-5
    assert abs(number(film, "film-sum") - last.sum) < 1e-5
    # The slider goes to any place.
    film.locator(".cl-scrub").evaluate(
        "(slider) => { slider.value = 17; slider.dispatchEvent(new Event('input')) }"
    )
    row, column = divmod(17, shape[2])
    assert abs(number(film, "film-output") - cards.activations.unit(level, (4, row, column)).output) < 1e-5
    film.locator("[data-role=map-next]").click()
    page.wait_for_function("document.querySelector('.cl-film').textContent.includes('Output map 6 of')")
    assert abs(number(film, "film-output") - cards.activations.unit(level, (5, row, column)).output) < 1e-5
    screenshot(page, f"look-film-{level}")
    # Playing gets on, and ends at the end.
    film.get_by_role("radio", name="Fast").click()
    film.locator(".cl-scrub").evaluate(
        "(slider) => { slider.value = slider.max - 3; slider.dispatchEvent(new Event('input')) }"
    )
    film.locator("[data-role=play]").click()
    film.locator("[data-role=play]", has_text="Play").wait_for()
    assert film.get_attribute("data-place") == str(shape[1] * shape[2] - 1)
    film.locator("[aria-label=Close]").click()
    film.wait_for(state="detached")


def test_the_film_plays_by_itself_where_motion_is_welcome(cards: Cards):
    page = cards.page
    page.emulate_media(reduced_motion="no-preference")
    cards.open("conv1", (0, 0, 0)).locator("[data-role=watch]").click()
    film = page.locator(".cl-film")
    film.locator("[data-role=play]", has_text="Pause").wait_for()
    page.wait_for_function("+document.querySelector('.cl-film').dataset.step >= 3")
    page.keyboard.press(" ")
    film.locator("[data-role=play]", has_text="Play").wait_for()


@pytest.mark.data
def test_in_the_room(lab: Lab, visitor: BrowserContext):
    page = visitor.new_page()
    open_room(page, lab, "/look?network=harley-cnn&test=0")
    page.wait_for_function("window.convolabLook?.frame()?.slots.a && convolabLook.view().cards")
    for level, index in (("conv2", (3, 4, 5)), ("pool1", (1, 6, 9)), ("linear2", (8,))):
        card = press_unit(page, level, index)
        check_arithmetic(card, {"co": "conv", "po": "maxpool", "li": "linear"}[level[:2]])
        card.get_by_role("button", name="Close").click()
    # What the cards say changes with the picture.
    card = press_unit(page, "linear3", (7,))
    before = number(card, "output")
    page.evaluate("convolabLook.setImage({ test: 1 })")
    page.wait_for_function(
        "before => +document.querySelector('.cl-card [data-role=output]').dataset.value !== before",
        arg=before,
    )
    shown = check_arithmetic(card, "linear")
    assert abs(shown["output"][0] - page.evaluate("convolabLook.frame().slots.a.raw[7]")) < 1e-5
    screenshot(page, "look-card")


def press_unit(page: Page, level: str, index: tuple[int, ...]) -> Locator:
    """Press a unit's cell in the view, and have its card."""
    at = page.evaluate("([level, index]) => convolabLook.view().centre(level, index)", [level, list(index)])
    x, y, _, _ = box(page.locator(".cl-nl-over").first)
    page.mouse.click(x + at[0], y + at[1])
    return wait_for_card(page, level, index)


@pytest.mark.data
def test_exciting_images_and_confusing_inputs_in_the_room(lab: Lab, visitor: BrowserContext):
    page = visitor.new_page()
    open_room(page, lab, "/look?network=harley-mlp&test=0&unit=linear1:4")
    page.wait_for_function("window.convolabLook?.frame()?.slots.a && convolabLook.selected()")
    page.get_by_text("What excites a unit").click()
    page.locator("[data-role=search]").click()
    page.get_by_text("these activate it most").wait_for()
    found = page.locator("[data-role=exciting] button")
    values = [float(one.get_attribute("data-value") or "nan") for one in found.all()]
    assert len(values) == 9
    assert values == sorted(values, reverse=True)
    found.first.click()
    wanted = int(found.first.get_attribute("data-image") or -1)
    page.wait_for_function(
        "wanted => convolabLook.frame().done.replace(',', '').includes(`image ${wanted} `)", arg=wanted
    )
    value = page.evaluate(
        "() => { const level = convolabLook.layout().levels.find(({ key }) => key === 'linear1');"
        " return convolabLook.frame().slots.a.values[level.first + 4] }"
    )
    assert abs(value - values[0]) < 1e-5

    page.get_by_text("A confusing input").click()
    labels = page.locator(".cl-confusing-labels select")
    labels.nth(0).select_option("3")
    labels.nth(1).select_option("8")
    shares = json.loads(page.evaluate("JSON.stringify([...convolabLook.frame().slots.a.shares])"))
    drawing = page.locator("[data-role=drawing]")
    assert abs(float(drawing.get_attribute("data-first") or "nan") - shares[3]) < 1e-6
    page.locator("[data-role=confuse]").click()
    bars = page.locator("[data-role=way-shares] .cl-obar")
    bars.first.wait_for()
    at_end = [float(bar.get_attribute("data-share") or "nan") for bar in bars.all()]
    assert abs(at_end[0] - at_end[1]) < 0.02
    scrub = page.get_by_label("Step on the way from the drawing")
    scrub.focus()
    page.keyboard.press("Home")
    assert abs(float(bars.first.get_attribute("data-share") or "nan") - shares[3]) < 1e-4
    page.keyboard.press("End")
    screenshot(page, "look-confusing")
    page.get_by_role("button", name="Look at it in the network").click()
    page.wait_for_function("convolabLook.frame().done.startsWith('Between 3 and 8')")
    tie = page.evaluate("[3, 8].map((k) => convolabLook.frame().slots.a.shares[k])")
    assert abs(tie[0] - tie[1]) < 0.05
