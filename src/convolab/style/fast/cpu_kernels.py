"""The loops of `convolab.style.fast.cpu`, compiled by Numba when first used, then kept on disk.

All maps are (rows, columns, maps). Each loop does rows ``top`` … ``bottom`` - 1, so that threads share the
work. The first ``offset`` rows and columns of a map are left out.
Maps are float32, or uint16 that hold the bits of bf16, the upper half of a float32; sums are float32.
"""

from __future__ import annotations

import numba
import numpy as np

from convolab.compiled.bf16 import narrow, wide
from convolab.compiled.lines import add_squares, add_up, along

_compiled = numba.njit(nogil=True, fastmath=True, cache=True)
_0 = np.float32(0)


@_compiled
def enter(photo, border, out, top, bottom):  # type: ignore[no-untyped-def]
    """Colours 0 … 1 (rows, columns, 3) as the network takes them, -2 … 2, into the middle of ``out``."""
    for i in range(top, bottom):
        for j in range(photo.shape[1]):
            for c in range(3):
                out[i + border, j + border, c] = narrow(
                    photo[i, j, c] * np.float32(4) - np.float32(2), out.dtype
                )


@_compiled
def sums(x, offset, width, top, bottom, out):  # type: ignore[no-untyped-def]
    """Add up each map and its squares over ``width`` columns, in ``out`` (2, maps) of float64."""
    maps = out.shape[1]
    line, square = np.zeros(width * maps, np.float32), np.zeros(width * maps, np.float32)
    for i in range(top, bottom):
        add_squares(x[i + offset, offset : offset + width].reshape(-1), line, square)
    add_up(line, square, out)


@_compiled
def sums_of_four(x, height, width, top, bottom, out):  # type: ignore[no-untyped-def]
    """`sums` of what `network.Up` makes: four maps for each, of the places of ``height`` × ``width``.

    Row a holds of the enlarged map, for an even line (0, 0), (0, 1), what belongs to line 2a, and for an odd
    one (1, 0), (1, 1) to 2a - 1; so do the columns.
    """
    maps = out.shape[1]
    columns = x.shape[1]
    line, square = np.zeros(columns * 4 * maps, np.float32), np.zeros(columns * 4 * maps, np.float32)
    for i in range(top, bottom):
        source = x[i].reshape(-1)
        even, odd = 2 * i < height, 0 < 2 * i <= height
        if even and odd:
            add_squares(source, line, square)
        else:
            first, last = (0 if even else 2 * maps), (4 * maps if odd else 2 * maps)
            for j in range(columns):
                for k in range(j * 4 * maps + first, j * 4 * maps + last):
                    value = wide(source[k])
                    line[k] += value
                    square[k] += value * value
    for j in range(columns):
        for q in range(4):
            if 2 * j < width if q % 2 == 0 else 0 < 2 * j <= width:
                for c in range(maps):
                    out[0, c] += line[(4 * j + q) * maps + c]
                    out[1, c] += square[(4 * j + q) * maps + c]


@_compiled
def normalise(  # type: ignore[no-untyped-def]
    x, offset, width, factor, shift, relu, skip, edge, out, border, top, bottom
):
    """Write x · factor + shift into the middle of ``out``, with ReLU, or with ``skip`` added where it has
    maps.

    ``out`` has ``border`` more places on each side, ``skip`` has ``edge``.
    """
    add = skip.shape[2] == out.shape[2]
    slope, level = along(factor, width), along(shift, width)
    for i in range(top, bottom):
        target = out[i + border, border : border + width].reshape(-1)
        source = x[i + offset, offset : offset + width].reshape(-1)
        if add:
            other = skip[i + edge, edge : edge + width].reshape(-1)
            for k in range(len(slope)):
                target[k] = narrow(wide(source[k]) * slope[k] + level[k] + wide(other[k]), out.dtype)
        elif relu:
            for k in range(len(slope)):
                target[k] = narrow(max(wide(source[k]) * slope[k] + level[k], _0), out.dtype)
        else:
            for k in range(len(slope)):
                target[k] = narrow(wide(source[k]) * slope[k] + level[k], out.dtype)


@_compiled
def normalise_four(x, height, width, factor, shift, out, border, top, bottom):  # type: ignore[no-untyped-def]
    """`normalise` with ReLU of what `network.Up` makes: see `sums_of_four`."""
    maps = out.shape[2]
    columns = x.shape[1]
    slope, level = along(factor, 4 * columns), along(shift, 4 * columns)
    line = np.empty(len(slope), out.dtype)
    for i in range(top, bottom):
        source = x[i].reshape(-1)
        for k in range(len(line)):
            line[k] = narrow(max(wide(source[k]) * slope[k] + level[k], _0), out.dtype)
        for p in range(2):
            row = 2 * i - p
            if not 0 <= row < height:
                continue
            target = out[row + border, border : border + width].reshape(-1)
            for j in range(width):
                q = j & 1
                first = (4 * (j // 2 + q) + 2 * p + q) * maps
                for c in range(maps):
                    target[j * maps + c] = line[first + c]


@_compiled
def frame(out, border, mode):  # type: ignore[no-untyped-def]
    """Fill the border of a map whose middle is there: 0 zeros, 1 the nearest place, 2 reflection."""
    rows, columns, maps = out.shape
    height, width = rows - 2 * border, columns - 2 * border
    for i in range(border, border + height):
        for k in range(2 * border):
            j = k if k < border else width + k
            b = place(j - border, width, mode) + border
            for c in range(maps):
                out[i, j, c] = 0 if mode == 0 else out[i, b, c]
    for k in range(2 * border):
        i = k if k < border else height + k
        source, target = out[place(i - border, height, mode) + border].reshape(-1), out[i].reshape(-1)
        for c in range(len(target)):
            target[c] = 0 if mode == 0 else source[c]


@_compiled
def place(i, size, mode):  # type: ignore[no-untyped-def]
    """The place (of ``size``) from which place ``i``, which may lie outside, is filled."""
    if mode == 2:
        i = abs(i)
        if i >= size:
            i = 2 * size - 2 - i
    return min(max(i, 0), size - 1)


@_compiled
def colors(made, lines, photo, table, through, shift, share, overshoot, out, top, bottom):  # type: ignore[no-untyped-def]
    """From what the last convolution made, and the photo (rows, columns · 3), to the painting.

    A line of ``made`` holds ``lines`` lines of the picture: for each group of places those of the first line,
    then those of the next. ``table`` holds what `network.inverse_colors` gives for colours from 0 to 1.
    """
    last = np.float32(len(table) - 1)
    a = np.empty(photo.shape[1], np.float32)
    for i in range(top, bottom):
        b, target = photo[i], out[i]
        source = made[i // lines]
        values = source.shape[1] // lines
        first = i % lines * values
        for j in range(source.shape[0]):
            for c in range(values):
                a[j * values + c] = wide(source[j, first + c])
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
