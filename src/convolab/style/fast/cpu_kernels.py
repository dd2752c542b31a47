"""The loops of `convolab.style.fast.cpu`, compiled by Numba when first used, then kept on disk.

All maps are (rows, columns, maps). Each loop does rows ``top`` … ``bottom`` - 1, so that threads share the
work. ``filters`` above 0 says that the map is still what `network.Up` makes: four maps side by side, one for
each of the four places that a place becomes. The first ``offset`` rows and columns of a map are left out.
"""

from __future__ import annotations

import numba
import numpy as np

_compiled = numba.njit(nogil=True, fastmath=True, cache=True)
_0 = np.float32(0)


@_compiled
def sums(x, offset, filters, width, top, bottom, out):  # type: ignore[no-untyped-def]
    """Add up each map and its squares, in ``out`` (2, maps) of float64."""
    maps = out.shape[1]
    line, square = np.zeros(maps, np.float32), np.zeros(maps, np.float32)
    for i in range(top, bottom):
        for c in range(maps):
            line[c] = _0
            square[c] = _0
        for j in range(width):
            if filters:
                p, q = i & 1, j & 1
                first = (2 * p + q) * filters
                source = x[i // 2 + p, j // 2 + q, first : first + filters]
            else:
                source = x[i + offset, j + offset, :]
            for c in range(maps):
                value = source[c]
                line[c] += value
                square[c] += value * value
        for c in range(maps):
            out[0, c] += line[c]
            out[1, c] += square[c]


@_compiled
def normalise(  # type: ignore[no-untyped-def]
    x, offset, filters, width, factor, shift, relu, skip, edge, out, border, top, bottom
):
    """Write x · factor + shift into the middle of ``out``, with ReLU, or with ``skip`` added where it has
    maps.

    ``out`` has ``border`` more places on each side, ``skip`` has ``edge``.
    """
    maps = out.shape[2]
    add = skip.shape[2] == maps
    for i in range(top, bottom):
        for j in range(width):
            target = out[i + border, j + border]
            if filters:
                p, q = i & 1, j & 1
                first = (2 * p + q) * filters
                source = x[i // 2 + p, j // 2 + q, first : first + filters]
            else:
                source = x[i + offset, j + offset, :]
            if add:
                other = skip[i + edge, j + edge]
                for c in range(maps):
                    target[c] = source[c] * factor[c] + shift[c] + other[c]
            elif relu:
                for c in range(maps):
                    target[c] = max(source[c] * factor[c] + shift[c], _0)
            else:
                for c in range(maps):
                    target[c] = source[c] * factor[c] + shift[c]


@_compiled
def frame(out, border, mode):  # type: ignore[no-untyped-def]
    """Fill the border of a map whose middle is there: 0 zeros, 1 the nearest place, 2 reflection."""
    rows, columns, maps = out.shape
    height, width = rows - 2 * border, columns - 2 * border
    for i in range(rows):
        inner = border <= i < border + height
        a = _place(i - border, height, mode)
        for j in range(columns):
            if inner and border <= j < border + width:
                continue
            b = _place(j - border, width, mode)
            if mode == 0:
                for c in range(maps):
                    out[i, j, c] = _0
            else:
                for c in range(maps):
                    out[i, j, c] = out[a + border, b + border, c]


@_compiled
def _place(i, size, mode):  # type: ignore[no-untyped-def]
    if mode == 2:
        i = abs(i)
        if i >= size:
            i = 2 * size - 2 - i
    return min(max(i, 0), size - 1)


@_compiled
def colors(made, photo, table, through, shift, share, overshoot, out, top, bottom):  # type: ignore[no-untyped-def]
    """From what the last convolution made and the photo, both (rows, columns · 3), to the painting.

    ``table`` holds what `network.inverse_colors` gives for colours from 0 to 1.
    """
    last = np.float32(len(table) - 1)
    for i in range(top, bottom):
        a, b, target = made[i], photo[i], out[i]
        for j in range(len(a)):
            place = min(max(b[j], _0), np.float32(1)) * last
            step = min(int(place), len(table) - 2)
            inverse = table[step] + (table[step + 1] - table[step]) * (place - np.float32(step))
            x = min(max(a[j] + shift[j] + through[j] * inverse, np.float32(-4.9)), np.float32(4.9))
            # Lambert's continued fraction of the hyperbolic tangent.
            s = x * x
            over = x * (np.float32(135135) + s * (np.float32(17325) + s * (np.float32(378) + s)))
            under = np.float32(135135) + s * (np.float32(62370) + s * (np.float32(3150) + s * np.float32(28)))
            pictured = over / under * overshoot + np.float32(0.5)
            target[j] = b[j] + share * (pictured - b[j])
