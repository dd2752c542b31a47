"""Small pictures first: training begins with shrunk images, which cost less, and ends with whole ones.

(Howard and others: fast.ai's entry to DAWNBench, 2018.)
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

WHOLE_FROM = 2 / 3
"""The share of training after which images have their own size."""


def size_at(side: int, start_size: float, done: float) -> int:
    """Pixels a side when the share ``done`` of training is done: even, growing from ``start_size · side``."""
    if start_size >= 1 or done >= WHOLE_FROM:
        return side
    share = start_size + (1 - start_size) * max(0.0, done) / WHOLE_FROM
    return min(side, max(1, 2 * round(side * share / 2)))


def shrunk(images: Tensor, start_size: float, done: float) -> Tensor:
    """Images (N, C, H, W) at the size of this moment, by averaging what becomes one pixel."""
    height, width = images.shape[2:]
    size = size_at(height, start_size, done), size_at(width, start_size, done)
    if size == (height, width):
        return images
    return functional.interpolate(images, size=size, mode="bilinear", align_corners=False, antialias=True)
