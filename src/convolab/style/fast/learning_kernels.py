"""The loops of `convolab.style.fast.learning_pass` that go backwards, compiled by Numba when first used.

Maps are (rows, columns, maps), uint16 that hold the bits of bf16; sums are float32. Each loop does rows
``top`` … ``bottom`` - 1, so that threads share the work.
"""

from __future__ import annotations

import numba
import numpy as np

from convolab.compiled.bf16 import narrow, wide
from convolab.compiled.lines import add_up, along
from convolab.style.fast.cpu_kernels import place

_compiled = numba.njit(nogil=True, fastmath=True, cache=True)
_0 = np.float32(0)


@_compiled
def gather(slopes, border, mode, out, relu, x, mean, made, edge, sums, top, bottom):  # type: ignore[no-untyped-def]
    """The slopes before ReLU, from those of a map with its border, into the middle of ``made``.

    What the border was copied from gets the border's slopes as well. ``out`` is the map with its border,
    ``made`` has ``edge`` more places on each side. Adds to ``sums`` (2, maps) each map's slopes, and these
    times (x - mean).
    """
    height, width, maps = x.shape
    size = width * maps
    means = along(mean, width)
    line = np.empty(size, np.float32)
    one, two = np.zeros(size, np.float32), np.zeros(size, np.float32)
    for i in range(top, bottom):
        for k in range(size):
            line[k] = _0
        _add_row(slopes, i + border, border, mode, line, width, maps)
        if mode != 0:
            for n in range(2 * border):
                row = n if n < border else height + n
                if place(row - border, height, mode) == i:
                    _add_row(slopes, row, border, mode, line, width, maps)
        if relu:
            after = out[i + border, border : border + width].reshape(-1)
            for k in range(size):
                line[k] = line[k] if wide(after[k]) > _0 else _0
        before = x[i].reshape(-1)
        for k in range(size):
            one[k] += line[k]
            two[k] += line[k] * (wide(before[k]) - means[k])
        target = made[i + edge, edge : edge + width].reshape(-1)
        for k in range(size):
            target[k] = narrow(line[k], made.dtype)
    add_up(one, two, sums)


@_compiled
def _add_row(slopes, row, border, mode, line, width, maps):  # type: ignore[no-untyped-def]
    """Add a row's slopes to ``line``, its border's to the places these were copied from."""
    source = slopes[row, border : border + width].reshape(-1)
    for k in range(len(line)):
        line[k] += wide(source[k])
    if mode != 0:
        for n in range(2 * border):
            j = n if n < border else width + n
            first = place(j - border, width, mode) * maps
            for c in range(maps):
                line[first + c] += wide(slopes[row, j, c])


@_compiled
def back(x, slopes, edge, factor, bend, base, out, top, bottom):  # type: ignore[no-untyped-def]
    """The slopes of ``x``: factor · slope + bend · x + base; ``slopes`` have ``edge`` more places."""
    width = x.shape[1]
    factors, bends, bases = along(factor, width), along(bend, width), along(base, width)
    for i in range(top, bottom):
        given, before = slopes[i + edge, edge : edge + width].reshape(-1), x[i].reshape(-1)
        target = out[i].reshape(-1)
        for k in range(len(factors)):
            target[k] = narrow(factors[k] * wide(given[k]) + bends[k] * wide(before[k]) + bases[k], out.dtype)
