"""PyTorch modules that PyTorch itself does not have."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ScaledTanh(nn.Module):
    """1.7159·tanh(2x/3), element by element."""

    def forward(self, x: Tensor) -> Tensor:
        """The same shape as ``x``."""
        return 1.7159 * torch.tanh(x * (2 / 3))


class Scale(nn.Module):
    """Every value times the same fixed number."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """The same shape as ``x``."""
        return x * self.factor


def fixed_scale(norm: nn.BatchNorm2d) -> nn.BatchNorm2d:
    """The same batch norm, with a scale that stays as it is."""
    norm.weight.requires_grad_(False)
    return norm


class WhiteningConv2d(nn.Conv2d):
    """A convolution whose filters are computed from what comes in, and then stay: `fit` does that.

    Filters come in pairs: a principal direction of the patches, scaled so that its response has deviation 1,
    and its negative, so that a ReLU after it loses nothing. The strongest directions come first. Only the
    bias is learned. (Page: How to train your ResNet, 8: bag of tricks, 2019; pairs as in tysam-code's hlb.)
    """

    EPSILON = 5e-4
    """Added to the variances, so that directions which hardly occur are not blown up to noise."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, bias=bias)
        self.weight.requires_grad_(False)

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Compute the filters from (N, in_channels, H, W); the more pictures the better, 1,000 are enough."""
        k = self.kernel_size[0]
        patches = _patches(x.double(), k)
        patches = patches - patches.mean(0)
        variances, directions = torch.linalg.eigh(patches.T @ patches / len(patches))
        filters = (directions / (variances.clamp_min(0) + self.EPSILON).sqrt()).T.flip(0)
        pairs = torch.stack((filters, -filters), 1).flatten(0, 1)[: self.out_channels]
        self.weight.copy_(pairs.view(self.out_channels, self.in_channels, k, k))
        if self.bias is not None:
            self.bias.zero_()


def _patches(x: Tensor, kernel_size: int) -> Tensor:
    """All patches of (N, C, H, W) as rows (N · places, C · kernel · kernel)."""
    return F.unfold(x, kernel_size).transpose(1, 2).flatten(0, 1)


@torch.no_grad()
def whiten(model: nn.Module, images: Tensor) -> None:
    """Fit every `WhiteningConv2d` in ``model`` to what reaches it from ``images``, the first one first."""
    whitening = [module for module in model.modules() if isinstance(module, WhiteningConv2d)]
    if not whitening:
        return

    def fit(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(module, WhiteningConv2d)
        module.fit(inputs[0].float())

    hooks = [module.register_forward_pre_hook(fit) for module in whitening]
    training = model.training
    model.eval()
    try:
        model(images)
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()


class TableConv2d(nn.Module):
    """A convolution in which each output map sees only some of the input maps.

    ``connections[o]`` lists the input maps of output map o. ``weight`` has one filter per connection, in that
    order: shape (connections, kernel, kernel); connections that do not exist have no weights at all.
    """

    def __init__(
        self,
        in_channels: int,
        connections: Sequence[Sequence[int]],
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, len(connections)
        self.connections = tuple(tuple(inputs) for inputs in connections)
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        pairs = [o * in_channels + i for o, inputs in enumerate(self.connections) for i in inputs]
        self.weight = nn.Parameter(torch.empty(len(pairs), kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.empty(self.out_channels)) if bias else None
        self.pairs: Tensor
        self.register_buffer("pairs", torch.tensor(pairs), persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """As PyTorch's convolutions: uniform within 1/√fan-in, which differs between output maps."""
        with torch.no_grad():
            bounds = [(len(inputs) * self.kernel_size**2) ** -0.5 for inputs in self.connections]
            per_filter = [
                bound for bound, inputs in zip(bounds, self.connections, strict=True) for _ in inputs
            ]
            self.weight.uniform_(-1, 1).mul_(torch.tensor(per_filter)[:, None, None])
            if self.bias is not None:
                self.bias.uniform_(-1, 1).mul_(torch.tensor(bounds))

    def dense_weight(self) -> Tensor:
        """The weights as (out_channels, in_channels, kernel, kernel), zero where nothing is connected."""
        k = self.kernel_size
        dense = self.weight.new_zeros(self.out_channels * self.in_channels, k, k)
        return dense.index_copy(0, self.pairs, self.weight).view(self.out_channels, self.in_channels, k, k)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H', W')."""
        return F.conv2d(x, self.dense_weight(), self.bias, self.stride, self.padding)


class Residual(nn.Module):
    """``body(x) + x``, or ``body(x) + shortcut(x)`` where the shapes differ."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """The shape of ``body(x)``."""
        return self.body(x) + (x if self.shortcut is None else self.shortcut(x))
