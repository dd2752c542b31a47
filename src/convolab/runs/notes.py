"""What a person notes about a run: a text, labels, a colour; kept in its folder, and brought to MLflow."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from convolab.errors import ConvolabError, RunError
from convolab.runs.files import replace_text, why
from convolab.runs.folder import RunFolder

COLOURS = 8
TEXT_LENGTH = 5000
"""Of a note: what every MLflow store takes."""
LABEL_LENGTH = 40
MOST_LABELS = 20


class Notes(BaseModel):
    """The content of ``notes.json``."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    text: str = ""
    labels: tuple[str, ...] = ()
    """Short words by which runs are found again."""
    colour: int = Field(default=0, ge=0, le=COLOURS)
    """1 to 8: always drawn in this one of the categorical colours; 0: in one that is free."""


def notes_path(folder: RunFolder) -> Path:
    """Where a run's notes are, if there are any."""
    return folder.path / "notes.json"


def read_notes(folder: RunFolder) -> Notes:
    """What was noted; nothing if there are no notes, or they are damaged."""
    try:
        return Notes.model_validate_json(notes_path(folder).read_bytes())
    except (OSError, ValidationError):
        return Notes()


def write_notes(
    run_id: str, *, text: str | None = None, labels: Iterable[str] | None = None, colour: int | None = None
) -> Notes:
    """Note something about a run; None leaves a part as it is. MLflow gets text and labels, if it answers.

    RunError if there is no such run here, the text or a label is too long, or the disk does not take it.
    """
    folder = RunFolder(run_id)
    folder.check()
    changes: dict[str, object] = {}
    if text is not None:
        changes["text"] = _checked_text(text)
    if labels is not None:
        changes["labels"] = _checked_labels(labels)
    if colour is not None:
        if not 0 <= colour <= COLOURS:
            raise RunError(f"A run's colour is one of 1 to {COLOURS}, or 0 for any; not {colour}.")
        changes["colour"] = colour
    path = notes_path(folder)
    try:
        # Two tabs may note something at once: neither may get lost.
        with FileLock(path.with_name("notes.lock"), timeout=10, thread_local=False):
            notes = read_notes(folder).model_copy(update=changes)
            replace_text(path, notes.model_dump_json())
    except OSError as error:
        raise RunError(f"The note cannot be kept: {why(error)}.") from error
    return notes


def tell_mlflow(run_id: str) -> None:
    """Bring the notes of a run to MLflow, where others may read them; nothing happens if it is away."""
    from convolab.home import tracking_uri
    from convolab.runs.feeding import Position
    from convolab.runs.tracking import client, explained

    folder = RunFolder(run_id)
    notes = read_notes(folder)
    with contextlib.suppress(ConvolabError, OSError):
        mlflow = client()
        with explained(tracking_uri()):
            mlflow_id = Position.read(folder)["mlflow_id"] or run_id
            mlflow.set_tag(mlflow_id, "mlflow.note.content", notes.text)
            mlflow.set_tag(mlflow_id, "convolab.labels", ", ".join(notes.labels))


def _checked_text(text: str) -> str:
    cleaned = text.strip()
    if len(cleaned) > TEXT_LENGTH:
        raise RunError(f"A note may have {TEXT_LENGTH:,} characters at most, not {len(cleaned):,}.")
    return cleaned


def _checked_labels(labels: Iterable[str]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(filter(None, (" ".join(label.split()) for label in labels))))
    if too_long := next((label for label in found if len(label) > LABEL_LENGTH), ""):
        raise RunError(f'The label "{too_long[:30]}…" is longer than {LABEL_LENGTH} characters.')
    if len(found) > MOST_LABELS:
        raise RunError(f"A run may have {MOST_LABELS} labels at most, not {len(found)}.")
    return found
