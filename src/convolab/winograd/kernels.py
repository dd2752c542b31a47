"""The transforms of `convolab.winograd`, compiled by Numba when first used, then kept on disk.

Pictures are (N, H, W, maps). Tiles are counted row by row, picture by picture; ``start`` is the first one.
"""

from __future__ import annotations

import numba
import numpy as np

_compiled = numba.njit(nogil=True, fastmath=True, cache=True)
_inlined = numba.njit(nogil=True, fastmath=True, cache=True, inline="always")

_2, _4, _5, _8 = np.float32(2), np.float32(4), np.float32(5), np.float32(8)
_0 = np.float32(0)


@_inlined
def _six(d0, d1, d2, d3, d4, d5):  # type: ignore[no-untyped-def]
    a, b = d4 - _4 * d2, d3 - _4 * d1
    e, f = d4 - d2, _2 * (d3 - d1)
    return _4 * d0 - _5 * d2 + d4, a + b, a - b, e + f, e - f, _4 * d1 - _5 * d3 + d5


@_inlined
def _four(m0, m1, m2, m3, m4, m5):  # type: ignore[no-untyped-def]
    p, q, r, s = m1 + m2, m1 - m2, m3 + m4, m3 - m4
    return m0 + p + r, q + _2 * s, p + _4 * r, q + _8 * s + m5


@_inlined
def _spread(g0, g1, g2, g3):  # type: ignore[no-untyped-def]
    """`_four` turned round: what each of the six products is worth to the four outputs."""
    p, q, r, s = g0 + g2, g1 + g3, g0 + _4 * g2, _2 * g1 + _8 * g3
    return g0, p + q, p - q, r + s, r - s, g3


@_compiled
def _cut(picture, mask, masked, patch, top, left):  # type: ignore[no-untyped-def]
    """Copy 6×6 places from (top, left) on; what lies outside is 0, and what is masked."""
    height, width, maps = picture.shape
    for i in range(6):
        for j in range(6):
            row, column = top + i, left + j
            target = patch[i, j]
            if row < 0 or row >= height or column < 0 or column >= width:
                for c in range(maps):
                    target[c] = _0
            elif masked:
                source, wanted = picture[row, column], mask[row, column]
                for c in range(maps):
                    target[c] = source[c] if wanted[c] > _0 else _0
            else:
                source = picture[row, column]
                for c in range(maps):
                    target[c] = source[c]


@_compiled
def inputs(pictures, masks, masked, start, across, out, patch, half):  # type: ignore[no-untyped-def]
    """Transform the 6×6 inputs of tiles ``start`` … into ``out`` (36, tiles, maps)."""
    maps = pictures.shape[3]
    each = across * ((pictures.shape[1] + 3) // 4)
    for n in range(out.shape[1]):
        which, tile = (start + n) // each, (start + n) % each
        top, left = (tile // across) * 4, (tile % across) * 4
        _cut(pictures[which], masks[which], masked, patch, top - 1, left - 1)
        for j in range(6):
            a0, a1, a2, a3, a4, a5 = (
                patch[0, j],
                patch[1, j],
                patch[2, j],
                patch[3, j],
                patch[4, j],
                patch[5, j],
            )
            b0, b1, b2, b3, b4, b5 = half[0, j], half[1, j], half[2, j], half[3, j], half[4, j], half[5, j]
            for c in range(maps):
                b0[c], b1[c], b2[c], b3[c], b4[c], b5[c] = _six(a0[c], a1[c], a2[c], a3[c], a4[c], a5[c])
        for i in range(6):
            a0, a1, a2, a3, a4, a5 = half[i, 0], half[i, 1], half[i, 2], half[i, 3], half[i, 4], half[i, 5]
            b0, b1, b2 = out[i * 6, n], out[i * 6 + 1, n], out[i * 6 + 2, n]
            b3, b4, b5 = out[i * 6 + 3, n], out[i * 6 + 4, n], out[i * 6 + 5, n]
            for c in range(maps):
                b0[c], b1[c], b2[c], b3[c], b4[c], b5[c] = _six(a0[c], a1[c], a2[c], a3[c], a4[c], a5[c])


@_compiled
def outputs(products, bias, relu, start, across, results, half):  # type: ignore[no-untyped-def]
    """Transform (36, tiles, maps) back into tiles ``start`` … of ``results`` and add the bias."""
    _, height, width, maps = results.shape
    each = across * ((height + 3) // 4)
    for n in range(products.shape[1]):
        result, tile = results[(start + n) // each], (start + n) % each
        top, left = (tile // across) * 4, (tile % across) * 4
        for j in range(6):
            a0, a1, a2 = products[j, n], products[6 + j, n], products[12 + j, n]
            a3, a4, a5 = products[18 + j, n], products[24 + j, n], products[30 + j, n]
            b0, b1, b2, b3 = half[0, j], half[1, j], half[2, j], half[3, j]
            for c in range(maps):
                b0[c], b1[c], b2[c], b3[c] = _four(a0[c], a1[c], a2[c], a3[c], a4[c], a5[c])
        for i in range(min(4, height - top)):
            a0, a1, a2, a3, a4, a5 = half[i, 0], half[i, 1], half[i, 2], half[i, 3], half[i, 4], half[i, 5]
            b0, b1, b2, b3 = half[4, 0], half[4, 1], half[4, 2], half[4, 3]
            if left + 4 <= width:
                row = result[top + i]
                b0, b1, b2, b3 = row[left], row[left + 1], row[left + 2], row[left + 3]
            for c in range(maps):
                m0, m1, m2, m3 = _four(a0[c], a1[c], a2[c], a3[c], a4[c], a5[c])
                shift = bias[c]
                m0, m1, m2, m3 = m0 + shift, m1 + shift, m2 + shift, m3 + shift
                if relu:
                    m0, m1, m2, m3 = max(m0, _0), max(m1, _0), max(m2, _0), max(m3, _0)
                b0[c], b1[c], b2[c], b3[c] = m0, m1, m2, m3
            if left + 4 > width:
                for j in range(width - left):
                    source, target = half[4, j], result[top + i, left + j]
                    for c in range(maps):
                        target[c] = source[c]


@_compiled
def slopes(pictures, start, across, out, patch, half):  # type: ignore[no-untyped-def]
    """Transform the 4×4 slopes of tiles ``start`` … into ``out`` (36, tiles, maps): `outputs` reversed."""
    _, height, width, maps = pictures.shape
    each = across * ((height + 3) // 4)
    for n in range(out.shape[1]):
        picture, tile = pictures[(start + n) // each], (start + n) % each
        top, left = (tile // across) * 4, (tile % across) * 4
        for i in range(4):
            for j in range(4):
                if top + i < height and left + j < width:
                    patch[i, j] = picture[top + i, left + j]
                else:
                    patch[i, j] = _0
        for j in range(4):
            a0, a1, a2, a3 = patch[0, j], patch[1, j], patch[2, j], patch[3, j]
            b0, b1, b2, b3, b4, b5 = half[0, j], half[1, j], half[2, j], half[3, j], half[4, j], half[5, j]
            for c in range(maps):
                b0[c], b1[c], b2[c], b3[c], b4[c], b5[c] = _spread(a0[c], a1[c], a2[c], a3[c])
        for i in range(6):
            a0, a1, a2, a3 = half[i, 0], half[i, 1], half[i, 2], half[i, 3]
            b0, b1, b2 = out[i * 6, n], out[i * 6 + 1, n], out[i * 6 + 2, n]
            b3, b4, b5 = out[i * 6 + 3, n], out[i * 6 + 4, n], out[i * 6 + 5, n]
            for c in range(maps):
                b0[c], b1[c], b2[c], b3[c], b4[c], b5[c] = _spread(a0[c], a1[c], a2[c], a3[c])
