"""The styles as the room lists them: thumbnails, names, files that come in and go out."""

from __future__ import annotations

import contextlib
import io
import re
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from convolab.errors import ConvolabError, NetworkError
from convolab.home import styles_dir
from convolab.style import fast
from convolab.words import duration

if TYPE_CHECKING:
    from convolab.style.fast.files import Card

LARGEST = 20_000_000
"""Bytes of a style file that is brought; the largest network has 3.4 million."""
# The library itself needs PyTorch, which is loaded in the background when the lab starts.
SHIPPED = Path(fast.__path__[0]) / "shipped"
ENDING = ".safetensors"
_SIDE = 160
"""Pixels on the long side of the thumbnails."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,79}")


def names() -> list[str]:
    """The names of all styles, without looking into their files."""
    return [
        path.stem
        for folder in (SHIPPED, styles_dir())
        for path in sorted(folder.glob(f"*{ENDING}"))
        if _NAME.fullmatch(path.stem)
    ]


def listed() -> list[dict[str, Any]]:
    """All styles, those that come with the lab first; ``group`` is shared by the sizes of one painting."""
    from convolab.style.fast.library import styles

    found = []
    for entry in styles():
        card = entry.card
        found.append(
            {
                "name": entry.name,
                "title": card.title,
                "painter": card.painter,
                "year": card.year,
                "size": _size(card),
                "group": f"{card.title}|{card.painter}|{'' if entry.shipped else entry.name}",
                "own": not entry.shipped,
                "stamp": f"{_stamp(entry.path):x}",
                "facts": _facts(card),
            }
        )
    return found


def _size(card: Card) -> str:
    try:
        return card.size
    except ConvolabError:
        return "own"


def _facts(card: Card) -> str:
    """How it was learned, in one line."""
    parts = [f"learned for {duration(card.seconds)}" if card.seconds else ""]
    parts.append(f"{card.steps:,} steps" if card.steps else "")
    parts.append(f"from {card.photos}" if card.photos else "")
    parts.append(
        f"style {card.style:.2f}, content {card.content:.2f} on photos it never saw"
        if card.style is not None and card.content is not None
        else ""
    )
    return ", ".join(part for part in parts if part)


def thumbnail(name: str) -> bytes:
    """The small picture of a style's painting, a JPEG. NetworkError if there is no such style."""
    from convolab.style.fast.library import find_style

    path = find_style(name).path
    return _thumbnail(path, _stamp(path))


@lru_cache(maxsize=128)
def _thumbnail(path: Path, stamp: int) -> bytes:
    from convolab.style.fast.files import read_card

    picture = read_card(path).picture() or Image.new("RGB", (96, 96), (120, 132, 128))
    picture.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    # Encoded anew: what a card from anywhere holds is not handed on as it is.
    picture.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def file_of(name: str) -> Path:
    """The file of a style, to be handed on. NetworkError if there is none of this name."""
    from convolab.style.fast.library import find_style

    return find_style(plain(name)).path


def take_in(content: bytes, name: str) -> dict[str, Any]:
    """Put a style file from outside into the library. NetworkError with one sentence if it is none.

    Nothing in it is run; see `convolab.style.fast.files`.
    """
    from convolab.style.fast.library import import_style

    if len(content) > LARGEST:
        raise NetworkError(
            f"{_called(name)} has more than {LARGEST // 1_000_000} MB; no style file is so large."
        )
    try:
        styles_dir().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=styles_dir()) as folder:
            path = Path(folder) / _called(name)
            path.write_bytes(content)
            entry = import_style(path, path.stem)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise NetworkError(f"The style cannot be kept in {styles_dir()}: {why}.") from None
    return {"name": entry.name}


def rename(name: str, title: str) -> dict[str, Any]:
    """Give one of the user's styles another title. NetworkError."""
    from convolab.style.fast.library import rename_style

    return {"name": rename_style(plain(name), title[:80]).name}


def remove(name: str) -> dict[str, Any]:
    """Remove one of the user's styles. NetworkError."""
    from convolab.style.fast.library import remove_style

    remove_style(plain(name))
    return {}


def stamp(name: str) -> int:
    """Something that differs once a style of this name was made anew. NetworkError that names the nearest."""
    for folder in (SHIPPED, styles_dir()):
        if found := _stamp(folder / f"{plain(name)}{ENDING}"):
            return found
    from convolab.style.fast.library import find_style

    return _stamp(find_style(name).path)


def plain(name: str) -> str:
    """A name of the library as it came from a page: never a path. NetworkError."""
    if not _NAME.fullmatch(name):
        raise NetworkError(f'"{name[:60]}" is no name of a style.')
    return name


def _called(name: str) -> str:
    stem = re.sub(r"[^\w.-]+", "-", Path(name.replace("\\", "/")).name.removesuffix(ENDING)).strip(".-")[:60]
    return f"{stem or 'style'}{ENDING}"


def _stamp(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime_ns
    return 0
