"""The room Teach with a camera: how many predictions a second, and how long training takes.

A lab of its own and a real Chromium with its fake camera. Two classes are recorded until both have 30 images;
when their features are known, Train is pressed: the time until the page shows what was learned counts. Then
predictions are counted for some seconds: from the camera's picture to the bars, one after the other. All on
the machine's cores that the lab and the browser share.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import sync_playwright

from machine import report

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "browser"))
from visiting import CHROMIUM, DESKTOP, Lab, open_room

if TYPE_CHECKING:
    from playwright.sync_api import Page

RATE_LIMIT, TRAINING_LIMIT = 8.0, 3.0
EACH = 30
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


def record(page: Page, name: str, wanted: int) -> None:
    """Hold the button until the class has so many images."""
    card = page.locator(".te-card", has=page.get_by_label(f"Hold to record images of {name}"))
    button = card.locator(".te-record")
    button.dispatch_event("pointerdown", {"button": 0, "pointerId": 1})
    page.wait_for_function(
        "([name, wanted]) => { const card = [...document.querySelectorAll('.te-card')]"
        ".find((one) => one.querySelector('.te-name').value === name);"
        "return parseInt(card.querySelector('.num').textContent) >= wanted; }",
        arg=[name, wanted],
        timeout=120_000,
    )
    button.dispatch_event("pointerup", {"button": 0, "pointerId": 1})


def train(page: Page) -> float:
    """Press Train; seconds until the page shows what was learned."""
    page.wait_for_function(
        "() => { const told = document.querySelector('.te-training .cl-sentence');"
        "return /Ready|changed since/.test(told.textContent) && told.dataset.known === 'true'; }",
        timeout=300_000,
    )
    return float(
        page.evaluate(
            """() => new Promise((done) => {
                const began = performance.now();
                document.querySelector(".te-train").click();
                const look = () => {
                  const words = document.querySelector(".te-training .cl-sentence").textContent;
                  if (!/learned from/.test(words)) return requestAnimationFrame(look);
                  requestAnimationFrame(() => done(performance.now() - began));
                };
                requestAnimationFrame(() => requestAnimationFrame(look));
            })"""
        )
        / 1000
    )


def rate(page: Page, seconds: float) -> tuple[float, float]:
    """Predictions a second that the page shows, and the lab's own milliseconds for the last one."""
    count = "() => [+document.querySelector('.te-live').dataset.answers || 0, performance.now()]"
    first, began = page.evaluate(count)
    time.sleep(seconds)
    last, ended = page.evaluate(count)
    ms = float(page.evaluate("() => +document.querySelector('.te-live').dataset.ms || 0"))
    return 1000 * (last - first) / (ended - began), ms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--sizes", type=int, nargs="*", default=[128, 224])
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lab = Lab(Path(folder) / "home").start()
        chromium = playwright.chromium.launch(
            executable_path="/usr/bin/chromium" if Path("/usr/bin/chromium").exists() else None,
            args=[*CHROMIUM, *CAMERA],
        )
        try:
            page = chromium.new_page(viewport=DESKTOP)
            open_room(page, lab, "/teach")
            page.locator(".te-classes[data-ready]").wait_for()
            page.get_by_role("button", name="Start the camera").click()
            page.locator(".te-live[data-shown=camera]").wait_for()
            for name in ("Class 1", "Class 2"):
                record(page, name, EACH)
            for size in arguments.sizes:
                page.get_by_text("More settings").click()
                field = page.get_by_label("Size (pixels)")
                field.fill(str(size))
                field.press("Tab")
                page.get_by_text("More settings").click()
                page.wait_for_timeout(1500)
                trained = train(page)
                page.wait_for_timeout(3000)
                for why in (False, True):
                    box = page.get_by_label("Why: show the evidence")
                    box.set_checked(why)
                    found, ms = rate(page, arguments.seconds)
                    rows.append(
                        {
                            "size": size,
                            "evidence shown": why,
                            "predictions/s": found,
                            "ms in the lab": ms,
                            "training s": trained,
                        }
                    )
                    print(rows[-1], flush=True)
        finally:
            chromium.close()
            lab.stop()
    met = rows[0]["predictions/s"] >= RATE_LIMIT and rows[0]["training s"] <= TRAINING_LIMIT
    report(
        "teach_camera",
        rows,
        images=2 * EACH,
        met=met,
        note=f"At {rows[0]['size']} px at least {RATE_LIMIT:g} predictions/s, training of {2 * EACH} images "
        f"within {TRAINING_LIMIT:g} s: {'met' if met else 'MISSED'}.",
    )


if __name__ == "__main__":
    main()
