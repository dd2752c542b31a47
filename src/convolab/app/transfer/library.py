"""The pictures of the room: those that the lab paints itself, and those that were brought to it.

Each has a key, and a folder in the lab's home with the file as it came, a thumbnail, and what it is called.
So links to the room, jobs and later visits find it again.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
import shutil
import tempfile
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from convolab.errors import DataError
from convolab.home import pictures_dir
from convolab.runs.files import why
from convolab.style.job_folder import Part
from convolab.style.painted import PAINTED, SCENES, STYLES, paint

PICTURE_LIMIT = 30_000_000
"""Bytes of a picture that is brought."""
THUMB_SIDE = 480
"""Pixels of a thumbnail's long side."""
RECENT = 12
"""Brought pictures that are offered again."""
_PAINTED = "lab-"
_PAINTED_SIDE = 512
_TILE_SIDE = 128
"""Pixels of the small pictures among which one chooses: painted directly in this size, ten times as fast."""
_MASK = "mask-"
_keeping = threading.Lock()
_painting = {name: threading.Lock() for name in PAINTED}


@dataclass(frozen=True)
class Entry:
    """One picture of the library."""

    key: str
    title: str
    width: int
    height: int


def examples() -> dict[str, list[dict[str, str]]]:
    """What is at hand without fetching anything: ``photos`` and ``styles``, each with key and title."""
    return {
        "photos": [{"key": _PAINTED + name, "title": item.title} for name, item in SCENES.items()],
        "styles": [{"key": _PAINTED + name, "title": item.title} for name, item in STYLES.items()],
    }


def recent() -> list[dict[str, str]]:
    """The pictures that were brought last, newest first."""
    found = []
    with contextlib.suppress(OSError):
        folders = [
            path for path in pictures_dir().iterdir() if not path.name.startswith((_PAINTED, _MASK, "."))
        ]
        for path in sorted(folders, key=lambda path: -path.stat().st_mtime)[:RECENT]:
            with contextlib.suppress(DataError):
                about = entry(path.name)
                found.append({"key": about.key, "title": about.title})
    return found


def entry(key: str) -> Entry:
    """What is known of a picture. DataError if there is none."""
    name = key.removeprefix(_PAINTED)
    if key.startswith(_PAINTED) and name in PAINTED:
        return Entry(key, PAINTED[name].title, _PAINTED_SIDE, _PAINTED_SIDE)
    try:
        return Entry(**json.loads((_folder(key) / "about.json").read_bytes()))
    except (OSError, ValueError, TypeError):
        raise DataError("This picture is no longer in the lab; bring it again, or choose another.") from None


def part(key: str) -> Part:
    """A picture as a part of a transfer. DataError if there is none."""
    return Part(path(key), entry(key).title, key)


def path(key: str) -> Path:
    """The file of a picture; one that the lab can paint is painted now, which takes a second or two.

    DataError if there is none.
    """
    folder = _folder(entry(key).key)
    if key.startswith(_PAINTED):
        name = key.removeprefix(_PAINTED)
        with _painting[name]:
            if not (folder / "about.json").exists():
                buffer = io.BytesIO()
                picture = paint(name, _PAINTED_SIDE)
                picture.save(buffer, "PNG")
                _keep(key, entry(key).title, buffer.getvalue(), picture)
    return folder / "picture"


def thumbnail(key: str) -> Path:
    """A JPEG with at most `THUMB_SIDE` pixels a side. DataError if there is no such picture."""
    return path(key).with_name("thumb.jpg")


def tile(key: str) -> Path:
    """A JPEG to choose by: the thumbnail, or, while a painted picture is not painted, a small painting of it.

    DataError if there is no such picture.
    """
    name = key.removeprefix(_PAINTED)
    if name == key or (_folder(entry(key).key) / "about.json").exists():
        return thumbnail(key)
    small = pictures_dir() / f".{key}.jpg"
    if not small.exists():
        try:
            small.parent.mkdir(parents=True, exist_ok=True)
            work = small.with_suffix(f".{threading.get_ident()}")
            paint(name, _TILE_SIDE).save(work, "JPEG", quality=90)
            work.replace(small)
        except OSError as error:
            raise DataError(f"The picture cannot be kept in {small.parent}: {why(error)}.") from None
    return small


def bring(content: bytes, name: str) -> dict[str, Any]:
    """Take a picture of any kind into the library; what is known of it, with settings if the lab painted it.

    DataError with a sentence if it cannot be used.
    """
    from convolab.style.pictures import read_picture, read_settings

    picture = read_picture(content)
    key = hashlib.sha256(content).hexdigest()[:20]
    title = _title(name)
    with _keeping:
        known = (_folder(key) / "about.json").exists()
        about = entry(key) if known else _keep(key, title, content, picture)
    found: dict[str, Any] = asdict(about)
    with contextlib.suppress(DataError, OSError, ValueError), Image.open(io.BytesIO(content)) as opened:
        opened.load()
        settings, facts = read_settings(opened)
        found["painted"] = {"settings": settings.model_dump(mode="json"), "facts": facts}
    return found


def bring_mask(content: bytes) -> dict[str, Any]:
    """Take a mask into the library: grey, white where a style belongs. DataError."""
    from convolab.style.pictures import read_mask

    mask = read_mask(content)
    key = _MASK + hashlib.sha256(content).hexdigest()[:20]
    with _keeping:
        if not (_folder(key) / "about.json").exists():
            _keep(key, "Mask", content, mask.convert("RGB"))
    return {"key": key}


def _keep(key: str, title: str, content: bytes, picture: Image.Image) -> Entry:
    """Put a picture's folder in place, whole."""
    about = Entry(key, title, picture.width, picture.height)
    target = _folder(key)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".", dir=target.parent))
        try:
            (work / "picture").write_bytes(content)
            small = picture.copy()
            small.thumbnail((THUMB_SIDE, THUMB_SIDE), Image.Resampling.LANCZOS)
            small.save(work / "thumb.jpg", "JPEG", quality=90)
            (work / "about.json").write_text(json.dumps(asdict(about)), encoding="utf-8")
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(target)
            work.rename(target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise DataError(f"The picture cannot be kept in {target.parent}: {why(error)}.") from None
    return about


def _folder(key: str) -> Path:
    if not is_key(key):
        raise DataError("This picture is no longer in the lab; bring it again, or choose another.")
    return pictures_dir() / key


def is_key(text: str) -> bool:
    """Whether this can be a picture's key."""
    return re.fullmatch(r"[a-z0-9][a-z0-9-]{0,60}", text) is not None


def _title(name: str) -> str:
    """A file's name as a title: ``starry_night.jpg`` is ``starry night``."""
    plain = re.sub(r"[\s_]+", " ", Path(name.replace("\\", "/")).stem).strip()
    return plain[:60] or "picture"
