"""Pins: things from the lab that were put aside for the page, each with its settings and how to repeat it.

A pin is a folder under ``report/pins`` in the lab's home, with ``pin.json`` and its files: pictures first,
then data and code. It is whole or not there: the folder is made under another name and moved into place.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from convolab.errors import ReportError
from convolab.home import home
from convolab.runs.files import now, why

PICTURES = (".png", ".svg", ".jpg", ".jpeg", ".webp", ".gif")
FILES = (*PICTURES, ".csv", ".json", ".txt", ".py", ".mp4")
"""Endings of the files that a pin may hold; programs are exported as text."""
LIMIT = 50_000_000
"""Bytes of all files of one pin."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,80}")
_ID = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True)
class Pin:
    """Something from the lab for the page."""

    id: str
    kind: str
    """What it shows: curves, confusion, network, view, picture, strip, table, …"""
    title: str
    caption: str = ""
    """A sentence about it that stands under the picture."""
    settings: dict[str, Any] = field(default_factory=dict)
    """What it was made with: names and plain values."""
    reproduce: str = ""
    """The command or the steps that make it again."""
    run_id: str | None = None
    files: tuple[str, ...] = ()
    """Names of its files in the order in which they are shown."""
    needed: tuple[str, ...] = ()
    """Those of its files that only the commands need: they are linked, not shown."""
    created: str = ""

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return pins_dir() / self.id

    def path(self, name: str) -> Path:
        """One of its files. ReportError if it has none of that name."""
        if name not in self.files:
            raise ReportError(f'The pin "{self.title}" has no file "{name}".')
        return self.folder / name

    @property
    def pictures(self) -> tuple[str, ...]:
        """Those of its files that are to be looked at."""
        shown = [name for name in self.files if name not in self.needed]
        return tuple(name for name in shown if Path(name).suffix.lower() in PICTURES)


def pins_dir() -> Path:
    """Folder with one subfolder per pin."""
    return home() / "report" / "pins"


def add_pin(
    kind: str,
    title: str,
    files: Mapping[str, bytes],
    *,
    caption: str = "",
    settings: Mapping[str, Any] | None = None,
    reproduce: str = "",
    run_id: str | None = None,
    needed: Mapping[str, bytes] | None = None,
) -> Pin:
    """Put something aside for the page. ``files``: name → content, in the order in which they are shown.

    ``needed``: files that belong to it, for the commands in ``reproduce``, and are linked but not shown.
    ReportError for a file that a page cannot hold, for more than 50 MB, or if the disk does not take it.
    """
    beside = {name: content for name, content in (needed or {}).items() if name not in files}
    everything = {**files, **beside}
    for name in everything:
        if not _NAME.fullmatch(name) or Path(name).suffix.lower() not in FILES:
            raise ReportError(f'A pin cannot hold a file "{name}"; it takes {", ".join(FILES)}.')
    total = sum(map(len, everything.values()))
    if total > LIMIT:
        raise ReportError(f"These files have {total / 1e6:.0f} MB; a pin holds at most {LIMIT / 1e6:.0f} MB.")
    made = Pin(
        id=secrets.token_hex(6),
        kind=kind,
        title=title.strip() or kind,
        caption=caption,
        settings=dict(settings or {}),
        reproduce=reproduce,
        run_id=run_id,
        files=tuple(everything),
        needed=tuple(beside),
        created=now(),
    )
    unfinished = pins_dir() / f".{made.id}"
    try:
        unfinished.mkdir(parents=True)
        for name, content in everything.items():
            (unfinished / name).write_bytes(content)
        (unfinished / "pin.json").write_text(json.dumps(asdict(made), indent=1), encoding="utf-8")
        unfinished.rename(made.folder)
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise ReportError(f'"{made.title}" could not be pinned: {why(error)}.') from error
    return made


def pins() -> list[Pin]:
    """All pins, newest first. Folders that cannot be read are left out."""
    folder = pins_dir()
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    found = [pin for name in names if _ID.fullmatch(name) and (pin := _read(name)) is not None]
    return sorted(found, key=lambda pin: pin.created, reverse=True)


def find_pin(text: str) -> Pin:
    """The pin with this id, or the only one whose title is this text. ReportError if there is none."""
    if _ID.fullmatch(text) and (pin := _read(text)) is not None:
        return pin
    named = [pin for pin in pins() if pin.title == text or pin.id.startswith(text)]
    if len(named) == 1:
        return named[0]
    if named:
        raise ReportError(f'{len(named)} pins are called "{text}"; say which by its id.')
    raise ReportError(f'There is no pin "{text}".')


def remove_pin(pin: Pin) -> None:
    """Delete a pin with its files; pages that show it say that it is gone."""
    shutil.rmtree(pin.folder, ignore_errors=True)


def _read(name: str) -> Pin | None:
    try:
        content = json.loads((pins_dir() / name / "pin.json").read_text(encoding="utf-8"))
        lists = {"files": tuple(content["files"]), "needed": tuple(content.get("needed", ()))}
        pin = Pin(**{**content, "id": name, **lists})
        # The names come from a file that anyone may have edited: none may lead out of the folder.
        whole = all(_NAME.fullmatch(file) and (pin.folder / file).is_file() for file in pin.files)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return pin if whole else None
