"""How good is a style after ten and thirty minutes of learning on this machine, beside the shipped one?

`convolab learn-style` as anybody would call it, in a home of its own, with the painting of a shipped style
and photos among which the ten of the test are not. Each begins with Starry Night, as the shipped styles did
(left alone it would begin with the shipped style of the same painting). Then ten photos are painted by each
network, and the saved pictures judged by the VGG-16 of fast_style_quality.py, which shares nothing with
convolab but the weights. Rows of budgets that are not measured this time stay, beside the shipped network as
it is now.

    python benchmarks/learn_budgets.py [--painting great-wave] [--minutes 10 30]
    [--starts starry-night starry-night]
"""

from __future__ import annotations

import convolab  # noqa: F401 - before PyTorch, because it sets how threads wait

# isort: split
import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import mean
from typing import Any

from PIL import Image

from convolab.style.fast.library import SHIPPED
from convolab.style.fast.photos import PHOTO_AREA
from convolab.style.fast.stylizing import save_picture, stylize
from convolab.style.weights import load_weights
from convolab.training.device import use_all_cores
from fast_style_quality import Judge, resized, tensor
from machine import RESULTS, earlier_rows, report, where_and_when
from shipped_styles import PAINTINGS, photos

MUST = {10.0: 1.35, 30.0: 1.15}
"""How many times the shipped network's objective that of a network may be, by minutes."""
SHOWN = 3
"""Photos on the sheet."""


def learn(
    painting: Path, album: Path, minutes: float, start: str, weight: float, home: Path
) -> dict[str, Any]:
    """A style called ``learned``, in ``home``; what the command says of it."""
    command = [
        *(sys.executable, "-m", "convolab", "learn-style", str(painting), "--photos", str(album)),
        *("--budget", f"{minutes:g}m", "--start", start, "--weight", str(weight)),
        *("--name", "learned", "--json"),
    ]
    environment = {**os.environ, "CONVOLAB_HOME": str(home)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"convolab learn-style ended with {done.returncode}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def objective(style: Path, judge: Judge, test: list[Path], folder: Path) -> tuple[float, list[Image.Image]]:
    """The mean objective of the saved paintings, and some of them."""
    values, made = [], []
    for path in test:
        photo = resized(Image.open(path).convert("RGB"), PHOTO_AREA)
        save_picture(folder / "painted.png", stylize(photo, style))
        values.append(judge.judge(folder / "painted.png", tensor(photo)))
        made.append(Image.open(folder / "painted.png").convert("RGB"))
    return mean(values), made[:SHOWN]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--painting", choices=PAINTINGS, default="great-wave")
    parser.add_argument("--minutes", type=float, nargs="+", default=[10.0, 30.0])
    parser.add_argument(
        "--starts", nargs="+", default=["starry-night", "starry-night"], help="one for each budget"
    )
    options = parser.parse_args()
    painting = PAINTINGS[options.painting]
    training, test = photos()
    use_all_cores()
    rows = [
        row
        for row in earlier_rows("learn_budgets")
        if row["painting"] == painting.title and row["minutes"] not in options.minutes
    ]
    on = where_and_when()
    sheet: list[list[Image.Image]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        painting.picture().save(folder / "painting.png")
        album = folder / "photos"
        album.mkdir()
        for path in training:
            (album / path.name).symlink_to(path.resolve())
        area = PHOTO_AREA * painting.stroke_size**2
        judge = Judge(load_weights("vgg-16"), resized(painting.picture(), area), painting.weight)
        shipped, made = objective(SHIPPED / f"{painting.name}.safetensors", judge, test, folder)
        sheet.append(made)
        for minutes, start in zip(options.minutes, options.starts, strict=True):
            home = folder / f"{minutes:g}"
            learned = learn(folder / "painting.png", album, minutes, start, painting.weight, home)
            (style,) = (home / "styles").glob("*.safetensors")
            value, made = objective(style, judge, test, folder)
            sheet.append(made)
            rows.append(
                {
                    "painting": painting.title,
                    "minutes": minutes,
                    "begins with": start,
                    "steps": learned.get("steps", learned.get("step", "-")),
                    "objective": round(value, 4),
                    "on": on,
                }
            )
            print(rows[-1], flush=True)
    width, height = 321, 321
    board = Image.new("RGB", (SHOWN * width, len(sheet) * height), "white")
    for i, line in enumerate(sheet):
        for j, tile in enumerate(line):
            tile.thumbnail((width - 4, height - 4), Image.Resampling.LANCZOS)
            board.paste(tile, (j * width + 2, i * height + 2))
    board.save(RESULTS / "learn_budgets.jpg", quality=85)
    for row in rows:
        must = MUST.get(row["minutes"])
        times = row["objective"] / shipped
        row |= {"shipped": round(shipped, 4), "times": round(times, 3), "must": must or "-"}
        row["holds"] = must is None or times <= must
    rows.sort(key=lambda row: row["minutes"])
    report("learn_budgets", rows, photos=len(test), weight=painting.weight)


if __name__ == "__main__":
    main()
