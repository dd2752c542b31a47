"""The folder of a style that is being learned: what was asked for, the painting, and the previews.

Beside what every job's folder holds (`convolab.runs.job_folder`): ``learning.json`` what was asked for ·
``painting`` a copy of it · ``photos.png`` the photos that are held out, side by side ·
``previews/000120.png`` the same photos as they were painted after 120 steps · ``style.safetensors`` what came
of it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from convolab.errors import RunError
from convolab.home import learning_dir
from convolab.runs.files import replace_text, why
from convolab.runs.job_folder import JobFolder
from convolab.style.fast.settings import LearnSettings

PREFIX = "style-"
"""How the ids of these jobs begin."""


class LearnSpec(BaseModel):
    """What was asked for; written once."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    run_id: str
    name: str
    """The title that the style is to have."""
    painter: str = ""
    year: str = ""
    settings: LearnSettings
    photos: str | None = None
    """The folder with the photos; None for those that the lab gets by itself."""
    key: str = ""
    """Where the painting came from, for whoever wants to ask for the same again."""
    created: str
    """UTC, ISO 8601."""
    version: str
    """Of convolab."""


class LearnFolder(JobFolder):
    """The folder of one style being learned. Cheap to make; nothing is read before it is asked for."""

    what = "style"
    did = done = "learned"
    spec_name = "learning.json"

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id, learning_dir())
        self.painting_path = self.path / "painting"
        self.photos_path = self.path / "photos.png"
        self.previews_path = self.path / "previews"
        self.style_path = self.path / "style.safetensors"

    @classmethod
    def all(cls) -> list[LearnFolder]:
        """The folders of all such jobs in the lab's home, in no particular order."""
        try:
            entries = list(learning_dir().iterdir())
        except FileNotFoundError:
            return []
        return [cls(entry.name) for entry in entries if (entry / cls.spec_name).exists()]

    @classmethod
    def new_id(cls) -> str:
        """An id that no job has yet."""
        return PREFIX + secrets.token_hex(8)

    @property
    def name(self) -> str:
        """What the style is called. RunError if there is none such or its folder is damaged."""
        return self.spec().name

    def create(self, spec: LearnSpec, painting: Path) -> None:
        """Make the folder of a new job, in state queued. RunError if the disk does not let us."""
        try:
            self.previews_path.mkdir(parents=True)
            self.make_reserve()
            shutil.copyfile(painting, self.painting_path)
            self.set_state("queued")
            # Last: a folder without it is no job.
            replace_text(self.path / self.spec_name, spec.model_dump_json(indent=1), durable=True)
        except OSError as error:
            shutil.rmtree(self.path, ignore_errors=True)
            raise RunError(f"The style's folder {self.path} cannot be made: {why(error)}.") from error

    def spec(self) -> LearnSpec:
        """What was asked for. RunError if there is no such job or its folder is damaged."""
        try:
            return LearnSpec.model_validate_json((self.path / self.spec_name).read_bytes())
        except FileNotFoundError:
            raise RunError(f"There is no style being learned {self.run_id} in {learning_dir()}.") from None
        except (OSError, ValidationError) as error:
            raise RunError(
                f"The style {self.run_id} cannot be read: {self.spec_name} in its folder {self.path} is "
                "damaged."
            ) from error

    def previews(self) -> list[int]:
        """The steps after which the previews are kept, in order."""
        with contextlib.suppress(FileNotFoundError):
            return sorted(
                int(entry.name[:-4])
                for entry in os.scandir(self.previews_path)
                if entry.name.endswith(".png") and entry.name[:-4].isdigit()
            )
        return []

    def preview_path(self, step: int) -> Path:
        """The held-out photos as painted after so many steps, side by side, a PNG."""
        return self.previews_path / f"{step:06d}.png"

    def stopped_sentence(self) -> str:
        """Where learning was when it was stopped."""
        steps = self.written_state().figures.steps
        return f"Learning was stopped {f'after {steps:,} steps' if steps else 'before it began'}."

    def lost_sentence(self) -> str:
        """That its workers died, and what to do."""
        return (
            "The process that learned this style died again and again; memory may be short. Choose smaller "
            "parts of photos or a smaller network, or resume from its last saved state."
        )
