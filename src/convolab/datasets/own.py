"""A data set of the user's own images: a folder per class, or a zip of that."""

from __future__ import annotations

import contextlib
import datetime
import errno
import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from convolab.datasets import archive, store
from convolab.datasets.builtin import BUILT_INS
from convolab.datasets.layout import Layout, check_count, read_layout
from convolab.datasets.pictures import Unreadable, crop_and_resize, decode, to_pixels
from convolab.datasets.progress import Meter, Report
from convolab.errors import DataError, SettingsError

MIN_SIZE, MAX_SIZE = 8, 256
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
_CHUNK = 1000


@dataclass(frozen=True)
class ImportReport:
    """What became of the user's files."""

    name: str
    classes: tuple[str, ...]
    input_shape: tuple[int, int, int]
    train_size: int
    test_size: int
    counts: dict[str, tuple[int, int]]
    """Training and test images of each class."""
    unreadable: tuple[str, ...]
    """``path: reason`` of every file in a class's folder that is not a usable picture."""
    ignored: int
    """Files outside the folders of classes."""
    notes: tuple[str, ...]
    """What else the user may want to know, one sentence each."""


@dataclass
class _Read:
    """Pictures that were read: their pixels lie in a file, one after the other."""

    path: Path
    labels: np.ndarray
    parts: list[str | None]
    unreadable: list[str]


def import_images(
    path: str | Path,
    name: str,
    *,
    size: int = 32,
    color: bool = True,
    test_share: float = 0.2,
    seed: int = 0,
    replace: bool = False,
    called: str | None = None,
    progress: Report | None = None,
) -> ImportReport:
    """Make a data set called ``name`` of a folder with a folder of images per class, or of a zip of that.

    Each image is cropped to a centred square and resized to ``size`` × ``size`` pixels (8 to 256), in colour
    or grey. Of each class the share ``test_share`` (0 to 1, at least one image where there are two) is kept
    for testing, chosen by ``seed``, unless there are folders ``train`` and ``test``. Files that cannot be
    read are listed in the report. A data set of that name is only overwritten with ``replace``. ``called`` is
    what sentences call the folder or zip, for an upload that lies in a file with another name.

    Raises SettingsError for a wrong setting, and DataError if there is nothing to make a data set of, if a
    zip is unsafe, or if the name is taken.
    """
    path = Path(path).expanduser()
    called = called or path.name or str(path)
    _check_settings(name, size, test_share, seed)
    parent = store.own_dir()
    _check_free(parent / name, name, replace)
    try:
        with archive.entries(path, called) as entries:
            layout = read_layout(entries, called)
            with store.lock(parent, name), store.workspace(parent, name) as work:
                _check_free(parent / name, name, replace)
                read = _read_all(layout, work, size, color, progress)
                return _finish(
                    layout, read, work, name, called, (3 if color else 1, size, size), test_share, seed
                )
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DataError(f"The disk is full; make room in {parent} and import the images again.") from None
        raise DataError(
            f"The images cannot be imported: {error.strerror or error} ({error.filename})."
        ) from None


def _check_settings(name: str, size: int, test_share: float, seed: int) -> None:
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f'"{name}" cannot be the name of a data set; use up to 41 small letters, digits and hyphens, '
            "beginning with a letter or digit."
        )
    if name in BUILT_INS or name == "by-hand":
        raise SettingsError(f'The name "{name}" belongs to the lab; choose another.')
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise SettingsError(f"The images can be {MIN_SIZE} to {MAX_SIZE} pixels wide and high, not {size}.")
    if not 0 < test_share < 1:
        raise SettingsError(f"The share of test images must be between 0 and 1, not {test_share:g}.")
    if seed < 0:
        raise SettingsError(f"The seed must be at least 0, not {seed}.")


def _check_free(folder: Path, name: str, replace: bool) -> None:
    if folder.exists() and not replace:
        raise DataError(
            f'There is already a data set "{name}"; choose another name, or say that it is to be replaced.'
        )


def _read_all(layout: Layout, work: Path, size: int, color: bool, progress: Report | None) -> _Read:
    """Decode every file into one file of pixels, so that memory does not limit how many there can be."""
    meter = Meter(progress, "Reading images", sum(entry.size for entry, _, _ in layout.files))
    pixels = work / "pixels"
    labels: list[int] = []
    parts: list[str | None] = []
    unreadable: list[str] = []
    with pixels.open("wb") as file:
        for entry, label, part in layout.files:
            try:
                picture = decode(io.BytesIO(entry.read()), at_least=2 * size)
            except (Unreadable, archive.EntryError) as error:
                unreadable.append(f"{entry.path}: {error}")
            else:
                file.write(to_pixels(crop_and_resize(picture, size, size), 3 if color else 1).tobytes())
                labels.append(label)
                parts.append(part)
            meter.add(entry.size)
    return _Read(pixels, np.array(labels, dtype=np.int64), parts, unreadable)


def _finish(
    layout: Layout,
    read: _Read,
    work: Path,
    name: str,
    source: str,
    shape: tuple[int, int, int],
    test_share: float,
    seed: int,
) -> ImportReport:
    if not len(read.labels):
        raise DataError(f"None of the {len(layout.files):,} files in {source} can be read as a picture.")
    notes = list(layout.notes)
    kept = np.unique(read.labels)
    lost = [layout.classes[label] for label in range(len(layout.classes)) if label not in kept]
    classes = tuple(layout.classes[label] for label in kept)
    if lost:
        notes.append(f"Left out, because no picture in it can be read: {', '.join(lost)}.")
    check_count(list(classes), source)
    labels = np.searchsorted(kept, read.labels)
    test = _split(labels, read.parts, len(classes), test_share, seed)
    train_counts = np.bincount(labels[~test], minlength=len(classes))
    test_counts = np.bincount(labels[test], minlength=len(classes))
    untrained = [classes[label] for label in np.flatnonzero(train_counts == 0)]
    if untrained:
        raise DataError(f"There are no training images of {', '.join(untrained)} in {source}; add some.")
    if not test.any():
        raise DataError(f"Every class in {source} has only one image; give each at least two.")
    untested = [classes[label] for label in np.flatnonzero(test_counts == 0)]
    if untested:
        notes.append(f"No image is left for testing of: {', '.join(untested)}; give each class two or more.")
    _write(read, labels, test, work / "ready", shape, seed)
    store.write_about(
        work / "ready",
        name=name,
        title=name,
        classes=classes,
        input_shape=shape,
        train_size=int((~test).sum()),
        test_size=int(test.sum()),
        own=True,
        source=source,
        made=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        settings={"size": shape[1], "color": shape[0] == 3, "test_share": test_share, "seed": seed},
    )
    store.publish(work / "ready", store.own_dir() / name)
    return ImportReport(
        name,
        classes,
        shape,
        int((~test).sum()),
        int(test.sum()),
        {
            label: (int(train), int(tested))
            for label, train, tested in zip(classes, train_counts, test_counts, strict=True)
        },
        tuple(read.unreadable),
        layout.ignored,
        tuple(notes),
    )


def _split(
    labels: np.ndarray, parts: list[str | None], classes: int, test_share: float, seed: int
) -> np.ndarray:
    """bool (N,): which images are for testing."""
    test = np.array([part == "test" for part in parts])
    if any(part is not None for part in parts):
        return test
    for label in range(classes):
        members = np.flatnonzero(labels == label)
        if len(members) > 1:
            count = min(max(round(len(members) * test_share), 1), len(members) - 1)
            test[np.random.default_rng([seed, label]).permutation(members)[:count]] = True
    return test


def _write(
    read: _Read, labels: np.ndarray, test: np.ndarray, folder: Path, shape: tuple[int, int, int], seed: int
) -> None:
    """Write the four arrays, each in a random order, so that any first few images are of several classes."""
    folder.mkdir()
    pixels = np.memmap(read.path, np.uint8, "r", shape=(len(labels), *shape))
    for index, (split, chosen) in enumerate((("train", ~test), ("test", test))):
        order = np.random.default_rng([seed, index, 1]).permutation(np.flatnonzero(chosen))
        target = np.lib.format.open_memmap(
            folder / f"{split}_images.npy", "w+", np.uint8, (len(order), *shape)
        )
        for start in range(0, len(order), _CHUNK):
            target[start : start + _CHUNK] = pixels[order[start : start + _CHUNK]]
        target.flush()
        np.save(folder / f"{split}_labels.npy", labels[order].astype(np.int64))
    del pixels
    with contextlib.suppress(OSError):
        read.path.unlink()
