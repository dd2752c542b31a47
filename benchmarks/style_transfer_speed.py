"""How much sooner does convolab reach the result of a textbook implementation of style transfer?

The textbook is written here, with nothing of convolab but the weights: fp32, NCHW, PyTorch's convolutions
and its L-BFGS with default settings, from the content (or noise), 500 evaluations. Both minimise the same
objective with the same VGG-16. What counts is the picture as it is saved: every figure is the objective of
an 8-bit PNG, in fp32, by the code of this file. Ours must reach the final objective at least 2.5 times
sooner on the wall clock.

    python benchmarks/style_transfer_speed.py [--size 512] [--evaluations 500] [--start content]
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional as F

from convolab.style import Transfer, TransferSettings
from convolab.style.events import Iterate
from convolab.style.objective import STYLE_SCALE
from convolab.style.painted import paint
from convolab.style.weights import load_weights
from convolab.training.device import use_all_cores
from machine import RESULTS, report

MUST = 2.5
STYLE, CONTENT = 12.5, 0.5
"""What the relative differences of style and content count. Much style: the strong preset of the lab."""
CONTENT_LAYER = "relu4_2"
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
PICTURES = RESULTS / "style_transfer"
FILM_SECONDS = (15, 30, 60, 120, 240, 480, 960)
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
"""Where a photo and a painting are looked for; without them two pictures are painted by the lab."""


# ------------------------------------------------------------------ the textbook, and the judge


class Textbook:
    """VGG-16, Gram matrices and the objective, as one would write them on one page."""

    def __init__(self, weights: dict[str, Tensor], content: Tensor, style: Tensor, pooling: str) -> None:
        # The weights are for blue, green, red.
        first = {"conv1_1.weight": weights["conv1_1.weight"].flip(1).contiguous()}
        self.weights = {**weights, **first}
        self.pool: Callable[[Tensor, int], Tensor] = F.avg_pool2d if pooling == "average" else F.max_pool2d
        with torch.no_grad():
            self.content = self.features(content)[CONTENT_LAYER]
            self.grams = {
                layer: self.gram(maps)
                for layer, maps in self.features(style).items()
                if layer in STYLE_LAYERS
            }

    def features(self, x: Tensor) -> dict[str, Tensor]:
        """The activations that are asked for."""
        found = {}
        x = x * 255 - torch.tensor([123.68, 116.779, 103.939]).view(1, 3, 1, 1)
        for block, count in enumerate((2, 2, 3, 3, 1), 1):
            for i in range(1, count + 1):
                name = f"{block}_{i}"
                x = F.relu(
                    F.conv2d(
                        x, self.weights[f"conv{name}.weight"], self.weights[f"conv{name}.bias"], padding=1
                    )
                )
                if f"relu{name}" in (*STYLE_LAYERS, CONTENT_LAYER):
                    found[f"relu{name}"] = x
            x = self.pool(x, 2)
        return found

    def gram(self, maps: Tensor) -> Tensor:
        """Dot products of maps, per place."""
        flat = maps[0].flatten(1)
        return flat @ flat.T / flat.shape[1]

    def objective(self, x: Tensor) -> Tensor:
        """What both minimise."""
        found = self.features(x)
        style = 0
        for layer, target in self.grams.items():
            style = style + ((self.gram(found[layer]) - target) ** 2).sum() / (target**2).sum()
        content = ((found[CONTENT_LAYER] - self.content) ** 2).sum() / (self.content**2).sum()
        return STYLE * style / len(self.grams) + CONTENT * content

    def paint(self, start: Tensor, evaluations: int) -> Iterator[Tensor]:
        """Yield the picture after each evaluation of the objective and its gradient."""
        x = start.clone().requires_grad_()
        # One evaluation per call, so that there is something to look at; the steps are those of one call.
        optimizer = torch.optim.LBFGS([x], max_iter=1, max_eval=1)

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = self.objective(x)
            loss.backward()
            return loss

        for _ in range(evaluations):
            optimizer.step(closure)
            yield x.detach()

    def judge(self, path: Path) -> float:
        """The objective of a saved picture."""
        with torch.no_grad():
            return float(self.objective(read(path)))


def read(path: Path | Image.Image) -> Tensor:
    image = path if isinstance(path, Image.Image) else Image.open(path)
    pixels = torch.from_numpy(np.array(image.convert("RGB")))
    return (pixels.permute(2, 0, 1)[None].float() / 255).contiguous()


def save(picture: Tensor, path: Path) -> None:
    pixels = (picture[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(path)


# ------------------------------------------------------------------ the two runs


@dataclass
class Curve:
    """Seconds of painting, evaluations, and the saved picture's objective at some points of a run."""

    points: list[tuple[float, int, float]]

    def reaches(self, objective: float) -> float:
        """Seconds until a saved picture is at least so good; infinite if none is."""
        return next((seconds for seconds, _, value in self.points if value <= objective), math.inf)


def watch(
    frames: Iterator[tuple[float, int, Callable[[], Any]]],
    every: Callable[[int], bool],
    judge: Callable[[Path], float],
    folder: Path,
) -> Curve:
    """Save and judge some of the pictures of a run; (seconds, evaluations, picture's writer)."""
    points = []
    for seconds, count, write in frames:
        if every(count):
            path = folder / f"{count:04d}.png"
            write(path)
            points.append((round(seconds, 3), count, round(judge(path), 5)))
            print(f"  {seconds:7.1f} s  {count:4d} evaluations  {points[-1][2]:.4f}", flush=True)
    return Curve(points)


def textbook_frames(book: Textbook, start: Tensor, evaluations: int) -> Iterator[tuple[float, int, Any]]:
    seconds, tick = 0.0, time.perf_counter()
    for count, picture in enumerate(book.paint(start, evaluations), 1):
        seconds += time.perf_counter() - tick
        yield seconds, count, lambda path, picture=picture: save(picture, path)
        tick = time.perf_counter()  # what is done with a picture does not count


def our_frames(work: Transfer, final_width: int) -> Iterator[tuple[float, int, Any]]:
    for event in work.iterates():
        if isinstance(event, Iterate) and event.width == final_width:
            yield event.seconds, event.step, lambda path: work.picture().save(path)


def pictures(size: int) -> tuple[Image.Image, Image.Image, str]:
    """A photo and a painting of about the same area, and what they are."""
    photo, painting = SHARED / "content" / "tuebingen.jpg", SHARED / "paintings" / "starry_night.jpg"
    if photo.exists() and painting.exists():
        content, style, what = (
            Image.open(photo).convert("RGB"),
            Image.open(painting).convert("RGB"),
            "Tübingen × Starry Night",
        )
    else:
        content, style, what = (
            paint("lake", size),
            paint("strokes", size),
            "lake × strokes, painted by the lab",
        )
    scale = size / max(content.size)
    content = content.resize(
        (round(content.width * scale), round(content.height * scale)), Image.Resampling.LANCZOS
    )
    scale = math.sqrt(content.width * content.height / (style.width * style.height))
    style = style.resize((round(style.width * scale), round(style.height * scale)), Image.Resampling.LANCZOS)
    return content, style, what


def plot(curves: dict[str, Curve], target: float, path: Path) -> None:
    """Objective against seconds, both logarithmic, as SVG."""
    points = [point for curve in curves.values() for point in curve.points]
    left, right = (math.log(f(max(s, 0.1) for s, _, _ in points)) for f in (min, max))
    low, high = (math.log(f(value for _, _, value in points)) for f in (min, max))
    wide, tall = 760, 420

    def place(seconds: float, value: float) -> tuple[float, float]:
        x = 70 + (math.log(max(seconds, 0.1)) - left) / max(right - left, 1e-9) * (wide - 100)
        return round(x, 1), round(30 + (high - math.log(value)) / max(high - low, 1e-9) * (tall - 90), 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {tall}" font-family="sans-serif"',
        ' font-size="13">',
        f'<rect width="{wide}" height="{tall}" fill="white"/>',
    ]
    y = place(1, target)[1]
    parts.append(f'<line x1="70" x2="{wide - 30}" y1="{y}" y2="{y}" stroke="#888" stroke-dasharray="4 4"/>')
    parts.append(
        f'<text x="{wide - 30}" y="{y - 5}" text-anchor="end" fill="#555">'
        f"textbook's final {target:.3f}</text>"
    )
    for color, (name, curve) in zip(("#d55e00", "#0072b2"), curves.items(), strict=False):
        line = " ".join(f"{x},{y}" for x, y in (place(s, v) for s, _, v in curve.points))
        parts.append(f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2"/>')
        x, y = place(*curve.points[0][::2])
        parts.append(f'<text x="{x + 6}" y="{y + 4}" fill="{color}">{name}</text>')
    for seconds in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000):
        if left <= math.log(seconds) <= right:
            x = place(seconds, math.exp(low))[0]
            parts.append(f'<text x="{x}" y="{tall - 38}" text-anchor="middle" fill="#333">{seconds}</text>')
    parts.append(
        f'<text x="{wide / 2}" y="{tall - 14}" text-anchor="middle" fill="#333">'
        "seconds of painting; upwards the objective of the saved picture (both logarithmic)</text></svg>"
    )
    path.write_text("\n".join(parts) + "\n")


def film(curves: dict[str, Curve], folders: dict[str, Path], path: Path) -> None:
    """What there is to see after 15, 30, 60 … seconds: a row for each, judged by the reader's eye."""
    rows = []
    for kind, curve in curves.items():
        row = []
        for wanted in FILM_SECONDS:
            known = [count for seconds, count, _ in curve.points if seconds <= wanted]
            row.append(Image.open(folders[kind] / f"{known[-1]:04d}.png") if known else None)
        rows.append(row)
    first = next(image for row in rows for image in row if image is not None)
    wide = 256
    tall = round(wide * first.height / first.width)
    board = Image.new("RGB", (wide * len(FILM_SECONDS), (tall + 18) * len(rows)), "white")
    pen = ImageDraw.Draw(board)
    for i, (kind, row) in enumerate(zip(curves, rows, strict=True)):
        for j, image in enumerate(row):
            words = f"{kind}, {FILM_SECONDS[j]} s" + ("" if image else ": still smaller")
            pen.text((wide * j + 4, (tall + 18) * i + 3), words, fill="black")
            if image is not None:
                board.paste(
                    image.resize((wide, tall), Image.Resampling.LANCZOS), (wide * j, (tall + 18) * i + 18)
                )
    board.save(path, quality=88)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--evaluations", type=int, default=500)
    parser.add_argument("--pooling", choices=("max", "average"), default="max")
    parser.add_argument("--start", choices=("content", "noise"), default="content")
    parser.add_argument("--steps", type=int, default=None, help="of ours; default: as many evaluations")
    options = parser.parse_args()
    use_all_cores()
    content, style, what = pictures(options.size)
    settings = TransferSettings(
        size=options.size,
        start=options.start,
        steps=options.steps or options.evaluations,
        padding="zero",
        pooling=options.pooling,
        coarse_share=0,  # the objective of the textbook knows one size
        weight=STYLE / (STYLE + CONTENT * STYLE_SCALE),
    )
    weights = load_weights("vgg-16")
    book = Textbook(weights, read(content), read(style), options.pooling)
    start = read(content)
    if options.start == "noise":
        start = 0.4 + 0.2 * torch.rand(start.shape, generator=torch.Generator().manual_seed(0))
    name = f"{options.start}_{options.size}" + ("_average" if options.pooling == "average" else "")
    folders = {kind: PICTURES / f"{name}_{kind}" for kind in ("textbook", "ours")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)

    def now_and_then(count: int) -> bool:
        return count <= 10 or count % (5 if count <= 100 else 10) == 0

    # Numba compiles once and for all; that is no part of painting.
    list(Transfer(content, style, settings.changed(size=64, steps=1)).iterates())
    print(f"ours: {what}, {content.width}×{content.height}")
    work = Transfer(content, style, settings)
    ours = watch(our_frames(work, content.width), now_and_then, book.judge, folders["ours"])
    print("textbook:")
    textbook = watch(
        textbook_frames(book, start, options.evaluations), now_and_then, book.judge, folders["textbook"]
    )

    target = textbook.points[-1][2]
    needed, whole = ours.reaches(target), textbook.points[-1][0]
    # The textbook does not know that colours end at black and white. What is cut off when its pictures are
    # saved grows in the end, so that its best picture comes long before its last one.
    best = min(value for _, _, value in textbook.points)
    sooner = textbook.reaches(best)
    row = {
        "pictures": what,
        "size": list(content.size),
        "start": options.start,
        "textbook, s": round(whole, 1),
        "its objective": target,
        "ours reaches it after, s": round(needed, 1),
        "times as fast": round(whole / needed, 2),
        "its best": best,
        "reached after, s": round(sooner, 1),
        "ours reaches the best after, s": round(ours.reaches(best), 1),
        "times as fast to the best": round(sooner / ours.reaches(best), 2),
        "ours at the end": ours.points[-1][2],
        "must": MUST,
        "holds": min(whole / needed, sooner / ours.reaches(best)) >= MUST,
    }
    plot({"textbook": textbook, "convolab": ours}, target, PICTURES / f"{name}.svg")
    film({"textbook": textbook, "ours": ours}, folders, PICTURES / f"{name}_film.jpg")
    for kind, folder in folders.items():
        # Of the many pictures that were judged only the last ones are worth keeping.
        paths = sorted(folder.glob("*.png"))
        Image.open(paths[-1]).save(PICTURES / f"{name}_{kind}.jpg", quality=92)
        for path in paths:
            path.unlink()
        folder.rmdir()
    curves = {"textbook": textbook.points, "ours": ours.points}
    report(
        f"style_transfer_speed_{name}",
        [row],
        curves={kind: [list(p) for p in points] for kind, points in curves.items()},
    )


if __name__ == "__main__":
    main()
