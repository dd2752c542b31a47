"""The image transformation network: a photo in, a painting out, in one pass; strength is an input.

Against checkerboards it enlarges by repeating pixels instead of transposed convolutions (Odena and others,
2016), against framed pictures it pads by reflection, and its norms are of each picture on its own (Ulyanov
and others, 2016). Two things are its own: how much of the photo shows through is learned, so that learning
begins near the photo and not in grey; and all norms depend on the strength, so that half a strength is a
lighter painting, not a painting over which the photo was laid (after Babaeizadeh and Ghiasi, 2018).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from convolab.style.fast.architecture import Architecture, Part, parse

Padding = Literal["reflect", "replicate", "zeros"]
PADDINGS: tuple[Padding, ...] = ("reflect", "replicate", "zeros")
Size = tuple[int, int]

EPSILON = 1e-5
OVERSHOOT = 0.55
"""Colours are 0.5 ± this times tanh: black and white are reached, and what lies beyond is cut off."""
SHOWS_THROUGH = 0.5
"""How much of the photo shows through before anything is learned."""


def padded(x: Tensor, border: int, padding: Padding) -> Tensor:
    """(N, C, H, W) with ``border`` more places on each side; tiny maps are padded by repeating."""
    if not border:
        return x
    if padding == "zeros":
        return functional.pad(x, [border] * 4)
    mode = padding if padding == "replicate" or min(x.shape[2:]) > border else "replicate"
    return functional.pad(x, [border] * 4, mode=mode)


class _Normalize(torch.autograd.Function):
    """Instance normalisation with scale and shift, and ReLU, in few passes over the maps."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, shift: Tensor, relu: bool) -> Tensor:
        if x.dtype is torch.bfloat16:
            x = x.float()  # too few digits for means of many
        variance, mean = torch.var_mean(x, (2, 3), correction=0, keepdim=True)
        inverse = (variance + EPSILON).rsqrt()
        factor = scale.view(1, -1, 1, 1) * inverse
        y = torch.addcmul(shift.view(1, -1, 1, 1) - mean * factor, x, factor)
        if relu:
            y.relu_()
        ctx.relu = relu
        ctx.save_for_backward(x, y if relu else None, mean, inverse, factor)
        return y

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, y, mean, inverse, factor = ctx.saved_tensors
        slope = torch.ops.aten.threshold_backward(slopes[0], y, 0) if ctx.relu else slopes[0]
        count = x.shape[2] * x.shape[3]
        total = slope.sum((2, 3), keepdim=True)
        along = ((slope * x).sum((2, 3), keepdim=True) - mean * total) * inverse
        bend = -factor * inverse * along / count
        level = -factor * total / count - bend * mean
        back = torch.addcmul(torch.addcmul(level, slope, factor), x, bend)
        return back, along.sum(0).flatten(), total.sum(0).flatten(), None


@dataclass(frozen=True)
class Statistics:
    """Mean and variance of each map of one picture, both (maps,)."""

    mean: Tensor
    variance: Tensor


class Norm(nn.Module):
    """Instance normalisation; scale and shift move away from those of the full style as strength falls."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(maps))
        self.shift = nn.Parameter(torch.zeros(maps))
        self.weak_scale = nn.Parameter(torch.zeros(maps))
        self.weak_shift = nn.Parameter(torch.zeros(maps))

    def at(self, strength: float) -> tuple[Tensor, Tensor]:
        """Scale and shift of each map for a strength."""
        if strength == 1:
            return self.scale, self.shift
        weakness = 1 - strength
        return self.scale + weakness * self.weak_scale, self.shift + weakness * self.weak_shift

    def forward(self, x: Tensor, strength: float, relu: bool, statistics: Statistics | None = None) -> Tensor:
        """(N, C, H, W) to the same shape. ``statistics`` of a whole picture are used for a part of it."""
        scale, shift = self.at(strength)
        if statistics is None and x.dtype is torch.bfloat16 and len(x) == 1 and torch.is_grad_enabled():
            # Of a batch of one, batch norm is instance norm, and PyTorch's adds up bf16 in fp32.
            y = functional.batch_norm(x, None, None, scale, shift, True, 0.0, EPSILON)
            return y.relu_() if relu else y
        if statistics is None:
            return _Normalize.apply(x, scale, shift, relu)
        factor = scale * (statistics.variance + EPSILON).rsqrt()
        y = torch.addcmul((shift - statistics.mean * factor).view(1, -1, 1, 1), x, factor.view(1, -1, 1, 1))
        return y.relu_() if relu else y


class Conv(nn.Module):
    """A convolution without bias; the border is padded as asked."""

    def __init__(self, inputs: int, part: Part) -> None:
        super().__init__()
        self.stride, self.border = part.stride, part.kernel // 2
        weight = torch.empty(part.filters, inputs, part.kernel, part.kernel)
        nn.init.kaiming_normal_(weight, nonlinearity="relu")
        self.weight = nn.Parameter(weight.contiguous(memory_format=torch.channels_last))

    def forward(self, x: Tensor, padding: Padding) -> Tensor:
        """(N, inputs, H, W) to (N, filters, ⌈H/stride⌉, ⌈W/stride⌉)."""
        return functional.conv2d(padded(x, self.border, padding), self.weight, None, self.stride)


# One axis of nearest-neighbour enlarging and a kernel of 3: an even place sees its left neighbour and twice
# itself, an odd one twice itself and its right neighbour.
_SUMS = torch.tensor([[[1.0, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]])


class Up(nn.Module):
    """Each place becomes four equal ones, then a 3×3 convolution: computed without the larger map.

    Of nine weights several meet the same value. Their sums are four 2×2 kernels on the small map, one for
    each of the four new places: 4/9 of the multiplications, and the same result.
    """

    def __init__(self, inputs: int, part: Part) -> None:
        super().__init__()
        self.filters = part.filters
        weight = torch.empty(part.filters, inputs, 3, 3)
        nn.init.kaiming_normal_(weight, nonlinearity="relu")
        self.weight = nn.Parameter(weight)

    def kernels(self) -> Tensor:
        """(4 · filters, inputs, 2, 2): for the new places (0, 0), (0, 1), (1, 0), (1, 1)."""
        sums = _SUMS.to(self.weight)
        made = torch.einsum("pua,oiab,qvb->pqoiuv", sums, self.weight, sums)
        kernels = made.reshape(4 * self.filters, -1, 2, 2)
        return kernels.contiguous(memory_format=torch.channels_last)

    def forward(self, x: Tensor, padding: Padding) -> Tensor:
        """(N, inputs, H, W) to (N, filters, 2·H, 2·W)."""
        # Reflecting the enlarged map by one place is repeating the small one.
        mode: Padding = "zeros" if padding == "zeros" else "replicate"
        return spread(functional.conv2d(padded(x, 1, mode), self.kernels()), self.filters)


def spread(four: Tensor, filters: int) -> Tensor:
    """(N, 4·filters, H + 1, W + 1) of `Up`'s kernels to the map of (N, filters, 2·H, 2·W)."""
    places = four.permute(0, 2, 3, 1)
    count, height, width = places.shape[0], places.shape[1] - 1, places.shape[2] - 1
    rows = []
    for p in (0, 1):
        across = [
            places[:, p : p + height, q : q + width, (2 * p + q) * filters : (2 * p + q + 1) * filters]
            for q in (0, 1)
        ]
        rows.append(torch.stack(across, 3))
    whole = torch.stack(rows, 2).reshape(count, 2 * height, 2 * width, filters)
    return whole.permute(0, 3, 1, 2)


class Step(nn.Module):
    """A convolution or an enlarging, then norm and ReLU."""

    def __init__(self, inputs: int, part: Part) -> None:
        super().__init__()
        self.conv = Up(inputs, part) if part.kind == "up" else Conv(inputs, part)
        self.norm = Norm(part.filters)

    def forward(
        self, x: Tensor, strength: float, padding: Padding, relu: bool = True, size: Size | None = None
    ) -> Tensor:
        """The maps after this step, cut to ``size`` (rows, columns)."""
        x = self.conv(x, padding)
        if size is not None:
            x = x[:, :, : size[0], : size[1]]
        return self.norm(x, strength, relu)


class Residual(nn.Module):
    """Two steps with a way around them."""

    def __init__(self, part: Part) -> None:
        super().__init__()
        self.first = Step(part.filters, part)
        self.second = Step(part.filters, part)

    def forward(self, x: Tensor, strength: float, padding: Padding) -> Tensor:
        """The same shape."""
        return x + self.second(self.first(x, strength, padding), strength, padding, relu=False)


class TransformNetwork(nn.Module):
    """The network of an architecture, with initial weights from a seed.

    Pictures are float32 (N, 3, H, W), red, green, blue, 0 … 1, of any size from 1 pixel on.
    """

    def __init__(self, architecture: Architecture | str = "standard", seed: int = 0) -> None:
        super().__init__()
        self.architecture = parse(architecture) if isinstance(architecture, str) else architecture
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._build()

    def _build(self) -> None:
        steps: list[nn.Module] = []
        inputs = 3
        *parts, last = self.architecture.parts
        for part in parts:
            steps.append(Residual(part) if part.kind == "residual" else Step(inputs, part))
            inputs = part.filters
        self.steps = nn.ModuleList(steps)
        self.last = Conv(inputs, last)
        with torch.no_grad():
            self.last.weight.mul_(0.1)
        self.color = nn.Parameter(torch.zeros(3))
        self.photo = nn.Parameter(torch.full((3,), SHOWS_THROUGH))
        self.weak_photo = nn.Parameter(torch.full((3,), 1 - SHOWS_THROUGH))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.color.device

    def forward(self, photo: Tensor, strength: float = 1.0, padding: Padding = "reflect") -> Tensor:
        """The painting, of the photo's shape; values about 0 … 1. Strength 0 is the photo itself."""
        if strength <= 0:
            return photo
        x = (photo * 4 - 2).contiguous(memory_format=torch.channels_last)
        sizes: list[Size] = []
        for step, part in zip(self.steps, self.architecture.parts, strict=False):
            if part.stride == 2:
                sizes.append((x.shape[2], x.shape[3]))
            if part.kind == "up":  # odd sides were rounded up on the way down
                x = step(x, strength, padding, size=sizes.pop())
            else:
                x = step(x, strength, padding)
        return self.painted(photo, self.last(x, padding), strength)

    def painted(self, photo: Tensor, made: Tensor, strength: float) -> Tensor:
        """The picture from what the last convolution made, and from what shows through of the photo."""
        through, shift = (part.view(1, 3, 1, 1) for part in self.colors(strength))
        pictured = tanh_colors(torch.addcmul(made + shift, inverse_colors(photo), through))
        share = share_of(strength)
        return pictured if share == 1 else torch.lerp(photo, pictured, share)

    def colors(self, strength: float) -> tuple[Tensor, Tensor]:
        """How much of each of the photo's colours shows through, and what is added to them."""
        return self.photo + (1 - strength) * self.weak_photo, self.color


def tanh_colors(x: Tensor) -> Tensor:
    """Any number as a colour, 0.5 ± `OVERSHOOT`."""
    return x.tanh() * OVERSHOOT + 0.5


def inverse_colors(photo: Tensor) -> Tensor:
    """The number of which `tanh_colors` makes this colour."""
    return ((photo - 0.5) / OVERSHOOT).clamp(-0.99, 0.99).atanh()


def share_of(strength: float) -> float:
    """The network's share of the picture; the rest is the photo. From a strength of 0.3 on more than 3/4.

    Only so is a strength of 0 the photo to the last bit. Learning knows of it, so that what comes out has the
    strength asked for.
    """
    return 1 - math.pow(1 - min(1.0, max(0.0, strength)), 4)
