"""Fetching a built-in data set: the first source that answers, checked, converted, and put in place whole.

`fetch_whole` does the same for anything else that has sources: the weights of feature networks.
"""

from __future__ import annotations

import datetime
import errno
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import Timeout

from convolab.datasets import store
from convolab.datasets.builtin import PARTS, BuiltIn
from convolab.datasets.progress import Meter, Report
from convolab.datasets.sources import ByHand, Source, SourceFailed
from convolab.errors import DataError
from convolab.home import datasets_dir

if TYPE_CHECKING:
    import numpy as np


def hand_folder(name: str) -> Path:
    """Where files put by hand are looked for."""
    return datasets_dir() / "by-hand" / name


def fetch(item: BuiltIn, progress: Report | None = None) -> Path:
    """The folder of the converted data set, fetched if it is not whole already.

    Safe to call from several processes at once: one fetches, the others wait for it. Raises DataError that
    lists each source with the reason it failed.
    """
    target = datasets_dir() / item.name
    fetch_whole(
        item.name,
        item.title,
        item.sources,
        whole=lambda: _is_whole(target),
        receive=lambda source, work: _from_source(item, source, work, target, progress),
        room=_room(item),
        progress=progress,
    )
    return target


def fetch_whole(
    name: str,
    title: str,
    sources: Sequence[Source],
    *,
    whole: Callable[[], bool],
    receive: Callable[[Source, Path], None],
    room: str,
    progress: Report | None = None,
) -> None:
    """Let ``receive(source, work)`` bring something that can be fetched from the first source that answers.

    Nothing happens where it is ``whole`` already. ``receive`` raises SourceFailed for a source that does not
    do; ``work`` is a folder of its own, beside the data sets. Files put into ``hand_folder(name)`` are tried
    first. Safe to call from several processes at once. Raises DataError that lists each source and why not.
    """
    if whole():
        return
    parent = datasets_dir()
    lock = store.lock(parent, name)
    waiting: Meter | None = None
    while True:
        try:
            lock.acquire(timeout=0.5)
            break
        except Timeout:
            waiting = waiting or Meter(progress, f"Waiting for another process that is fetching {title}")
            waiting.at(0)
        except OSError as error:
            raise DataError(f"The folder {parent} cannot be written: {error.strerror}.") from None
    try:
        if not whole():
            _first_that_does(name, title, sources, receive, room)
    finally:
        lock.release()


def _is_whole(folder: Path) -> bool:
    try:
        return store.damage(folder, store.read_about(folder)) is None
    except DataError:
        return False


def _first_that_does(
    name: str, title: str, sources: Sequence[Source], receive: Callable[[Source, Path], None], room: str
) -> None:
    parent = datasets_dir()
    by_hand = ByHand(hand_folder(name))
    failures: list[str] = []
    try:
        for source in [by_hand, *sources] if by_hand.bytes else sources:
            with store.workspace(parent, name) as work:
                try:
                    receive(source, work)
                except SourceFailed as error:
                    failures.append(f"{source.title}: {error}")
                else:
                    return
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DataError(
                f"The disk is full: {title} needs {room} in {parent}; make room and try again."
            ) from None
        raise DataError(f"{title} cannot be kept in {parent}: {error.strerror or error}.") from None
    ways = "; or ".join(source.by_hand for source in sources)
    raise DataError(
        f"{title} could not be fetched. Tried: {'; '.join(failures)}. "
        f"To bring it by hand, on any machine {ways}; "
        f"then put the files into {hand_folder(name)} and try again."
    )


def _from_source(item: BuiltIn, source: Source, work: Path, target: Path, progress: Report | None) -> None:
    from convolab.datasets.decode import DecodeError, decode

    arrived, ready = work / "arrived", work / "ready"
    arrived.mkdir()
    ready.mkdir()
    source.fetch(arrived, Meter(progress, f"Fetching {item.title} from {source.title}", source.bytes))
    total = sum(path.stat().st_size for path in arrived.rglob("*") if path.is_file())
    meter = Meter(progress, f"Checking and converting {item.title}", total)
    try:
        parts = decode(item, arrived)
    except DecodeError as error:
        raise SourceFailed(str(error)) from None
    _check(item, parts)
    _write(parts, ready)
    store.write_about(
        ready,
        name=item.name,
        title=item.title,
        classes=item.classes,
        input_shape=item.input_shape,
        train_size=item.train_size,
        test_size=item.test_size,
        own=False,
        source=source.title,
        made=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
    store.publish(ready, target)
    meter.at(total)


def _check(item: BuiltIn, parts: dict[str, np.ndarray]) -> None:
    """Size and SHA-256 of the decoded content, the same for every source."""
    for part in PARTS:
        count = item.train_size if part.startswith("train") else item.test_size
        shape = (count, *item.input_shape) if part.endswith("images") else (count,)
        if parts[part].shape != shape:
            raise SourceFailed(
                f"its {part.replace('_', ' ')} have the shape {parts[part].shape}, not {shape}"
            )
        if store.digest(parts[part]) != item.digests[part]:
            raise SourceFailed(
                f"its {part.replace('_', ' ')} are not those of {item.title} (another SHA-256)"
            )


def _write(parts: dict[str, np.ndarray], folder: Path) -> None:
    import numpy as np

    for part in PARTS:
        kind = np.uint8 if part.endswith("images") else np.int64
        np.save(folder / f"{part}.npy", np.ascontiguousarray(parts[part], dtype=kind), allow_pickle=False)


def _room(item: BuiltIn) -> str:
    channels, height, width = item.input_shape
    content = (item.train_size + item.test_size) * channels * height * width
    return f"about {(content + 2 * max(source.bytes for source in item.sources)) / 1e6:.0f} MB"
