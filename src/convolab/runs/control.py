"""Steering a run through its folder: what is wanted of it, noted in a small file that the loop watches."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, ValidationError

from convolab.errors import SettingsError
from convolab.runs.files import replace_text
from convolab.style.control import checked_weights
from convolab.training.control import Commands, checked_learning_rate


class Wishes(BaseModel):
    """The content of ``control.json``."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    paused: bool = False
    stop: bool = False
    steps: int = 0
    """Batches to run though paused that the loop has not fetched yet."""
    learning_rate: float | None = None
    release: bool = False
    weight: float | None = None
    style_weights: tuple[float, ...] | None = None
    tv: float | None = None
    """Of a transfer: `convolab.style.control.TransferCommands`."""
    by: str = ""
    """Who asked for the stop."""


def read_wishes(path: Path) -> Wishes:
    """The wishes noted in a file; none if there is no such file."""
    try:
        return Wishes.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return Wishes()


def change_wishes(
    path: Path,
    *,
    paused: bool | None = None,
    stop: bool | None = None,
    steps: int | None = None,
    learning_rate: float | None = None,
    release: bool | None = None,
    weight: float | None = None,
    style_weights: tuple[float, ...] | None = None,
    tv: float | None = None,
    by: str = "",
    make_room: Callable[[], None] = lambda: None,
) -> Wishes:
    """Change some wishes and leave the others. ``make_room`` is called once if the disk is full.

    Resuming (``paused=False``) forgets steps and release, unless given at the same time. Raises OSError,
    SettingsError.
    """
    changes: dict[str, object] = {}
    if paused is not None:
        changes["paused"] = paused
        if not paused:
            changes |= {"steps": 0, "release": False}
    if stop is not None:
        changes |= {"stop": stop, "by": by}
    if learning_rate is not None:
        changes["learning_rate"] = checked_learning_rate(learning_rate)
    if release is not None:
        changes["release"] = release
    checked_weights(weight, style_weights, tv)
    given = {"weight": weight, "style_weights": style_weights, "tv": tv}
    changes |= {name: value for name, value in given.items() if value is not None}
    if steps is not None and steps < 0:
        raise SettingsError(f"A step is at least 1 batch, not {steps}.")

    def write() -> Wishes:
        # Two may ask at once (two tabs, or a tab and the loop that fetches steps): neither wish may get lost.
        with FileLock(path.with_name("control.lock"), thread_local=False):
            before = read_wishes(path)
            if steps:
                waiting = int(changes.get("steps", before.steps))  # type: ignore[call-overload]
                wishes = before.model_copy(update={**changes, "paused": True, "steps": waiting + steps})
            else:
                wishes = before.model_copy(update=changes)
            # Written even if nothing changed: the loop looks at the time of the file.
            replace_text(path, wishes.model_dump_json())
        return wishes

    try:
        return write()
    except OSError:
        make_room()
        return write()


def fetch_steps(path: Path) -> int:
    """The steps that were asked for, which are forgotten by that. Raises OSError."""
    with FileLock(path.with_name("control.lock"), thread_local=False):
        wishes = read_wishes(path)
        if wishes.steps:
            replace_text(path, wishes.model_copy(update={"steps": 0}).model_dump_json())
        return wishes.steps


class FolderControl:
    """The training loop's view of ``control.json``; a `convolab.training.control.Control`.

    A look costs one ``os.stat``; the file is read only when it has changed.
    """

    def __init__(
        self, path: Path, make_room: Callable[[], None] = lambda: None, linger: float | None = None
    ) -> None:
        self._path = path
        self._make_room = make_room
        self._linger = linger
        self._paused_at: float | None = None
        self._seen: tuple[int, int, int] | None = None
        self._commands = Commands()

    def poll(self) -> Commands:
        """What is wanted now; steps are handed out once. Paused for longer than ``linger``: release."""
        try:
            found = os.stat(self._path)  # noqa: PTH116 - asked before every batch: the quickest way
        except OSError:
            return self._commands
        seen = (found.st_mtime_ns, found.st_ino, found.st_size)
        if seen != self._seen:
            self._seen = seen
            self._paused_at = None
            return self._read()
        if self._linger is not None and self._commands.paused:
            self._paused_at = self._paused_at or time.monotonic()
            if time.monotonic() - self._paused_at > self._linger:
                return replace(self._commands, release=True)
        return self._commands

    def _read(self) -> Commands:
        wishes = read_wishes(self._path)
        self._commands = Commands(
            paused=wishes.paused,
            stop=wishes.stop,
            learning_rate=wishes.learning_rate,
            release=wishes.release,
        )
        if not wishes.steps:
            return self._commands
        try:
            steps = fetch_steps(self._path)
        except OSError:
            self._make_room()
            steps = wishes.steps
            with contextlib.suppress(OSError):
                steps = fetch_steps(self._path)
        return replace(self._commands, steps=steps)

    def hold(self) -> None:
        """Training paused itself: stay paused until someone asks to resume, even if that cannot be noted."""
        self._make_room()
        try:
            change_wishes(self._path, paused=True)
        except OSError:
            self._commands = Commands(paused=True, learning_rate=self._commands.learning_rate)
