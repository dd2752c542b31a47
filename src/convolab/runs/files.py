"""What the files of a run need: written whole or not at all, locks, who lives, the time."""

from __future__ import annotations

import contextlib
import os
import platform
import threading
from datetime import UTC, datetime
from pathlib import Path

import psutil
from filelock import FileLock, Timeout


def now() -> str:
    """The present as UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def whoami() -> str:
    """``ada at workstation``: who asks, for the record."""
    try:
        user = psutil.Process().username()
    except (psutil.Error, KeyError):
        user = "someone"
    return f"{user} at {platform.node()}"


def why(error: OSError) -> str:
    """The system's complaint in lower case: ``no space left on device``."""
    return (error.strerror or str(error) or type(error).__name__).lower()


def replace_text(path: Path, text: str, *, durable: bool = False) -> None:
    """Write a file so that a reader sees the old or the new content, never half of one. Raises OSError."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with unfinished.open("w", encoding="utf-8") as file:
            file.write(text)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise


def is_locked(path: Path) -> bool:
    """Whether a living process holds the lock file at ``path``."""
    try:
        import fcntl
    except ImportError:  # Windows: there, looking means trying
        lock = FileLock(path, thread_local=False)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return True
        lock.release()
        return False
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        # A shared lock, so that two who look at once do not take each other for the holder.
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(handle)


def process_start(pid: int) -> float:
    """When a process began, in seconds since 1970; 0 if there is none. With its number it names a process."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return 0.0


def lives(pid: int, started: float, machine: str) -> bool:
    """Whether a process is still there; one on another machine is taken to be."""
    return machine != platform.node() or abs(process_start(pid) - started) < 1.0
