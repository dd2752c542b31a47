"""Photos at hand: the lab's own scene, and those that scikit-image carries, fetched once."""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import Image

from convolab.app.longwork import LongWork
from convolab.app.transfer import library as pictures
from convolab.errors import DataError

TITLES = {
    "astronaut.png": "Astronaut",
    "chelsea.png": "Cat",
    "coffee.png": "Coffee",
    "rocket.jpg": "Rocket",
    "motorcycle_left.png": "Motorcycle",
}
"""Those of the photos to learn from that are good to look at; all are free to use."""
_SIDE = 128
_fetches: list[LongWork] = []


def offered() -> dict[str, Any]:
    """``photos`` of the library, newest first, ``samples`` to be taken into it, ``more`` to fetch."""
    found = [name for name in TITLES if _path(name).is_file()]
    photos = [*pictures.examples()["photos"], *pictures.recent()]
    taken = {item["title"] for item in photos}
    samples = [{"name": name, "title": TITLES[name]} for name in found if TITLES[name] not in taken]
    return {"photos": photos, "samples": samples, "more": len(found) < len(TITLES)}


def take(name: str) -> dict[str, Any]:
    """Make one of the photos a picture of the library; its key. DataError."""
    return {"key": pictures.bring(_content(name), TITLES[name])["key"]}


def tile(name: str) -> bytes:
    """A small JPEG of one of the photos. DataError."""
    return _tile(name, _path(name).stat().st_mtime_ns if _path(name).is_file() else 0)


@lru_cache(maxsize=16)
def _tile(name: str, stamp: int) -> bytes:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(_content(name))) as opened:
        small = opened.convert("RGB")
    small.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    small.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def fetch() -> dict[str, Any]:
    """Fetch the photos, or tell how far that is: ``working``, ``error`` or ``done``. On the event loop."""
    from convolab.style.fast.photo_sources import fetch_photos

    if not _fetches:
        _fetches.append(LongWork(fetch_photos))
    work = _fetches[0]
    if not work.finished:
        return {"working": work.sentence}
    _fetches.clear()
    if work.error:
        raise DataError(work.error)
    return {"done": True}


def _content(name: str) -> bytes:
    if name not in TITLES:
        raise DataError("There is no such photo.")
    try:
        return _path(name).read_bytes()
    except OSError:
        raise DataError(f"{TITLES[name]} is not here yet; fetch the photos first.") from None


def _path(name: str) -> Path:
    from convolab.home import datasets_dir

    return datasets_dir() / "photos" / name
