"""Lines of maps, in loops that Numba compiles: a line holds each place's maps one after another.

Loops over whole lines are several times as fast as loops over the maps of a place.
"""

from __future__ import annotations

import numba
import numpy as np

from convolab.compiled.bf16 import wide


@numba.njit(nogil=True, fastmath=True, cache=True)
def along(values, columns):  # type: ignore[no-untyped-def]
    """A value for each map (maps), again for each column: float32 (columns · maps)."""
    maps = len(values)
    line = np.empty(columns * maps, np.float32)
    for k in range(len(line)):
        line[k] = values[k % maps]
    return line


# Into the loop that calls it: to a function of its own slices would be handed over, line by line.
@numba.njit(nogil=True, fastmath=True, cache=True, inline="always")
def add_squares(source, one, two):  # type: ignore[no-untyped-def]
    """Add a line of float32 or bf16 bits to ``one``, its squares to ``two``, both float32."""
    for k in range(len(one)):
        value = wide(source[k])
        one[k] += value
        two[k] += value * value


@numba.njit(nogil=True, fastmath=True, cache=True)
def add_up(one, two, sums):  # type: ignore[no-untyped-def]
    """Add lines of sums, a place for each column and map, to ``sums`` (2, maps) of float64."""
    maps = sums.shape[1]
    for k in range(len(one)):
        sums[0, k % maps] += one[k]
        sums[1, k % maps] += two[k]
