"""Layers that learn nothing and change the shape: flatten, reshape, global average, a border."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import field_validator

from convolab.networks.layers.base import Fix, Layer, Shape, ShapeError, described, needs_maps, shape_text
from convolab.networks.receptive import ReceptiveField
from convolab.spec import knob

if TYPE_CHECKING:
    from torch import nn


class Flatten(Layer):
    """All units in one flat list: map by map, each row by row."""

    type: Literal["Flatten"] = "Flatten"
    title: ClassVar[str] = "Flatten"
    assignment_name: ClassVar[str] = "Flatten"
    help: ClassVar[str] = "Puts the units of all maps into one flat list, as fully connected layers need it."

    def output_shape(self, input_shape: Shape, *, floor: bool = False) -> Shape:
        """(channels·height·width,)."""
        return (math.prod(input_shape),)

    def build(self, input_shape: Shape) -> nn.Module:
        """``torch.nn.Flatten``."""
        from torch import nn

        return nn.Flatten()

    def code(self, input_shape: Shape) -> str:
        """``nn.Flatten()``."""
        return "nn.Flatten()"


class Reshape(Layer):
    """The same units in another shape: (units,) or (channels, height, width)."""

    LARGEST: ClassVar[int] = 10_000_000

    type: Literal["Reshape"] = "Reshape"
    title: ClassVar[str] = "Reshape"
    assignment_name: ClassVar[str] = "Reshape"
    help: ClassVar[str] = "Arranges the same units in another shape."

    shape: tuple[int, ...] = knob(
        (784,),
        "Shape",
        "The new shape: a number of units, or channels, height and width; as many units as come in.",
        assignment="output shape",
    )

    @field_validator("shape")
    @classmethod
    def _one_or_three(cls, shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(shape) not in (1, 3) or min(shape) < 1 or max(shape) > cls.LARGEST:
            raise ValueError(
                "shape must be one number of units, or channels, height and width, each at least 1"
            )
        return shape

    def output_shape(self, input_shape: Shape, *, floor: bool = False) -> Shape:
        """``shape``; raises ShapeError if the number of units differs."""
        units = math.prod(input_shape)
        if math.prod(self.shape) != units:
            fixes = []
            for shape in self._alternatives(units):
                fixes.append(
                    Fix(f"Set the shape to {shape_text(shape)}", replacement=self.changed(shape=shape))
                )
            raise ShapeError(
                f"{described(input_shape)}, which is {units} units, but "
                f"{shape_text(self.shape)} has {math.prod(self.shape)}.",
                self,
                input_shape,
                fixes,
            )
        return self.shape

    def _alternatives(self, units: int) -> list[Shape]:
        """Shapes that hold ``units``, those most like the wanted one first."""
        if units > self.LARGEST:
            return []
        if len(self.shape) == 1:
            return [(units,)]
        channels, height, width = self.shape
        found: list[Shape] = []
        if units % (height * width) == 0:
            found.append((units // (height * width), height, width))
        if units % channels == 0:
            side = math.isqrt(units // channels)
            if side * side * channels == units:
                found.append((channels, side, side))
        return [*found, (units, 1, 1)][:2]

    def receptive_field(self, field: ReceptiveField, input_shape: Shape) -> ReceptiveField:
        """All that any input sees: after reshaping, neighbours need not have been neighbours before."""
        return field.whole()

    def build(self, input_shape: Shape) -> nn.Module:
        """``torch.nn.Flatten`` and ``torch.nn.Unflatten``."""
        from torch import nn

        if len(self.shape) == 1:
            return nn.Flatten()
        return nn.Sequential(nn.Flatten(), nn.Unflatten(1, self.shape))

    def code(self, input_shape: Shape) -> str:
        """``nn.Sequential(nn.Flatten(), nn.Unflatten(1, (1, 28, 28)))``."""
        if len(self.shape) == 1:
            return "nn.Flatten()"
        return f"nn.Sequential(nn.Flatten(), nn.Unflatten(1, {self.shape!r}))"

    @property
    def summary(self) -> str:
        """``16 × 7 × 7``."""
        return shape_text(self.shape)


class GlobalAvgPool2d(Layer):
    """The mean of each map: as many units as there were maps."""

    type: Literal["GlobalAvgPool2d"] = "GlobalAvgPool2d"
    title: ClassVar[str] = "Global average pool"
    help: ClassVar[str] = "Turns each map into one unit, its mean."

    def output_shape(self, input_shape: Shape, *, floor: bool = False) -> Shape:
        """(channels,); raises ShapeError for flat input."""
        needs_maps(self, input_shape)
        return (input_shape[0],)

    def receptive_field(self, field: ReceptiveField, input_shape: Shape) -> ReceptiveField:
        """All that the map's units see."""
        return field.whole()

    def build(self, input_shape: Shape) -> nn.Module:
        """``torch.nn.AdaptiveAvgPool2d(1)`` and ``torch.nn.Flatten``."""
        from torch import nn

        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def code(self, input_shape: Shape) -> str:
        """``nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())``."""
        return "nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())"


class ConstantPad2d(Layer):
    """A border of one value around each map."""

    type: Literal["ConstantPad2d"] = "ConstantPad2d"
    title: ClassVar[str] = "Border"
    help: ClassVar[str] = "Puts a border of one value around each map."

    padding: int = knob(
        2,
        "Padding",
        "How wide the border is on each side.",
        unit="pixels",
        minimum=1,
        maximum=64,
        step=1,
    )
    value: float = knob(
        0.0,
        "Value",
        "What the border is filled with; −1 is black when pixels are normalised to −1 … 1.",
        minimum=-1000,
        maximum=1000,
        step=0.1,
    )

    def output_shape(self, input_shape: Shape, *, floor: bool = False) -> Shape:
        """Height and width grow by 2·padding; raises ShapeError for flat input."""
        needs_maps(self, input_shape)
        return (input_shape[0], input_shape[1] + 2 * self.padding, input_shape[2] + 2 * self.padding)

    def receptive_field(self, field: ReceptiveField, input_shape: Shape) -> ReceptiveField:
        """Starts further out."""
        _, height, width = self.output_shape(input_shape)
        return field.window((1, 1), (1, 1), (self.padding, self.padding), (height, width))

    def build(self, input_shape: Shape) -> nn.Module:
        """``torch.nn.ConstantPad2d``."""
        from torch import nn

        return nn.ConstantPad2d(self.padding, self.value)

    def code(self, input_shape: Shape) -> str:
        """``nn.ConstantPad2d(2, -1.0)``."""
        return f"nn.ConstantPad2d({self.padding}, {self.value!r})"

    @property
    def summary(self) -> str:
        """``2 pixels of -1``."""
        return f"{self.padding} pixels of {self.value:g}"
