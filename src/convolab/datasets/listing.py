"""The catalogue: which data sets there are, and which of them are here. Quick: no NumPy, no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from convolab.datasets import store
from convolab.datasets.builtin import BUILT_INS
from convolab.errors import DataError, unknown
from convolab.home import datasets_dir


@dataclass(frozen=True)
class DatasetInfo:
    """What is known of a data set without reading it."""

    name: str
    title: str
    classes: tuple[str, ...]
    input_shape: tuple[int, int, int]
    train_size: int
    test_size: int
    present: bool
    """Whether it lies on this machine's disk."""
    bytes: int
    """Its size on the disk; 0 if it is not here."""
    own: bool
    """Whether it was made of the user's own images."""
    download_bytes: int = 0
    """About how much would be downloaded to get it; 0 if it is here."""


def catalogue() -> list[DatasetInfo]:
    """The built-in data sets, then those of the user's own images by name. Damaged own ones are left out."""
    found = [_built_in(name) for name in BUILT_INS]
    if store.own_dir().is_dir():
        for folder in sorted(store.own_dir().iterdir()):
            if folder.name.startswith(".") or folder.name in BUILT_INS:
                continue
            try:
                found.append(_own(folder))
            except DataError:
                continue
    return found


def info(name: str) -> DatasetInfo:
    """One entry of the catalogue. Raises DataError with the nearest valid name if there is none."""
    if name in BUILT_INS:
        return _built_in(name)
    entries = {entry.name: entry for entry in catalogue()}
    if name in entries:
        return entries[name]
    folder = store.own_dir() / name
    if name and Path(name).name == name and (folder / "about.json").exists():
        store.read_about(folder)  # says what is wrong with it
    raise DataError(unknown("data set", name, entries))


def remove(name: str) -> None:
    """Remove a data set from the disk; nothing happens if a built-in one is not here.

    Own images are gone for good. Raises DataError for an unknown name or if the files cannot be removed.
    """
    if name not in BUILT_INS and not _own_folder_exists(name):
        raise DataError(unknown("data set", name, [entry.name for entry in catalogue()]))
    parent = datasets_dir() if name in BUILT_INS else store.own_dir()
    if not (parent / name).exists():
        return
    try:
        with store.lock(parent, name), store.workspace(parent, name) as aside:
            if (parent / name).exists():
                # First out of sight in one step, so that nobody ever sees half a data set.
                (parent / name).replace(aside / "removed")
    except OSError as error:
        raise DataError(f"{name} cannot be removed: {error.strerror or error}.") from None


def folder_size(folder: Path) -> int:
    """Bytes of all files below ``folder``; 0 if there is none."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def _own_folder_exists(name: str) -> bool:
    return bool(name) and Path(name).name == name and name[0] != "." and (store.own_dir() / name).is_dir()


def _built_in(name: str) -> DatasetInfo:
    item = BUILT_INS[name]
    folder = datasets_dir() / name
    present = (folder / "about.json").is_file()
    return DatasetInfo(
        item.name,
        item.title,
        item.classes,
        item.input_shape,
        item.train_size,
        item.test_size,
        present=present,
        bytes=folder_size(folder) if present else 0,
        own=False,
        download_bytes=0 if present else item.sources[-1].bytes,
    )


def _own(folder: Path) -> DatasetInfo:
    about = store.read_about(folder)
    channels, height, width = about["input_shape"]
    return DatasetInfo(
        folder.name,
        about["title"],
        tuple(about["classes"]),
        (channels, height, width),
        about["train_size"],
        about["test_size"],
        present=True,
        bytes=folder_size(folder),
        own=True,
    )
