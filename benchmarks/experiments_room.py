"""How long does the table of 1,000 runs take to open, and the overlay of 10 of them to be drawn?

A lab of its own with 1,000 runs of 500 points each, in a real Chromium. "Table": from entering the address
until rows are painted, with the page's scripts in the browser's cache, as from the second visit on; the
first visit right after the start of the lab is told beside it. "Overlay": from choosing ten runs at once
until the curves of all are painted, each time of runs that nobody has looked at before; and from pressing a
tenth one beside nine. The median of some rounds counts.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import sync_playwright

from machine import ordinary_priorities, report

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "browser"))
from visiting import CHROMIUM, DESKTOP, Lab

if TYPE_CHECKING:
    from playwright.sync_api import Page

TABLE_LIMIT, OVERLAY_LIMIT = 1.0, 0.5
CHOSEN = 10
PAINTED = """(wanted) => new Promise((done) => {
    const look = () => wanted() ? requestAnimationFrame(() => setTimeout(() => done(performance.now()), 0))
                                : requestAnimationFrame(look);
    look();
})"""


def make_runs(home: Path, runs: int, points: int) -> None:
    """Write runs into a home as training leaves them there."""
    from convolab.home import tracking_uri
    from convolab.networks import preset
    from convolab.runs import RunFolder, RunSpec
    from convolab.runs.folder import Figures
    from convolab.training.settings import TrainingSettings

    draw = random.Random(0)
    networks = [preset(name, (1, 28, 28), 10) for name in ("convolutional", "fully-connected")]
    for number in range(runs):
        run_id = f"{number:032x}"
        network = networks[number % 2].changed(name=f"network {number % 7}")
        if number % 2 == 0:  # every other network is one of its own
            network = network.changed_layer(0, out_channels=4 + number % 40)
        settings = TrainingSettings(
            examples=100 * points, learning_rate=round(draw.uniform(0.001, 0.3), 4), seed=number
        )
        minute, second = divmod(number, 60)
        folder = RunFolder(run_id)
        folder.create(
            RunSpec(
                run_id=run_id,
                name=f"mnist run {number}",
                dataset="mnist",
                network=network,
                settings=settings,
                created=f"2026-01-01T{minute // 60:02d}:{minute % 60:02d}:{second:02d}.000Z",
                version="1",
                tags={"experiment.name": f"sweep {number // 50}"},
            )
        )
        best = draw.uniform(0.7, 0.99)
        lines: list[dict[str, Any]] = []
        for point in range(1, points + 1):
            share = best * (1 - math.exp(-point / 60))
            seen: dict[str, Any] = {
                "examples": 100 * point,
                "batches": 2 * point,
                "seconds": round(point / 20, 3),
            }
            lines.append(
                {
                    "time": 1.7e9 + point,
                    "kind": "progress",
                    **seen,
                    "loss": 2.3 * (1 - share) + draw.uniform(0, 0.05),
                    "train_accuracy": share,
                    "examples_per_second": 9_800.0,
                    "learning_rate": settings.learning_rate,
                    "fraction": point / points,
                    "seconds_left": 0.0,
                }
            )
            if point % 10 == 0:
                confusion = [[draw.randrange(1000) for _ in range(10)] for _ in range(10)]
                lines.append(
                    {
                        "time": 1.7e9 + point,
                        "kind": "evaluated",
                        **seen,
                        "test_loss": 2.3 * (1 - share),
                        "test_accuracy": share,
                        "correct": int(10_000 * share),
                        "total": 10_000,
                        "evaluation_seconds": 0.3,
                        "confusion": confusion,
                    }
                )
        folder.events_path.write_text(
            "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
        )
        figures = Figures(
            parameters=network.parameters,
            examples=100 * points,
            seconds=points / 20,
            fraction=1.0,
            examples_per_second=9_800.0,
            train_accuracy=best,
            test_accuracy=best,
            test_loss=2.3 * (1 - best),
        )
        folder.set_state("finished", figures=figures)
        folder.give_up_reserve()
        # As if MLflow knew all of it already: bringing it there would take the lab minutes.
        known = {"uri": tracking_uri(), "mlflow_id": run_id, "begun": True, "state": "finished"}
        folder.tracking_path.write_text(json.dumps({**known, "offset": folder.events_path.stat().st_size}))


def open_table(page: Page, url: str) -> float:
    """Seconds from entering the address until rows are painted; the page's own clock begins there."""
    page.goto(url, wait_until="commit")
    return (
        float(
            page.evaluate(f"({PAINTED})(() => document.querySelectorAll('.cx-window .cx-row').length >= 10)")
        )
        / 1000
    )


ADDED = """async ([rows, shift, wanted]) => {
    const began = performance.now();
    for (const row of rows) {
        const press = new MouseEvent('click', { shiftKey: shift, bubbles: true, cancelable: true });
        document.getElementById(`cx-run-${row}`).dispatchEvent(press);
    }
    const drawn = () => document.querySelectorAll('.cx-side .cl-legend-item').length === wanted;
    return (await (PAINTED)(drawn)) - began;
}""".replace("PAINTED", PAINTED)
"""Presses rows of the table; milliseconds until so many runs' curves are painted."""


def overlay(page: Page, first: int, at_once: bool) -> float:
    """Seconds until the curves of ten runs, which nobody has looked at before, are painted over each other.

    ``at_once``: from choosing all ten; else from pressing the tenth beside nine.
    """
    page.get_by_role("button", name="Clear choice").click()
    page.evaluate("top => document.querySelector('.cx-grid').scrollTop = top", 34 * first)
    page.wait_for_timeout(300)
    last = first + CHOSEN - 1
    page.evaluate(ADDED, [[first], False, 1])
    if at_once:
        return float(page.evaluate(ADDED, [[last], True, CHOSEN])) / 1000
    page.evaluate(ADDED, [[*range(first + 1, last)], False, CHOSEN - 1])
    page.wait_for_timeout(1000)
    return float(page.evaluate(ADDED, [[last], False, CHOSEN])) / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="runs in the store (1000)")
    parser.add_argument("--points", type=int, default=500, help="points of each (500)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (5)")
    options = parser.parse_args()
    ordinary_priorities()
    installed = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        home = Path(folder) / "home"
        os.environ["CONVOLAB_HOME"] = str(home)
        make_runs(home, options.runs, options.points)
        lab = Lab(home).start()
        try:
            browser = playwright.chromium.launch(executable_path=installed, args=list(CHROMIUM))
            page = browser.new_context(viewport=DESKTOP, reduced_motion="reduce").new_page()  # type: ignore[arg-type]
            url = f"{lab.url}/experiments"
            first = open_table(page, url)
            time.sleep(5)  # MLflow wakes up, once for each lab
            tables = [open_table(page, url) for _ in range(options.rounds)]
            page.wait_for_selector(".cx-side .cl-legend-item")
            overlays = [overlay(page, 20 + CHOSEN * i, True) for i in range(options.rounds)]
            last = [overlay(page, 300 + CHOSEN * i, False) for i in range(min(3, options.rounds))]
            browser.close()
            errors = lab.errors()[:5]
        finally:
            lab.stop()
    rows = [
        {
            "what": f"table of {options.runs:,} runs",
            "median, s": round(statistics.median(tables), 3),
            "slowest, s": round(max(tables), 3),
            "limit, s": TABLE_LIMIT,
            "holds": statistics.median(tables) <= TABLE_LIMIT,
        },
        {
            "what": f"overlay of {CHOSEN} unread runs of {options.points} points",
            "median, s": round(statistics.median(overlays), 3),
            "slowest, s": round(max(overlays), 3),
            "limit, s": OVERLAY_LIMIT,
            "holds": statistics.median(overlays) <= OVERLAY_LIMIT,
        },
        {
            "what": "a tenth run beside nine",
            "median, s": round(statistics.median(last), 3),
            "slowest, s": round(max(last), 3),
            "limit, s": OVERLAY_LIMIT,
            "holds": statistics.median(last) <= OVERLAY_LIMIT,
        },
    ]
    report("experiments_room", rows, first_visit_after_start=round(first, 3), errors=errors)


if __name__ == "__main__":
    main()
