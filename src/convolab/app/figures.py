"""Figures and states of a run in words: honest numbers, whole sentences."""

from __future__ import annotations

import math
from typing import Any


def percent(share: float, digits: int = 1) -> str:
    """``97.1 %``. What is not quite all, or not quite nothing, is never rounded to 100 or 0."""
    unit = 10**digits
    shown = math.floor(share * 100 * unit + 0.5) / unit  # as the browser rounds
    if share < 1 and shown >= 100:
        shown = 100 - 1 / unit
    if share > 0 and shown <= 0:
        return f"< {1 / unit:.{digits}f} %"
    return f"{shown:.{digits}f} %"


def loss(value: float) -> str:
    """Three figures after the point where they matter: ``0.093``, ``2.303``, ``134``."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3f}" if value >= 0.01 else f"{value:.2g}"


def finite(value: float | None) -> float | None:
    """The value, or None where it is not a number that JSON knows: a loss that overflowed, say."""
    return value if value is not None and math.isfinite(value) else None


def plain(content: Any) -> Any:
    """The same content with None for each number that JSON does not know, however deep inside."""
    if isinstance(content, float):
        return finite(content)
    if isinstance(content, dict):
        return {name: plain(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [plain(value) for value in content]
    return content
