"""The user's own examples: images by class, each known by its content, with a fixed share held out."""

from __future__ import annotations

import hashlib
import io
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from PIL import Image

from convolab.datasets import archive
from convolab.datasets.layout import read_layout
from convolab.datasets.pictures import Unreadable, crop_and_resize, decode, open_picture
from convolab.datasets.progress import Meter, Report
from convolab.errors import DataError, SettingsError

FEWEST_CLASSES, MOST_CLASSES = 2, 20
MOST_EXAMPLES = 5000
"""Images of all classes together."""
SIDE = 224
"""Pixels a side that are kept of an image; smaller ones stay as they are."""
SMALLEST = 8
NAME_LENGTH = 40
_LOSSLESS = 64
"""Images up to so many pixels a side are kept without loss: they are small anyway."""

Part = Literal["train", "test"]


@dataclass
class ExampleClass:
    """One class: its name and the ids of its images, oldest first."""

    key: str
    """Stays when the class gets another name."""
    name: str
    ids: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Item:
    """One image as it takes part: which class it belongs to, and whether it is learned from."""

    id: str
    label: int
    part: Part


@dataclass
class Found:
    """What became of the files of a folder or zip."""

    added: int = 0
    known: int = 0
    """Images that were there already."""
    unreadable: list[str] = field(default_factory=list)
    """``path: reason``."""


def squared(source: Image.Image | bytes | str | Path) -> Image.Image:
    """The centre of an image as a square, RGB, at most 224 pixels a side: as it is looked at.

    Raises DataError with a sentence if it is none or too small.
    """
    picture = open_picture(source).convert("RGB")
    side = min(picture.size)
    if side < SMALLEST:
        name = Path(source).name if isinstance(source, str | Path) else "The picture"
        raise DataError(
            f"{name} has {picture.width}×{picture.height} pixels; at least {SMALLEST} a side are needed."
        )
    kept = min(side, SIDE)
    return picture if picture.size == (kept, kept) else crop_and_resize(picture, kept, kept)


def tidy(source: Image.Image | bytes | str | Path) -> bytes:
    """An image as it is kept: `squared`, as PNG (small ones) or JPEG. DataError if it is none."""
    picture = squared(source)
    buffer = io.BytesIO()
    if picture.width <= _LOSSLESS:
        picture.save(buffer, "PNG")
    else:
        picture.save(buffer, "JPEG", quality=92, subsampling=0)
    return buffer.getvalue()


def id_of(content: bytes) -> str:
    """An image's id: the first 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(content).hexdigest()[:16]


def opened(content: bytes) -> Image.Image:
    """A kept image as RGB. DataError if it is damaged."""
    try:
        return decode(io.BytesIO(content)).convert("RGB")
    except Unreadable as error:
        raise DataError(f"An image cannot be used: {error}.") from None


class Examples:
    """Classes with their images, in memory. Subclasses may keep them elsewhere as well."""

    def __init__(self) -> None:
        self.classes: list[ExampleClass] = []
        self.content: dict[str, bytes] = {}
        """Each image as `tidy` made it, by id."""
        self.parts: dict[str, Part] = {}
        """Images that somebody said what they are for; of the others a share is held out."""

    def __len__(self) -> int:
        return len(self.content)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes in order."""
        return tuple(one.name for one in self.classes)

    def find(self, key: str) -> ExampleClass:
        """The class with this key. DataError if it is gone."""
        for one in self.classes:
            if one.key == key:
                return one
        raise DataError("This class is no longer there.")

    # ---------------------------------------------------------------- changing

    def add_class(self, name: str, key: str | None = None) -> ExampleClass:
        """A new class without images. SettingsError if the name is empty, too long or taken, or it is one
        too many."""
        if len(self.classes) >= MOST_CLASSES:
            raise SettingsError(f"There can be {MOST_CLASSES} classes at most; remove one first.")
        made = ExampleClass(key or secrets.token_hex(4), self._free(name))
        self.classes.append(made)
        return made

    def rename(self, key: str, name: str) -> None:
        """Call a class something else. SettingsError as in `add_class`."""
        one = self.find(key)
        one.name = self._free(name, but=one)

    def remove_class(self, key: str) -> None:
        """Remove a class with all its images."""
        one = self.find(key)
        self.classes.remove(one)
        for example in one.ids:
            self._forget(example)

    def add(self, key: str, source: Image.Image | bytes | str | Path, part: Part | None = None) -> str | None:
        """Add an image to a class; its id, or None if the same image is there already.

        DataError if it is no picture, or there are too many.
        """
        one = self.find(key)
        if len(self.content) >= MOST_EXAMPLES:
            raise DataError(f"There can be {MOST_EXAMPLES:,} images at most; remove some first.")
        content = tidy(source)
        example = id_of(content)
        if example in self.content:
            return None
        self._keep(example, content)
        one.ids.append(example)
        if part is not None:
            self.parts[example] = part
        return example

    def remove(self, example: str) -> None:
        """Remove an image. DataError if it is gone."""
        for one in self.classes:
            if example in one.ids:
                one.ids.remove(example)
                self._forget(example)
                return
        raise DataError("This image is no longer there.")

    def _free(self, name: str, but: ExampleClass | None = None) -> str:
        cleaned = " ".join(name.split())
        if not cleaned:
            raise SettingsError("A class needs a name.")
        if len(cleaned) > NAME_LENGTH:
            raise SettingsError(f"The name of a class may have {NAME_LENGTH} characters at most.")
        if any(one.name == cleaned for one in self.classes if one is not but):
            raise SettingsError(f'There is a class "{cleaned}" already; choose another name.')
        return cleaned

    def _keep(self, example: str, content: bytes) -> None:
        self.content[example] = content

    def _forget(self, example: str) -> None:
        self.content.pop(example, None)
        self.parts.pop(example, None)

    # ---------------------------------------------------------------- taking part

    def check(self) -> None:
        """DataError with one sentence if nothing can be learned from this yet."""
        if not self.classes:
            raise DataError("There are no classes yet; add at least two, and give each some images.")
        if len(self.classes) < FEWEST_CLASSES:
            raise DataError(
                f'There is only one class, "{self.classes[0].name}"; add a second one, so that there is '
                "something to tell apart."
            )
        for one in self.classes:
            if not one.ids:
                raise DataError(f'The class "{one.name}" has no images; add some, or remove the class.')
        items = self.items()
        for label, one in enumerate(self.classes):
            if not any(item.label == label and item.part == "train" for item in items):
                raise DataError(f'The class "{one.name}" has no images to learn from; add some.')
        if not any(item.part == "test" for item in items):
            raise DataError("Every class has only one image; give each at least two, so that one can test.")

    def items(self, held_out: float = 0.2, seed: int = 0) -> list[Item]:
        """All images with their class and part, class by class.

        Of each class the share ``held_out`` is for testing: at least one of two images, and never all. Which
        ones follows from their content and ``seed`` alone, so that removing one hardly moves the others.
        """
        found: list[Item] = []
        for label, one in enumerate(self.classes):
            free = [example for example in one.ids if example not in self.parts]
            count = min(max(round(len(free) * held_out), 1), len(free) - 1) if len(free) > 1 else 0
            if len(free) < len(one.ids):
                count = 0  # somebody has sorted them
            drawn = sorted(free, key=lambda example: hashlib.sha256(f"{seed}:{example}".encode()).digest())
            tested = set(drawn[:count])
            for example in one.ids:
                part: Part = self.parts.get(example) or ("test" if example in tested else "train")
                found.append(Item(example, label, part))
        return found


def fill_from(
    examples: Examples, path: str | Path, *, called: str | None = None, progress: Report | None = None
) -> Found:
    """Add the images of a folder with a folder per class, or of a zip of that; classes are made as needed.

    Folders ``train`` and ``test`` are understood as in `convolab.datasets.import_images`. Raises DataError if
    there is nothing of this kind, the zip is unsafe, or there are too many classes or images.
    """
    path = Path(path).expanduser()
    called = called or path.name or str(path)
    found = Found()
    with archive.entries(path, called) as entries:
        layout = read_layout(entries, called)
        keys = list(_classes_of(examples, layout.classes, called))
        meter = Meter(progress, f"Reading {len(layout.files):,} files", len(layout.files))
        for entry, label, part in layout.files:
            try:
                content = _small(entry.read())
                taken: Part | None = "test" if part == "test" else "train" if part == "train" else None
                if examples.add(keys[label], content, taken) is None:
                    found.known += 1
                else:
                    found.added += 1
            except (Unreadable, archive.EntryError) as error:
                found.unreadable.append(f"{entry.path}: {error}")
            meter.add(1)
    if not found.added and not found.known:
        raise DataError(f"None of the {len(layout.files):,} files in {called} can be read as a picture.")
    return found


def _small(content: bytes) -> Image.Image:
    """A picture decoded no larger than needed, which is several times faster for photographs."""
    picture = decode(io.BytesIO(content), at_least=2 * SIDE)
    if min(picture.size) < SMALLEST:
        raise Unreadable(f"it has {picture.width}×{picture.height} pixels, fewer than {SMALLEST} a side")
    return picture


def _classes_of(examples: Examples, names: tuple[str, ...], called: str) -> Iterator[str]:
    """Keys of the classes with these names; those that are not there are made, if there is room for all."""
    wanted = [" ".join(name.split())[:NAME_LENGTH].strip() or "unnamed" for name in names]
    there = {one.name: one.key for one in examples.classes}
    if len(set(wanted) | set(there)) > MOST_CLASSES:
        raise DataError(
            f"There are {len(names)} classes in {called}; {MOST_CLASSES} are possible at most. "
            "Give a folder with fewer."
        )
    for name in wanted:
        if name not in there:
            there[name] = examples.add_class(name).key
        yield there[name]
