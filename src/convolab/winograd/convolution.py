"""Convolutions and their gradients by Winograd's algorithm F(4×4, 3×3), in fp32 on the CPU.

Each tile of 4×4 outputs is made from 6×6 inputs by 36 products per pair of maps instead of 144. Both
transforms are compiled by Numba for the processor at hand and release Python's lock; the products are matrix
products of PyTorch. Each thread takes a strip of tiles through all three steps while it is in its cache.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convolab.compiled import loops
from convolab.training.device import usable_cores
from convolab.training.parallel import pool

STRIP_BYTES = 3_000_000
"""How large the transformed inputs and outputs of a strip may be: they should stay in the cache."""
LEAST_CHANNELS = 32
"""With fewer maps the transforms would cost more than they save."""

# Lavin and Gray's matrices for the points 0, ±1, ±2, ∞; those of inputs and outputs are in the kernels.
_G = np.array(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ]
)


def _kernels() -> Any:
    """The compiled transforms, or None where Numba cannot be used."""
    return loops("convolab.winograd.kernels")


def usable(inputs: int, outputs: int, device: torch.device) -> bool:
    """Whether a 3×3 convolution with stride 1 and padding 1 of so many maps is better computed here."""
    return device.type == "cpu" and min(inputs, outputs) >= LEAST_CHANNELS and _kernels() is not None


@functools.cache
def prepare() -> None:
    """Compile everything now, which takes some seconds the first time, rather than in the middle of work."""
    if _kernels() is not None:
        pictures = torch.zeros(1, 4, 4, 8)
        convolve(pictures, torch.zeros(36, 8, 8))
        filter_gradient(pictures, pictures)


@functools.cache
def _both() -> Tensor:
    """(9, 36): the two transforms of a filter, along rows and along columns, as one."""
    return torch.from_numpy(np.kron(_G, _G)).T.float()


def transformed(weight: Tensor) -> Tensor:
    """Filters (outputs, inputs, 3, 3) as (36, inputs, outputs) for `convolve`."""
    outputs, inputs = weight.shape[:2]
    made = weight.detach().reshape(outputs * inputs, 9) @ _both()
    return made.view(outputs, inputs, 36).permute(2, 1, 0).contiguous()


def rows(x: Tensor) -> Tensor:
    """(N, H, W, C) of a (N, C, H, W), without its gradient: no copy where it is channels_last."""
    return x.detach().permute(0, 2, 3, 1).contiguous()


def convolve(
    pictures: Tensor,
    filters: Tensor,
    bias: Tensor | None = None,
    *,
    relu: bool = False,
    where: Tensor | None = None,
) -> Tensor:
    """Convolve float32 (N, H, W, inputs) with padding 1 to (N, H, W, outputs); all tensors contiguous.

    ``bias`` and ``relu`` are applied on the way. With ``where`` (of the pictures' shape), inputs count as 0
    where it is not above 0: the backward pass of a ReLU.
    """
    number, height, width, inputs = pictures.shape
    outputs = filters.shape[2]
    across, tiles = _tiles(number, height, width)
    result = torch.empty(number, height, width, outputs)
    shifts = torch.zeros(outputs) if bias is None else bias.detach()
    mask = pictures if where is None else where
    kernels = _kernels()
    arrays = pictures.numpy(), mask.numpy(), shifts.numpy(), result.numpy()

    def work(strip: int, mine: Iterator[int], _: int) -> None:
        given, masks, biases, results = arrays
        before = torch.empty(36 * strip * inputs)
        after = torch.empty(36 * strip * outputs)
        patch = np.empty((6, 6, inputs), np.float32)
        half = np.empty((6, 6, max(inputs, outputs)), np.float32)
        for start in mine:
            count = min(strip, tiles - start)
            left = before[: 36 * count * inputs].view(36, count, inputs)
            right = after[: 36 * count * outputs].view(36, count, outputs)
            kernels.inputs(given, masks, where is not None, start, across, left.numpy(), patch, half)
            torch.bmm(left, filters, out=right)
            kernels.outputs(right.numpy(), biases, relu, start, across, results, half)

    _in_strips(work, tiles, inputs + outputs)
    return result


def filter_gradient(pictures: Tensor, slopes: Tensor) -> Tensor:
    """The gradient of `convolve`'s filters (outputs, inputs, 3, 3) from what went in and the slopes of what
    came out, (N, H, W, inputs) and (N, H, W, outputs); both contiguous.

    The sums are added up in the same order each time, whichever thread is faster.
    """
    number, height, width, inputs = pictures.shape
    outputs = slopes.shape[3]
    across, tiles = _tiles(number, height, width)
    kernels = _kernels()
    arrays = pictures.numpy(), slopes.numpy()
    sums: dict[int, Tensor] = {}

    def work(strip: int, mine: Iterator[int], thread: int) -> None:
        given, wanted = arrays
        before = torch.empty(36 * strip * inputs)
        after = torch.empty(36 * strip * outputs)
        patch, patched = np.empty((6, 6, inputs), np.float32), np.empty((4, 4, outputs), np.float32)
        half = np.empty((6, 6, max(inputs, outputs)), np.float32)
        total = torch.zeros(36, inputs, outputs)
        for start in mine:
            count = min(strip, tiles - start)
            left = before[: 36 * count * inputs].view(36, count, inputs)
            right = after[: 36 * count * outputs].view(36, count, outputs)
            kernels.inputs(given, given, False, start, across, left.numpy(), patch, half)
            kernels.slopes(wanted, start, across, right.numpy(), patched, half)
            total.baddbmm_(left.transpose(1, 2), right)
        sums[thread] = total

    _in_strips(work, tiles, inputs + outputs, shared=False)
    total = sums.pop(0)
    for thread in sorted(sums):
        total += sums[thread]
    made = _both() @ total.view(36, inputs * outputs)
    return made.view(3, 3, inputs, outputs).permute(3, 2, 0, 1)


def _tiles(number: int, height: int, width: int) -> tuple[int, int]:
    """How many tiles lie side by side, and how many there are in all."""
    across = -(-width // 4)
    return across, number * -(-height // 4) * across


def _in_strips(
    work: Callable[[int, Iterator[int], int], None], tiles: int, maps: int, *, shared: bool = True
) -> None:
    """Call ``work(strip, starts, thread)`` in each thread: the length of a strip and the first tile of each.

    With ``shared`` each thread takes the next strip when it has done one; else each has its own from the
    beginning.
    """
    threads = min(usable_cores(), tiles)
    strip = max(8, STRIP_BYTES // (36 * 4 * maps))
    strips = -(-tiles // strip)
    strip = -(-tiles // (-(-strips // threads) * threads))
    if threads == 1:
        work(strip, iter(range(0, tiles, strip)), 0)
        return
    starts = iter(range(0, tiles, strip))
    lock = threading.Lock()

    def next_ones() -> Iterator[int]:
        while True:
            with lock:
                start = next(starts, None)
            if start is None:
                return
            yield start

    tasks = [
        pool(threads).submit(
            work, strip, next_ones() if shared else iter(range(i * strip, tiles, threads * strip)), i
        )
        for i in range(threads)
    ]
    for task in tasks:
        task.result()
