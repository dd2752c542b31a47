"""Threads for work that is shared out in whole pieces, each of which one core computes alone."""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor

import torch


@functools.cache
def pool(threads: int) -> ThreadPoolExecutor:
    """So many threads that each compute alone: PyTorch's number of threads is a matter of the calling one."""
    return ThreadPoolExecutor(threads, "pieces", initializer=lambda: torch.set_num_threads(1))
