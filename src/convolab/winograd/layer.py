"""A convolution for training that computes by Winograd's algorithm where that is faster."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from convolab.winograd.convolution import (
    LEAST_CHANNELS,
    convolve,
    filter_gradient,
    prepare,
    rows,
    transformed,
    usable,
)

LEAST_PAIRS = 2048
"""Pairs of maps from which on training is faster (`benchmarks/winograd_training.py`)."""
LEAST_BATCH = 16
"""Smaller batches are not worth the transforms of the filters."""


def suits(inputs: int, outputs: int) -> bool:
    """Whether a convolution from so many maps to so many is faster this way."""
    return min(inputs, outputs) >= LEAST_CHANNELS and inputs * outputs >= LEAST_PAIRS


class WinogradConv2d(nn.Conv2d):
    """``torch.nn.Conv2d`` in all but speed: the same weights, and the same results up to rounding."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H', W')."""
        if self.takes(x):
            return _Winograd.apply(x, self.weight, self.bias)
        return super().forward(x)

    def takes(self, x: Tensor) -> bool:
        """Whether ``x`` is convolved by Winograd's algorithm. Shapes decide alone, so that a training goes
        the same way each time.
        """
        return (
            self.kernel_size == (3, 3)
            and self.stride == self.padding == self.dilation == (1, 1)
            and self.groups == 1
            and self.padding_mode == "zeros"
            and x.dim() == 4
            and len(x) >= LEAST_BATCH
            and suits(self.in_channels, self.out_channels)
            and x.dtype is self.weight.dtype is torch.float32
            and not torch.is_autocast_enabled(x.device.type)
            and usable(self.in_channels, self.out_channels, x.device)
        )


class _Winograd(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        y = convolve(rows(x), transformed(weight), bias)
        return y.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        given = rows(slopes[0])
        need_x, need_weight, need_bias = ctx.needs_input_grad
        back = filters = bias = None
        if need_x:
            turned = weight.flip(2, 3).transpose(0, 1)
            back = convolve(given, transformed(turned)).permute(0, 3, 1, 2)
        if need_weight:
            filters = filter_gradient(rows(x), given)
        if need_bias:
            bias = given.sum((0, 1, 2))
        return back, filters, bias


def compile_for(model: nn.Module) -> None:
    """Compile what ``model`` will need, before its first batch."""
    if any(isinstance(m, WinogradConv2d) and suits(m.in_channels, m.out_channels) for m in model.modules()):
        prepare()
