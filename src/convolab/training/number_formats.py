"""The number format that a job gets on this machine: tried once, then remembered in the lab's home.

Tried anew each time, a job for which bf16 hardly pays would get it today and not tomorrow, as the clock has
it, and the same seed would give two pictures.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch

from convolab.home import home

FILE = "number_formats.json"
"""In the lab's home. Whoever deletes it has everything tried anew."""
MOST = 1000
"""Jobs that are remembered; the newest stay."""

_unsaved: dict[str, Precision] = {}
"""What this process alone remembers, because the home cannot be written to."""
_lock = threading.Lock()


@dataclass(frozen=True)
class Precision:
    """What was chosen, and why in one sentence."""

    name: Literal["fp32", "bf16"]
    reason: str


def decided_once(job: str, device: torch.device, decide: Callable[[], Precision]) -> Precision:
    """What ``decide`` says, or what it said when this machine was asked about ``job`` for the first time.

    ``job`` is a text that two jobs share only if they cost the same: layers and shapes.
    """
    key = f"{_machine(device)}: {job}"
    with _lock:
        return _unsaved.get(key) or _read().get(key) or _remember(key, decide())


def _machine(device: torch.device) -> str:
    if device.type == "cuda":
        processor = torch.cuda.get_device_name(device)
    else:
        processor = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    return f"{processor}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def _file() -> Path:
    return home() / FILE


def _read() -> dict[str, Precision]:
    """Nothing if there is no such file, or none of ours: then all is tried anew."""
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        found = json.loads(_file().read_text("utf-8"))
        return {
            key: Precision(value["name"], str(value["reason"]))
            for key, value in found.items()
            if isinstance(value, dict) and value.get("name") in ("fp32", "bf16") and "reason" in value
        }
    return {}


def _remember(key: str, precision: Precision) -> Precision:
    """What another process has decided in the meantime goes first."""
    known = _read()
    kept = known.setdefault(key, precision)
    newest = dict(list(known.items())[-MOST:])
    text = json.dumps({name: asdict(value) for name, value in newest.items()}, indent=1, ensure_ascii=False)
    unfinished = _file().with_name(f".{FILE}.{os.getpid()}")
    try:
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(text, "utf-8")
        unfinished.replace(_file())
    except OSError:
        _unsaved[key] = kept
    return kept
