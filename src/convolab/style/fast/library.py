"""The library of styles: those that come with the lab, and the user's own, found by their names."""

from __future__ import annotations

import contextlib
import re
import shutil
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from filelock import FileLock

from convolab.errors import NetworkError, nearest
from convolab.home import styles_dir
from convolab.style.fast.files import ENDING, Card, Style, load_style, read_card, save_style

SHIPPED = Path(__file__).parent / "shipped"
NAME_LENGTH = 60


@dataclass(frozen=True)
class Entry:
    """A style in the library; its weights are not loaded."""

    name: str
    """How it is called where it is asked for: ``starry-night``, ``starry-night-small``."""
    path: Path
    shipped: bool
    """Whether it came with the lab, and cannot be renamed or removed."""
    card: Card


def styles() -> list[Entry]:
    """All styles by name, those that come with the lab first. Files that are no styles are left out."""
    found = []
    for folder, shipped in ((SHIPPED, True), (styles_dir(), False)):
        if not folder.is_dir():
            continue
        for path in sorted(folder.glob(f"*{ENDING}")):
            with contextlib.suppress(NetworkError, OSError):
                if not path.name.startswith("."):
                    stamp = path.stat()
                    found.append(
                        Entry(path.stem, path, shipped, _card(path, stamp.st_mtime_ns, stamp.st_size))
                    )
    return found


@lru_cache(maxsize=512)
def _card(path: Path, changed: int, size: int) -> Card:
    return read_card(path)


def style_names() -> list[str]:
    """The names of all styles."""
    return [entry.name for entry in styles()]


def find_style(name: str | Path) -> Entry:
    """A style by its name, or by the path of its file. NetworkError that names the nearest."""
    text = str(name)
    path = Path(text)
    if path.suffix == ENDING or len(path.parts) > 1:
        return Entry(path.stem, path, False, read_card(path))
    for folder, shipped in ((SHIPPED, True), (styles_dir(), False)):
        candidate = folder / f"{text}{ENDING}"
        if candidate.is_file() and slug(text) == text:
            return Entry(text, candidate, shipped, read_card(candidate))
    known = style_names()
    guess = nearest(text, known)
    hint = f' Did you mean "{guess}"?' if guess else ""
    raise NetworkError(
        f'There is no style "{text}".{hint} '
        + (f"Choose one of: {', '.join(known)}." if known else "Learn one with 'convolab learn-style'.")
    )


def get_style(name: str | Path) -> Style:
    """A style with its network, ready to paint; the last ones used are kept. NetworkError."""
    entry = find_style(name)
    stamp = entry.path.stat()
    return _loaded(entry.path, entry.name, stamp.st_mtime_ns, stamp.st_size)


@lru_cache(maxsize=16)
def _loaded(path: Path, name: str, changed: int, size: int) -> Style:
    return load_style(path, name)


# ------------------------------------------------------------------ the user's own


def slug(title: str) -> str:
    """A title as a name: ``The Starry Night`` → ``the-starry-night``."""
    plain = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:NAME_LENGTH].strip("-")
    return plain or "style"


def add_style(style: Style, name: str = "", *, replacing: str = "") -> Entry:
    """Put a style into the user's library; a number is added to a name that is taken. NetworkError.

    ``replacing`` is the name of an earlier version of the same style, whose place it takes.
    """
    with _lock():
        earlier = styles_dir() / f"{replacing}{ENDING}"
        same = bool(replacing) and earlier.is_file()
        free = replacing if same else _free(slug(name or style.card.title))
        path = styles_dir() / f"{free}{ENDING}"
        save_style(path, style.network, style.card)
    return Entry(free, path, False, style.card)


def import_style(path: str | Path, name: str = "") -> Entry:
    """Copy a style file into the user's library once it was read to its end. NetworkError."""
    style = load_style(path)
    return add_style(style, name or style.name)


def export_style(name: str, target: str | Path) -> Path:
    """Copy a style's file to ``target``, a file or a folder. NetworkError."""
    entry = find_style(name)
    target = Path(target)
    if target.is_dir():
        target = target / f"{entry.name}{ENDING}"
    if target.suffix != ENDING:
        raise NetworkError(f"{target.name} must end in {ENDING}.")
    unfinished = target.with_name(f".{target.name}.unfinished")
    try:
        shutil.copyfile(entry.path, unfinished)
        unfinished.replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise NetworkError(f"{target} cannot be written: {(error.strerror or str(error)).lower()}.") from None
    return target


def rename_style(name: str, title: str) -> Entry:
    """Give one of the user's styles another title, and the name that belongs to it. NetworkError."""
    title = title.strip()
    if not title:
        raise NetworkError("A style needs a name.")
    entry = _own(name)
    style = load_style(entry.path)
    with _lock():
        wanted = slug(title)
        free = wanted if wanted == entry.name else _free(wanted)
        path = styles_dir() / f"{free}{ENDING}"
        save_style(path, style.network, style.card.model_copy(update={"title": title}))
        if path != entry.path:
            entry.path.unlink(missing_ok=True)
    return find_style(free)


def remove_style(name: str) -> None:
    """Remove one of the user's styles. NetworkError if there is none such or it came with the lab."""
    _own(name).path.unlink(missing_ok=True)


def _own(name: str) -> Entry:
    entry = find_style(name)
    if entry.shipped or entry.path.parent != styles_dir():
        raise NetworkError(
            f"{entry.name} came with the lab and stays as it is; only your own can be changed."
        )
    return entry


def _free(name: str) -> str:
    taken = set(style_names())
    return next(found for i in range(1, 10_000) if (found := name if i == 1 else f"{name}-{i}") not in taken)


def _lock() -> FileLock:
    try:
        styles_dir().mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NetworkError(
            f"{styles_dir()} cannot be made: {(error.strerror or str(error)).lower()}."
        ) from None
    return FileLock(styles_dir() / ".lock", thread_local=False)
