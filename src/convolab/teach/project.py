"""A project: classes, examples and what was learned, kept in a folder, so that nothing is lost.

``project.json`` holds names, settings and which image belongs where; ``images/`` the examples;
``learned.teach`` the classifier in the form of `convolab.teach.files`, without the images.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import shutil
import threading
from pathlib import Path
from typing import Any

from convolab.errors import ConvolabError, DataError, SettingsError
from convolab.home import home
from convolab.runs.files import now, replace_text, why
from convolab.spec import check
from convolab.teach.examples import NAME_LENGTH, ExampleClass, Examples, Part
from convolab.teach.settings import TeachSettings

_ID = re.compile(r"[0-9a-f]{12}")
FIRST_CLASSES = ("Class 1", "Class 2")
FIRST_SETTINGS = {"size": 128}
"""For pictures of a camera: VGG-16 looks at them twice as often a second as at 224 pixels."""


def projects_dir() -> Path:
    """Folder with one subfolder per project."""
    return home() / "teach"


class Project(Examples):
    """Examples that are kept in a folder. Its methods may be called from several threads, one at a time each
    under ``lock``."""

    def __init__(self, project_id: str) -> None:
        """Read the project of this id. DataError if there is none or it is damaged."""
        super().__init__()
        if not _ID.fullmatch(project_id):
            raise DataError("There is no such project.")
        self.id = project_id
        self.folder = projects_dir() / project_id
        self.title = "My classes"
        self.settings = TeachSettings()
        self.lock = threading.RLock()
        self._read()

    @classmethod
    def create(cls, title: str = "My classes") -> Project:
        """A new project with two empty classes. DataError if the disk does not let us."""
        project_id = secrets.token_hex(6)
        folder = projects_dir() / project_id
        classes = [{"key": secrets.token_hex(4), "name": name, "ids": []} for name in FIRST_CLASSES]
        content = {
            "title": title,
            "settings": FIRST_SETTINGS,
            "classes": classes,
            "parts": {},
            "changed": now(),
        }
        try:
            (folder / "images").mkdir(parents=True)
            replace_text(folder / "project.json", json.dumps(content))
        except OSError as error:
            raise DataError(f"The project cannot be kept in {folder}: {why(error)}.") from None
        return cls(project_id)

    @property
    def learned_path(self) -> Path:
        """Where the classifier is kept, once there is one."""
        return self.folder / "learned.teach"

    def call(self, title: str) -> None:
        """Give the project another title. SettingsError if it is empty or too long."""
        cleaned = " ".join(title.split())
        if not 0 < len(cleaned) <= NAME_LENGTH:
            raise SettingsError(f"A project's name has 1 to {NAME_LENGTH} characters.")
        self.title = cleaned
        self.write()

    def configure(self, **changes: Any) -> None:
        """Change settings. SettingsError with one sentence."""
        self.settings = check(TeachSettings, {**self.settings.model_dump(), **changes})
        self.write()

    def take_over(self, title: str, examples: Examples, settings: TeachSettings) -> None:
        """Become what a file held."""
        self.title, self.settings = title or self.title, settings
        self.classes, self.parts = [], {}
        self.content = {}
        for one in examples.classes:
            self.classes.append(ExampleClass(one.key, one.name, list(one.ids)))
            for example in one.ids:
                self._keep(example, examples.content[example])
        self.parts = dict(examples.parts)
        self.write()

    def write(self) -> None:
        """Write ``project.json``. DataError if the disk does not take it."""
        content = {
            "title": self.title,
            "settings": self.settings.model_dump(),
            "classes": [{"key": one.key, "name": one.name, "ids": one.ids} for one in self.classes],
            "parts": self.parts,
            "changed": now(),
        }
        try:
            replace_text(self.folder / "project.json", json.dumps(content, ensure_ascii=False))
        except OSError as error:
            raise DataError(f"The project cannot be kept: {why(error)}.") from None

    def restore(self, one: ExampleClass, example: str, content: bytes, part: Part | None) -> None:
        """Put an image back that was removed."""
        self._keep(example, content)
        one.ids.append(example)
        if part is not None:
            self.parts[example] = part

    def delete(self) -> None:
        """Remove it with all its images."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _keep(self, example: str, content: bytes) -> None:
        try:
            (self.folder / "images" / example).write_bytes(content)
        except OSError as error:
            raise DataError(f"The image cannot be kept: {why(error)}.") from None
        super()._keep(example, content)

    def _forget(self, example: str) -> None:
        super()._forget(example)
        with contextlib.suppress(OSError):
            (self.folder / "images" / example).unlink()

    def _read(self) -> None:
        try:
            content = json.loads((self.folder / "project.json").read_text(encoding="utf-8"))
            self.title = str(content["title"])
            with contextlib.suppress(SettingsError):  # of another version: the defaults
                self.settings = check(TeachSettings, dict(content["settings"]))
            for one in content["classes"]:
                made = ExampleClass(str(one["key"]), str(one["name"]))
                for example in map(str, one["ids"]):
                    path = self.folder / "images" / Path(example).name
                    with contextlib.suppress(OSError):  # an image that is gone is left out
                        self.content[example] = path.read_bytes()
                        made.ids.append(example)
                self.classes.append(made)
            self.parts = {name: part for name, part in content["parts"].items() if name in self.content}
        except FileNotFoundError:
            raise DataError("There is no such project; it may have been deleted.") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise DataError(f"The project in {self.folder} is damaged (project.json).") from None


def projects() -> list[tuple[str, str, str]]:
    """Id, title and time of the last change (UTC, ISO 8601) of all projects, the newest first."""
    found = []
    with contextlib.suppress(OSError):
        for folder in projects_dir().iterdir():
            with contextlib.suppress(ConvolabError, OSError, ValueError, KeyError, TypeError):
                content = json.loads((folder / "project.json").read_text(encoding="utf-8"))
                found.append((folder.name, str(content["title"]), str(content["changed"])))
    return sorted(found, key=lambda one: one[2], reverse=True)
