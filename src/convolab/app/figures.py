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


def duration(seconds: float) -> str:
    """``0.4 s``, ``12 s``, ``2 min 5 s``, ``1 h 20 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 119.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 10:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def left(seconds: float) -> str:
    """``about 5 s left``: an estimate, and said to be one."""
    if seconds < 1:
        return "about 1 s left"
    whole = round(seconds)
    return f"about {duration(float(whole) if whole >= 10 else whole).replace('.0 s', ' s')} left"


def loss(value: float) -> str:
    """Three figures after the point where they matter: ``0.093``, ``2.303``, ``134``."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3f}" if value >= 0.01 else f"{value:.2g}"
