"""How data sets lie on the disk: four ``.npy`` files and ``about.json``, in a folder that appears whole."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from convolab.datasets.builtin import PARTS
from convolab.errors import DataError
from convolab.home import home

_FORMAT = 1


def own_dir() -> Path:
    """Folder of the data sets made of the user's own images."""
    return home() / "images"


def read_about(folder: Path) -> dict[str, Any]:
    """What ``about.json`` says of a data set. Raises DataError if it cannot be used."""
    try:
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        if about["format"] != _FORMAT:
            raise DataError(
                f"The data set in {folder} was written by another version of convolab; "
                "remove it and make it again."
            )
        numbers = [*about["input_shape"], about["train_size"], about["test_size"]]
        numbers += [about["files"][part]["bytes"] for part in PARTS]
        if len(numbers) != 5 + len(PARTS) or not all(isinstance(n, int) and n > 0 for n in numbers):
            raise ValueError("a number")
        texts = [about["title"], *about["classes"], *(about["files"][part]["sha256"] for part in PARTS)]
        if len(about["classes"]) < 2 or not all(isinstance(text, str) for text in texts):
            raise ValueError("a text")
    except (OSError, ValueError, KeyError, TypeError):
        raise DataError(
            f"The data set in {folder} is damaged (about.json); remove the folder and get it again."
        ) from None
    return about


def damage(folder: Path, about: dict[str, Any]) -> str | None:
    """What is wrong with the files at a glance (presence and length), or None."""
    for part in PARTS:
        path = folder / f"{part}.npy"
        expected = about["files"][part]["bytes"]
        if not path.is_file():
            return f"{path.name} is missing"
        if path.stat().st_size != expected:
            return f"{path.name} has {path.stat().st_size:,} bytes instead of {expected:,}"
    return None


def digest(array: Any) -> str:
    """SHA-256 of the values as uint8 in C order, so that it does not depend on the integer type of labels."""
    import numpy as np

    found = hashlib.sha256()
    for start in range(0, len(array), 4096):
        chunk = np.asarray(array[start : start + 4096])
        if chunk.dtype != np.uint8 and chunk.size and not 0 <= chunk.min() <= chunk.max() <= 255:
            found.update(b"out of range")
        found.update(np.ascontiguousarray(chunk, dtype=np.uint8).data)
    return found.hexdigest()


def write_about(folder: Path, **facts: Any) -> None:
    """Write ``about.json`` for the four arrays that lie in ``folder``, with their lengths and SHA-256."""
    import numpy as np

    files = {}
    for part in PARTS:
        path = folder / f"{part}.npy"
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        files[part] = {"bytes": path.stat().st_size, "sha256": digest(array)}
    about = {"format": _FORMAT, **facts, "files": files}
    (folder / "about.json").write_text(json.dumps(about, indent=1, ensure_ascii=False), encoding="utf-8")


@contextlib.contextmanager
def workspace(parent: Path, name: str) -> Iterator[Path]:
    """A temporary folder beside the data sets, gone afterwards. The caller holds the data set's lock.

    Folders left by killed processes are removed too: who holds the lock knows that nobody uses them.
    """
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.glob(f".{name}-*.part"):
        shutil.rmtree(left, ignore_errors=True)
    folder = parent / f".{name}-{uuid.uuid4().hex[:8]}.part"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(ready: Path, target: Path) -> None:
    """Put the finished folder in its place at once; what was there is set aside in the workspace."""
    if target.exists():
        target.replace(ready.parent / "replaced")
    ready.replace(target)


def lock(parent: Path, name: str) -> Any:
    """A lock between processes for everything that changes one data set."""
    from filelock import FileLock

    try:
        parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"The folder {parent} for data sets cannot be made: {error.strerror}. "
            "Choose another with CONVOLAB_DATA."
        ) from None
    return FileLock(parent / f".{name}.lock")
