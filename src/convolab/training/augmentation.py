"""Augmentation of training images: flip, shift and cutout, on whole batches of uint8 images.

What happens to an example is drawn for a whole epoch at once, from a generator of its own, so that it depends
on nothing but the seed, the epoch and the example's place in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from convolab.errors import SettingsError
from convolab.training.settings import TrainingSettings


@dataclass(frozen=True)
class Draws:
    """What is to happen to each of N images. Fields that are off are None."""

    flip: Tensor | None = None
    """bool (N,): mirror left to right."""
    shift: Tensor | None = None
    """int64 (N, 2): pixels to move down and to the right."""
    cutout: Tensor | None = None
    """int64 (N, 2): row and column of the centre of the blank square."""

    def __getitem__(self, part: slice) -> Draws:
        return Draws(*(None if t is None else t[part] for t in (self.flip, self.shift, self.cutout)))

    def to(self, device: torch.device) -> Draws:
        """The same draws on another device."""
        return Draws(*(None if t is None else t.to(device) for t in (self.flip, self.shift, self.cutout)))


@dataclass(frozen=True)
class Augmentation:
    """Which changes are made to training images of ``height`` × ``width`` pixels.

    A shifted image is filled up by mirroring it at its edge: a digit's background stays background and a
    photo gets no bars. Cutout squares get the colour ``fill`` (the training set's mean) and may hang over the
    edge, so that all pixels are covered equally often (DeVries & Taylor 2017).
    """

    height: int
    width: int
    flip: bool = False
    shift: int = 0
    cutout: int = 0
    fill: Tensor | None = None
    """uint8 (C,), needed for cutout."""

    @classmethod
    def of(cls, settings: TrainingSettings, height: int, width: int, fill: Tensor | None) -> Augmentation:
        """What the settings ask for. SettingsError if it would wipe out images of this size."""
        side = min(height, width)
        size = f"{height}×{width}"
        if settings.shift >= side:
            raise SettingsError(
                f"Shift {settings.shift} would move {size} images out of sight; choose at most {side - 1}."
            )
        if settings.cutout >= side:
            raise SettingsError(
                f"Cutout {settings.cutout} would blank whole {size} images; choose at most {side - 1}."
            )
        return cls(height, width, settings.flip, settings.shift, settings.cutout, fill)

    def __bool__(self) -> bool:
        return bool(self.flip or self.shift or self.cutout)

    def draw(self, count: int, generator: torch.Generator) -> Draws:
        """Choose what happens to ``count`` images. No setting changes another's draws."""
        flip = torch.rand(count, generator=generator) < 0.5
        moves = torch.rand(count, 2, generator=generator, dtype=torch.float64)
        centres = torch.rand(count, 2, generator=generator, dtype=torch.float64)
        size = torch.tensor([self.height, self.width], dtype=torch.float64)
        return Draws(
            flip if self.flip else None,
            (moves * (2 * self.shift + 1)).floor().long() - self.shift if self.shift else None,
            (centres * size).floor().long() if self.cutout else None,
        )

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        """The changed images; uint8 (N, H, W, C) in and out. ``images`` itself stays as it is."""
        if draws.flip is not None or draws.shift is not None:
            images = self._move(images, draws)
        if draws.cutout is not None:
            images = self._cut(images, draws.cutout)
        return images

    def _move(self, images: Tensor, draws: Draws) -> Tensor:
        # For each pixel of the result, the row and column of the image that it is taken from.
        count, device = len(images), images.device
        rows = torch.arange(self.height, device=device).expand(count, -1)
        columns = torch.arange(self.width, device=device).expand(count, -1)
        if draws.shift is not None:
            rows = _mirrored(rows - draws.shift[:, :1], self.height)
            columns = _mirrored(columns - draws.shift[:, 1:], self.width)
        if draws.flip is not None:
            columns = torch.where(draws.flip[:, None], self.width - 1 - columns, columns)
        base = torch.arange(count, device=device)[:, None] * (self.height * self.width)
        index = (base + rows * self.width)[:, :, None] + columns[:, None, :]
        pixels = images.reshape(-1, images.shape[3])
        return pixels.index_select(0, index.reshape(-1)).view(images.shape)

    def _cut(self, images: Tensor, centres: Tensor) -> Tensor:
        assert self.fill is not None
        first = centres - self.cutout // 2
        device = images.device
        rows = torch.arange(self.height, device=device) - first[:, :1]
        columns = torch.arange(self.width, device=device) - first[:, 1:]
        inside_rows = (rows >= 0) & (rows < self.cutout)
        inside_columns = (columns >= 0) & (columns < self.cutout)
        blank = inside_rows[:, :, None] & inside_columns[:, None, :]
        return torch.where(blank[..., None], self.fill, images)


def _mirrored(index: Tensor, size: int) -> Tensor:
    """Positions beyond 0 … size - 1 brought back by mirroring at the outermost pixel."""
    return (size - 1) - ((size - 1) - index.abs()).abs()
