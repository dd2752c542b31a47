"""Parts of photos to learn from: each photo is decoded once, parts are cut at random, ahead of their use.

Which part comes at which place is fixed by the seed and the place alone, so learning that is taken up again
sees what it would have seen without the interruption.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from convolab.datasets.pictures import Unreadable, decode, flatten
from convolab.errors import DataError

PHOTO_AREA = 480 * 320
"""Pixels of a photo at the scale at which strokes have their size."""
KEPT_SCALE = 1.25
"""Photos are kept so many times larger (each way) than that, for parts that are enlarged."""
SCALES = (0.7, KEPT_SCALE)
"""Parts are cut from photos scaled by so much, at random."""
CACHE_BYTES = 600_000_000
"""Decoded photos beyond this are decoded again when they are needed."""
FEW = 40
"""With fewer photos colours are changed strongly: the network must not learn them by heart."""
HELD_OUT = 4
"""At most so many photos are kept for previews."""

Photo = Path | Image.Image


def split(photos: Sequence[Photo]) -> tuple[list[Photo], list[Photo]]:
    """Photos to learn from, and some that are held out for previews: one of 4, none of fewer."""
    count = min(HELD_OUT, len(photos) // 4)
    order = np.random.default_rng(0).permutation(len(photos))
    held = set(order[:count].tolist())
    return [photo for i, photo in enumerate(photos) if i not in held], [
        photos[i] for i in order[:count].tolist()
    ]


def opened(photo: Photo, area: float) -> Image.Image:
    """A photo as RGB with about ``area`` pixels, or fewer if it has no more. DataError."""
    try:
        if isinstance(photo, Image.Image):
            picture = flatten(photo)
        else:
            with photo.open("rb") as file:
                picture = decode(file, at_least=round(area**0.5))
    except Unreadable as error:
        raise DataError(f"{_name(photo)} cannot be used: {error}.") from None
    except OSError as error:
        raise DataError(f"{_name(photo)} cannot be read: {error.strerror or error}.") from None
    scale = (area / (picture.width * picture.height)) ** 0.5
    if scale < 1:
        size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    return picture.convert("RGB")


def _name(photo: Photo) -> str:
    return photo.name if isinstance(photo, Path) else "The picture"


class Parts:
    """Square parts of photos: number ``i`` is the same whenever it is asked for."""

    def __init__(self, photos: Sequence[Photo], side: int, seed: int = 0) -> None:
        if not photos:
            raise DataError("There are no photos to learn from.")
        self.photos, self.side, self.seed = list(photos), side, seed
        self.few = len(photos) < FEW
        self.unreadable: set[int] = set()
        self._kept: dict[int, Image.Image] = {}
        self._bytes = 0
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, int))

    def part(self, number: int) -> Tensor:
        """float32 (1, 3, side, side), 0 … 1. DataError if no photo can be read."""
        random = np.random.default_rng([self.seed, 1, number])
        photo = self._photo(number)
        scale = (PHOTO_AREA / (photo.width * photo.height)) ** 0.5 * random.uniform(*SCALES)
        # A photo that is long or small is enlarged until the part fits in.
        window = min(self.side / scale, photo.width, photo.height)
        left, top = random.random() * (photo.width - window), random.random() * (photo.height - window)
        box = (left, top, left + window, top + window)
        cut = photo.resize((self.side, self.side), Image.Resampling.BICUBIC, box=box)
        pixels = np.asarray(cut, np.float32) / 255
        if random.random() < 0.5:
            pixels = pixels[:, ::-1]
        pixels = recolored(pixels, random, strongly=self.few)
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None]

    def _photo(self, number: int) -> Image.Image:
        """The photo for a part; each comes once before any comes again. Unreadable ones are passed over."""
        count = len(self.photos)
        turn, place = divmod(number, count)
        if self._order[0] != turn:
            self._order = turn, np.random.default_rng([self.seed, 0, turn]).permutation(count)
        for further in range(count):
            index = int(self._order[1][(place + further) % count])
            if index in self.unreadable:
                continue
            try:
                return self._open(index)
            except DataError:
                self.unreadable.add(index)
        raise DataError("None of the photos to learn from can be read.")

    def _open(self, index: int) -> Image.Image:
        if index in self._kept:
            return self._kept[index]
        photo = opened(self.photos[index], PHOTO_AREA * KEPT_SCALE**2)
        size = 3 * photo.width * photo.height
        if self._bytes + size <= CACHE_BYTES:
            self._kept[index] = photo
            self._bytes += size
        return photo


def recolored(pixels: np.ndarray, random: np.random.Generator, *, strongly: bool) -> np.ndarray:
    """(H, W, 3), 0 … 1, with other brightness, contrast and saturation; strongly also with other hues."""
    by = 0.35 if strongly else 0.1
    contrast, saturation = random.uniform(1 - by, 1 + by, 2)
    light = random.uniform(-by, by) / 2
    if strongly and random.random() < 0.3:
        pixels = pixels[:, :, random.permutation(3)]
    grey = pixels @ np.array([0.299, 0.587, 0.114], np.float32)
    mean = float(grey.mean())
    colored = grey[..., None] + (pixels - grey[..., None]) * np.float32(saturation)
    return np.clip((colored - mean) * np.float32(contrast) + np.float32(mean + light), 0, 1)


class Ahead:
    """Every so many-th part from a number on, made by a thread while others are learned from."""

    def __init__(self, parts: Parts, start: int = 0, every: int = 1, ahead: int = 8) -> None:
        self._queue: queue.Queue[Tensor | Exception] = queue.Queue(ahead)
        self._closed = threading.Event()
        self._parts, self._next, self._every = parts, start, every
        self._thread = threading.Thread(target=self._work, name="photos", daemon=True)
        self._thread.start()

    def next(self) -> Tensor:
        """The next part. DataError if no photo can be read."""
        found = self._queue.get()
        if isinstance(found, Exception):
            raise found
        return found

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        while self._thread.is_alive():
            try:
                self._queue.get(timeout=0.02)
            except queue.Empty:
                continue

    def _work(self) -> None:
        while not self._closed.is_set():
            try:
                made: Tensor | Exception = self._parts.part(self._next)
            except Exception as error:  # whoever waits for a part is told
                made = error
            self._queue.put(made)
            if isinstance(made, Exception):
                return
            self._next += self._every
