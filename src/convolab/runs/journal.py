"""What is written about a job under way, whatever its kind: events, state, and what a full disk leads to."""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import Any, Protocol

from convolab.runs.files import why
from convolab.runs.job_folder import JobFolder, State

STATE_SECONDS = 1.0
"""At least so long between two writings of the figures."""


class Holding(Protocol):
    """What a journal asks of a job's control."""

    def hold(self) -> None:
        """Stay paused until someone asks to resume, even if that cannot be noted."""
        ...


class Journal:
    """Writes a job's events and state; where the disk is full, it makes the job pause."""

    def __init__(self, folder: JobFolder, control: Holding) -> None:
        self.job = folder
        self.figures = folder.written_state().figures
        self.state: State = "running"
        self.reason = ""
        self.trouble = ""
        """Why the disk made the job pause; a sentence, or nothing."""
        self._control = control
        self._file = os.open(folder.events_path, os.O_RDWR | os.O_CREAT, 0o644)
        self._end = _cut_half_line(self._file)
        self._pending = b""
        self._state_at = -1e9
        self.reserve()

    def reserve(self) -> None:
        """Set room aside for the last words; the job pauses if there is none."""
        try:
            self.job.make_reserve()
        except OSError as error:
            self._hold(error)

    def append(self, event: dict[str, Any]) -> None:
        """Write one event, with the time."""
        entry = {"time": round(time.time(), 3), **event}
        self._pending += json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        try:
            self._flush()
        except OSError as error:
            self._hold(error)
            with contextlib.suppress(OSError):  # the reserve has made some room
                self._flush()

    def write_state(self, state: State | None = None, reason: str = "") -> None:
        """Note how the job stands, now."""
        if state is not None:
            self.state, self.reason = state, reason
        self._state_at = time.monotonic()
        try:
            self.job.set_state(self.state, self.reason, self.figures)
        except OSError as error:
            if self.state in ("running", "paused"):
                self._hold(error)
            else:  # the end: no later chance
                self.job.give_up_reserve()
                with contextlib.suppress(OSError):
                    self.job.set_state(self.state, self.reason, self.figures)

    def state_is_due(self) -> bool:
        """Whether the figures were written long ago."""
        return time.monotonic() - self._state_at >= STATE_SECONDS

    def close(self) -> None:
        """Write what is left, and close the file."""
        with contextlib.suppress(OSError):
            self._flush()
        os.close(self._file)

    def _flush(self) -> None:
        # A full disk may take half a line; the rest stays pending from its first missing byte on.
        while self._pending:
            written = os.pwrite(self._file, self._pending, self._end)
            self._end += written
            self._pending = self._pending[written:]

    def _hold(self, error: OSError) -> None:
        """The disk does not take any more: pause, with a sentence, until someone has made room."""
        reason = why(error)
        self.trouble = (
            f"The {self.job.what}'s folder {self.job.path} cannot be written ({reason}); "
            "nothing is lost. Make room and press Resume."
        )
        self.job.give_up_reserve()
        self._control.hold()
        self.state, self.reason = "paused", self.trouble
        with contextlib.suppress(OSError):
            self.job.set_state(self.state, self.reason, self.figures)


def _cut_half_line(file: int) -> int:
    """Cut a last line that a killed process left unfinished; returns where to go on."""
    size = end = os.fstat(file).st_size
    while end > 0:
        start = max(0, end - 65536)
        found = os.pread(file, end - start, start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    if end < size:
        os.ftruncate(file, end)
    return end
