"""Painting for the room: one thread with painters and photos at hand, so that a slider feels immediate."""

from __future__ import annotations

import asyncio
import io
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from PIL import Image

from convolab.app.restyle.state import LEAST_SIZE, MOST_SIZE, PADDINGS
from convolab.app.transfer import library as pictures
from convolab.errors import SettingsError

if TYPE_CHECKING:
    from convolab.style.fast.painter import Painter

T = TypeVar("T")

WORKER = ThreadPoolExecutor(1, thread_name_prefix="restyle")
"""One: two paintings at once would share the cores and both come later."""
_WARM = 64
_KEPT_PIXELS = 12_000_000
"""Of the pictures that were painted last, in all: to be saved or compared without painting again."""


@dataclass(frozen=True)
class Order:
    """What is to be painted, and how. SettingsError for what cannot be."""

    photo: str
    style: str
    strength: float = 1.0
    size: int | None = 512
    """Pixels on the long side; None: as the photo is."""
    padding: str = "reflect"
    keep: bool = False

    def __post_init__(self) -> None:
        if self.padding not in PADDINGS:
            raise SettingsError(f'The padding is one of {", ".join(PADDINGS)}, not "{self.padding[:40]}".')
        if not 0 <= self.strength <= 1:
            raise SettingsError(f"The strength must be between 0 and 1, not {self.strength:g}.")
        if self.size is not None and not LEAST_SIZE <= self.size <= MOST_SIZE:
            raise SettingsError(
                f"The size must be from {LEAST_SIZE} to {MOST_SIZE:,} pixels, not {self.size:,}."
            )


async def in_turn(work: Callable[..., T], *arguments: Any) -> T:
    """Do something in the painting thread, after what waits there."""
    return await asyncio.get_running_loop().run_in_executor(WORKER, lambda: work(*arguments))


def painter(style: str, padding: str = "reflect") -> Painter:
    """The painter of a style or a mix, made once. ConvolabError if there is none of a name."""
    from convolab.app.restyle.shelf import stamp
    from convolab.style.fast.painter import parse_mix

    if not style:
        raise SettingsError("Choose a style first.")
    return _painter(style, padding, tuple(stamp(name) for name in parse_mix(style)))


@lru_cache(maxsize=8)
def _painter(style: str, padding: str, stamps: tuple[int, ...]) -> Painter:
    from convolab.style.fast.painter import Painter

    made = Painter(style, padding=padding)  # type: ignore[arg-type]
    # What is compiled or loaded for the first picture is no part of what painting takes.
    made.warm_up(_WARM, _WARM)
    return made


@lru_cache(maxsize=4)
def photo(key: str, size: int | None) -> Image.Image:
    """A picture of the library at its size. DataError if it is gone."""
    from convolab.style.fast.stylizing import sized
    from convolab.style.pictures import read_picture

    return sized(read_picture(pictures.path(key)), size)


def filtered(picture: Image.Image, style: str, order: Order, photo: Image.Image) -> Image.Image:
    """One filter over a picture, with 8 bits a channel before and after; kept colours are the photo's."""
    from convolab.style.pictures import to_image, to_tensor, with_colors_of

    given = to_tensor(picture, *picture.size)
    painted = painter(style, order.padding)(given, order.strength)
    if order.keep:
        painted = with_colors_of(painted, to_tensor(photo, *photo.size).to(painted.device))
    return to_image(painted)


class _Painted:
    """The pictures that were painted last, with the seconds it took."""

    def __init__(self) -> None:
        self._found: OrderedDict[Any, tuple[Image.Image, float]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, order: Order) -> tuple[Image.Image, float]:
        key = (order, painter(order.style, order.padding))
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
                return self._found[key]
        given = photo(order.photo, order.size)
        tick = time.perf_counter()
        made = filtered(given, order.style, order, given), time.perf_counter() - tick
        with self._lock:
            self._found[key] = made
            while sum(one.width * one.height for one, _ in self._found.values()) > _KEPT_PIXELS:
                self._found.popitem(last=False)
        return made


_painted = _Painted()


@dataclass(frozen=True)
class File:
    """A picture as it goes to the page."""

    content: bytes
    kind: str
    width: int
    height: int
    seconds: float


def painted(order: Order, ending: str) -> File:
    """A painting as a file, ``jpg`` to look at or ``png`` to keep. In the painting thread. ConvolabError."""
    picture, seconds = _painted.get(order)
    return encoded(picture, ending, seconds)


def encoded(picture: Image.Image, ending: str, seconds: float = 0.0) -> File:
    """A picture as a file, ``jpg`` to look at or ``png`` to keep."""
    buffer = io.BytesIO()
    if ending == "png":
        picture.save(buffer, "PNG", compress_level=4)
    else:
        picture.save(buffer, "JPEG", quality=92, subsampling=0)
    kind = "image/png" if ending == "png" else "image/jpeg"
    return File(buffer.getvalue(), kind, picture.width, picture.height, seconds)
