"""The files of a folder or of a zip, in one form and with no trust: nothing is ever written to the disk.

A zip can name files outside its folder, hold links, or be a few kilobytes that unpack to terabytes. Members
are therefore read one at a time into memory, with limits that hold for what really comes out of them, not for
what is promised.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import stat
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from convolab.errors import DataError

MAX_FILES = 200_000
MAX_TOTAL = 2_000_000_000
"""Bytes that may come out of one zip."""
MAX_FILE = 100_000_000
"""Bytes of one picture file; larger ones count as unreadable."""
MAX_RATIO = 100
"""Photographs hardly shrink in a zip; what unpacks to so many times its size is a zip bomb."""
_SMALL = 20_000_000
"""Up to so many bytes in all, the ratio is of no concern: tiny drawings shrink a lot."""

_IGNORED = {"__macosx", "thumbs.db", "desktop.ini"}


class EntryError(Exception):
    """Why one file cannot be read; ``str()`` completes "cat.jpg: …"."""


@dataclass(frozen=True)
class Entry:
    """One file below the folder or in the zip."""

    parts: tuple[str, ...]
    """Its path, without the folder or zip itself."""
    size: int
    """Bytes; for a zip what it claims."""
    read: Callable[[], bytes]
    """Gives the content. Raises EntryError, and DataError when the whole archive is to be refused."""

    @property
    def path(self) -> str:
        """Its path with slashes."""
        return "/".join(self.parts)


@contextlib.contextmanager
def entries(path: Path, called: str) -> Iterator[list[Entry]]:
    """All files in a folder or a zip, sorted by path; hidden ones and those that systems add are left out.

    ``called`` is the name of the folder or zip in sentences. Raises DataError if there is no such folder, if
    the file is no zip, or if the zip is unsafe.
    """
    if path.is_dir():
        yield _folder(path)
        return
    if not path.exists():
        raise DataError(f"There is no folder or zip {path}.")
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise DataError(
            f"{called} is neither a folder nor a whole zip; give a folder with one subfolder of images "
            "per class, or a zip of that."
        ) from None
    with archive:
        yield _zip(archive, path.stat().st_size, called)


def _kept(parts: tuple[str, ...]) -> bool:
    return not any(part.startswith(".") or part.lower() in _IGNORED for part in parts)


def _printable(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Names that any terminal, page and JSON file can show: line ends, bytes that are no text, … become ?."""
    return tuple("".join(sign if sign.isprintable() else "?" for sign in part)[:100] for part in parts)


def _folder(root: Path) -> list[Entry]:
    found: list[Entry] = []
    for parent, folders, names in os.walk(root):
        folders[:] = sorted(folder for folder in folders if _kept((folder,)))
        for name in names:
            path = Path(parent) / name
            if not _kept((name,)) or not path.is_file():
                continue
            parts = path.relative_to(root).parts
            found.append(Entry(_printable(parts), path.stat().st_size, functools.partial(_read, path)))
            if len(found) > MAX_FILES:
                raise DataError(f"{root} holds more than {MAX_FILES:,} files; give a smaller folder.")
    return sorted(found, key=lambda entry: entry.parts)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE + 1)
    except OSError as error:
        raise EntryError(f"it cannot be opened ({error.strerror or error})") from None
    if len(content) > MAX_FILE:
        raise EntryError(f"it is larger than {MAX_FILE // 1_000_000} MB")
    return content


def _zip(archive: zipfile.ZipFile, on_disk: int, called: str) -> list[Entry]:
    members = archive.infolist()
    if len(members) > MAX_FILES:
        raise DataError(f"{called} was refused: it holds more than {MAX_FILES:,} files.")
    for member in members:
        _refuse_unsafe(member, called)
    claimed = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members)
    if claimed > MAX_TOTAL:
        raise DataError(
            f"{called} was refused: it unpacks to {claimed / 1e9:,.1f} GB, more than {MAX_TOTAL / 1e9:g} GB."
        )
    # Members that share their bytes (packed > on_disk) are another way to make much of little.
    if claimed > _SMALL and (claimed > MAX_RATIO * on_disk or packed > on_disk):
        raise DataError(
            f"{called} was refused: it would unpack to {claimed / on_disk:,.0f} times its size, "
            "as zip bombs do."
        )
    spent = [0]
    found = []
    for member in members:
        parts = tuple(part for part in member.filename.replace("\\", "/").split("/") if part not in ("", "."))
        if member.is_dir() or not parts or not _kept(parts):
            continue
        found.append(Entry(_printable(parts), member.file_size, _reader(archive, member, called, spent)))
    return sorted(found, key=lambda entry: entry.parts)


def _refuse_unsafe(member: zipfile.ZipInfo, name: str) -> None:
    for written in {member.filename, member.orig_filename}:
        plain = written.replace("\\", "/")
        if (
            plain.startswith("/")
            or re.match(r"^[A-Za-z]:", plain)
            or ".." in plain.split("/")
            or "\0" in plain
        ):
            raise DataError(
                f'{name} was refused: its file "{written[:80]!s}" points outside the zip.'.replace("\0", "?")
            )
    if stat.S_ISLNK(member.external_attr >> 16):
        raise DataError(
            f'{name} was refused: "{member.filename[:80]}" in it is a link; zip the files themselves.'
        )
    if member.flag_bits & 0x1:
        raise DataError(f"{name} has a password; make a zip without one.")


def _reader(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, spent: list[int]
) -> Callable[[], bytes]:
    def read() -> bytes:
        if member.file_size > MAX_FILE:
            raise EntryError(f"it is larger than {MAX_FILE // 1_000_000} MB")
        try:
            with archive.open(member) as file:
                content = file.read(MAX_FILE + 1)
        except MemoryError:
            raise EntryError("it needs more memory than there is") from None
        except (
            Exception
        ):  # zipfile raises BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, …
            raise EntryError("the zip is damaged there") from None
        spent[0] += len(content)
        if spent[0] > MAX_TOTAL:
            raise DataError(f"{name} was refused: it unpacks to more than {MAX_TOTAL / 1e9:g} GB.")
        return content

    return read
