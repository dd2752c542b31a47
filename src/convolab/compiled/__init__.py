"""What loops that Numba compiles have in common: numbers in bf16, lines of maps, and how they are found."""

from __future__ import annotations

import functools
import importlib
from typing import Any


@functools.cache
def loops(module: str) -> Any:
    """The compiled loops of ``module``, or None where Numba cannot be used."""
    try:
        return importlib.import_module(module)
    except Exception:  # not installed, or not for this Python, NumPy or processor: then it is merely slower
        return None
