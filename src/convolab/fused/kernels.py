"""The loops of `convolab.fused`, compiled by Numba when first used, then kept on disk.

Maps are (N, H, W, maps), uint16 that hold the bits of bf16; all sums and functions are float32. Each loop
does the pictures ``first`` … ``last`` - 1, so that threads share the work.

Φ and the slope of GELU are polynomials between -4 and 4 and constant beyond: of degree 7 in z²/8 - 1, fitted
so that the largest error is least (Lawson's reweighted least squares). The errors, 0.00004 of GELU and 0.0003
of its slope, are far below the 0.004 to which bf16 rounds.
"""

from __future__ import annotations

import numba
import numpy as np

from convolab.compiled.bf16 import narrow, wide
from convolab.compiled.lines import add_squares, add_up, along

_compiled = numba.njit(nogil=True, fastmath=True, cache=True)
_inlined = numba.njit(nogil=True, fastmath=True, cache=True, inline="always")

_f = np.float32
_1, _HALF, _EIGHTH, _4 = _f(1), _f(0.5), _f(0.125), _f(4)
_P0, _P1, _P2, _P3 = _f(0.17594775), _f(-0.084357477), _f(0.056050799), _f(-0.036495299)
_P4, _P5, _P6, _P7 = _f(0.021621756), _f(-0.013260196), _f(0.0082112375), _f(-0.0027288529)
_S0, _S1, _S2, _S3 = _f(0.18317127), _f(-0.11377646), _f(0.11752994), _f(-0.11339579)
_S4, _S5, _S6, _S7 = _f(0.083041535), _f(-0.074225248), _f(0.07714883), _f(-0.034432447)


@_inlined
def _gelu(z):  # type: ignore[no-untyped-def]
    """z · Φ(z)."""
    z = max(z, -_4)  # below, GELU would grow with z as Φ stays what it is
    c = min(z, _4)
    u = c * c * _EIGHTH - _1
    p = _P4 + u * (_P5 + u * (_P6 + u * _P7))
    p = _P0 + u * (_P1 + u * (_P2 + u * (_P3 + u * p)))
    return z * (_HALF + c * p)


@_inlined
def _slope(z):  # type: ignore[no-untyped-def]
    """The slope of GELU, Φ(z) + z · φ(z)."""
    c = min(max(z, -_4), _4)
    u = c * c * _EIGHTH - _1
    p = _S4 + u * (_S5 + u * (_S6 + u * _S7))
    p = _S0 + u * (_S1 + u * (_S2 + u * (_S3 + u * p)))
    return _HALF + c * p


@_compiled
def gelu(x, out, first, last):  # type: ignore[no-untyped-def]
    """GELU of float32 or bf16 maps, as bf16."""
    for n in range(first, last):
        source, target = x[n].reshape(-1), out[n].reshape(-1)
        for k in range(len(target)):
            target[k] = narrow(_gelu(wide(source[k])), out.dtype)


@_compiled
def pool_sums(x, pooled, which, sums, first, last):  # type: ignore[no-untyped-def]
    """The largest of each 2×2 places, which of them it was (the first of equal ones), and `plain_sums`.

    A loop of its own for each array that is written: with several, which might overlap, none is vectorized.
    No slices either: making one takes longer than the maps of a place do.
    """
    _, height, width, maps = pooled.shape
    one, two = np.zeros(width * maps, np.float32), np.zeros(width * maps, np.float32)
    for n in range(first, last):
        for i in range(height):
            for j in range(width):
                for k in range(maps):
                    above = max(wide(x[n, 2 * i, 2 * j, k]), wide(x[n, 2 * i, 2 * j + 1, k]))
                    below = max(wide(x[n, 2 * i + 1, 2 * j, k]), wide(x[n, 2 * i + 1, 2 * j + 1, k]))
                    pooled[n, i, j, k] = narrow(max(above, below), pooled.dtype)
                for k in range(maps):
                    most = wide(pooled[n, i, j, k])
                    at = 2 if wide(x[n, 2 * i + 1, 2 * j, k]) == most else 3
                    at = 1 if wide(x[n, 2 * i, 2 * j + 1, k]) == most else at
                    which[n, i, j, k] = np.uint8(0 if wide(x[n, 2 * i, 2 * j, k]) == most else at)
            add_squares(pooled[n, i].reshape(-1), one, two)
    add_up(one, two, sums)


@_compiled
def plain_sums(x, sums, first, last):  # type: ignore[no-untyped-def]
    """Add each map, and its squares, to ``sums`` (2, maps) of float64."""
    one, two = np.zeros(x[0, 0].size, np.float32), np.zeros(x[0, 0].size, np.float32)
    for n in range(first, last):
        for i in range(x.shape[1]):
            add_squares(x[n, i].reshape(-1), one, two)
    add_up(one, two, sums)


@_compiled
def norm_gelu(x, factor, level, out, first, last):  # type: ignore[no-untyped-def]
    """GELU of x · factor + level."""
    factors, levels = along(factor, x.shape[2]), along(level, x.shape[2])
    for n in range(first, last):
        for i in range(x.shape[1]):
            source, target = x[n, i].reshape(-1), out[n, i].reshape(-1)
            for k in range(len(factors)):
                target[k] = narrow(_gelu(wide(source[k]) * factors[k] + levels[k]), out.dtype)


@_compiled
def slope_sums(x, slopes, factor, level, mean, sums, first, last):  # type: ignore[no-untyped-def]
    """Add to ``sums`` for each map the slopes before GELU, and these times (x - mean)."""
    factors, levels, means = along(factor, x.shape[2]), along(level, x.shape[2]), along(mean, x.shape[2])
    one, two = np.zeros(len(factors), np.float32), np.zeros(len(factors), np.float32)
    for n in range(first, last):
        for i in range(x.shape[1]):
            source, given = x[n, i].reshape(-1), slopes[n, i].reshape(-1)
            for k in range(len(factors)):
                value = wide(source[k])
                d = wide(given[k]) * _slope(value * factors[k] + levels[k])
                one[k] += d
                two[k] += d * (value - means[k])
    add_up(one, two, sums)


@_compiled
def _line_back(source, given, factors, levels, bends, bases, target):  # type: ignore[no-untyped-def]
    for k in range(len(factors)):
        value = wide(source[k])
        d = wide(given[k]) * _slope(value * factors[k] + levels[k])
        target[k] = narrow(factors[k] * d + bends[k] * value + bases[k], target.dtype)


@_compiled
def back(x, slopes, factor, level, bend, base, out, first, last):  # type: ignore[no-untyped-def]
    """The slopes of ``x``: factor · (slope before GELU) + bend · x + base."""
    factors, levels = along(factor, x.shape[2]), along(level, x.shape[2])
    bends, bases = along(bend, x.shape[2]), along(base, x.shape[2])
    for n in range(first, last):
        for i in range(x.shape[1]):
            source, given, target = x[n, i].reshape(-1), slopes[n, i].reshape(-1), out[n, i].reshape(-1)
            _line_back(source, given, factors, levels, bends, bases, target)


@_compiled
def pool_back(x, which, slopes, factor, level, bend, base, out, first, last):  # type: ignore[no-untyped-def]
    """`back`, put where the largest of each 2×2 places was; the other places of ``out`` become 0."""
    _, height, width, maps = x.shape
    factors, levels = along(factor, width), along(level, width)
    bends, bases = along(bend, width), along(base, width)
    made = np.empty((width, maps), out.dtype)
    for n in range(first, last):
        for i in range(height):
            source, given = x[n, i].reshape(-1), slopes[n, i].reshape(-1)
            _line_back(source, given, factors, levels, bends, bases, made.reshape(-1))
            for j in range(width):
                for k in range(maps):
                    out[n, 2 * i, 2 * j, k] = made[j, k] if which[n, i, j, k] == 0 else 0
                for k in range(maps):
                    out[n, 2 * i, 2 * j + 1, k] = made[j, k] if which[n, i, j, k] == 1 else 0
                for k in range(maps):
                    out[n, 2 * i + 1, 2 * j, k] = made[j, k] if which[n, i, j, k] == 2 else 0
                for k in range(maps):
                    out[n, 2 * i + 1, 2 * j + 1, k] = made[j, k] if which[n, i, j, k] == 3 else 0
            out[n, 2 * i, 2 * width :] = 0
            out[n, 2 * i + 1, 2 * width :] = 0
        out[n, 2 * height :] = 0
