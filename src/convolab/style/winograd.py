"""3×3 convolutions with a quarter of the multiplications (Winograd; Lavin and Gray, 2015), in fp32.

F(4×4, 3×3): each tile of 4×4 outputs is made from 6×6 inputs by 36 products per pair of maps instead of 144.
Both transforms are compiled by Numba for the processor at hand and release Python's lock; the products are
matrix products of PyTorch. Each thread takes a strip of tiles through all three steps while it is in its
cache. Against direct convolution the result differs by about 3e-6 (relative, L2), two to four times as fast.
Without Numba, `usable` says no and PyTorch's own convolution does the work.
"""

from __future__ import annotations

import functools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convolab.training.device import usable_cores

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


@functools.cache
def _kernels() -> Any:
    """The compiled transforms, or None where Numba cannot be used."""
    try:
        from convolab.style import winograd_kernels
    except Exception:  # not installed, or not for this Python, NumPy or processor: then it is merely slower
        return None
    return winograd_kernels


def usable(inputs: int, outputs: int, device: torch.device) -> bool:
    """Whether a 3×3 convolution with stride 1 and padding 1 of so many maps is better computed here."""
    return device.type == "cpu" and min(inputs, outputs) >= LEAST_CHANNELS and _kernels() is not None


def transformed(weight: Tensor) -> Tensor:
    """Filters (outputs, inputs, 3, 3) as (36, inputs, outputs) for `convolve`."""
    outputs, inputs = weight.shape[:2]
    both = torch.from_numpy(np.kron(_G, _G)).T
    made = (weight.detach().reshape(outputs * inputs, 9).double() @ both).float()
    return made.view(outputs, inputs, 36).permute(2, 1, 0).contiguous()


def convolve(
    picture: Tensor,
    filters: Tensor,
    bias: Tensor | None = None,
    *,
    relu: bool = False,
    where: Tensor | None = None,
) -> Tensor:
    """Convolve float32 (H, W, inputs) with padding 1 to (H, W, outputs); all tensors contiguous.

    ``bias`` and ``relu`` are applied on the way. With ``where`` (of the picture's shape), inputs count as 0
    where it is not above 0: the backward pass of a ReLU.
    """
    height, width, inputs = picture.shape
    outputs = filters.shape[2]
    across = -(-width // 4)
    tiles = -(-height // 4) * across
    result = torch.empty(height, width, outputs)
    shifts = torch.zeros(outputs) if bias is None else bias
    mask = picture if where is None else where
    threads = min(usable_cores(), tiles)
    strip = max(8, STRIP_BYTES // (36 * 4 * (inputs + outputs)))
    strips = -(-tiles // strip)
    strip = -(-tiles // (-(-strips // threads) * threads))
    starts = iter(range(0, tiles, strip))
    lock = threading.Lock()
    kernels = _kernels()
    arrays = picture.numpy(), mask.numpy(), shifts.numpy(), result.numpy()

    def work() -> None:
        pictures, masks, biases, results = arrays
        before = torch.empty(36 * strip * inputs)
        after = torch.empty(36 * strip * outputs)
        patch = np.empty((6, 6, inputs), np.float32)
        half = np.empty((6, 6, max(inputs, outputs)), np.float32)
        while True:
            with lock:
                start = next(starts, None)
            if start is None:
                return
            count = min(strip, tiles - start)
            left = before[: 36 * count * inputs].view(36, count, inputs)
            right = after[: 36 * count * outputs].view(36, count, outputs)
            kernels.inputs(pictures, masks, where is not None, start, across, left.numpy(), patch, half)
            torch.bmm(left, filters, out=right)
            kernels.outputs(right.numpy(), biases, relu, start, across, results, half)

    if threads == 1:
        work()
    else:
        for task in [_pool(threads).submit(work) for _ in range(threads)]:
            task.result()
    return result


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    # One thread of PyTorch in each: its number of threads is a matter of the calling thread.
    return ThreadPoolExecutor(threads, "winograd", initializer=lambda: torch.set_num_threads(1))
