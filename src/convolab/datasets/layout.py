"""Which file belongs to which class: read off the folders that people sort their images into."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from convolab.datasets.archive import Entry
from convolab.errors import DataError

MAX_CLASSES = 100

_TRAIN = {"train", "training"}
_VALIDATION = {"val", "valid", "validation"}
_TEST = {"test", "testing"}


@dataclass
class Layout:
    """Files by class, and by part where the folders say so."""

    classes: tuple[str, ...]
    """Names of the classes in natural order (2 before 10)."""
    files: list[tuple[Entry, int, str | None]]
    """Each file with its class and its part: ``"train"``, ``"test"``, or None if that is yet to be chosen."""
    ignored: int
    """Files that lie beside the folders of classes."""
    notes: list[str] = field(default_factory=list)


def read_layout(entries: list[Entry], source: str) -> Layout:
    """Sort files into classes. Raises DataError unless there are 2 to 100 classes.

    Understood: one folder per class, the same inside one or more folders that hold nothing else, and folders
    ``train`` and ``test`` (or ``val``) with a folder per class each. Folders inside a class belong to it.
    """
    if not entries:
        raise DataError(
            f"There are no files in {source}; give a folder with one subfolder of images per class."
        )
    rest = _without_common_top([(entry.parts, entry) for entry in entries])
    tops = {parts[0].lower() for parts, _ in rest if len(parts) > 1}
    notes: list[str] = []
    files: list[tuple[Entry, str, str | None]] = []
    if tops & _TRAIN and tops & (_TEST | _VALIDATION) and tops <= _TRAIN | _TEST | _VALIDATION:
        labelled_test = any(len(parts) > 2 and parts[0].lower() in _TEST for parts, _ in rest)
        test = _TEST if labelled_test else _VALIDATION
        has_test = any(len(parts) > 2 and parts[0].lower() in test for parts, _ in rest)
        if labelled_test and tops & _VALIDATION:
            notes.append("The validation images were added to the training images.")
        if not has_test:
            notes.append(
                "The test folder has no folders of classes, so test images were taken from the others."
            )
        for parts, entry in rest:
            if len(parts) > 2:
                part = "test" if parts[0].lower() in test else "train"
                files.append((entry, parts[1], part if has_test else None))
    else:
        files = [(entry, parts[0], None) for parts, entry in rest if len(parts) > 1]
    names = sorted({name for _, name, _ in files}, key=natural)
    check_count(names, source)
    order = {name: label for label, name in enumerate(names)}
    return Layout(
        tuple(names),
        [(entry, order[name], part) for entry, name, part in files],
        len(entries) - len(files),
        notes,
    )


def check_count(names: list[str], source: str) -> None:
    """Raise DataError unless there are 2 to 100 classes."""
    if not names:
        raise DataError(
            f"There are no folders of images in {source}; "
            "put the images of each class into a folder named after it."
        )
    if len(names) == 1:
        raise DataError(
            f'There is only one class, "{names[0]}", in {source}; give at least two, each a folder of images.'
        )
    if len(names) > MAX_CLASSES:
        raise DataError(
            f"There are {len(names)} folders in {source}, but at most {MAX_CLASSES} classes are possible."
        )


def natural(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts numbers by their value: 2 before 10."""
    return [
        (0, int(piece), "") if piece.isdecimal() else (1, 0, piece.lower())
        for piece in re.split(r"(\d+)", name)
        if piece
    ]


def _without_common_top(
    files: list[tuple[tuple[str, ...], Entry]],
) -> list[tuple[tuple[str, ...], Entry]]:
    """Without folders that hold everything, as in a zip of one folder; a lone class is not such a folder."""
    while len({parts[0] for parts, _ in files}) == 1 and any(len(parts) > 2 for parts, _ in files):
        files = [(parts[1:], entry) for parts, entry in files if len(parts) > 1]
    return files
