"""Pictures larger than memory: exact features, sums over places, and gradients by overlapping tiles.

A tile is computed with a border as wide as the deepest layer can see, and only the units of its own part are
used, so that they are exactly those of the whole picture. Gram matrices are sums over places: first the sums
over all tiles are taken, then each tile is computed once more to pass the slopes of the sums back to pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
import torch
from torch import Tensor, nn

from convolab.errors import SettingsError
from convolab.style.features import Convolution, FeatureNetwork
from convolab.style.losses import Loss, Region

if TYPE_CHECKING:
    from convolab.style.objective import Differences, Objective

SPARE = 0.7
"""Share of the free memory that is used where no other limit was set."""
_BASE_MB = 750
"""Of the process itself with PyTorch and the weights of VGG in both forms."""


@dataclass(frozen=True)
class Tiling:
    """Side of a tile's own part in pixels, and of the border around it; multiples of the deepest stride."""

    side: int
    border: int


@dataclass(frozen=True)
class _Tile:
    """Own part (top, left, bottom, right), and what is computed, both in pixels of the picture."""

    own: tuple[int, int, int, int]
    cut: tuple[int, int, int, int]

    def part(self, features: Tensor, stride: int, shape: Sequence[int]) -> tuple[Tensor, Region]:
        """Of a layer's features for the cut those of the own part, and their place in the whole map."""
        top, left, bottom, right = self.own
        rows, columns = shape[1:]
        # At the picture's far edges a layer may have fewer units than the stride would give.
        last_row = rows if bottom == self.cut[2] else min(rows, bottom // stride)
        last_column = columns if right == self.cut[3] else min(columns, right // stride)
        region = Region(top // stride, left // stride)
        down, across = (top - self.cut[0]) // stride, (left - self.cut[1]) // stride
        height, width = last_row - region.top, last_column - region.left
        return features[:, :, down : down + max(height, 0), across : across + max(width, 0)], region


def tiles(height: int, width: int, tiling: Tiling) -> Iterator[_Tile]:
    """All tiles of a picture, row by row."""
    for top, bottom in _cuts(height, tiling.side):
        for left, right in _cuts(width, tiling.side):
            yield _Tile(
                (top, left, bottom, right),
                (
                    max(0, top - tiling.border),
                    max(0, left - tiling.border),
                    min(height, bottom + tiling.border),
                    min(width, right + tiling.border),
                ),
            )


def _cuts(length: int, side: int) -> list[tuple[int, int]]:
    """Parts of ``side``; a short rest is given to the last of them."""
    count = max(1, round(length / side))
    return [(i * side, length if i == count - 1 else (i + 1) * side) for i in range(count)]


def _parts(
    network: FeatureNetwork, picture: Tensor, layers: Iterable[str], tiling: Tiling
) -> Iterator[tuple[_Tile, Tensor, dict[str, tuple[Tensor, Region]]]]:
    """For each tile its pixels (with the border) and of each layer the features of its own part."""
    height, width = picture.shape[2:]
    wanted = sorted(set(layers))
    about = {layer: (network.stride(layer), network.shape(layer, height, width)) for layer in wanted}
    for tile in tiles(height, width, tiling):
        top, left, bottom, right = tile.cut
        pixels = picture[:, :, top:bottom, left:right].detach()
        if torch.is_grad_enabled():
            pixels = pixels.clone().requires_grad_()
        found = network(pixels, wanted)
        yield tile, pixels, {layer: tile.part(found[layer], *about[layer]) for layer in wanted}


@torch.no_grad()
def sums_of(
    network: FeatureNetwork,
    picture: Tensor,
    layers: Sequence[str],
    tiling: Tiling,
    measure: Callable[[Tensor], Tensor],
) -> dict[str, Tensor]:
    """``measure`` summed over the tiles, for each layer."""
    sums: dict[str, Tensor] = {}
    for _, _, found in _parts(network, picture, layers, tiling):
        for layer, (part, _) in found.items():
            if part.numel():
                sums[layer] = sums.get(layer, 0) + measure(part)
    return sums


@torch.no_grad()
def features_of(
    network: FeatureNetwork, picture: Tensor, layers: Sequence[str], tiling: Tiling
) -> dict[str, Tensor]:
    """The whole maps of ``layers``, (1, maps, rows, columns)."""
    height, width = picture.shape[2:]
    maps = {
        layer: picture.new_empty((1, *network.shape(layer, height, width))).contiguous(
            memory_format=torch.channels_last
        )
        for layer in layers
    }
    for _, _, found in _parts(network, picture, layers, tiling):
        for layer, (part, region) in found.items():
            rows, columns = part.shape[2:]
            maps[layer][:, :, region.top : region.top + rows, region.left : region.left + columns] = part
    return maps


def evaluate_tiled(
    objective: Objective, picture: Tensor, tiling: Tiling, gradient: bool = True
) -> tuple[Differences, Tensor]:
    """The differences at a picture and the gradient of their total, exactly those of the whole picture."""
    network, losses = objective.network, objective.losses
    by_layer = _by_layer(losses)
    sums = measured_in_tiles(network, picture, losses, tiling)
    leaf = picture.detach().requires_grad_()
    sums = {loss: value.requires_grad_() for loss, value in sums.items()}
    with torch.set_grad_enabled(gradient):
        total, differences = objective.total({loss: loss.value(value) for loss, value in sums.items()}, leaf)
    back = torch.zeros_like(picture)
    if not gradient or not total.requires_grad:
        return differences, back
    slopes = torch.autograd.grad(total, [*sums.values(), leaf], allow_unused=True)
    if slopes[-1] is not None:
        back += slopes[-1]
    slope_of = dict(zip(sums, slopes, strict=False))
    for tile, pixels, found in _parts(network, picture, by_layer, tiling):
        parts = [(slope_of[loss] * value).sum() for loss, value in _measured(found, by_layer)]
        if not parts:
            continue
        (slope,) = torch.autograd.grad(torch.stack(parts).sum(), pixels)
        top, left, bottom, right = tile.cut
        back[:, :, top:bottom, left:right] += slope
    return differences, back


@torch.no_grad()
def measured_in_tiles(
    network: FeatureNetwork, picture: Tensor, losses: Sequence[Loss], tiling: Tiling
) -> dict[Loss, Tensor]:
    """What each loss measures, summed over the tiles."""
    sums: dict[Loss, Tensor] = {}
    by_layer = _by_layer(losses)
    for _, _, found in _parts(network, picture, by_layer, tiling):
        for loss, value in _measured(found, by_layer):
            sums[loss] = sums.get(loss, 0) + value
    return sums


def _by_layer(losses: Iterable[Loss]) -> dict[str, list[Loss]]:
    found: dict[str, list[Loss]] = {}
    for loss in losses:
        found.setdefault(loss.layer, []).append(loss)
    return found


def _measured(
    found: Mapping[str, tuple[Tensor, Region]], by_layer: Mapping[str, Sequence[Loss]]
) -> Iterator[tuple[Loss, Tensor]]:
    for layer, (part, region) in found.items():
        if part.numel():
            for loss in by_layer[layer]:
                yield loss, loss.measure(part, region)


# ------------------------------------------------------------------ how much memory


def bytes_per_pixel(network: FeatureNetwork, layers: Iterable[str]) -> float:
    """About how many bytes a pixel needs while its gradient is computed: all activations, and some slopes."""
    kept, largest, area, maps = 0.0, 0.0, 1.0, 3.0
    steps = network.steps[: network.deepest(layers)]
    for i, (_, module) in enumerate(steps):
        if isinstance(module, Convolution):
            maps = float(module.weight.shape[0])
        if isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
            stride = module.stride if isinstance(module.stride, int) else module.stride[0]
            area /= stride * stride
        if isinstance(module, nn.ReLU) and i and isinstance(steps[i - 1][1], Convolution):
            continue  # the same memory
        kept += maps * area
        largest = max(largest, maps * area)
    return 4 * (kept + 5.5 * largest + 12)


def plan(
    network: FeatureNetwork,
    layers: Sequence[str],
    width: int,
    height: int,
    memory_mb: int | None,
    extra_per_pixel: float = 0.0,
) -> Tiling | None:
    """Tiles as large as memory allows, or None where the whole picture fits.

    ``memory_mb`` bounds the whole process; None means most of what is free. ``extra_per_pixel`` is what the
    optimizer keeps, in bytes, whatever the tiles. SettingsError that says what would fit if nothing does.
    """
    if memory_mb is None:
        available = SPARE * psutil.virtual_memory().available
    else:
        available = (memory_mb - _BASE_MB) * 1e6
    pixels = width * height
    each = bytes_per_pixel(network, layers)
    if pixels * (each + extra_per_pixel) <= available:
        return None
    stride, border = _grid(network, layers)
    left = available - pixels * extra_per_pixel
    side = int((max(left, 0) / each) ** 0.5 - 2 * border) // stride * stride
    if side < _least_side(stride, border) or not _can_be_tiled(network, layers):
        raise SettingsError(
            _too_small(network, layers, width, height, memory_mb, available, each, extra_per_pixel)
        )
    return Tiling(side, border)


def _grid(network: FeatureNetwork, layers: Sequence[str]) -> tuple[int, int]:
    """The deepest stride, and a border as wide as the deepest layer can see, a multiple of it; in pixels."""
    stride = max((network.stride(layer) for layer in layers), default=1)
    reach = max((network.reach(layer) for layer in layers), default=0)
    return stride, math.ceil(reach / stride) * stride


def _least_side(stride: int, border: int) -> int:
    """Of a tile's own part, in pixels: smaller ones would be almost nothing but border."""
    return max(stride, math.ceil(border / 2 / stride) * stride)


def _too_small(
    network: FeatureNetwork,
    layers: Sequence[str],
    width: int,
    height: int,
    memory_mb: int | None,
    available: float,
    each: float,
    extra: float,
) -> str:
    """What is too little, which size would fit, and how much this one needs."""
    stride, border = _grid(network, layers)
    pixels = width * height
    fits, needed = available / (each + extra), pixels * (each + extra)
    if _can_be_tiled(network, layers):
        least = each * (2 * border + _least_side(stride, border)) ** 2
        needed = min(needed, least + extra * pixels)
        if extra:
            fits = max(fits, (available - least) / extra)
    size = int(max(width, height) * math.sqrt(max(fits, 0) / pixels) / 16) * 16
    if memory_mb is None:
        given = f"The free memory of {available / SPARE / 1e6:,.0f} MB is"
        more = f"close other programs, for this one needs {_round_up(needed / SPARE):,} MB of it"
    else:
        given = f"{memory_mb:,} MB are"
        more = f"give it at least {_round_up(needed + _BASE_MB * 1e6):,} MB"
    mend = f"A size of {size} pixels would fit, or {more}" if size >= 32 else more[0].upper() + more[1:]
    return f"{given} too little for a picture of {width}×{height} pixels. {mend}."


def _round_up(needed: float) -> int:
    """Bytes as MB, up to whole hundreds."""
    return math.ceil(needed / 1e8) * 100


def _can_be_tiled(network: FeatureNetwork, layers: Iterable[str]) -> bool:
    """Whether units lie where the strides say: convolutions keep the size, pools do not overlap."""
    for _, module in network.steps[: network.deepest(layers)]:
        if isinstance(module, Convolution):
            kernel = module.weight.shape[2]
            if module.stride != 1 or 2 * module.padding != kernel - 1:
                return False
        elif isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
            if module.kernel_size != module.stride or module.padding != 0:
                return False
        elif list(module.children()) or isinstance(module, nn.ConstantPad2d):
            return False
    return True
