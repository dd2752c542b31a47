"""What a feature network in bf16 consists of on a processor: convolutions, pooling, Gram matrices.

PyTorch's own modules give the same. Here weights, which never change, are put in the order that oneDNN wants
once instead of at each call, ReLU is part of the convolution, and activations stay in bf16 from one layer to
the next and into the Gram matrices. Most of the time goes into ways through memory, so there are few of them.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from convolab.compiled import loops
from convolab.compiled.sharing import each, strips

if TYPE_CHECKING:
    from convolab.style.features import Convolution

GRAM_PIECES = 16
"""A Gram matrix is the sum of that of up to so many parts of the places: each comes in bf16, their sum has
more digits."""
GRAM_VALUES = 500_000
"""Of all parts together: with many maps they would take longer to add up than to make."""

_PLAIN = ([1, 1], [1, 1], 1)
"""Stride, dilation, groups."""


@functools.cache
def usable() -> bool:
    """Whether oneDNN's convolution with ReLU works here.

    PyTorch has it for its own compiler, where it was built with oneDNN, and refuses on processors that have
    neither AVX-512 nor instructions for bf16.
    """
    try:
        ones = torch.ones(1, 8, 3, 3)
        found = _convolved(_low(ones), _ordered(torch.ones(8, 8, 3, 3)), torch.full((8,), -40.0), relu=True)
        return bool(torch.equal(found[0, 0].float(), torch.tensor([[0.0, 8, 0], [8, 32, 8], [0, 8, 0]])))
    except (RuntimeError, AttributeError):
        return False


def _kernels() -> Any:
    """The compiled loops, or None where Numba cannot be used."""
    return loops("convolab.style.bf16_kernels")


class Weights:
    """Of a 3×3 convolution with stride 1 and padding 1: ready for the way forward and for the way back."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self.forward = _ordered(weight)
        self.backward = _ordered(turned(weight))
        self.bias = bias


class FirstWeights:
    """Of a network's first layer, which is given pixels: their 8 bits less a mean are too many for bf16.

    Pixels and weights are each the sum of two numbers in bf16, large and small; of four products three count.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        large, small = _split(weight)
        self.forward = _ordered(torch.cat([large, large, small], 1))
        self.backward = _ordered(turned(large))
        self.bias = bias


def turned(weight: Tensor) -> Tensor:
    """The filters with which slopes are convolved on the way back."""
    return weight.flip(2, 3).transpose(0, 1)


def _split(x: Tensor) -> tuple[Tensor, Tensor]:
    large = x.bfloat16()
    return large, (x - large.float()).bfloat16()


def _ordered(weight: Tensor) -> Tensor:
    low = weight.detach().to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
    shape = [1, low.shape[1], 64, 64]
    return torch.ops.mkldnn._reorder_convolution_weight(low, [1, 1], *_PLAIN, shape)


def _convolved(x: Tensor, weight: Tensor, bias: Tensor | None, relu: bool, padding: int = 1) -> Tensor:
    return torch.ops.mkldnn._convolution_pointwise(
        x, weight, bias, [padding] * 2, *_PLAIN, "relu" if relu else "none", [], ""
    )


def _way_back(ctx: Any, slope: Tensor, padding: int = 1) -> Tensor:
    """The slopes of what went into a convolution and its ReLU, in bf16."""
    slope = _low(slope)
    if ctx.relu:
        slope = torch.ops.aten.threshold_backward(slope, ctx.saved_tensors[0], 0)
    return _convolved(slope, ctx.weights.backward, None, False, padding)


class _Convolution(torch.autograd.Function):
    """Of the forward pass only the output is kept, for the ReLU."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, convolution: Convolution, relu: bool, masked: bool) -> Tensor:
        weights = convolution.low
        ctx.weights, ctx.relu, ctx.kind = weights, relu and not masked, x.dtype
        y = _convolved(_low(x), weights.forward, weights.bias, relu)
        if ctx.relu:
            ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None, None, None]:
        return _way_back(ctx, slopes[0]).to(ctx.kind), None, None, None


class _First(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, convolution: Convolution, relu: bool, padding: int) -> Tensor:
        weights = convolution.first
        ctx.weights, ctx.relu, ctx.padding = weights, relu, padding
        large, small = _split(x)
        y = _convolved(
            _low(torch.cat([large, small, large], 1)), weights.forward, weights.bias, relu, padding
        )
        if relu:
            ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None, None, None]:
        return _way_back(ctx, slopes[0], 2 - ctx.padding).float(), None, None, None


def convolved(x: Tensor, convolution: Convolution, relu: bool, masked: bool = False) -> Tensor:
    """Convolution and ReLU of (N, inputs, H, W) in bf16.

    With ``masked`` the slopes that come back are 0 already where the ReLU was.
    """
    return _Convolution.apply(x, convolution, relu, masked)


def first_convolved(x: Tensor, convolution: Convolution, relu: bool, padding: int) -> Tensor:
    """The same for the first layer: float32 (N, inputs, H, W) to bf16, as exact as that can be.

    ``padding`` is 0 where the picture has its border already.
    """
    return _First.apply(x, convolution, relu, padding)


def _low(x: Tensor) -> Tensor:
    return x.to(torch.bfloat16).contiguous(memory_format=torch.channels_last)


def can_pool(x: Tensor) -> bool:
    """Whether `pooled` and `tapped` can do bf16 maps of this shape: (1, maps, H, W) on the processor."""
    return x.device.type == "cpu" and len(x) == 1 and min(x.shape[2:]) >= 2 and _kernels() is not None


def pooled(x: Tensor) -> Tensor:
    """The largest of each 2×2 places."""
    return _Pool.apply(x)


def tapped(x: Tensor) -> tuple[Tensor, Tensor]:
    """What a ReLU gave, for whoever wants it, and the largest of each 2×2 places.

    The slopes that come back are those of both, and 0 where the ReLU was.
    """
    return _Tap.apply(x)


class _Pool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        made = _pool(x)
        ctx.save_for_backward(x, made)
        return made

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor]:
        x, made = ctx.saved_tensors
        return (_pool_back(x, made, slopes[0]),)


class _Tap(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        made = _pool(x)
        ctx.save_for_backward(x, made)
        ctx.set_materialize_grads(False)
        return x.view_as(x), made

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor | None) -> tuple[Tensor | None]:
        x, made = ctx.saved_tensors
        own, deeper = slopes
        height, width = x.shape[2:]
        if own is None or deeper is None or height % 2 or width % 2:
            total = own if deeper is None else _pool_back(x, made, deeper)
            if total is None:
                return (None,)
            total = total if own is None or deeper is None else total + own
            return (torch.ops.aten.threshold_backward(_low(total), x, 0),)
        out = torch.empty(height, width, x.shape[1], dtype=torch.bfloat16)
        arrays = bits(x), bits(made), bits(deeper), bits(own), out.view(torch.uint16).numpy()
        each(lambda _, a, b: _kernels().tap_back(*arrays, a, b), strips(height // 2, x.numel()))
        return (out.permute(2, 0, 1)[None],)


def _pool(x: Tensor) -> Tensor:
    _, maps, height, width = x.shape
    out = torch.empty(height // 2, width // 2, maps, dtype=torch.bfloat16)
    given, made = bits(x), out.view(torch.uint16).numpy()
    each(lambda _, a, b: _kernels().pool(given, made, a, b), strips(height // 2, x.numel()))
    return out.permute(2, 0, 1)[None]


def _pool_back(x: Tensor, made: Tensor, slopes: Tensor) -> Tensor:
    _, maps, height, width = x.shape
    kind = torch.zeros if height % 2 or width % 2 else torch.empty
    out = kind(height, width, maps, dtype=torch.bfloat16)
    arrays = bits(x), bits(made), bits(slopes), out.view(torch.uint16).numpy()
    each(lambda _, a, b: _kernels().pool_back(*arrays, a, b), strips(height // 2, x.numel()))
    return out.permute(2, 0, 1)[None]


def bits(x: Tensor) -> np.ndarray:
    """(1, maps, rows, columns) as (rows, columns, maps) of bits."""
    return _low(x.detach())[0].permute(1, 2, 0).contiguous().view(torch.uint16).numpy()


def gram(places: Tensor) -> Tensor:
    """FᵀF of bf16 (places, maps) as float32 (maps, maps)."""
    most = min(GRAM_PIECES, len(places) // 32, GRAM_VALUES // places.shape[1] ** 2)
    pieces = max(1, most)
    size = len(places) // pieces
    parts = places[: size * pieces].view(pieces, size, -1)
    total = torch.bmm(parts.transpose(1, 2), parts).float().sum(0)
    if rest := len(places) - size * pieces:
        last = places[-rest:]
        total += (last.T @ last).float()
    return total
