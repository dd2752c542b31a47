"""Figures and states of a run in words: honest numbers, whole sentences."""

from __future__ import annotations

import math


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
