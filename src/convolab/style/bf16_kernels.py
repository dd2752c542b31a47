"""The loops of `convolab.style.bf16`, compiled by Numba when first used, then kept on disk.

Maps are (rows, columns, maps), uint16 that hold the bits of bf16. Each loop does rows ``top`` …
``bottom`` - 1 of the smaller map, so that threads share the work. A loop of its own for each place that is
written, without slices: only so they become vector instructions.
"""

from __future__ import annotations

import numba
import numpy as np

from convolab.compiled.bf16 import narrow, wide

_compiled = numba.njit(nogil=True, fastmath=True, cache=True)
_0 = np.float32(0)


@_compiled
def pool(x, out, top, bottom):  # type: ignore[no-untyped-def]
    """The largest of each 2×2 places."""
    _, width, maps = out.shape
    for i in range(top, bottom):
        for j in range(width):
            for k in range(maps):
                above = max(wide(x[2 * i, 2 * j, k]), wide(x[2 * i, 2 * j + 1, k]))
                below = max(wide(x[2 * i + 1, 2 * j, k]), wide(x[2 * i + 1, 2 * j + 1, k]))
                out[i, j, k] = narrow(max(above, below), out.dtype)


@_compiled
def pool_back(x, pooled, slopes, out, top, bottom):  # type: ignore[no-untyped-def]
    """The slopes of what was pooled: those of each 2×2 places go to the largest, the first of equal ones.

    What no place of ``pooled`` looks at, a last odd row or column, is left as it is.
    """
    _, width, maps = pooled.shape
    for i in range(top, bottom):
        for j in range(width):
            for k in range(maps):
                most = wide(pooled[i, j, k])
                out[2 * i, 2 * j, k] = slopes[i, j, k] if wide(x[2 * i, 2 * j, k]) == most else np.uint16(0)
            for k in range(maps):
                most = wide(pooled[i, j, k])
                taken = wide(x[2 * i, 2 * j, k]) == most
                here = (wide(x[2 * i, 2 * j + 1, k]) == most) & (not taken)
                out[2 * i, 2 * j + 1, k] = slopes[i, j, k] if here else np.uint16(0)
            for k in range(maps):
                most = wide(pooled[i, j, k])
                taken = (wide(x[2 * i, 2 * j, k]) == most) | (wide(x[2 * i, 2 * j + 1, k]) == most)
                here = (wide(x[2 * i + 1, 2 * j, k]) == most) & (not taken)
                out[2 * i + 1, 2 * j, k] = slopes[i, j, k] if here else np.uint16(0)
            for k in range(maps):
                most = wide(pooled[i, j, k])
                taken = (wide(x[2 * i, 2 * j, k]) == most) | (wide(x[2 * i, 2 * j + 1, k]) == most)
                taken = taken | (wide(x[2 * i + 1, 2 * j, k]) == most)
                out[2 * i + 1, 2 * j + 1, k] = np.uint16(0) if taken else slopes[i, j, k]


@_compiled
def tap_back(x, pooled, slopes, others, out, top, bottom):  # type: ignore[no-untyped-def]
    """`pool_back` plus the slopes that come to ``x`` from elsewhere, where x is above 0: all that is behind a
    ReLU, in one go. Both sides of ``x`` are even."""
    _, width, maps = pooled.shape
    for i in range(top, bottom):
        for j in range(width):
            for k in range(maps):
                a, most = wide(x[2 * i, 2 * j, k]), wide(pooled[i, j, k])
                slope = wide(others[2 * i, 2 * j, k]) + (wide(slopes[i, j, k]) if a == most else _0)
                out[2 * i, 2 * j, k] = narrow(slope if a > _0 else _0, out.dtype)
            for k in range(maps):
                a, most = wide(x[2 * i, 2 * j + 1, k]), wide(pooled[i, j, k])
                here = (a == most) & (wide(x[2 * i, 2 * j, k]) != most)
                slope = wide(others[2 * i, 2 * j + 1, k]) + (wide(slopes[i, j, k]) if here else _0)
                out[2 * i, 2 * j + 1, k] = narrow(slope if a > _0 else _0, out.dtype)
            for k in range(maps):
                a, most = wide(x[2 * i + 1, 2 * j, k]), wide(pooled[i, j, k])
                taken = (wide(x[2 * i, 2 * j, k]) == most) | (wide(x[2 * i, 2 * j + 1, k]) == most)
                here = (a == most) & (not taken)
                slope = wide(others[2 * i + 1, 2 * j, k]) + (wide(slopes[i, j, k]) if here else _0)
                out[2 * i + 1, 2 * j, k] = narrow(slope if a > _0 else _0, out.dtype)
            for k in range(maps):
                a, most = wide(x[2 * i + 1, 2 * j + 1, k]), wide(pooled[i, j, k])
                taken = (wide(x[2 * i, 2 * j, k]) == most) | (wide(x[2 * i, 2 * j + 1, k]) == most)
                taken = taken | (wide(x[2 * i + 1, 2 * j, k]) == most)
                slope = wide(others[2 * i + 1, 2 * j + 1, k]) + (_0 if taken else wide(slopes[i, j, k]))
                out[2 * i + 1, 2 * j + 1, k] = narrow(slope if a > _0 else _0, out.dtype)
