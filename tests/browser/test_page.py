"""The room Page in a real Chromium: pin, write, order, reload, export, open from disk without a network."""

import zipfile
from pathlib import Path

from playwright.sync_api import BrowserContext, Page
from visiting import Lab, open_room, restarted, screenshot


def pin_something(page: Page, lab: Lab) -> None:
    open_room(page, lab, "/look")
    menu = page.locator(".cl-menu-button:visible").first
    page.get_by_text("9,134 units").first.wait_for()
    page.wait_for_timeout(500)
    menu.click()
    page.get_by_role("menuitem", name="Pin to the page").first.click()
    page.locator(".cl-pinned", has_text="Pinned to the page").wait_for()


def test_from_a_pin_to_a_page_on_the_disk(fresh_lab: Lab, visitor: BrowserContext, tmp_path: Path):
    page = visitor.new_page()
    open_room(page, fresh_lab, "/page")
    page.get_by_text("Nothing is pinned yet").wait_for()
    screenshot(page, "page-empty")
    pin_something(page, fresh_lab)
    open_room(page, fresh_lab, "/page")
    page.get_by_role("button", name="Begin with the assignment's questions").click()
    page.locator(".pin-card").get_by_role("button", name="Put").click()
    page.locator(".pinned img").wait_for()
    blocks = page.locator(".page-block")
    count = blocks.count()

    # The pin goes to the top by keyboard, words are written and survive a reload.
    for place in range(count - 1, 0, -1):
        up = blocks.nth(place).get_by_role("button", name="Move up")
        up.focus()
        page.keyboard.press("Enter")
        blocks.nth(place - 1).locator(".pinned").wait_for()
    blocks.nth(1).locator(".rendered").click()
    page.locator("textarea").fill(
        "## What I saw\n\nSlopes of $\\frac{1}{2}$. <script>window.harm = 1</script>"
    )
    page.keyboard.press("Escape")
    blocks.nth(1).locator("math").wait_for()
    page.get_by_label("Title").fill("My page")
    page.get_by_label("Name", exact=True).fill("Ada")
    page.get_by_text("Saved").wait_for()
    page.wait_for_timeout(500)
    restarted(fresh_lab, page)  # nothing of what was written is lost with the lab
    blocks.nth(1).get_by_text("What I saw").wait_for()
    assert blocks.first.locator(".pinned img").count() == 1
    assert page.get_by_label("Title").input_value() == "My page"
    assert page.evaluate("window.harm") is None
    screenshot(page, "page-written")
    page.set_viewport_size({"width": 390, "height": 844})
    screenshot(page, "page-phone")
    page.set_viewport_size({"width": 1440, "height": 900})

    # As a zip, unpacked, without a network.
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
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
        other.wait_for_function("document.images.length && document.images[0].naturalWidth > 100")
    finally:
        visitor.set_offline(False)
    assert failed == []
    assert all(address.startswith("file:") for address in asked)
    assert other.get_by_role("heading", name="My page").count() == 1
    assert other.evaluate("window.harm") is None
    screenshot(other, "page-exported", full_page=True)

    # An older version can be taken back, and a deleted pin is named.
    page.get_by_role("button", name="Older versions").click()
    page.get_by_role("button", name="Take this one").first.wait_for()
    page.keyboard.press("Escape")
    page.locator(".pin-card").get_by_role("button", name="Delete the pin").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_text("was pinned here, but has been deleted from the lab.").wait_for()
    assert fresh_lab.errors() == []


def test_only_the_lab_itself_can_pin(lab: Lab, visitor: BrowserContext):
    content = {"kind": "x", "title": "x", "files": [{"name": "a.png", "data": "AAAA"}]}
    request = visitor.request
    foreign = request.post(f"{lab.url}/report/pin", data=content, headers={"Origin": "http://evil.example"})
    assert foreign.status == 403
    for wrong in ({"files": 3}, {"files": []}, {"files": [{"name": "a.html", "data": "AAAA"}]}, [1]):
        answer = request.post(f"{lab.url}/report/pin", data=wrong, headers={"Origin": lab.url})
        assert answer.status == 400
        assert answer.json()["error"].endswith(".")
    assert request.get(f"{lab.url}/report/pins/..%2f..%2f/secret").status == 404
    assert request.get(f"{lab.url}/report/exported/nothing/index.html").status == 404
