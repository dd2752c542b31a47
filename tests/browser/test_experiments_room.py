"""The room Experiments as a person uses it: from one run to variants, a sweep, the challenge, comparison."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest
from visiting import DESKTOP, PHONE, Lab, open_room, screenshot

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Locator, Page, Route, WebSocketRoute

pytestmark = pytest.mark.browser

HERE = Path(__file__).resolve().parent
PATIENCE = 120_000
"""Milliseconds; generous, for machines that are busy with other things."""
LAYERS = [
    {"type": "Conv2d", "out_channels": 4, "kernel_size": 3, "padding": 1},
    {"type": "ReLU"},
    {"type": "MaxPool2d", "kernel_size": 2},
    {"type": "Flatten"},
    {"type": "Linear", "out_features": 3},
]


@pytest.fixture(scope="module")
def trained_lab(tmp_path_factory: pytest.TempPathFactory, shapes_folder: Path) -> Iterator[Lab]:
    """A lab with a small data set of its own and one run of a small network on it."""
    from convolab.datasets import import_images
    from convolab.networks import Network
    from convolab.runs import create_run, execute
    from convolab.training.settings import TrainingSettings

    home = tmp_path_factory.mktemp("experiments") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONVOLAB_HOME", str(home))
        patch.setenv("CONVOLAB_DATA", str(home / "datasets"))
        import_images(shapes_folder, "shapes", size=16, color=False)
        network = Network.model_validate({"input_shape": (1, 16, 16), "name": "small", "layers": LAYERS})
        settings = TrainingSettings(
            examples=720, batch_size=8, learning_rate=0.05, evaluate_every=144, device="cpu"
        )
        execute(create_run("shapes", network, settings, name="first"))
        running = Lab(home).start()
    yield running
    running.stop()


@pytest.fixture
def room(trained_lab: Lab, visitor: BrowserContext) -> Iterator[Page]:
    """The room with its table; complains about exceptions of the lab."""
    before = len(trained_lab.errors())
    page = visitor.new_page()
    page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]
    open_room(page, trained_lab, "/experiments")
    page.locator(".cx[data-ready]").wait_for()
    yield page
    assert trained_lab.errors()[before:] == []


def view(page: Page, name: str) -> Locator:
    """One part of the room, shown."""
    page.get_by_role("group", name="Part of the room").get_by_role("button", name=name).click()
    part = page.locator(f"[data-view={name.lower()}]")
    part.locator(".cx > *").first.wait_for(state="attached")
    return part


def row(page: Page, name: str) -> Locator:
    """The line of the run of this name."""
    called = page.locator(".cx-name > span:first-child", has_text=re.compile(f"^{re.escape(name)}$"))
    return page.locator(".cx-window .cx-row", has=called)


def start_from(part: Locator, label: str, name: str) -> None:
    """Choose the run of this name from a list."""
    choices = part.get_by_label(label)
    option = choices.locator("option", has_text=re.compile(rf"^{re.escape(name)} \("))
    option.first.wait_for(state="attached")
    choices.select_option(option.first.get_attribute("value"))


def test_three_variants_from_one_run_to_the_comparison(room: Page):
    # Something is on screen at once: the newest run is chosen, its curves and figures are there.
    row(room, "first").wait_for()
    assert row(room, "first").get_attribute("aria-selected") == "true"
    room.locator(".cl-legend-item", has_text="first").wait_for()
    room.locator(".cx-side .cx-facts", has_text="of the test images").wait_for()

    # A note, kept as it is typed.
    room.get_by_label("Note").fill("The beginning.")
    room.get_by_label("Labels").fill("start, small")
    room.get_by_label("Labels").press("Tab")
    row(room, "first").locator(".cx-label", has_text="small").wait_for()
    row(room, "first").locator(".cx-note").wait_for()

    room.get_by_role("button", name="Try variants").click()
    part = room.locator("[data-view=variants]")
    part.get_by_role("radio", name=re.compile("Learning rate")).click()
    while part.locator(".cx-chip[aria-pressed=true]").count():
        part.locator(".cx-chip[aria-pressed=true]").first.click()
    part.get_by_role("button", name="Make 0 runs").click()
    part.get_by_role("alert").get_by_text("at least two values").wait_for()
    for value in ("0.05", "0.005", "0.1"):
        if part.locator(f".cx-chip[data-value='{value}']").count():
            part.locator(f".cx-chip[data-value='{value}']").click()
        else:
            part.get_by_label("Another value to try").fill(value)
            part.get_by_role("button", name="Add").click()
    part.get_by_label("Examples for each run").first.fill("432")
    part.get_by_role("button", name="Make 3 runs").click()
    part.get_by_text("3 of 3 runs have ended").wait_for(timeout=PATIENCE)
    part.locator(".cx-verdict", has_text="Best: learning rate").wait_for()
    part.locator("svg[aria-label^='test accuracy against Learning rate']").wait_for()
    assert part.locator(".cx-table tbody tr").count() == 3
    assert part.locator("tr[data-best=true]").count() >= 1
    screenshot(room, "experiments-variants")

    part.get_by_role("button", name="Curves over each other").click()
    room.locator(".cx-head .cx-differs", has_text="Learning rate").wait_for()
    legend = room.locator(".cx-side .cl-legend-item")
    legend.nth(2).wait_for()
    assert legend.count() == 3
    assert re.search(r"runs=\w+,\w+,\w+", room.url)
    # The axis: the multiply-adds of all examples.
    room.get_by_role("radio", name="Multiply-adds").click()
    room.locator(".cl-curves canvas").first.focus()
    room.keyboard.press("End")
    room.locator(".cl-readout", has_text="multiply-adds").wait_for()
    # What differs: the learning rate, and nothing else; the networks are the same.
    settings = room.locator(".cx-side-by-side tbody tr")
    settings.first.wait_for()
    assert settings.locator("th").all_inner_texts() == ["Learning rate"]
    room.get_by_text("The same layers with the same settings.").wait_for()
    screenshot(room, "experiments-compared")

    # Measured, and compared in words.
    room.get_by_role("radio", name="Statistics").click()
    room.get_by_role("button", name="Measure").click()
    room.get_by_text(re.compile(r"\d+ of 36 test images of")).wait_for(timeout=PATIENCE)
    assert room.locator(".cx-details svg[aria-label^='Confusion matrix']").is_visible()
    screenshot(room, "experiments-statistics")
    # The press may come before it is known what the runs can be tested on: it waits.
    held: list[Route] = []
    room.route("**/experiments/run?*", lambda route: held.append(route))
    room.get_by_role("radio", name="Which is better?").click()
    room.get_by_role("button", name="Compare").click()
    room.get_by_role("button", name="Comparing …").wait_for()
    for request in held:
        request.continue_()
    room.unroute("**/experiments/run?*")
    room.locator(".cx-details .cx-verdict", has_text=re.compile("difference")).wait_for(timeout=PATIENCE)
    screenshot(room, "experiments-which-is-better")

    # Reloaded, it is as it was.
    room.reload()
    legend.nth(2).wait_for()
    row(room, "first").locator(".cx-note").wait_for()
    room.get_by_role("button", name="Save the settings side by side").click()
    with room.expect_download() as download:
        room.get_by_role("menuitem", name="The table (CSV)").click()
    assert download.value.path().read_text().splitlines()[1].startswith("Learning rate,")


def test_repeating_a_run_tells_its_spread(room: Page):
    part = view(room, "Variants")
    part.get_by_role("radio", name="Repeat it").click()
    start_from(part, "Run to start from", "first")
    part.get_by_label("Seeds in all").fill("3")
    part.get_by_role("button", name="Repeat with 3 seeds").click()
    part.get_by_text("3 of 3 runs have ended").wait_for(timeout=PATIENCE)
    part.locator(".cx-verdict", has_text="95 % interval of the mean").wait_for()
    part.locator("svg[aria-label^='Test accuracy of 3 seeds']").wait_for()
    # Their seeds differ, so a comparison is not fair; one press makes runs of which it is.
    part.get_by_role("button", name="Curves over each other").click()
    room.get_by_text("Their seeds differ").wait_for()
    room.get_by_role("button", name="Train them again under the same conditions").click()
    fair = room.locator(".cx-side .cl-legend-item", has_text="fairly")
    fair.nth(1).wait_for(timeout=PATIENCE)
    room.get_by_text("All settings are the same.").wait_for()


def test_runs_that_the_table_hears_of_late_are_shown(trained_lab: Lab, visitor: BrowserContext):
    page = visitor.new_page()
    page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]
    late = False

    def pass_on(socket: WebSocketRoute) -> None:
        lab = socket.connect_to_server()

        def told(message: str | bytes) -> None:
            news = json.loads(message)
            if late:
                news.pop("runs", None)
            socket.send(json.dumps(news))

        lab.on_message(told)

    page.route_web_socket(re.compile("/live/news"), pass_on)
    open_room(page, trained_lab, "/experiments")
    row(page, "first").wait_for()
    part = view(page, "Variants")
    part.get_by_role("radio", name="Repeat it").click()
    start_from(part, "Run to start from", "first")
    part.get_by_label("Seeds in all").fill("2")
    late = True
    part.get_by_role("button", name="Repeat with 2 seeds").click()
    part.get_by_text("2 of 2 runs have ended").wait_for(timeout=PATIENCE)
    part.get_by_role("button", name="Curves over each other").click()
    legend = page.locator(".cx-side .cl-legend-item")
    legend.first.wait_for()
    assert legend.count() == 1
    late = False
    legend.nth(1).wait_for()
    assert page.locator(".cx-window .cx-row[aria-selected=true]").count() == 2


def test_a_sweep_of_four_trials(room: Page):
    part = view(room, "Sweeps")
    part.get_by_text("Trials appear here").wait_for()
    screenshot(room, "experiments-sweep-empty")
    start_from(part, "Network and settings to start from", "first")
    space = part.get_by_label("Search space, one thing a line")
    space.fill("learning_rte=0.01..0.3")
    part.get_by_label("Trials", exact=True).fill("4")
    part.get_by_label("Length of each trial").fill("288")
    part.get_by_role("button", name="Begin the sweep").click()
    part.get_by_role("alert").get_by_text("learning_rate").wait_for()
    space.fill("learning_rate=0.01..0.3:log\nbatch_size=8,16")
    part.get_by_role("button", name="Begin the sweep").click()
    part.get_by_text("Finished; more trials may be asked for.").wait_for(timeout=PATIENCE)
    assert part.locator("tr[data-trial]").count() == 4
    assert part.locator("tr[data-best=true]").count() == 1
    assert part.locator(".cx-line").count() == 4
    assert part.locator(".cx-bars .cl-obar").count() == 2
    screenshot(room, "experiments-sweep")
    # Its runs are ordinary runs.
    part.get_by_role("button", name="Best in the table").click()
    room.locator(".cx-side .cl-legend-item").nth(3).wait_for()
    assert room.locator(".cx-window .cx-row[aria-selected=true]").count() == 4


def test_the_challenge_its_score_and_a_repetition(room: Page, tmp_path: Path):
    part = view(room, "Challenge")
    screenshot(room, "experiments-challenge-empty")
    part.get_by_label("Data set").select_option("shapes")
    start_from(part, "Network and settings", "first")
    minutes = part.get_by_label("Minutes of training").last
    minutes.fill("none")
    part.get_by_role("button", name="Take the challenge").click()
    part.get_by_role("alert").get_by_text("Minutes must be a number").wait_for()
    minutes.fill("0.01")
    part.get_by_label("Name of the score").fill("Ada")
    part.get_by_role("button", name="Take the challenge").click()
    scores = part.locator(".cx-table tbody tr")
    scores.first.wait_for(timeout=PATIENCE)
    assert "Ada" in scores.first.inner_text()
    part.locator("svg[aria-label*='the target is 60 %']").wait_for()
    screenshot(room, "experiments-challenge")

    with room.expect_download() as download:
        scores.first.get_by_role("button", name="Export").click()
    path = tmp_path / "score.json"
    path.write_bytes(download.value.path().read_bytes())
    assert json.loads(path.read_text())["name"] == "Ada"
    scores.first.get_by_role("button", name="Delete").click()
    part.get_by_text("No scores yet on this data set").wait_for()
    part.get_by_label("Score file").set_input_files(
        {"name": "x.json", "mimeType": "application/json", "buffer": b"{}"}
    )
    part.get_by_role("alert").get_by_text("This is no score").wait_for()
    part.get_by_label("Score file").set_input_files(path)
    scores.first.get_by_text("imported, not repeated").wait_for()
    scores.first.get_by_role("button", name="Repeat").click()
    scores.first.get_by_text("confirmed").wait_for(timeout=PATIENCE)


def test_the_table_by_keys_in_the_dark_and_on_a_phone(room: Page):
    grid = room.get_by_role("grid")
    row(room, "first").wait_for()
    grid.focus()
    room.keyboard.press("Escape")
    room.get_by_text("Choose runs in the table").wait_for()
    room.keyboard.press("End")
    room.keyboard.press("Space")
    room.locator(".cx-row[aria-selected=true]").wait_for()
    assert room.locator(".cx-row[aria-selected=true]").get_attribute("data-active") == "true"
    # Sorted and searched.
    room.get_by_role("button", name="Run", exact=True).click()
    assert room.get_by_role("columnheader", name="Run").get_attribute("aria-sort") == "ascending"
    room.get_by_label("Search runs").fill("nothing of this kind")
    room.get_by_text(re.compile(r"0 of \d+ runs?")).wait_for()
    room.get_by_label("Search runs").fill("first")
    row(room, "first").first.wait_for()
    room.get_by_label("Search runs").fill("")
    nameless = (HERE / "nameless.js").read_text()
    faint = (HERE / "contrast.js").read_text().replace('".room-bar"', '".cx", ".room-bar"')
    for theme in ("light", "dark"):
        room.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        room.set_viewport_size(DESKTOP)  # type: ignore[arg-type]
        for name in ("Runs", "Variants", "Sweeps", "Challenge"):
            view(room, name)
            assert room.evaluate(nameless) == []
            assert room.evaluate(faint) == []
            screenshot(room, f"experiments-{name.lower()}-{theme}")
        view(room, "Runs")
        room.set_viewport_size(PHONE)  # type: ignore[arg-type]
        assert room.evaluate("document.documentElement.scrollWidth <= innerWidth")
        screenshot(room, f"experiments-phone-{theme}")


def pin(page: Page, menu: str) -> None:
    """Pin what the menu of this name would save."""
    opener = page.get_by_role("button", name=f"Save {menu}", exact=True)
    opener.click()
    page.get_by_role("menuitem", name="Pin to the page").click()
    opener.locator("..").get_by_text("Pinned to the page").wait_for(timeout=PATIENCE)


def test_four_pins_written_about_exported_and_opened_without_a_network(
    room: Page, trained_lab: Lab, visitor: BrowserContext, tmp_path: Path
):
    row(room, "first").wait_for()
    room.get_by_label("Search runs").fill("first")
    if row(room, "first").get_attribute("aria-selected") != "true":
        row(room, "first").click()
    pin(room, "the table of runs")
    pin(room, "the curves")
    room.get_by_role("radio", name="Statistics").click()
    room.get_by_label("Run", exact=True).last.select_option(label="first")
    room.get_by_role("button", name="Measure").click()
    room.get_by_text(re.compile(r"\d+ of 36 test images of")).wait_for(timeout=PATIENCE)
    pin(room, "confusion matrix")
    run_id = row(room, "first").get_attribute("data-run")
    open_room(room, trained_lab, f"/build?run={run_id}")
    room.get_by_role("button", name="More", exact=True).click()
    room.get_by_text("Pin the network to the page").click()
    room.get_by_text("is among the pins of the room Page").wait_for()

    open_room(room, trained_lab, "/page")
    room.get_by_role("button", name="Begin with the assignment's questions").click()
    cards = room.locator(".pin-card")
    cards.nth(3).wait_for()
    assert cards.count() == 4
    for number in range(4):
        cards.nth(number).get_by_role("button", name="Put").click()
        room.locator(".pinned").nth(number).wait_for()
    room.locator(".page-block .rendered").first.click()
    room.locator("textarea").fill("## Mine\n\nIt learns $\\frac{1}{2}$ of it.")
    room.keyboard.press("Escape")
    room.locator(".page-block").first.locator("math").wait_for()
    room.get_by_text("Saved").wait_for()
    room.wait_for_timeout(500)
    room.reload()
    room.get_by_role("heading", name="Mine").wait_for()
    assert room.locator(".pinned").count() == 4
    screenshot(room, "page-four-pins")
    with room.expect_download() as download:
        room.get_by_role("link", name="Download").click()
    with zipfile.ZipFile(download.value.path()) as packed:
        packed.extractall(tmp_path)
    (index,) = tmp_path.glob("*/index.html")
    other = visitor.new_page()
    failed: list[str] = []
    asked: list[str] = []
    other.on("requestfailed", lambda request: failed.append(request.url))
    other.on("request", lambda request: asked.append(request.url))
    visitor.set_offline(True)
    try:
        other.goto(index.as_uri())
        other.wait_for_function("[...document.images].every((one) => one.complete && one.naturalWidth > 50)")
    finally:
        visitor.set_offline(False)
    assert failed == []
    assert all(address.startswith("file:") for address in asked)
    assert other.locator("figure").count() == 4
    assert other.locator("img").count() >= 3
    # Each says what it was made with and how to make it again, with all files at hand.
    matrix = other.locator("figure", has_text="Confusion matrix")
    matrix.get_by_text("Settings and files").click()
    matrix.get_by_text("learning_rate").wait_for()
    matrix.get_by_text("convolab evaluate pinned --dataset shapes").wait_for()
    links = other.eval_on_selector_all("details a", "links => links.map((link) => link.href)")
    assert len(links) >= 8
    assert {Path(link).suffix for link in links} >= {".csv", ".json", ".txt", ".png", ".svg"}
    for link in links:
        assert Path(url2pathname(urlsplit(link).path)).stat().st_size > 0
    screenshot(other, "page-four-pins-exported", full_page=True)


def test_bad_links_and_questions_are_answered_with_a_sentence(trained_lab: Lab, visitor: BrowserContext):
    from urllib.parse import urlencode

    lab = trained_lab
    page = visitor.new_page()
    open_room(page, lab, "/experiments?" + urlencode({"view": "swept", "runs": "nowhere"}))
    page.get_by_role("alert").get_by_text("sweeps").first.wait_for()
    page.locator(".cx[data-ready]").wait_for()
    request = visitor.request
    foreign = request.post(
        f"{lab.url}/experiments/do/delete", data={"runs": ["x"]}, headers={"Origin": "http://evil.example"}
    )
    assert foreign.status == 403
    answers = [
        request.get(f"{lab.url}/experiments/differences?runs="),
        request.get(f"{lab.url}/experiments/layers?first=nowhere&second=nowhere"),
        request.get(f"{lab.url}/experiments/proposals?run=../etc"),
        request.post(f"{lab.url}/experiments/do/sweep", data={"start": "x"}, headers={"Origin": lab.url}),
    ]
    for answer in answers:
        assert answer.json()["error"].endswith(".")
    assert request.get(f"{lab.url}/experiments/score.json?score=none").status == 404
