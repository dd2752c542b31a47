"""A page with nothing but cards, whose units come from a network in this process; reading their numbers."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Locator, Page, Route

    from convolab.activations import Activations

PACKAGE = Path(__file__).resolve().parent.parent.parent / "src" / "convolab"
ADDRESS = "http://cards.test"
HTML = (Path(__file__).parent / "cards.html").read_text()
NUMBERS = (Path(__file__).parent / "card_numbers.js").read_text().partition("\n")[2].rstrip(";\n")
TYPES = {".js": "text/javascript", ".css": "text/css"}


class Cards:
    """The page; `activations` may be exchanged, as when somebody draws."""

    def __init__(self, context: BrowserContext, activations: Activations) -> None:
        self.activations = activations
        self.page: Page = context.new_page()
        self.page.route(f"{ADDRESS}/**", self._serve)
        self.page.expose_function("askPython", self._answer)
        self.page.goto(f"{ADDRESS}/")
        self.page.wait_for_function("window.ready")

    def open(self, level: str, index: tuple[int, ...], pinned: bool = False) -> Locator:
        """The card of a unit, opened."""
        self.page.evaluate(
            "([level, index, pinned]) => void cards.open(level, index, { pinned })",
            [level, list(index), pinned],
        )
        return self.card(level, index)

    def card(self, level: str, index: tuple[int, ...]) -> Locator:
        """The card that shows a unit, once it does."""
        return wait_for_card(self.page, level, index)

    def _answer(self, level: str, index: list[int]) -> str:
        if level == "levels":
            levels = self.activations.inspector.levels
            return json.dumps([{"key": one.key, "title": one.title, "shape": one.shape} for one in levels])
        return json.dumps(self.activations.unit(level, index).to_json())

    def _serve(self, route: Route) -> None:
        path = route.request.url.removeprefix(ADDRESS).lstrip("/")
        if not path:
            route.fulfill(body=HTML, content_type="text/html")
        else:
            file = PACKAGE / path
            route.fulfill(body=file.read_text(), content_type=TYPES[file.suffix])


def wait_for_card(page: Page, level: str, index: tuple[int, ...]) -> Locator:
    """The card that shows a unit, once its numbers are there."""
    found = page.locator(f'.cl-card[data-unit="{":".join(map(str, (level, *index)))}"]')
    found.locator("[data-role=output]").wait_for()
    return found


def number(place: Locator, role: str) -> float:
    """The full value of the one element with this role."""
    return float(place.locator(f"[data-role={role}]").first.get_attribute("data-value"))  # type: ignore[arg-type]


def read(card: Locator) -> dict[str, Any]:
    """All numbers that a card shows, in full (``…``) and as they are written (``…_text``)."""
    button = card.locator("[data-role=numbers]")
    if button.is_visible() and button.get_attribute("aria-expanded") == "false":
        button.click()
    return card.evaluate(NUMBERS)  # type: ignore[no-any-return]


def step(name: str, x: float, numbers: dict[str, float]) -> float:
    """An elementwise layer, computed here."""
    if name == "BatchNorm2d":
        spread = math.sqrt(numbers["variance"] + numbers["epsilon"])
        return (x - numbers["mean"]) / spread * numbers["scale"] + numbers["shift"]
    return {
        "ReLU": lambda: max(0.0, x),
        "Tanh": lambda: math.tanh(x),
        "ScaledTanh": lambda: 1.7159 * math.tanh(2 * x / 3),
        "GELU": lambda: x / 2 * (1 + math.erf(x / math.sqrt(2))),
    }[name]()


def check_arithmetic(card: Locator, kind: str) -> dict[str, Any]:
    """Recompute a card's output from the numbers on it; gives back what was read."""
    shown = read(card)
    for table in shown["tables"]:
        for value, weight, product in zip(table["value"], table["weight"], table["product"], strict=False):
            assert abs(value * weight - product) < 1e-9
    (output,) = shown["output"]
    total = shown["total"][0] if shown["total"] else output
    if kind == "maxpool":
        assert total in shown["tables"][0]["value"]
        assert total == max(shown["tables"][0]["value"])
    elif kind != "input":
        products = [sum(table["product"]) + sum(table["rest"]) for table in shown["tables"]]
        if shown["map_sums"]:
            assert len(products) == len(shown["map_sums"])
            for products_sum, map_sum in zip(products, shown["map_sums"], strict=True):
                assert abs(products_sum - map_sum) < 1e-7
        assert abs(sum(products) + sum(shown["bias"]) - total) < 1e-6
        adds_up_as_shown(shown)
    x = total
    for one in shown["steps"]:
        assert one["input"] == x
        assert one["shown"] == one["output"]
        assert abs(step(one["name"], x, one["numbers"]) - one["output"]) < 1e-6
        x = one["output"]
    assert output == x
    return shown


def adds_up_as_shown(shown: dict[str, Any]) -> None:
    """What is written adds up, too, not only what stands behind it."""

    def decimals(text: str) -> int:
        return len(text.partition(".")[2])

    (total,) = shown["total_text"]
    if shown["map_sums"]:
        written = sum(map(float, [*shown["map_sums_text"], *shown["bias_text"]]))
        assert abs(written - float(total)) <= 0.51 * 10 ** -decimals(total)
        for table in shown["tables"]:
            written = sum(map(float, table["product_text"]))
            assert abs(written - float(table["sum_text"][0])) <= 0.51 * 10 ** -decimals(table["sum_text"][0])
