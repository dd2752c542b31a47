"""Pictures larger than memory: the same painting, computed in overlapping bands.

Norms look at the whole picture, so bands painted one by one would differ in tone. Here the statistics of each
norm are collected over all bands before the next step is taken. Only the smallest maps, some bytes per pixel,
are held as a whole; what lies before and after them is computed again for each step. The result is that of
the whole picture, but for rounding.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psutil
import torch
from torch import Tensor

from convolab.errors import SettingsError
from convolab.style.fast.network import Conv, Padding, Residual, Statistics, Step, TransformNetwork

SPARE = 0.7
"""Share of the free memory that is used where no other limit was set."""
_BASE_MB = 400
"""Of the process itself with PyTorch."""


@dataclass(frozen=True)
class _Band:
    """Rows of the smallest maps: the band's own ones, and those that are computed."""

    top: int
    bottom: int
    first: int
    last: int


def plan(network: TransformNetwork, height: int, width: int, memory_mb: int | None = None) -> int | None:
    """Rows of pixels in a band so that memory suffices, or None where the whole picture fits.

    ``memory_mb`` bounds the whole process; None means most of what is free. SettingsError that says what
    would fit if nothing does.
    """
    if memory_mb is None:
        available = SPARE * psutil.virtual_memory().available
    else:
        available = (memory_mb - _BASE_MB) * 1e6
    whole, kept = _bytes_per_pixel(network)
    if height * width * whole <= available:
        return None
    stride = network.architecture.stride
    margin = 2 * stride * _margin(network)
    left = available - height * width * kept
    rows = int(left / (width * whole)) - margin if left > 0 else 0
    rows = rows // stride * stride
    if rows < stride or not _parts(network):
        fits = available / (kept + whole * (margin + stride) / height)
        side = math.sqrt(max(0.0, fits) / (height * width))
        size = int(max(height, width) * min(side, 1.0) / 16) * 16
        given = f"{memory_mb:,} MB" if memory_mb else "The free memory"
        mend = f"a size of {size} pixels would fit" if size >= 64 else "close other programs"
        raise SettingsError(f"{given} are too little for a picture of {width}×{height} pixels; {mend}.")
    return rows


@torch.inference_mode()
def paint_in_bands(
    network: TransformNetwork, photo: Tensor, strength: float, padding: Padding, rows: int
) -> Tensor:
    """The painting of (1, 3, H, W) in bands of about ``rows`` rows of pixels."""
    if strength <= 0:
        return photo
    parts = _parts(network)
    assert parts is not None
    return _Painting(network, parts, photo, strength, padding, rows).paint()


class _Painting:
    def __init__(
        self,
        network: TransformNetwork,
        parts: tuple[list[Step], list[Step | Residual], list[Step]],
        photo: Tensor,
        strength: float,
        padding: Padding,
        rows: int,
    ) -> None:
        self.network, self.photo, self.strength, self.padding = network, photo, strength, padding
        self.head, self.middle, self.tail = parts
        self.stride = network.architecture.stride
        self.margin = _margin(network)
        self.sizes: list[tuple[int, int]] = [tuple(photo.shape[2:])]  # type: ignore[list-item]
        """(rows, columns) of the maps from the largest to the smallest."""
        for step in self.head:
            if isinstance(step.conv, Conv) and step.conv.stride == 2:
                height, width = self.sizes[-1]
                self.sizes.append((-(-height // 2), -(-width // 2)))
        self.band = max(1, rows // self.stride)
        self.known: dict[Step, Statistics] = {}

    def paint(self) -> Tensor:
        for count, step in enumerate(self.head, 1):
            last = count == len(self.head)
            maps = self._whole(step) if last else None
            spread = _Spread()
            for band in self._bands():
                x = self._head(band, self.head[:count])
                part = self._own(x, band, self._scale(self.head[:count]))
                spread.add(part)
                if maps is not None:
                    maps[:, :, band.top : band.bottom] = part
            self.known[step] = spread.statistics()
        assert maps is not None
        x = self.head[-1].norm(maps, self.strength, True, self.known[self.head[-1]])
        del maps
        for module in self.middle:
            x = module(x, self.strength, self.padding)
        for count, step in enumerate(self.tail, 1):
            spread = _Spread()
            for band in self._bands():
                made, scale = self._tail(x, band, self.tail[:count])
                spread.add(self._own(made, band, scale))
            self.known[step] = spread.statistics()
        result = torch.empty_like(self.photo)
        for band in self._bands():
            self._finish(x, band, result)
        return result

    def _bands(self) -> Iterator[_Band]:
        height = self.sizes[-1][0]
        for top in range(0, height, self.band):
            bottom = min(height, top + self.band)
            yield _Band(top, bottom, max(0, top - self.margin), min(height, bottom + self.margin))

    def _whole(self, step: Step) -> Tensor:
        height, width = self.sizes[-1]
        filters = int(step.norm.scale.shape[0])
        empty = self.photo.new_empty((1, filters, height, width))
        return empty.contiguous(memory_format=torch.channels_last)

    def _scale(self, steps: Sequence[Step]) -> int:
        """How many rows come after these steps for one of the smallest maps."""
        downs = sum(isinstance(step.conv, Conv) and step.conv.stride == 2 for step in steps)
        return self.stride // 2**downs

    def _own(self, x: Tensor, band: _Band, scale: int) -> Tensor:
        """Of the maps of all computed rows those of the band itself; the last band has what is left."""
        start = (band.top - band.first) * scale
        if band.bottom == self.sizes[-1][0]:
            return x[:, :, start:]
        return x[:, :, start : start + (band.bottom - band.top) * scale]

    def _head(self, band: _Band, steps: Sequence[Step]) -> Tensor:
        """From pixels through all steps; the last one without its norm."""
        pixels = self.photo[:, :, band.first * self.stride : band.last * self.stride]
        x = (pixels * 4 - 2).contiguous(memory_format=torch.channels_last)
        for step in steps[:-1]:
            x = step.norm(step.conv(x, self.padding), self.strength, True, self.known[step])
        made: Tensor = steps[-1].conv(x, self.padding)
        return made

    def _tail(
        self, x: Tensor, band: _Band, steps: Sequence[Step], finish: bool = False
    ) -> tuple[Tensor, int]:
        """From the smallest maps through all steps; the last one without its norm, unless to the end."""
        x, scale, level = x[:, :, band.first : band.last], 1, len(self.sizes) - 1
        for count, step in enumerate(steps, 1):
            x = step.conv(x, self.padding)
            if not isinstance(step.conv, Conv):
                scale, level = scale * 2, level - 1
                height, width = self.sizes[level]
                x = x[:, :, : height - band.first * scale, :width]
            if count < len(steps) or finish:
                x = step.norm(x, self.strength, True, self.known[step])
        return x, scale

    def _finish(self, x: Tensor, band: _Band, result: Tensor) -> None:
        x, scale = self._tail(x, band, self.tail, finish=True)
        made = self._own(self.network.last(x, self.padding), band, scale)
        top = band.top * self.stride
        pixels = self.photo[:, :, top : top + made.shape[2]]
        result[:, :, top : top + made.shape[2]] = self.network.painted(pixels, made, self.strength)


class _Spread:
    """Mean and variance of each map, of parts that come one after the other (Chan and others, 1979)."""

    def __init__(self) -> None:
        self.count = 0
        self.mean: Tensor | None = None
        self.squares: Tensor | None = None

    def add(self, part: Tensor) -> None:
        count = part.shape[2] * part.shape[3]
        variance, mean = torch.var_mean(part[0].double(), (1, 2), correction=0)
        if self.mean is None or self.squares is None:
            self.count, self.mean, self.squares = count, mean, variance * count
            return
        both = self.count + count
        step = mean - self.mean
        self.squares = self.squares + variance * count + step.square() * (self.count * count / both)
        self.mean = self.mean + step * (count / both)
        self.count = both

    def statistics(self) -> Statistics:
        assert self.mean is not None
        assert self.squares is not None
        return Statistics(self.mean.float(), (self.squares / self.count).float())


def _parts(network: TransformNetwork) -> tuple[list[Step], list[Step | Residual], list[Step]] | None:
    """Steps until the maps are smallest, those there, those from there on; None if it is not so simple."""
    kinds = [part.kind if part.stride == 1 else "down" for part in network.architecture.parts[:-1]]
    modules = list(network.steps)
    if "down" not in kinds or "up" not in kinds:
        return None
    small = len(kinds) - kinds[::-1].index("down")
    large = kinds.index("up")
    head, middle, tail = modules[:small], modules[small:large], modules[large:]
    if large < small or any(isinstance(module, Residual) for module in (*head, *tail)):
        return None
    return head, middle, tail  # type: ignore[return-value]


def _margin(network: TransformNetwork) -> int:
    """Rows of the smallest maps around a band so that what is computed there has no effect on it."""
    stride = network.architecture.stride
    reach, jump = {"head": 0, "tail": 0}, 1
    side = "head"
    for part in network.architecture.parts:
        if part.kind == "up":
            side = "tail"
            reach[side] += jump
            jump //= 2
        elif part.kind != "residual":
            reach[side] += part.kernel // 2 * jump
            jump *= part.stride
    return math.ceil(max(reach.values()) / stride) + 1


def _bytes_per_pixel(network: TransformNetwork) -> tuple[float, float]:
    """About what a pixel needs at most: where all is computed at once, and of the smallest maps alone."""
    most, area = 0.0, 1.0
    smallest, filters = 1.0, 1
    for part in network.architecture.parts[:-1]:
        if part.kind == "up":
            area *= 4
        else:
            area /= part.stride**2
        most = max(most, part.filters * area)
        if area <= smallest:
            smallest, filters = area, part.filters
    # The map before and after a norm, the padded one, and what a convolution needs for itself; the pictures.
    return 4 * (4.5 * most + 12), 4 * (5 * filters * smallest + 9)
