"""A transfer's folder: what was asked for, the pictures it needs, and the iterates it keeps.

Beside what every job's folder holds (`convolab.runs.job_folder`): ``transfer.json`` what was asked for ·
``content``, ``style-0`` …, ``mask-0`` …, ``start``, ``network.safetensors`` copies of what it needs ·
``iterates/000012.png`` the picture after 12 steps, ``iterates/000012.gram`` its Gram matrices beside those of
the styles (`convolab.style.grams`).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from convolab.errors import RunError
from convolab.home import transfers_dir
from convolab.runs.files import replace_text, why
from convolab.runs.job_folder import JobFolder
from convolab.style.settings import TransferSettings

PREFIX = "transfer-"
"""How the ids of transfers begin; those of runs do not."""


class Cell(BaseModel):
    """The place of a transfer in a grid of transfers that are compared."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    grid: str
    row: int
    column: int
    row_title: str
    column_title: str


class TransferSpec(BaseModel):
    """What was asked for; written once."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    run_id: str
    name: str
    settings: TransferSettings
    content: str
    """What the photo is called."""
    styles: tuple[str, ...]
    """What the style pictures are called."""
    keys: dict[str, str] = {}
    """Where the pictures came from, for whoever wants to ask for the same again: names of the lab's pictures
    by the name of their copy (``content``, ``style-0``, ``mask-0``, ``start``) and of the ``network``."""
    masks: int = 0
    """How many masks there are: none, or as many as styles."""
    cell: Cell | None = None
    created: str
    """UTC, ISO 8601."""
    version: str
    """Of convolab."""


@dataclass(frozen=True)
class Part:
    """A file that a transfer needs."""

    path: Path
    name: str
    """For a person."""
    key: str = ""
    """For whoever made it: see `TransferSpec.keys`."""


class TransferFolder(JobFolder):
    """The folder of one transfer. Cheap to make; nothing is read before it is asked for."""

    what = "transfer"
    did = done = "painted"
    spec_name = "transfer.json"

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id, transfers_dir())
        self.iterates_path = self.path / "iterates"
        self.content_path = self.path / "content"
        self.start_path = self.path / "start"
        self.network_path = self.path / "network.safetensors"

    @classmethod
    def all(cls) -> list[TransferFolder]:
        """The folders of all transfers in the lab's home, in no particular order."""
        try:
            entries = list(transfers_dir().iterdir())
        except FileNotFoundError:
            return []
        return [cls(entry.name) for entry in entries if (entry / cls.spec_name).exists()]

    @classmethod
    def new_id(cls) -> str:
        """An id that no transfer has yet."""
        return PREFIX + secrets.token_hex(8)

    @property
    def name(self) -> str:
        """What the transfer is called. RunError if there is none such or its folder is damaged."""
        return self.spec().name

    def style_path(self, number: int) -> Path:
        """The copy of a style picture, counted from 0."""
        return self.path / f"style-{number}"

    def mask_path(self, number: int) -> Path:
        """The copy of a mask, counted from 0."""
        return self.path / f"mask-{number}"

    # ---------------------------------------------------------------- what was asked for

    def create(
        self,
        spec: TransferSpec,
        content: Part,
        styles: Sequence[Part],
        masks: Sequence[Part] = (),
        start: Part | None = None,
        network: Part | None = None,
    ) -> None:
        """Make the folder of a new transfer, in state queued. RunError if the disk does not let us."""
        parts = [
            (content, self.content_path),
            *((style, self.style_path(i)) for i, style in enumerate(styles)),
            *((mask, self.mask_path(i)) for i, mask in enumerate(masks)),
            *([(start, self.start_path)] if start else []),
            *([(network, self.network_path)] if network else []),
        ]
        try:
            self.iterates_path.mkdir(parents=True)
            self.make_reserve()
            for part, target in parts:
                _copy(part.path, target)
            self.set_state("queued")
            # Last: a folder without it is no transfer.
            replace_text(self.path / self.spec_name, spec.model_dump_json(indent=1), durable=True)
        except OSError as error:
            shutil.rmtree(self.path, ignore_errors=True)
            raise RunError(f"The transfer's folder {self.path} cannot be made: {why(error)}.") from error

    def spec(self) -> TransferSpec:
        """What was asked for. RunError if there is no such transfer or its folder is damaged."""
        try:
            return TransferSpec.model_validate_json((self.path / self.spec_name).read_bytes())
        except FileNotFoundError:
            raise RunError(f"There is no transfer {self.run_id} in {transfers_dir()}.") from None
        except (OSError, ValidationError) as error:
            raise RunError(
                f"The transfer {self.run_id} cannot be read: {self.spec_name} in its folder {self.path} is "
                "damaged."
            ) from error

    # ---------------------------------------------------------------- iterates

    def iterates(self) -> list[int]:
        """The steps after which the picture is kept, in order."""
        with contextlib.suppress(FileNotFoundError):
            return sorted(
                int(entry.name[:-4])
                for entry in os.scandir(self.iterates_path)
                if entry.name.endswith(".png") and entry.name[:-4].isdigit()
            )
        return []

    def iterate_path(self, step: int) -> Path:
        """The picture after so many steps, a PNG."""
        return self.iterates_path / f"{step:06d}.png"

    def gram_path(self, step: int) -> Path:
        """The Gram matrices of the picture after so many steps."""
        return self.iterates_path / f"{step:06d}.gram"

    def forget(self, step: int) -> None:
        """Remove what is kept of one step."""
        self.iterate_path(step).unlink(missing_ok=True)
        self.gram_path(step).unlink(missing_ok=True)

    # ---------------------------------------------------------------- what the queue says

    def stopped_sentence(self) -> str:
        """Where painting was when it was stopped."""
        steps = self.written_state().figures.steps
        return f"Painting was stopped {f'after {steps:,} steps' if steps else 'before it began'}."

    def lost_sentence(self) -> str:
        """That its workers died, and what to do."""
        return (
            "The process that painted this picture died again and again; memory may be short. Choose a "
            "smaller size, or set Memory, or resume from its last saved state."
        )


def _copy(source: Path, target: Path) -> None:
    """The same bytes under another name, which cost no room where the file system can do that."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
