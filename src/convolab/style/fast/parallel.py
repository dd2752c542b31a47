"""Learning one style on many machines: each learns from photos of its own, slopes are averaged at each step.

Start the same command on each machine by PyTorch's launcher, which tells the processes of each other:
``torchrun --nnodes 4 --nproc-per-node 1 --rdzv-endpoint HOST:29500 -m convolab learn-style …``. A batch is
then as many times larger. The first process has the job: it reports, saves, takes up what was saved before,
tells the others where to begin, and decides when it ends. They only learn along.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
from torch import Tensor, distributed

T = TypeVar("T")


def launched() -> bool:
    """Whether this process was started by PyTorch's launcher, with others."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "MASTER_ADDR" in os.environ


def join() -> tuple[int, int]:
    """This process's place and how many there are, (0, 1) on its own; joins those launched with it."""
    if not distributed.is_available():
        return 0, 1
    if not distributed.is_initialized():
        if not launched():
            return 0, 1
        distributed.init_process_group("gloo")
    return distributed.get_rank(), distributed.get_world_size()


def together() -> bool:
    """Whether others learn with this process."""
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1


def average(tensors: Iterable[Tensor]) -> None:
    """Replace each tensor by its mean over all processes."""
    if not together():
        return
    own = list(tensors)
    flat = torch.cat([tensor.flatten().cpu() for tensor in own])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    at = 0
    for tensor in own:
        tensor.copy_(flat[at : at + tensor.numel()].view_as(tensor))
        at += tensor.numel()


def agreed(number: float) -> float:
    """The first process's number, in all."""
    if not together():
        return number
    told = torch.tensor([float(number)], dtype=torch.float64)
    distributed.broadcast(told, 0)
    return float(told)


def told(of_the_first: Callable[[], T]) -> T:
    """What the first process has, in all of them; the others do not call ``of_the_first``."""
    if not together():
        return of_the_first()
    box: list[T | None] = [of_the_first() if distributed.get_rank() == 0 else None]
    distributed.broadcast_object_list(box, 0)
    return box[0]  # type: ignore[return-value]


def is_alone_now(error: RuntimeError) -> bool:
    """Whether an error says that another process is gone."""
    return together() and "connection" in str(error).lower()
