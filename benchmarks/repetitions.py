"""What does padding leave at the border when the same filter is applied ten times?

Each shipped style ten times over ten photos it never saw, once with each padding, at 320 pixels; the photos
without their outermost pixels, because these have a dark frame of their own. The border
artefact compares the lines at the edges with those of the interior: at most 1 where the border changes no
more than the interior does. With reflection the median over the photos must be at most 1, with zeros above
that of reflection. A sheet with one photo after 1, 3 and 10 times is written to ``results/repetitions.jpg``.

    python benchmarks/repetitions.py [--times 10] [--photos 10] [--only starry-night …]
"""

from __future__ import annotations

import convolab  # noqa: F401 - before PyTorch, because it sets how threads wait

# isort: split
import argparse
from pathlib import Path
from statistics import median
from typing import Any

from PIL import Image

from convolab.style.fast.border import border_artefact
from convolab.style.fast.library import SHIPPED
from convolab.style.fast.network import PADDINGS
from convolab.style.fast.stylizing import stylize_steps
from machine import RESULTS, report
from shipped_styles import photos

SIZE = 320
SHOWN = "starry-night"
STEPS = (1, 3, 10)
FRAME = 6


def unframed(path: Path) -> Image.Image:
    """The photo without its own frame."""
    photo = Image.open(path).convert("RGB")
    return photo.crop((FRAME, FRAME, photo.width - FRAME, photo.height - FRAME))


def sheet(style: Path, photo: Path) -> None:
    """A line for each padding: the photo after 1, 3 and 10 times."""
    lines = []
    for padding in PADDINGS:
        steps = stylize_steps(unframed(photo), style, size=SIZE, repeat=max(STEPS), padding=padding)
        lines.append([steps[i].picture for i in STEPS])
    width, height = lines[0][0].size
    board = Image.new("RGB", (len(STEPS) * (width + 4), len(lines) * (height + 4)), "white")
    for i, line in enumerate(lines):
        for j, tile in enumerate(line):
            board.paste(tile, (j * (width + 4) + 2, i * (height + 4) + 2))
    board.save(RESULTS / "repetitions.jpg", quality=85)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--photos", type=int, default=10)
    parser.add_argument("--only", nargs="+", metavar="STYLE")
    options = parser.parse_args()
    test = photos()[1][: options.photos]
    rows: list[dict[str, Any]] = []
    for style in sorted(SHIPPED.glob("*.safetensors")):
        if options.only and style.stem not in options.only:
            continue
        found = {}
        for padding in PADDINGS:
            found[padding] = median(
                border_artefact(
                    stylize_steps(unframed(path), style, size=SIZE, repeat=options.times, padding=padding)[
                        -1
                    ].picture
                )
                for path in test
            )
        rows.append(
            {
                "style": style.stem,
                **{padding: round(value, 2) for padding, value in found.items()},
                "holds": found["reflect"] <= 1 < found["zeros"],
            }
        )
        print(rows[-1], flush=True)
    sheet(SHIPPED / f"{SHOWN}.safetensors", test[0])
    report("repetitions", rows, times=options.times, photos=len(test), size=SIZE)


if __name__ == "__main__":
    main()
