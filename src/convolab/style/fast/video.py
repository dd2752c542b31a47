"""Restyling videos: frame by frame, sound kept, in parts that outlive an interruption.

The painted frames are encoded into short parts in a folder beside the target. Whatever ends the work -
Ctrl-C, a killed process, a full disk -, the finished parts stay, and the same call goes on after them. At the
end the parts are joined without encoding them again, with the sound of the source, and the folder goes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from convolab.errors import DataError
from convolab.style.fast.flicker import Flicker
from convolab.style.fast.painter import Painter
from convolab.style.fast.video_film import Film, opened
from convolab.style.fast.video_joining import FULL, join
from convolab.style.fast.video_parts import VideoParts
from convolab.style.pictures import to_image, to_tensor, with_colors_of

PART_FRAMES = 48
"""Frames in a part: at most so many are painted again after an interruption."""
TARGETS = (".mp4", ".mov", ".mkv")


@dataclass(frozen=True)
class VideoProgress:
    """One report while a video is painted."""

    frame: int
    """How many are done."""
    frames: int | None
    """In all; None where the file does not say."""
    seconds: float
    """Of painting in this call."""
    painted: int
    """How many frames were painted in this call: fewer than are done, after an interruption."""
    seconds_left: float | None
    done: bool = False
    flicker: float | None = None
    """`Flicker.value` of all frames painted so far, also in earlier calls."""
    sound: str = ""
    """At the end: what became of the sound, for a person."""


def restyle_video(
    source: str | Path,
    target: str | Path,
    painters: Sequence[Painter],
    strength: float = 1.0,
    size: int | None = None,
    *,
    preserve_color: bool = False,
    seconds: float | None = None,
    start: float = 0.0,
) -> Iterator[VideoProgress]:
    """Paint a video; yields how far it is. The target has as many frames, at the same times, and the sound.

    ``size`` is the long side in pixels; ``start`` and ``seconds`` choose a part, for a look beforehand.
    Raises DataError with one sentence: a file without video, a disk that is full (what is done is kept).
    """
    source, target = Path(source), Path(target)
    if target.suffix.lower() not in TARGETS:
        raise DataError(f"{target.name} must end in {', '.join(TARGETS[:-1])} or {TARGETS[-1]}.")
    if not target.parent.is_dir():
        raise DataError(f"There is no folder {target.parent}.")
    if source.absolute() == target.absolute():
        raise DataError("A video cannot be painted over itself; choose another name for the result.")
    with opened(source) as container:
        film = Film(container, source, size, start, seconds)
        work = _Work(film, target, painters, strength, preserve_color)
        try:
            yield from work.paint()
        except OSError as error:
            full = error.errno in FULL
            why = "the disk is full" if full else (error.strerror or str(error)).lower()
            first = "make room" if full else "choose another kind of file or remove the cause"
            raise DataError(
                f"{target} cannot be written: {why}. The first {work.parts.kept()} frames are kept in "
                f"{work.parts.folder}; {first} and do the same again to go on."
            ) from error


class _Work:
    """One video being painted."""

    def __init__(
        self, film: Film, target: Path, painters: Sequence[Painter], strength: float, preserve_color: bool
    ) -> None:
        self.film, self.target = film, target
        self.painters, self.strength, self.preserve_color = painters, strength, preserve_color
        self.parts = VideoParts(target.with_name(f".{target.name}.parts"), self._fingerprint(), film)
        self.flicker = Flicker()
        self._spent = 0.0
        self._painted = 0

    def paint(self) -> Iterator[VideoProgress]:
        parts = self.parts.take_up()
        done = sum(parts)
        self.flicker.take_up(self.parts.kept_sums())
        total = self.film.count()
        frames: list[tuple[int, np.ndarray]] = []
        for number, (time_stamp, pixels) in enumerate(self.film.frames()):
            if number < done - 1:
                continue
            if number < done:
                # Painted once more: the next frame is compared with it.
                self.flicker.go_on_after(pixels, self._filter(pixels))
                continue
            tick = time.perf_counter()
            painted = self._filter(pixels)
            self.flicker.add(pixels, painted)
            frames.append((time_stamp, painted))
            if len(frames) == PART_FRAMES:
                self.parts.write(parts, frames, self.flicker.sums)
                frames = []
            self._spent += time.perf_counter() - tick
            self._painted += 1
            left = None if total is None else self._spent / self._painted * max(0, total - number - 1)
            yield VideoProgress(
                number + 1, total, self._spent, self._painted, left, flicker=self.flicker.value
            )
        if frames:
            self.parts.write(parts, frames, self.flicker.sums)
        if not parts:
            raise DataError(f"{self.film.path.name} has no pictures in it that can be read.")
        sound = join(self.parts, len(parts), self.film, self.target)
        shutil.rmtree(self.parts.folder, ignore_errors=True)
        count = sum(parts)
        yield VideoProgress(count, count, self._spent, self._painted, 0.0, True, self.flicker.value, sound)

    def _filter(self, pixels: np.ndarray) -> np.ndarray:
        painted = pixels
        for painter in self.painters:
            painted = painter.frame(painted, self.strength)
        if self.preserve_color:
            size = self.film.size
            own, made = (to_tensor(Image.fromarray(part), *size) for part in (pixels, painted))
            painted = np.asarray(to_image(with_colors_of(made, own)))
        return painted

    def _fingerprint(self) -> str:
        """What has to be the same for parts to fit together."""
        film, stat = self.film, self.film.path.stat()
        styles = [
            [share, hashlib.sha256(repr(style.card).encode()).hexdigest()]
            for painter in self.painters
            for share, style in painter.styles
        ]
        paddings = [painter.padding for painter in self.painters]
        about = [str(film.path.absolute()), stat.st_size, stat.st_mtime_ns, film.size, self.strength]
        about += [self.preserve_color, film.start, film.end, styles, paddings, PART_FRAMES]
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()
