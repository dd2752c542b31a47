"""The feature network: a picture in, the activation maps of chosen layers out, as one dict."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from convolab import winograd
from convolab.errors import SettingsError, unknown
from convolab.networks.modules import Residual
from convolab.style import bf16

Pooling = Literal["average", "max"]
Padding = Literal["zero", "replicate"]

Window = tuple[int, int, int]
"""Kernel, stride and padding, in units of the map below."""

PICTURE = "picture"
"""The key of the picture itself in a dict of features."""


class Convolution(nn.Module):
    """A convolution with weights that never change; `forward` can apply the ReLU that follows it as well."""

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self, weight: Tensor, bias: Tensor | None, stride: int = 1, padding: int = 1, border: Padding = "zero"
    ) -> None:
        super().__init__()
        self.stride, self.padding, self.border = stride, padding, border
        self.register_buffer("weight", weight.detach().contiguous(memory_format=torch.channels_last))
        self.register_buffer("bias", None if bias is None else bias.detach().clone())
        small = tuple(weight.shape[2:]) == (3, 3) and stride == 1 and padding == 1
        self._small, self._plain = small, small and border == "zero"
        self._filters: tuple[Tensor, Tensor] | None = None
        self._low: bf16.Weights | None = None
        self._first: bf16.FirstWeights | None = None

    def forward(self, x: Tensor, relu: bool = False, masked: bool = False) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H', W'). For ``masked`` see `bf16.convolved`."""
        if self._fast(x):
            return _Fast.apply(x, self, relu)
        if self.fast_in_bf16(x):
            return bf16.convolved(x, self, relu, masked)
        if self.border == "replicate" and self.padding:
            x = self._padded(x)
            y = functional.conv2d(x, self.weight, self.bias, self.stride)
        else:
            y = functional.conv2d(x, self.weight, self.bias, self.stride, self.padding)
        return functional.relu(y, inplace=True) if relu else y

    def forward_first(self, x: Tensor, relu: bool) -> Tensor:
        """The same of float32 pixels in bf16, as exact as its output can be."""
        if not (self._small and x.device.type == "cpu" and bf16.usable()):
            return self(x, relu)
        if self.border == "replicate":
            return bf16.first_convolved(self._padded(x), self, relu, 0)
        return bf16.first_convolved(x, self, relu, 1)

    def _padded(self, x: Tensor) -> Tensor:
        return functional.pad(x, [self.padding] * 4, mode="replicate")

    def fast_in_bf16(self, x: Tensor) -> bool:
        """Whether `bf16.convolved` will do it."""
        kind = x.device.type
        asked = torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind) is torch.bfloat16
        return self._plain and kind == "cpu" and asked and bf16.usable()

    def _fast(self, x: Tensor) -> bool:
        outputs, inputs = self.weight.shape[:2]
        return (
            self._plain
            and x.dtype is torch.float32
            and not torch.is_autocast_enabled(x.device.type)
            and winograd.usable(inputs, outputs, x.device)
        )

    @property
    def filters(self) -> tuple[Tensor, Tensor]:
        """Transformed for `winograd.convolve`: forward, and for the gradient of the input."""
        if self._filters is None:
            turned = self.weight.flip(2, 3).transpose(0, 1)
            self._filters = winograd.transformed(self.weight), winograd.transformed(turned)
        return self._filters

    @property
    def low(self) -> bf16.Weights:
        """In bf16, as oneDNN wants them."""
        if self._low is None:
            self._low = bf16.Weights(self.weight, self.bias)
        return self._low

    @property
    def first(self) -> bf16.FirstWeights:
        """The same for a network's first layer."""
        if self._first is None:
            self._first = bf16.FirstWeights(self.weight, self.bias)
        return self._first


class _Fast(torch.autograd.Function):
    """Convolution and ReLU by Winograd's algorithm; of the forward pass only the output is kept."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, convolution: Convolution, relu: bool) -> Tensor:
        filters, ctx.backward_filters = convolution.filters
        y = winograd.convolve(winograd.rows(x), filters, convolution.bias, relu=relu).permute(0, 3, 1, 2)
        ctx.relu = relu
        if relu:
            ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None, None]:
        where = winograd.rows(ctx.saved_tensors[0]) if ctx.relu else None
        back = winograd.convolve(winograd.rows(slopes[0]), ctx.backward_filters, where=where)
        return back.permute(0, 3, 1, 2), None, None


class FeatureNetwork:
    """Named layers, one after the other, of a network whose weights stay as they are.

    Pictures are float32 (N, 3, H, W), red, green, blue, 0 … 1. What the network was trained to expect (order
    of the channels, means, grey) is done inside.
    """

    def __init__(
        self,
        name: str,
        steps: Sequence[tuple[str, nn.Module]],
        factors: Sequence[float] = (1.0, 1.0, 1.0),
        means: Sequence[float] = (0.0, 0.0, 0.0),
        grey: bool = False,
    ) -> None:
        """``factors`` and ``means`` per channel: the network is given factor · (255 · picture − mean)."""
        self.name = name
        self.steps = tuple(steps)
        self.layers = tuple(step for step, _ in self.steps)
        self.grey = grey
        kinds = [isinstance(module, Convolution) for _, module in self.steps]
        self._first = kinds.index(True) if True in kinds else len(kinds)
        self.precision: Literal["fp32", "bf16"] = "fp32"
        self._means = torch.tensor(means).view(1, -1, 1, 1)
        self._factors = torch.tensor(factors).view(1, -1, 1, 1)
        for _, module in self.steps:
            module.requires_grad_(False).eval()

    @property
    def device(self) -> torch.device:
        """Where the weights are, and where pictures have to be."""
        return self._means.device

    def to(self, device: torch.device) -> FeatureNetwork:
        """Move the weights; returns itself."""
        for _, module in self.steps:
            module.to(device)
        self._means, self._factors = self._means.to(device), self._factors.to(device)
        return self

    def check(self, layers: Iterable[str]) -> None:
        """SettingsError that names the nearest layer if one of ``layers`` is not there."""
        for layer in layers:
            if layer not in self.layers:
                raise SettingsError(unknown(f"layer in {self.name}", layer, self.layers))

    def deepest(self, layers: Iterable[str]) -> int:
        """How many steps have to be computed for ``layers``."""
        return max((self.layers.index(layer) + 1 for layer in layers if layer != PICTURE), default=0)

    def stride(self, layer: str) -> int:
        """How many pixels apart neighbouring units of a layer look at the picture."""
        return math.prod(stride for _, stride, _ in self._windows([layer]))

    def reach(self, layer: str) -> int:
        """How many pixels beyond its own place a unit of a layer can see, in each direction."""
        reach, jump = 0, 1
        for kernel, stride, padding in self._windows([layer]):
            reach += max(padding, kernel - 1 - padding) * jump
            jump *= stride
        return reach

    def shape(self, layer: str, height: int, width: int) -> tuple[int, int, int]:
        """(maps, rows, columns) of a layer for a picture of that size."""
        for kernel, stride, padding in self._windows([layer]):
            height, width = ((side + 2 * padding - kernel) // stride + 1 for side in (height, width))
        return self.maps(layer), height, width

    def maps(self, layer: str) -> int:
        """How many activation maps a layer has."""
        made = [_maps(module) for _, module in self.steps[: self.deepest([layer])]]
        return next((maps for maps in reversed(made) if maps), 1 if self.grey else 3)

    def smallest(self, layers: Iterable[str]) -> int:
        """The least side in pixels of a picture for which every one of ``layers`` has a unit."""
        side = 1
        for kernel, stride, padding in reversed(self._windows(layers)):
            side = max(1, (side - 1) * stride + kernel - 2 * padding)
        return side

    def _windows(self, layers: Iterable[str]) -> list[Window]:
        return [window for _, module in self.steps[: self.deepest(layers)] for window in _windows(module)]

    def prepared(self, picture: Tensor) -> Tensor:
        """What the first layer is given: channels_last, means taken off."""
        if self.grey:
            luminance = torch.tensor([0.299, 0.587, 0.114], device=picture.device).view(1, 3, 1, 1)
            picture = (picture * luminance).sum(1, keepdim=True)
        scaled = (picture * 255 - self._means) * self._factors
        return scaled.contiguous(memory_format=torch.channels_last)

    def __call__(self, picture: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Activations of ``layers``, each (N, maps, rows, columns), and the picture as ``picture``.

        They are float32, but bfloat16 where they were computed in it. Nothing deeper than the deepest of them
        is computed. SettingsError for an unknown layer or a picture that is too small.
        """
        wanted = {layer for layer in layers if layer != PICTURE}
        self.check(wanted)
        least = self.smallest(wanted)
        if min(picture.shape[2:]) < least:
            raise SettingsError(
                f"A picture of {picture.shape[3]}×{picture.shape[2]} pixels is too small for these layers: "
                f"they need {least} pixels a side."
            )
        found = {PICTURE: picture}
        x, last = self.prepared(picture), self.deepest(wanted)
        at = 0
        while at < last:
            low = self.precision == "bf16" and at > self._first
            with torch.autocast(picture.device.type, torch.bfloat16, enabled=low):
                made = self._next(x, at, last, wanted)
            found |= {name: maps for name, maps in made if name in wanted}
            name, x = made[-1]
            at = self.layers.index(name) + 1
        return found

    def _next(self, x: Tensor, at: int, last: int, wanted: set[str]) -> list[tuple[str, Tensor]]:
        """The maps of step ``at`` of ``last`` with its name, and of more steps where they come in one go."""
        name, module = self.steps[at]
        if not isinstance(module, Convolution):
            own = _halves(module) and x.dtype is torch.bfloat16 and bf16.can_pool(x)
            return [(name, bf16.pooled(x) if own else module(x))]
        # The convolution's own output is made only where somebody asked for it.
        after = self.steps[at + 1 : min(at + 3, last)] if name not in wanted else ()
        if not after or not isinstance(after[0][1], nn.ReLU):
            return [(name, self._convolved(module, x, at))]
        halved = len(after) == 2 and _halves(after[1][1])
        if halved and module.fast_in_bf16(x) and bf16.can_pool(x):
            maps, smaller = bf16.tapped(module(x, relu=True, masked=True))
            return [(after[0][0], maps), (after[1][0], smaller)]
        return [(after[0][0], self._convolved(module, x, at, relu=True))]

    def _convolved(self, module: Convolution, x: Tensor, at: int, relu: bool = False) -> Tensor:
        first = at == self._first and self.precision == "bf16"
        return module.forward_first(x, relu) if first else module(x, relu)


def _halves(module: nn.Module) -> bool:
    if not isinstance(module, nn.MaxPool2d) or module.ceil_mode:
        return False
    window = module.kernel_size, module.stride, module.padding, module.dilation
    return tuple(one(number) for number in window) == (2, 2, 0, 1)


def _windows(module: nn.Module) -> list[Window]:
    """Kernel, stride and padding of each part of a step that looks at several places."""
    if isinstance(module, Residual):
        return [window for part in module.body.children() for window in _windows(part)]
    if isinstance(module, Convolution):
        return [(module.weight.shape[2], module.stride, module.padding)]
    if isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
        return [(one(module.kernel_size), one(module.stride), one(module.padding))]
    if isinstance(module, nn.ConstantPad2d):
        return [(1, 1, module.padding[0])]
    return []


def one(value: Any) -> int:
    """The number in a setting that PyTorch keeps as a number or as a pair of equal ones."""
    return int(value[0] if isinstance(value, tuple) else value)


def _maps(module: nn.Module) -> int:
    """How many maps come out of a step; 0 where as many as go in."""
    if isinstance(module, Convolution):
        return int(module.weight.shape[0])
    if isinstance(module, nn.Conv2d):
        return module.out_channels
    if isinstance(module, Residual):
        return next((maps for part in reversed(list(module.body.children())) if (maps := _maps(part))), 0)
    return 0
