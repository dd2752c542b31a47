"""The network as it learns in bf16 on a processor: the same, with fewer ways through memory.

Norm, ReLU (or the way around a residual block) and the border for the next convolution are one function with
its own gradient, in loops that Numba compiles: two passes over the maps forwards and two backwards, where
PyTorch's operations take six each.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from convolab.compiled import loops
from convolab.compiled.sharing import each, strips
from convolab.style.bf16 import bits
from convolab.style.fast.cpu import border_mode, wanted_border
from convolab.style.fast.network import (
    EPSILON,
    Conv,
    Norm,
    Residual,
    Step,
    TransformNetwork,
    Up,
    padded,
    spread,
)

LEAST_SHARED = 250_000
"""With fewer values one core is as fast as two."""


def _kernels() -> Any:
    """The compiled loops that go backwards, or None where Numba cannot be used."""
    return loops("convolab.style.fast.learning_kernels")


def usable(network: TransformNetwork, photo: Tensor) -> bool:
    """Whether a photo's painting can be computed here: one, on the processor, large enough to reflect."""
    return (
        network.device.type == "cpu"
        and len(photo) == 1
        and min(photo.shape[2:]) >= 16
        and _kernels() is not None
    )


def paint(network: TransformNetwork, photo: Tensor, strength: float = 1.0) -> Tensor:
    """As the network with reflection, in bf16: (1, 3, H, W) to the same, in float32, with all gradients."""
    if strength <= 0:
        return photo
    modules = [*network.steps, network.last]
    border = wanted_border(modules[0])
    x = padded((photo * 4 - 2).contiguous(memory_format=torch.channels_last), border, "reflect")
    sizes: list[tuple[int, int]] = []
    with torch.autocast("cpu", torch.bfloat16):
        for module, follows in pairwise(modules):
            edge, after = wanted_border(module), (wanted_border(follows), border_mode(follows, "reflect"))
            size = x.shape[2] - 2 * edge, x.shape[3] - 2 * edge
            if isinstance(module, Residual):
                y = _convolved(module.first.conv, x)
                middle = _normalised(y, module.first.norm, strength, (1, border_mode(module, "reflect")))
                y = _convolved(module.second.conv, middle)
                x = _normalised(y, module.second.norm, strength, after, skip=x, edge=edge)
                continue
            assert isinstance(module, Step)
            y = _convolved(module.conv, x)
            if isinstance(module.conv, Up):
                height, width = sizes.pop()
                y = spread(y, module.conv.filters)[:, :, :height, :width]
            elif module.conv.stride == 2:
                sizes.append(size)
            x = _normalised(y, module.norm, strength, after)
        made = _convolved(network.last, x)
    return network.painted(photo, made.float(), strength)


def _convolved(conv: Conv | Up, x: Tensor) -> Tensor:
    if isinstance(conv, Up):
        return functional.conv2d(x, conv.kernels())
    return functional.conv2d(x, conv.weight, None, conv.stride)


def _normalised(
    y: Tensor, norm: Norm, strength: float, border: tuple[int, int], skip: Tensor | None = None, edge: int = 0
) -> Tensor:
    scale, shift = norm.at(strength)
    return _NormBorder.apply(y, scale, shift, border, skip, edge)


class _NormBorder(torch.autograd.Function):
    """Instance norm of bf16 (1, maps, H, W); then ReLU, or ``skip`` is added; then a border.

    ``border``: its width, and how it is filled (`cpu_kernels.frame`). ``skip`` has a border of ``edge``.
    """

    @staticmethod
    def forward(
        ctx: Any,
        y: Tensor,
        scale: Tensor,
        shift: Tensor,
        border: tuple[int, int],
        skip: Tensor | None,
        edge: int,
    ) -> Tensor:
        kernels = loops("convolab.style.fast.cpu_kernels")
        _, maps, height, width = y.shape
        beside, mode = border
        x = bits(y)
        parts = strips(height) if y.numel() >= LEAST_SHARED else [(0, height)]
        totals = np.zeros((len(parts), 2, maps))
        each(lambda n, top, bottom: kernels.sums(x, 0, width, top, bottom, totals[n]), parts)
        mean, squares = totals.sum(0) / (height * width)
        inverse = 1 / np.sqrt(np.maximum(squares - mean * mean, 0) + EPSILON)
        factor = scale.detach().numpy() * inverse
        level = (shift.detach().numpy() - mean * factor).astype(np.float32)
        factors = factor.astype(np.float32)
        out = np.empty((height + 2 * beside, width + 2 * beside, maps), np.uint16)
        other = np.zeros((0, 0, 0), np.uint16) if skip is None else bits(skip)
        each(
            lambda _, top, bottom: kernels.normalise(
                x, 0, width, factors, level, skip is None, other, edge, out, beside, top, bottom
            ),
            parts,
        )
        kernels.frame(out, beside, mode)
        ctx.x, ctx.out, ctx.parts, ctx.border, ctx.edge = x, out, parts, border, edge
        ctx.mean, ctx.inverse, ctx.factor, ctx.relu = mean, inverse, factor, skip is None
        return _tensor(out)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, Tensor, Tensor, None, Tensor | None, None]:
        kernels = _kernels()
        x, parts, (beside, mode), edge = ctx.x, ctx.parts, ctx.border, ctx.edge
        height, width, maps = x.shape
        given = bits(slopes[0])
        before = np.zeros((height + 2 * edge, width + 2 * edge, maps), np.uint16)
        totals = np.zeros((len(parts), 2, maps))
        mean = ctx.mean.astype(np.float32)
        each(
            lambda n, top, bottom: kernels.gather(
                given, beside, mode, ctx.out, ctx.relu, x, mean, before, edge, totals[n], top, bottom
            ),
            parts,
        )
        total, around = totals.sum(0)
        number = height * width
        bend = -ctx.factor * ctx.inverse**2 * around / number
        base = -ctx.factor * total / number - bend * ctx.mean
        factor, bend, base = (values.astype(np.float32) for values in (ctx.factor, bend, base))
        out = np.empty(x.shape, np.uint16)
        each(
            lambda _, top, bottom: kernels.back(x, before, edge, factor, bend, base, out, top, bottom), parts
        )
        of_scale, of_shift = (
            torch.from_numpy(values.astype(np.float32)) for values in (around * ctx.inverse, total)
        )
        return _tensor(out), of_scale, of_shift, None, None if ctx.relu else _tensor(before), None


def _tensor(bits: np.ndarray) -> Tensor:
    """The other way round."""
    return torch.from_numpy(bits).view(torch.bfloat16).permute(2, 0, 1)[None]
