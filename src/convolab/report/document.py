"""A page under way: title, author, and blocks of words and pins; saved at each change, older versions kept.

A report is a folder under ``report/pages`` in the lab's home: ``page.json``, and in ``versions`` what it was
before each change, the newest 100 of them.
"""

from __future__ import annotations

import re
import time
import unicodedata
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from convolab.errors import ReportError, unknown
from convolab.home import home
from convolab.report.templates import TEMPLATES
from convolab.runs.files import now, replace_text, why

VERSIONS = 100
PAUSE = 30.0
"""Seconds between two versions while someone types."""


class TextBlock(BaseModel):
    """Words, in Markdown."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["text"] = "text"
    text: str = Field(default="", max_length=200_000)


class PinBlock(BaseModel):
    """A pin, shown with its pictures, caption, settings and files."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["pin"] = "pin"
    pin: str = Field(max_length=40)
    title: str = Field(default="", max_length=300)
    """Its title when it was put here, to name it by when it is gone."""
    caption: str | None = Field(default=None, max_length=5_000)
    """What stands under it here; None: the pin's own caption."""


Block = Annotated[TextBlock | PinBlock, Field(discriminator="kind")]


class Report(BaseModel):
    """A page: what is written and pinned, in order."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,60}$")
    """Of its folder."""
    title: str = Field(default="", max_length=300)
    author: str = Field(default="", max_length=200)
    email: str = Field(default="", max_length=200)
    blocks: tuple[Block, ...] = ()
    saved: str = ""
    """When it was last saved."""

    @property
    def folder(self) -> Path:
        """Where it is kept."""
        return pages_dir() / self.name

    def changed(self, **values: object) -> Report:
        """A copy with other values; ReportError with one sentence if they do not fit."""
        try:
            return Report.model_validate({**self.model_dump(), **values})
        except ValidationError as error:
            raise ReportError(f"This cannot be on a page: {_first(error)}.") from error

    def save(self, *, versioned: bool = True) -> Report:
        """Keep it, and what was there before as an older version; gives the saved page.

        Nothing is written if nothing changed. Without ``versioned`` (while someone types) what was there
        becomes a version only if the newest one is more than half a minute old. ReportError if the disk does
        not take it; what was there is whole then.
        """
        path = self.folder / "page.json"
        saved = self.changed(saved=now())
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if path.exists():
                older = path.read_text(encoding="utf-8")
                if _same(older, self):
                    return self
                _keep_version(self.folder / "versions", older, versioned)
            replace_text(path, saved.model_dump_json(indent=1), durable=versioned)
        except OSError as error:
            raise ReportError(f'"{self.title or self.name}" could not be saved: {why(error)}.') from error
        return saved

    def versions(self) -> list[Report]:
        """What it was before each change, newest first; damaged ones are left out."""
        found = []
        for path in sorted((self.folder / "versions").glob("*.json"), reverse=True):
            try:
                found.append(Report.model_validate_json(path.read_text(encoding="utf-8")))
            except (OSError, ValueError):
                continue
        return found


def pages_dir() -> Path:
    """Folder with one subfolder per page."""
    return home() / "report" / "pages"


def new(title: str, template: str = "empty", *, author: str = "", email: str = "") -> Report:
    """A new page, saved. ``template`` is a name in `TEMPLATES`. ReportError if there is no such template."""
    if template not in TEMPLATES:
        raise ReportError(unknown("template", template, TEMPLATES))
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    base = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:50] or "page"
    name, number = base, 1
    while (pages_dir() / name).exists():
        number += 1
        name = f"{base}-{number}"
    blocks = tuple(TextBlock(text=text) for text in TEMPLATES[template].texts)
    page = Report(name=name).changed(title=title, author=author, email=email, blocks=blocks)
    return page.save()


def reports() -> list[Report]:
    """All pages, the one saved last first. Those that cannot be read are left out."""
    folder = pages_dir()
    found = []
    for entry in folder.iterdir() if folder.is_dir() else ():
        try:
            found.append(open_report(entry.name))
        except ReportError:
            continue
    return sorted(found, key=lambda page: page.saved, reverse=True)


def open_report(name: str) -> Report:
    """The page of this name. ReportError if there is none, or it and its older versions are damaged."""
    folder = pages_dir() / name
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,60}", name) or not folder.is_dir():
        names = [entry.name for entry in pages_dir().iterdir()] if pages_dir().is_dir() else []
        raise ReportError(unknown("page", name, names) if names else f'There is no page "{name}" yet.')
    try:
        return Report.model_validate_json((folder / "page.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        older = Report(name=name).versions()
        if older:
            return older[0]
        raise ReportError(f'The page "{name}" is damaged: {folder / "page.json"} cannot be read.') from None


def _keep_version(folder: Path, text: str, always: bool) -> None:
    folder.mkdir(exist_ok=True)
    numbers = sorted(int(path.stem) for path in folder.glob("*.json") if path.stem.isdigit())
    if numbers and not always:
        newest = folder / f"{numbers[-1]:06}.json"
        if time.time() - newest.stat().st_mtime < PAUSE:
            return
    replace_text(folder / f"{(numbers or [0])[-1] + 1:06}.json", text)
    for number in numbers[: max(0, len(numbers) + 1 - VERSIONS)]:
        (folder / f"{number:06}.json").unlink(missing_ok=True)


def _same(text: str, page: Report) -> bool:
    try:
        old = Report.model_validate_json(text)
    except ValueError:
        return False
    return old.model_copy(update={"saved": ""}) == page.model_copy(update={"saved": ""})


def _first(error: ValidationError) -> str:
    problem = error.errors()[0]
    place = ".".join(str(part) for part in problem["loc"])
    return f"{place}: {problem['msg'][0].lower()}{problem['msg'][1:]}"
