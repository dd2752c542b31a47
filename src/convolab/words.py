"""How the lab writes durations and shapes, the same everywhere."""

from __future__ import annotations


def duration(seconds: float | None) -> str:
    """``0.4 s``, ``12 s``, ``2 min 5 s``, ``1 h 20 min``; empty for None."""
    if seconds is None:
        return ""
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


def as_written(shape: tuple[int, ...]) -> tuple[int, ...]:
    """(channels, height, width) as the assignment writes it: height, width, channels."""
    return (*shape[1:], shape[0]) if len(shape) == 3 else shape


def shape_text(shape: tuple[int, ...] | None) -> str:
    """``28·28·8`` (height·width·channels), ``10``, or ``?`` where it is not known."""
    return "·".join(str(size) for size in as_written(shape)) if shape else "?"
