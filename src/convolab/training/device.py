"""Where the arithmetic runs: the device, the number of threads, and a memory error as a sentence."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Literal

import psutil
import torch

from convolab.errors import SettingsError

_most: ContextVar[int] = ContextVar("most_cores", default=1_000_000)


def choose_device(wanted: Literal["auto", "cpu", "cuda", "mps"] = "auto") -> torch.device:
    """The device asked for, or with ``auto`` CUDA, else Apple's MPS, else the CPU.

    SettingsError if it was asked for by name and is not there.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return torch.device(next(name for name, usable in there.items() if usable))
    if not there[wanted]:
        usable = " or ".join(name for name, ok in there.items() if ok)
        raise SettingsError(
            f'This machine has no device "{wanted}" that PyTorch can use; choose auto or {usable}.'
        )
    return torch.device(wanted)


def usable_cores() -> int:
    """Processor cores this process may use: its affinity and its container's quota, at least 1.

    ``CONVOLAB_THREADS`` overrides it, for several workers that share one machine.
    """
    chosen = os.environ.get("CONVOLAB_THREADS", "")
    if chosen:
        if not chosen.isdecimal() or not int(chosen):
            raise SettingsError(f'CONVOLAB_THREADS must be a whole number above 0, not "{chosen}".')
        return min(int(chosen), _most.get())
    logical = os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else logical
    return max(1, min(allowed, _physical() or logical, _quota() or allowed, _most.get()))


@contextmanager
def at_most(cores: int) -> Iterator[None]:
    """Within it `usable_cores` is at most so many, in this thread: where something else needs the others."""
    token = _most.set(max(1, cores))
    try:
        yield
    finally:
        _most.reset(token)


# Both are read from files, which takes longer than a small convolution.
@functools.cache
def _physical() -> int | None:
    """Cores without hyperthreading: two hardware threads of one core share its multipliers."""
    found: int | None = psutil.cpu_count(logical=False)
    return found


@functools.cache
def _quota() -> int | None:
    """Cores that a Linux control group allows, rounded up; None where there is no limit to read."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return math.ceil(int(quota) / int(period))
    except (OSError, ValueError):
        return None


def use_all_cores() -> int:
    """Let PyTorch use `usable_cores` threads in the calling thread; returns how many.

    Job workers start with OMP_NUM_THREADS=1, so the number has to be set by hand; OpenMP keeps it per
    calling thread, so this belongs in the thread that trains.
    """
    threads = usable_cores()
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    return threads


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all that it was given, so that a clock reads the truth."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether PyTorch or Python failed for want of memory."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)
