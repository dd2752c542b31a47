"""How much do 20 browser sessions that watch one training run slow it down?

A lab of its own trains MNIST's convolutional preset without end. 20 sessions look at it, each a context of
its own in a real Chromium with the page in sight, on the same machine, which is harder than 20 visitors with
machines of their own. Machines change their speed within minutes, so windows are short and take turns: in
one the browser with all its processes is stopped (SIGSTOP: nobody looks), in the next it goes on. Each
watched window is compared with the mean of the two beside it. Speed is examples per second on the training
clock. A watched window begins when the browser has caught up. Errors of any page, failed requests and errors
in the lab's log are counted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from playwright.sync_api import sync_playwright

from machine import report

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "browser"))
from visiting import CHROMIUM, DESKTOP, Lab

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

LIMIT = 0.10
ADDRESS = "/build?examples=none&evaluate_every=1000000000"
"""No end, and no evaluation in between: they take no training time, but would make windows differ."""


class Run:
    """The run that is trained, seen from its folder."""

    def __init__(self, folder: Path) -> None:
        self.events = folder / "events.jsonl"

    def progress(self) -> tuple[int, float]:
        """Examples and training seconds so far."""
        with self.events.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 20_000))
            lines = file.read().splitlines()
        for line in reversed(lines):
            if b'"progress"' in line:
                event = json.loads(line)
                return event["examples"], event["seconds"]
        return 0, 0.0

    def speed(self, seconds: float) -> tuple[float, float]:
        """Examples per second over a window: on the training clock, and on the wall."""
        examples, trained = self.progress()
        start = time.monotonic()
        time.sleep(seconds)
        later, trained_later = self.progress()
        done = later - examples
        return done / (trained_later - trained), done / (time.monotonic() - start)


class Watchers:
    """So many sessions that look at an address, and what went wrong in them."""

    def __init__(self, browser: Browser, address: str, count: int) -> None:
        self.browser, self.address, self.count = browser, address, count
        self.errors: list[str] = []
        self.requests = 0
        self.bytes = 0
        self.busy = 0.0

    @contextmanager
    def watching(self, settle: float) -> Iterator[list[Page]]:
        """The sessions, open and settled; closed at the end."""
        contexts = [self.browser.new_context(viewport=DESKTOP) for _ in range(self.count)]  # type: ignore[arg-type]
        try:
            pages = [context.new_page() for context in contexts]
            for page in pages:
                page.on("pageerror", lambda error: self.errors.append(str(error)))
                page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
                page.on(
                    "response",
                    lambda r: self.errors.append(f"{r.status} {r.url}") if r.status >= 400 else None,
                )
                page.goto(self.address, timeout=120_000)
            for page in pages:
                page.wait_for_selector(".cl-progress:not([hidden])", timeout=120_000)
                page.wait_for_selector(".cl-tile", timeout=120_000)
            pages[0].wait_for_timeout(settle * 1000)
            yield pages
        finally:
            for context in contexts:
                context.close()

    def take_stock(self, pages: list[Page], before: list[dict[str, float]]) -> None:
        """Add up what the pages have asked for since ``before``; a page that asked nothing is an error."""
        for page, old in zip(pages, before, strict=True):
            new = page.evaluate("({ ...convolabFeed })")
            if new["requests"] == old["requests"]:
                self.errors.append("A page asked for no news.")
            self.requests += int(new["requests"] - old["requests"])
            self.bytes += int(new["bytes"] - old["bytes"])
            self.busy += new["busy"] - old["busy"]


def cpu_seconds(process: psutil.Process) -> float:
    """Processor time of a process and those it started."""
    total = 0.0
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return total
    for one in family:
        with contextlib.suppress(psutil.Error):  # it has ended meanwhile
            times = one.cpu_times()
            total += times.user + times.system
    return total


def measure(
    lab: Lab, browser: Browser, options: argparse.Namespace
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    first = browser.new_context(viewport=DESKTOP).new_page()  # type: ignore[arg-type]
    first.goto(lab.url + ADDRESS)
    first.locator("[data-key=train]").click()
    first.wait_for_function("() => location.search.includes('run=')", timeout=120_000)
    first.wait_for_selector(".cl-progress:not([hidden])", timeout=120_000)
    address = first.url
    first.context.close()
    run = Run(next((lab.home / "runs").iterdir()))
    while run.progress()[0] < 2_000:
        time.sleep(0.2)

    watchers = Watchers(browser, address, options.sessions)
    nobody: list[tuple[float, float]] = []
    watched: list[tuple[float, float]] = []
    browser_cpu = 0.0
    with watchers.watching(options.settle) as pages:
        chromium = _chromium()
        before = [page.evaluate("({ ...convolabFeed })") for page in pages]
        for number in range(options.rounds + 1):
            with stopped(chromium):
                time.sleep(1)
                nobody.append(run.speed(options.seconds))
            if number == options.rounds:
                break
            time.sleep(options.catch_up)
            cpu = sum(cpu_seconds(process) for process in chromium)
            watched.append(run.speed(options.seconds))
            browser_cpu += sum(cpu_seconds(process) for process in chromium) - cpu
            print(f"window {number + 1} of {options.rounds}: {watched[-1][0]:,.0f} examples/s", flush=True)
        watchers.take_stock(pages, before)
    rounds: list[dict[str, float]] = []
    for i, turn in enumerate(watched):
        beside = [(first + second) / 2 for first, second in zip(nobody[i], nobody[i + 1], strict=True)]
        rounds.append(
            {
                "nobody": beside[0],
                "watched": turn[0],
                "slow-down": 1 - turn[0] / beside[0],
                "slow-down on the wall": 1 - turn[1] / beside[1],
            }
        )
    errors = watchers.errors + lab.errors()
    slow = sorted(one["slow-down"] for one in rounds)
    middle = statistics.median(slow)
    row = {
        "sessions": options.sessions,
        "rounds": options.rounds,
        "nobody looks, examples/s": round(statistics.median(one["nobody"] for one in rounds), 1),
        "watched, examples/s": round(statistics.median(one["watched"] for one in rounds), 1),
        "slow-down": round(middle, 4),
        "lowest and highest": [round(slow[0], 3), round(slow[-1], 3)],
        "must stay below": LIMIT,
        "errors": len(errors),
        "holds": middle < LIMIT and not errors,
    }
    looked = options.rounds * (options.seconds + options.catch_up)
    details = {
        "all_rounds": [{name: round(value, 4) for name, value in one.items()} for one in rounds],
        "errors": errors[:20],
        "per_page": {
            "seconds between updates": round(looked * options.sessions / max(watchers.requests, 1), 2),
            "bytes of an update": round(watchers.bytes / max(watchers.requests, 1)),
            "milliseconds of script for an update": round(watchers.busy / max(watchers.requests, 1), 2),
        },
        "browser_processor_share": round(
            browser_cpu / (options.rounds * options.seconds) / psutil.cpu_count(), 4
        ),
    }
    return [row], details


@contextmanager
def stopped(processes: list[psutil.Process]) -> Iterator[None]:
    """With these processes and those they started stopped; they go on at the end.

    Not for much longer than 20 s: then the lab would take the pages for gone.
    """
    family = [one for process in processes for one in (process, *process.children(recursive=True))]
    for one in family:
        one.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for one in family:
            one.send_signal(signal.SIGCONT)


def _chromium() -> list[psutil.Process]:
    """The browser's main processes among those that this one started."""
    own = psutil.Process().children(recursive=True)
    found = []
    for one in own:
        with contextlib.suppress(psutil.Error):
            if "chrom" in one.name() and "--type=" not in " ".join(one.cmdline()):
                found.append(one)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=20, help="browser sessions that watch (20)")
    parser.add_argument("--rounds", type=int, default=20, help="watched windows (20)")
    parser.add_argument("--seconds", type=float, default=15.0, help="length of a window (15)")
    parser.add_argument("--catch-up", type=float, default=5.0, help="seconds before a watched window (5)")
    parser.add_argument("--settle", type=float, default=20.0, help="seconds before the first window (20)")
    options = parser.parse_args()
    installed = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lab = Lab(Path(folder) / "home").start()
        try:
            browser = playwright.chromium.launch(executable_path=installed, args=list(CHROMIUM))
            rows, details = measure(lab, browser, options)
            browser.close()
        finally:
            lab.stop()
    report(f"browser_sessions_{options.sessions}", rows, **details)


if __name__ == "__main__":
    main()
