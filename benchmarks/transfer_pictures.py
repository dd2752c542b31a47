"""Pictures that style transfer by optimisation paints with its default settings: to look at, and measured.

    python benchmarks/transfer_pictures.py sheet    five paintings on three photos, 400 pixels
    python benchmarks/transfer_pictures.py strokes  one stroke size at 256, 512 and 1024 pixels
    python benchmarks/transfer_pictures.py large    2048 pixels wide in tiles, within 8 GB

An interrupted call goes on where it was; after its report a part is painted anew. StyleDiff at a common scale
is that of the saved 8-bit PNG by the VGG-16 of `style_transfer_speed.py`, which shares nothing with convolab
but the weights. Each part writes its figures and one JPEG beside the other results.
"""

from __future__ import annotations

import convolab  # noqa: F401 - before PyTorch, because it sets how threads wait

# isort: split
import argparse
import json
import math
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFilter

from convolab.style import Transfer, TransferSettings
from convolab.style.events import Iterate
from convolab.style.memory import peak_memory_mb
from convolab.style.pictures import fitted, save_png
from convolab.style.weights import load_weights
from convolab.training.device import use_all_cores
from machine import RESULTS, report
from style_transfer_speed import SHARED, STYLE_LAYERS, Textbook, read

UNDER_WAY = Path(__file__).resolve().parents[1] / ".cache" / "transfer_pictures"
SHEETS = RESULTS / "transfer_pictures"
PAINTINGS = ("starry_night", "wave", "the_scream", "shipwreck_of_the_minotaur", "composition_vii")
PHOTOS = ("tuebingen", "chicago", "stata")
PAIR = SHARED / "content" / "tuebingen.jpg", SHARED / "paintings" / "starry_night.jpg"
SHEET_SIZE, LARGE_SIZE, LARGE_STEPS, LARGE_LIMIT_MB = 400, 2048, 24, 8000
STROKES = (256, 512, 1024)
SPREAD_LIMIT = 0.25


def painted(content: Path, style: Path, settings: TransferSettings, path: Path) -> dict[str, Any]:
    """Paint unless it was painted before; the record of it: seconds, steps, memory."""
    record = path.with_suffix(".json")
    if record.exists():
        return dict(json.loads(record.read_text()))
    path.parent.mkdir(parents=True, exist_ok=True)
    work = Transfer(content, style, settings, checkpoint_path=path.with_suffix(".safetensors"))
    told = time.monotonic()
    for event in work.iterates():
        if isinstance(event, Iterate) and time.monotonic() - told > 30:
            told = time.monotonic()
            left = "" if event.seconds_left is None else f", {event.seconds_left:.0f} s left"
            print(f"  step {event.step} at {event.width}×{event.height}: {event.total:.4f}{left}", flush=True)
    assert work.finished is not None
    save_png(path, work.picture(), settings)
    found = {
        "seconds": round(work.finished.seconds, 1),
        "steps": work.finished.step,
        "style": work.finished.style,
        "content": work.finished.content,
        "peak_memory_mb": round(peak_memory_mb()),
    }
    record.write_text(json.dumps(found))
    path.with_suffix(".safetensors").unlink(missing_ok=True)
    print(f"{path.stem}: {found}", flush=True)
    return found


# ---------------------------------------------------------------- what a look would find, in numbers


def speckle(image: Image.Image) -> float:
    """Share of the pixels that are far (a quarter of the range) from the median of their 3×3 neighbours."""
    grey = image.convert("L")
    away = np.abs(np.float32(grey) - np.float32(grey.filter(ImageFilter.MedianFilter(3))))
    return float((away > 64).mean())


def border(image: Image.Image, width: int = 6) -> float:
    """Mean step between neighbouring pixels in the frame of so many pixels, relative to the interior's."""
    grey = np.float32(image.convert("L"))
    steps = np.abs(np.diff(grey, axis=1))[1:] + np.abs(np.diff(grey, axis=0))[:, 1:]
    inside = np.zeros(steps.shape, bool)
    inside[width:-width, width:-width] = True
    return float(steps[~inside].mean() / steps[inside].mean())


def black(image: Image.Image) -> float:
    """Share of the pixels that are as good as black."""
    return float((np.asarray(image.convert("L")) < 8).mean())


def style_difference(picture: Image.Image, painting: Image.Image, weights: dict[str, torch.Tensor]) -> float:
    """Normalised StyleDiff, mean over the layers, the painting at the picture's area."""
    scale = math.sqrt(picture.width * picture.height / (painting.width * painting.height))
    size = round(painting.width * scale), round(painting.height * scale)
    book = Textbook(
        weights, read(picture), read(painting.resize(size, Image.Resampling.LANCZOS)), pooling="max"
    )
    with torch.no_grad():
        found = book.features(read(picture))
        parts = [
            float(((book.gram(found[layer]) - target) ** 2).sum() / (target**2).sum())
            for layer, target in book.grams.items()
        ]
    return sum(parts) / len(STYLE_LAYERS)


# ---------------------------------------------------------------- the parts


def sheet() -> None:
    """Every painting on every photo."""
    settings = TransferSettings(size=SHEET_SIZE)
    rows: list[dict[str, Any]] = []
    images: dict[tuple[str, str], Image.Image] = {}
    for painting in PAINTINGS:
        style = SHARED / "paintings" / f"{painting}.jpg"
        for photo in PHOTOS:
            path = UNDER_WAY / "sheet" / f"{painting}_{photo}.png"
            about = painted(SHARED / "content" / f"{photo}.jpg", style, settings, path)
            images[painting, photo] = image = Image.open(path).convert("RGB")
            small = Image.open(style).convert("RGB")
            small.thumbnail(image.size, Image.Resampling.LANCZOS)
            rows.append(
                {
                    "painting": painting,
                    "photo": photo,
                    "StyleDiff": about["style"],
                    "ContentDiff": about["content"],
                    "speckle": speckle(image),
                    "speckle of the painting": speckle(small),
                    "border/interior": border(image),
                    "black": black(image),
                    "black of the painting": black(small),
                    "seconds": about["seconds"],
                }
            )
    wide, tall = 400, 300
    board = Image.new("RGB", (wide * (len(PHOTOS) + 1), tall * (len(PAINTINGS) + 1)), "white")

    def put(image: Image.Image, column: int, row: int) -> None:
        image = image.convert("RGB")
        image.thumbnail((wide - 8, tall - 8), Image.Resampling.LANCZOS)
        board.paste(
            image, (column * wide + (wide - image.width) // 2, row * tall + (tall - image.height) // 2)
        )

    for column, photo in enumerate(PHOTOS, 1):
        put(Image.open(SHARED / "content" / f"{photo}.jpg"), column, 0)
    for row, painting in enumerate(PAINTINGS, 1):
        put(Image.open(SHARED / "paintings" / f"{painting}.jpg"), 0, row)
        for column, photo in enumerate(PHOTOS, 1):
            put(images[painting, photo], column, row)
    board.save(SHEETS / "sheet.jpg", quality=85)
    report("transfer_sheet", rows, settings=settings.model_dump())


def strokes() -> None:
    """One stroke size at three sizes."""
    content, style = PAIR
    painting = Image.open(style).convert("RGB")
    weights = load_weights("vgg-16")
    rows: list[dict[str, Any]] = []
    images = []
    for size in STROKES:
        path = UNDER_WAY / "strokes" / f"{size}.png"
        about = painted(content, style, TransferSettings(size=size), path)
        images.append(image := Image.open(path).convert("RGB"))
        common = image.resize(fitted(*image.size, min(STROKES)), Image.Resampling.LANCZOS)
        rows.append(
            {
                "size": size,
                f"StyleDiff at {min(STROKES)}": style_difference(common, painting, weights),
                "StyleDiff at its own size": about["style"],
                "ContentDiff": about["content"],
                "seconds": about["seconds"],
            }
        )
    values = [row[f"StyleDiff at {min(STROKES)}"] for row in rows]
    spread = max(values) / min(values) - 1
    wide, tall = images[0].size
    board = Image.new("RGB", (2 * wide * len(images), 2 * tall), "white")
    for column, image in enumerate(images):
        shown = image.resize((2 * wide, 2 * tall), Image.Resampling.LANCZOS)
        board.paste(shown, (2 * wide * column, 0))
    board.save(SHEETS / "strokes.jpg", quality=88)
    met = spread <= SPREAD_LIMIT
    report(
        "transfer_strokes",
        rows,
        spread=round(spread, 4),
        met=met,
        note=f"At a common scale the largest StyleDiff is {spread:.0%} above the smallest "
        f"(must be within {SPREAD_LIMIT:.0%}): {'met' if met else 'MISSED'}.",
    )


def large() -> None:
    """A wide picture in tiles, in a process of its own whose memory is measured."""
    path = UNDER_WAY / "large" / f"{LARGE_SIZE}.png"
    if not path.with_suffix(".json").exists():
        subprocess.run([sys.executable, __file__, "large-child"], check=True)
    about = json.loads(path.with_suffix(".json").read_text())
    image = Image.open(path).convert("RGB")
    image.resize((1024, round(1024 * image.height / image.width)), Image.Resampling.LANCZOS).save(
        SHEETS / "large.jpg", quality=85
    )
    met = about["peak_memory_mb"] <= LARGE_LIMIT_MB
    report(
        "transfer_large",
        [{"size": list(image.size), **about, "holds": met}],
        note=f"{LARGE_SIZE} pixels wide within {LARGE_LIMIT_MB / 1000:g} GB: {'met' if met else 'MISSED'}.",
    )


def large_child() -> None:
    """The painting itself. Few steps: what is measured is memory, and whether seams are seen."""
    content, style = PAIR
    settings = TransferSettings(size=LARGE_SIZE, steps=LARGE_STEPS, memory_mb=LARGE_LIMIT_MB - 1000)
    painted(content, style, settings, UNDER_WAY / "large" / f"{LARGE_SIZE}.png")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = {"sheet": sheet, "strokes": strokes, "large": large, "large-child": large_child}
    parser.add_argument("part", nargs="?", choices=parts, help="default: the first three")
    options = parser.parse_args()
    if not SHARED.exists():
        raise SystemExit(f"The photos and paintings are looked for in {SHARED}, which is not there.")
    use_all_cores()
    SHEETS.mkdir(parents=True, exist_ok=True)
    for name in [options.part] if options.part else ["sheet", "strokes", "large"]:
        parts[name]()
        if name != "large-child":  # its picture is what the part "large" waits for
            shutil.rmtree(UNDER_WAY / name)


if __name__ == "__main__":
    main()
