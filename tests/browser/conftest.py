"""A real lab and a real Chromium, for the tests that press what a person presses. Helpers: visiting.py."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from visiting import CHROMIUM, DESKTOP, Lab, open_room

from homes import with_store

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, WebError

HERE = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(item.path).is_relative_to(HERE):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def _data_sets() -> None:
    """The real data sets, here before a lab starts: on a fresh machine they take longer than a page waits."""
    from convolab.datasets import load

    for name in ("mnist", "fashion-mnist", "cifar10"):
        load(name)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory, _data_sets: None) -> Iterator[Lab]:
    """A lab shared by the tests of a session; each browser context is a visitor of its own."""
    home = tmp_path_factory.mktemp("lab") / "home"
    with_store(home)
    running = Lab(home).start()
    yield running
    running.stop()


@pytest.fixture
def fresh_lab(tmp_path: Path, _data_sets: None) -> Iterator[Lab]:
    """A lab of this test's own, which it may kill and start again."""
    with_store(tmp_path / "home")
    running = Lab(tmp_path / "home").start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A Chromium without a window: the one that is installed, else Playwright's own."""
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        installed = next(
            filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
        )
        try:
            chromium = playwright.chromium.launch(executable_path=installed, args=list(CHROMIUM))
        except Error as error:
            pytest.skip(f"There is no Chromium to drive: {str(error).splitlines()[0]}")
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def _one_browser_profile(browser: Browser) -> Iterator[BrowserContext]:
    """One cache for all tests: a page's scripts are fetched and compiled once."""
    context = browser.new_context(viewport=DESKTOP, reduced_motion="reduce", accept_downloads=True)  # type: ignore[arg-type]
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    context.set_default_timeout(20_000)
    yield context
    context.close()


@pytest.fixture
def visitor(_one_browser_profile: BrowserContext) -> Iterator[BrowserContext]:
    """A visitor that nobody knows yet, at a desktop; complains about errors in the page's scripts."""
    context = _one_browser_profile
    context.clear_cookies()
    problems: list[str] = []

    def note(error: WebError) -> None:
        problems.append(str(error.error))

    context.on("weberror", note)
    yield context
    for page in context.pages:
        page.close()
    context.remove_listener("weberror", note)
    assert not problems, f"Errors in the page: {problems}"


@pytest.fixture
def page(lab: Lab, visitor: BrowserContext) -> Iterator[Page]:
    """The Build room as a new visitor finds it; complains about exceptions of the lab."""
    before = len(lab.errors())
    page = visitor.new_page()
    open_room(page, lab)
    yield page
    assert lab.errors()[before:] == []
