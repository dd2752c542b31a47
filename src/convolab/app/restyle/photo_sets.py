"""Photos to learn from that a browser brings, a folder at once; or a folder of this machine by its path."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from PIL import Image

from convolab.errors import DataError
from convolab.home import home
from convolab.runs.files import why

SIDE = 640
"""Pixels on the long side of photos that are kept: learning uses parts of 256."""
MOST = 2000
"""Photos of one set."""
_SET = re.compile(r"set-[a-f0-9]{8,32}")


def bring(content: bytes, name: str) -> dict[str, Any]:
    """Put one photo into a set, made smaller; how many there are now. DataError."""
    from convolab.style.pictures import read_picture

    target = _folder(name)
    picture = read_picture(content)
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    try:
        target.mkdir(parents=True, exist_ok=True)
        there = len(list(target.glob("*.jpg")))
        if there >= MOST:
            raise DataError(f"{MOST:,} photos are enough; the others are left out.")
        picture.save(target / f"{there + 1:05d}.jpg", "JPEG", quality=92)
    except OSError as error:
        raise DataError(f"The photo cannot be kept in {target}: {why(error)}.") from None
    return {"photos": there + 1}


def folder(text: str) -> Path | None:
    """The folder that a page means: one of its sets, or a path; None for the lab's own photos. DataError."""
    if not text:
        return None
    found = _folder(text) if _SET.fullmatch(text) else Path(text).expanduser()
    if not found.is_dir():
        raise DataError(
            f"There is no folder {text} on the machine of the lab; choose another, or leave it empty."
        )
    return found


def _folder(name: str) -> Path:
    if not _SET.fullmatch(name):
        raise DataError("This is no set of photos.")
    return home() / "photos" / name
