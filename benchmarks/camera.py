"""How fast is the live camera of the room Fast style, from the camera to the painting on the screen?

A lab of its own and a real Chromium with its fake camera (20 frames/s), 320×240 pixels, the small network.
Speed is counted in the page as paintings that were drawn; latency is from the moment at which the camera
took a frame until its painting is drawn. Memory is that of the lab's process and of all processes of the
browser; it is flat if the last quarter of the time needs no more than 3 % beyond the second one. In the first
minute the browser's grows by what its garbage collector lets lie (frames, some 80 MB), so the run is longer.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from playwright.sync_api import sync_playwright

from machine import report

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "browser"))
from visiting import CHROMIUM, DESKTOP, Lab, open_room

if TYPE_CHECKING:
    from collections.abc import Iterable

    from playwright.sync_api import Page

RATE_LIMIT, LATENCY_LIMIT, GROWTH_LIMIT = 15.0, 150.0, 0.03
WINDOW = 10.0
"""Seconds over which the slowest speed is told."""
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


def megabytes(processes: Iterable[psutil.Process]) -> float:
    """What processes hold, without what they share."""
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            total += process.memory_full_info().uss / 1e6
    return total


def browsers(before: set[int]) -> list[psutil.Process]:
    """All processes that were started since ``before`` was noted."""
    return [one for one in psutil.Process().children(recursive=True) if one.pid not in before]


def watch(page: Page, seconds: float, lab: psutil.Process, before: set[int]) -> list[dict[str, float]]:
    """Frames that were drawn by then, and memory, every ten seconds."""
    samples = []
    begun = time.monotonic()
    while True:
        now = time.monotonic() - begun
        frames = int(page.evaluate("() => convolabCamera.frames"))
        samples.append(
            {
                "seconds": now,
                "frames": frames,
                "lab, MB": megabytes([lab]),
                "browser, MB": megabytes(browsers(before)),
            }
        )
        if now >= seconds:
            return samples
        page.wait_for_timeout(1000 * min(WINDOW, seconds - now + 0.01))


def growth(samples: list[dict[str, float]], name: str) -> float:
    """Share by which the last quarter of the samples is above the second quarter."""
    quarter = max(1, len(samples) // 4)
    early = statistics.mean(sample[name] for sample in samples[quarter : 2 * quarter])
    late = statistics.mean(sample[name] for sample in samples[-quarter:])
    return late / early - 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300, help="how long it runs (300)")
    parser.add_argument("--size", type=int, default=320, help="pixels on the long side (320)")
    parser.add_argument("--style", default="starry-night-small", help="the style (starry-night-small)")
    options = parser.parse_args()
    installed = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lab = Lab(Path(folder) / "home").start()
        assert lab.process is not None
        try:
            before = {child.pid for child in psutil.Process().children(recursive=True)}
            browser = playwright.chromium.launch(executable_path=installed, args=[*CHROMIUM, *CAMERA])
            page = browser.new_context(viewport=DESKTOP, permissions=["camera"]).new_page()  # type: ignore[arg-type]
            open_room(page, lab, f"/fast?style={options.style}")
            page.locator("[data-view=picture] .cs[data-state=painted]").wait_for()
            page.get_by_role("button", name="Camera", exact=True).click()
            page.wait_for_function("() => window.convolabCamera?.frames > 60")
            page.evaluate("() => { convolabCamera.latencies.length = 0; }")
            samples = watch(page, options.seconds, psutil.Process(lab.process.pid), before)
            latencies: list[float] = page.evaluate("() => convolabCamera.latencies")
            painting: list[float] = page.evaluate("() => convolabCamera.painting")
            sizes = page.evaluate("() => convolabCamera.sizes")
            lost = page.evaluate("() => convolabCamera.lost")
            words = page.locator(".cs-figures").first.inner_text()
            browser.close()
            errors = lab.errors()[:5]
        finally:
            lab.stop()
    whole = (samples[-1]["frames"] - samples[0]["frames"]) / (samples[-1]["seconds"] - samples[0]["seconds"])
    pairs = list(itertools.pairwise(samples))
    slowest = min((b["frames"] - a["frames"]) / (b["seconds"] - a["seconds"]) for a, b in pairs)
    ordered = sorted(latencies)
    median, tail = statistics.median(ordered), ordered[int(0.95 * (len(ordered) - 1))]
    rows: list[dict[str, Any]] = [
        _row("frames/s, end to end", whole, RATE_LIMIT, whole >= RATE_LIMIT),
        _row(f"frames/s, slowest {WINDOW:.0f} s", slowest, RATE_LIMIT, slowest >= RATE_LIMIT),
        _row("latency, median, ms", median, LATENCY_LIMIT, median <= LATENCY_LIMIT),
    ]
    for name in ("lab, MB", "browser, MB"):
        share = growth(samples, name)
        rows.append(_row(f"growth of memory, {name[:-4]}", share, GROWTH_LIMIT, share <= GROWTH_LIMIT))
    report(
        "camera",
        rows,
        shown=words,
        seconds=options.seconds,
        size=sizes,
        style=options.style,
        latency_95=round(tail, 1),
        painting_median=round(statistics.median(painting), 1),
        lost=lost,
        samples=[{name: round(value, 1) for name, value in sample.items()} for sample in samples],
        errors=errors,
    )


def _row(what: str, value: float, limit: float, holds: bool) -> dict[str, Any]:
    return {"what": what, "measured": round(value, 3), "limit": limit, "holds": holds}


if __name__ == "__main__":
    main()
