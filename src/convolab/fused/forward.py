"""A network's layers in which runs of pooling, batch norm and GELU are computed in one go."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from convolab.fused.functions import gelu_as_bf16, kernels, pool_norm_gelu

Part = Callable[[Tensor], Tensor]


def fused(layers: Sequence[nn.Module]) -> list[Part]:
    """What to call one after the other, instead of ``layers``, for training in bf16 on a CPU.

    The modules keep their weights and running statistics. What does not suit, and a network that is
    evaluated, is computed by the modules themselves.
    """
    if kernels() is None:
        return list(layers)
    parts: list[Part] = []
    at = 0
    while at < len(layers):
        rest = layers[at:]
        pooling = _halves(rest[0])
        after = rest[1:] if pooling else rest
        if len(after) >= 2 and _plain_norm(after[0]) and _plain_gelu(after[1]):
            taken = 3 if pooling else 2
            parts.append(_Run(rest[:taken], pooling))
        else:
            taken = 1
            parts.append(_Narrowing(rest[0]) if _plain_gelu(rest[0]) else rest[0])
        at += taken
    return parts


def prepare_for(model: nn.Sequential) -> None:
    """Compile what ``model`` will need, before its first batch: some seconds the first time on a machine."""
    if kernels() is not None and any(not isinstance(part, nn.Module) for part in fused(list(model))):
        _prepare()


@functools.cache
def _prepare() -> None:
    for pooling in (True, False):
        x = torch.zeros(1, 8, 4, 4, dtype=torch.bfloat16).contiguous(memory_format=torch.channels_last)
        norm = nn.BatchNorm2d(8)
        pool_norm_gelu(x.requires_grad_(), norm, pooling).sum().backward()
        gelu_as_bf16(x)
        gelu_as_bf16(x.float())


class _Run:
    """Pooling (or none), batch norm and GELU."""

    def __init__(self, modules: Sequence[nn.Module], pooling: bool) -> None:
        self.modules, self.pooling = modules, pooling
        norm = modules[-2]
        assert isinstance(norm, nn.BatchNorm2d)
        self.norm = norm

    def __call__(self, x: Tensor) -> Tensor:
        norm = self.norm
        least = 2 if self.pooling else 1
        if norm.training and x.dtype is torch.bfloat16 and x.dim() == 4 and min(x.shape[2:]) >= least:
            return pool_norm_gelu(x, norm, self.pooling)
        for module in self.modules:
            x = module(x)
        return x


class _Narrowing:
    """GELU of maps that nothing below learns from."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def __call__(self, x: Tensor) -> Tensor:
        suits = x.dim() == 4 and x.dtype in (torch.float32, torch.bfloat16) and not x.requires_grad
        return gelu_as_bf16(x) if suits and self.module.training else self.module(x)


def _halves(module: nn.Module) -> bool:
    return isinstance(module, nn.MaxPool2d) and (
        module.kernel_size, module.stride, module.padding, module.dilation, module.ceil_mode,
    ) == (2, 2, 0, 1, False)  # fmt: skip


def _plain_norm(module: nn.Module) -> bool:
    return (
        isinstance(module, nn.BatchNorm2d)
        and module.affine
        and module.track_running_stats
        and module.momentum is not None
    )


def _plain_gelu(module: nn.Module) -> bool:
    return isinstance(module, nn.GELU) and module.approximate == "none"
