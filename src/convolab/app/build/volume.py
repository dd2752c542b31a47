"""A small picture of a shape: maps as a stack of squares, a flat list as a bar."""

from __future__ import annotations

import math

_SIZE = 28


def volume(shape: tuple[int, ...] | None, picture: tuple[int, ...]) -> str:
    """SVG of (channels, height, width) or (units,), to the scale of ``picture``, a shape like it.

    The side of the squares shows the side of the maps, their number (on a logarithmic scale) the channels.
    """
    parts = []
    if shape and len(shape) == 3:
        channels, height, width = shape
        largest = max(*picture[1:], height, width)
        tall, wide = (max(3.0, 18 * size / largest) for size in (height, width))
        sheets = 1 + min(5, round(math.log2(channels) * 0.75)) if channels > 1 else 1
        for sheet in reversed(range(sheets)):
            shift = 1.7 * (sheet - (sheets - 1) / 2)
            x, y = _SIZE / 2 - wide / 2 + shift, _SIZE / 2 - tall / 2 - shift
            parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{tall:.1f}" rx="1"/>')
    elif shape:
        tall = min(26.0, 6 + 2.2 * math.log2(max(1, math.prod(shape))))
        top = _SIZE / 2 - tall / 2
        parts.append(f'<rect x="{_SIZE / 2 - 2:.1f}" y="{top:.1f}" width="4" height="{tall:.1f}" rx="1"/>')
    return f'<svg viewBox="0 0 {_SIZE} {_SIZE}" aria-hidden="true">{"".join(parts)}</svg>'
