"""What the browser tests share: a real lab in a process of its own, opening rooms, pictures of the page."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parent.parent.parent
SCREENSHOTS = ROOT / "screenshots"
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
CHROMIUM = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")


class Lab:
    """A lab in a process of its own; `start` after `kill` comes back with the same home and port."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = home.parent / f"{home.name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Lab:
        """Serve, and wait until the page answers."""
        self.home.mkdir(parents=True, exist_ok=True)
        command = f"from convolab.app.serve import serve; serve(port={self.port}, show=False)"
        # NiceGUI behaves differently where it believes that it is being tested.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", command],
                env={**environment, "CONVOLAB_HOME": str(self.home)},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"The lab ended at once:\n{self.log.read_text()}")
            try:
                if httpx.get(f"{self.url}/build", timeout=5).status_code == 200:
                    return self
            except httpx.HTTPError:
                time.sleep(0.1)
        self.kill()
        raise RuntimeError(f"The lab does not answer:\n{self.log.read_text()}")

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it, with all its workers, as a power cut does."""
        self._end(signal.SIGKILL)

    def errors(self) -> list[str]:
        """Exceptions in the server's output, each with the lines that tell where it came from."""
        lines = self.log.read_text(errors="replace").splitlines()
        return [
            "\n".join(lines[max(0, at - 3) : at + 60])
            for at, line in enumerate(lines)
            if "Traceback" in line or "ERROR" in line
        ]

    def _end(self, how: signal.Signals) -> None:
        if self.process is None:
            return
        if self.process.poll() is None:
            # The group holds this lab and the workers it started, nothing else.
            if how == signal.SIGKILL:
                os.killpg(self.process.pid, how)
            else:
                self.process.send_signal(how)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(10)
        self.process = None


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def open_room(page: Page, lab: Lab, address: str = "/build") -> None:
    """Open an address of the lab and wait until the page is connected."""
    page.goto(f"{lab.url}{address}")
    page.wait_for_function("() => window.did_handshake && document.querySelector('[data-room]')")


def restarted(lab: Lab, page: Page) -> None:
    """Kill the lab as a power cut does, start it again, and wait until the page has come back by itself.

    The page reloads itself when it finds a lab that does not know it; a `reload` of ours beside that one is
    aborted by it now and then.
    """
    page.evaluate("window.beforeTheRestart = true")
    lab.kill()
    lab.start()
    page.wait_for_function(
        "() => !window.beforeTheRestart && window.did_handshake && document.querySelector('[data-room]')",
        timeout=60_000,
    )


def screenshot(page: Page, name: str, **options: Any) -> None:
    """Keep a picture of the page in ``screenshots/``, to be looked at, if CONVOLAB_SCREENSHOTS is set: all
    seventy take half a minute."""
    if not os.environ.get("CONVOLAB_SCREENSHOTS"):
        return
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", animations="disabled", **options)
