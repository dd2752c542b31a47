"""What is computed in one go, with its gradients: pooling, batch norm, GELU; and GELU from fp32 to bf16."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from convolab.compiled import loops
from convolab.training.device import usable_cores
from convolab.training.parallel import pool

LEAST_SHARED = 100_000
"""With fewer values one core is as fast as two: waking the other takes as long."""


def kernels() -> Any:
    """The compiled loops, or None where Numba cannot be used."""
    return loops("convolab.fused.kernels")


def bits(x: Tensor) -> np.ndarray:
    """(N, C, H, W) as (N, H, W, C), bf16 as uint16; no copy where it is channels_last."""
    places = x.detach().permute(0, 2, 3, 1).contiguous()
    return (places.view(torch.uint16) if places.dtype is torch.bfloat16 else places).numpy()


def _new(count: int, height: int, width: int, maps: int) -> Tensor:
    """An empty bf16 (N, C, H, W) in channels_last order."""
    return torch.empty(count, height, width, maps, dtype=torch.bfloat16).permute(0, 3, 1, 2)


def _shared(count: int, size: int, work: Callable[[int, int, int], None]) -> None:
    """Call ``work(first, last, piece)`` for parts of ``count`` pictures, each in a thread of its own."""
    threads = 1 if size < LEAST_SHARED else min(usable_cores(), count)
    cuts = [count * i // threads for i in range(threads + 1)]
    others = [pool(threads).submit(work, cuts[i], cuts[i + 1], i) for i in range(1, threads)]
    work(cuts[0], cuts[1], 0)
    for task in others:
        task.result()


def _summed(count: int, size: int, maps: int, work: Callable[[np.ndarray, int, int], None]) -> np.ndarray:
    """Two sums for each map, (2, maps) of float64, added up in the same order each time."""
    sums = np.zeros((usable_cores(), 2, maps))
    _shared(count, size, lambda first, last, piece: work(sums[piece], first, last))
    return sums.sum(0)


def pool_norm_gelu(x: Tensor, norm: nn.BatchNorm2d, pooling: bool) -> Tensor:
    """GELU of the batch norm of bf16 (N, C, H, W), or of its 2×2 max pooling; bf16, with all gradients.

    The running statistics of ``norm`` move as they do in training.
    """
    return _PoolNormGelu.apply(x, norm.weight, norm.bias, norm, pooling)


class _PoolNormGelu(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, norm: nn.BatchNorm2d, pooling: bool
    ) -> Tensor:
        run = kernels()
        count, maps, height, width = x.shape
        given = bits(x)
        if pooling:
            made = _new(count, height // 2, width // 2, maps)
            places = np.empty((count, height // 2, width // 2, maps), np.uint8)
            inner = bits(made)
            sums = _summed(
                count, x.numel(), maps, lambda s, a, b: run.pool_sums(given, inner, places, s, a, b)
            )
            ctx.places = places
        else:
            made, inner = x, given
            sums = _summed(count, x.numel(), maps, lambda s, a, b: run.plain_sums(given, s, a, b))
        number = made.numel() // maps
        mean = sums[0] / number
        variance = np.maximum(sums[1] / number - mean * mean, 0)
        _note(norm, mean, variance, number)
        inverse = 1 / np.sqrt(variance + norm.eps)
        factor = weight.detach().numpy() * inverse
        level = bias.detach().numpy() - mean * factor
        ctx.factor, ctx.level = factor.astype(np.float32), level.astype(np.float32)
        ctx.mean, ctx.inverse, ctx.shape = mean.astype(np.float32), inverse, x.shape
        result = torch.empty_like(made)
        out = bits(result)
        _shared(count, made.numel(), lambda a, b, _: run.norm_gelu(inner, ctx.factor, ctx.level, out, a, b))
        ctx.pooling = pooling
        ctx.save_for_backward(made)
        return result

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, Tensor | None, Tensor, None, None]:
        run = kernels()
        (made,) = ctx.saved_tensors
        inner = bits(made)
        given = bits(slopes[0].to(torch.bfloat16))
        count, maps, height, width = ctx.shape
        factor, level, mean, inverse = ctx.factor, ctx.level, ctx.mean, ctx.inverse
        size = made.numel()
        total, along = _summed(
            count, size, maps, lambda s, a, b: run.slope_sums(inner, given, factor, level, mean, s, a, b)
        )
        number = size // maps
        bend = -factor * inverse * inverse * along / number
        base = -factor * total / number - bend * mean
        bend, base = bend.astype(np.float32), base.astype(np.float32)
        result = _new(count, height, width, maps)
        out = bits(result)
        if ctx.pooling:
            _shared(
                count,
                size,
                lambda a, b, _: run.pool_back(inner, ctx.places, given, factor, level, bend, base, out, a, b),
            )
        else:
            _shared(count, size, lambda a, b, _: run.back(inner, given, factor, level, bend, base, out, a, b))
        of_weight = _tensor(along * inverse) if ctx.needs_input_grad[1] else None
        return result, of_weight, _tensor(total), None, None


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))


@torch.no_grad()
def _note(norm: nn.BatchNorm2d, mean: np.ndarray, variance: np.ndarray, number: int) -> None:
    """Move the running statistics, as `torch.nn.BatchNorm2d` does."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    assert norm.momentum is not None
    unbiased = variance * (number / max(1, number - 1))
    norm.running_mean.lerp_(_tensor(mean), norm.momentum)
    norm.running_var.lerp_(_tensor(unbiased), norm.momentum)
    norm.num_batches_tracked += 1


def gelu_as_bf16(x: Tensor) -> Tensor:
    """GELU of float32 or bf16 (N, C, H, W) as bf16, without a gradient."""
    run = kernels()
    given = bits(x)
    count, maps, height, width = x.shape
    result = _new(count, height, width, maps)
    out = bits(result)
    _shared(count, x.numel(), lambda a, b, _: run.gelu(given, out, a, b))
    return result
