"""The threads of the room: one looks at pictures, one trains heads, so that neither waits for the other."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from convolab.errors import ConvolabError
from convolab.runs.folder import RunFolder
from convolab.style.vgg import VGGS

if TYPE_CHECKING:
    from convolab.datasets.progress import Report
    from convolab.teach.bases import Base

T = TypeVar("T")
_LOOKING = ThreadPoolExecutor(1, "convolab-teach-look")
"""One picture at a time on all cores; live pictures and examples take turns."""
_LEARNING = ThreadPoolExecutor(1, "convolab-teach-learn")
"""Heads are small: one core is plenty."""
_KEPT = 2
"""Base networks in memory: VGG-16 takes half a gigabyte with its transformed filters."""
_bases: dict[tuple[str, int], Base] = {}
_lock = threading.Lock()


async def looking(function: Callable[..., T], *arguments: Any) -> T:
    """``function(*arguments)`` where pictures are looked at."""
    return await asyncio.get_running_loop().run_in_executor(_LOOKING, function, *arguments)


async def learning(function: Callable[..., T], *arguments: Any) -> T:
    """``function(*arguments)`` where heads are trained."""
    return await asyncio.get_running_loop().run_in_executor(_LEARNING, function, *arguments)


@functools.cache
def ready() -> None:
    """Load what training a head needs, and train one: that takes seconds the first time, else half of one."""
    import numpy as np

    from convolab.runs.tracking import client
    from convolab.teach.heads import fit, head_network, head_settings
    from convolab.teach.scaling import Scaling, as_dataset

    with contextlib.suppress(ConvolabError):  # whoever trains is told
        client()
    features = np.arange(32, dtype=np.float32).reshape(4, 8)
    scaling, labels = Scaling.of(features), np.array([0, 1, 0, 1])
    data = as_dataset("warm", "Warm", ("a", "b"), scaling, (features, labels), (features, labels))
    fit(data, head_network("linear", scaling.grid, 2), head_settings(4).changed(batches=2))


def base(name: str, progress: Report | None = None) -> Base:
    """The base network of this name, kept in memory. Takes seconds the first time, or a download."""
    from convolab.teach.bases import open_base

    key = (name, _stamp(name))
    with _lock:
        if key in _bases:
            return _bases[key]
    made = open_base(name, progress)
    with _lock:
        _bases.pop(key, None)
        while len(_bases) >= _KEPT:
            _bases.pop(next(iter(_bases)))
        _bases[key] = made
    return made


def base_choices() -> list[tuple[str, str]]:
    """Names and titles of the bases: VGG, then the runs that have weights, newest first."""
    from convolab.runs.store import runs_here
    from convolab.teach.bases import RUN

    found = [(name, network.title) for name, network in VGGS.items()]
    for info in runs_here():
        if "teach" not in info.tags and RunFolder(info.run_id).weights_path.exists():
            found.append((RUN + info.run_id, info.name))
    return found


def _stamp(name: str) -> int:
    """Changes with the weights of a run."""
    from convolab.teach.bases import RUN

    if not name.startswith(RUN):
        return 0
    try:
        return RunFolder(name.removeprefix(RUN)).weights_path.stat().st_mtime_ns
    except (OSError, ConvolabError):
        return 0
