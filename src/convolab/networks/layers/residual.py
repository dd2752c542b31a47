"""The residual block: layers with a way around them."""

from __future__ import annotations

from textwrap import indent
from typing import TYPE_CHECKING, ClassVar, Literal

from convolab.networks.layers.base import Fix, Layer, Shape, ShapeError, described, first_fitting
from convolab.networks.layers.windows import steps
from convolab.networks.receptive import ReceptiveField
from convolab.spec import knob

if TYPE_CHECKING:
    from torch import nn

    from convolab.networks.layers import AnyLayer


class Residual(Layer):
    """A block of layers whose input is added to its output (He and others: Deep Residual Learning, 2015).

    Where the shapes match, the input is added as it is; else it first goes through a 1 × 1 convolution,
    without bias, with the stride that fits.
    """

    type: Literal["Residual"] = "Residual"
    title: ClassVar[str] = "Residual block"
    help: ClassVar[str] = (
        "Adds the input of a few layers to their output, so that very deep networks learn well."
    )

    layers: tuple[AnyLayer, ...] = knob((), "Layers", "The layers inside the block, in order.")

    def output_shape(self, input_shape: Shape, *, floor: bool = False) -> Shape:
        """That of the last layer inside; raises ShapeError of the first that does not fit."""
        shape = input_shape
        for index, layer in enumerate(self.layers):
            try:
                shape = layer.output_shape(shape, floor=floor)
            except ShapeError as error:
                raise error.inside(index) from None
        if shape != input_shape and self.projection(input_shape, shape) is None:
            raise self._cannot_add(input_shape, shape, floor)
        return shape

    def projection(self, input_shape: Shape, output_shape: Shape) -> tuple[int, int] | None:
        """(Vertical, horizontal) stride of the 1 × 1 convolution on the way around; None if none fits."""
        if len(input_shape) != 3 or len(output_shape) != 3:
            return None
        strides = []
        for size, wanted in zip(input_shape[1:], output_shape[1:], strict=True):
            fitting = [s for s in range(1, size + 1) if steps(size, 1, s, 0) == wanted]
            if not fitting:
                return None
            # The one nearest to how much smaller the map became keeps both ways aligned.
            strides.append(min(fitting, key=lambda stride: abs(stride - size / wanted)))
        return strides[0], strides[1]

    def shapes(self, input_shape: Shape) -> list[Shape]:
        """Input shape of each layer inside, then the output shape."""
        shapes = [input_shape]
        for layer in self.layers:
            shapes.append(layer.output_shape(shapes[-1], floor=True))
        return shapes

    def parameters(self, input_shape: Shape) -> int:
        """Of the layers inside and the projection."""
        shapes = self.shapes(input_shape)
        inside = sum(layer.parameters(shape) for layer, shape in zip(self.layers, shapes, strict=False))
        projected = shapes[-1] != input_shape
        return inside + (input_shape[0] * shapes[-1][0] if projected else 0)

    def multiply_adds(self, input_shape: Shape) -> int:
        """Of the layers inside and the projection."""
        shapes = self.shapes(input_shape)
        inside = sum(layer.multiply_adds(shape) for layer, shape in zip(self.layers, shapes, strict=False))
        if shapes[-1] == input_shape:
            return inside
        channels, height, width = shapes[-1]
        return inside + input_shape[0] * channels * height * width

    def activations(self, input_shape: Shape) -> int:
        """Outputs of the layers inside, of the projection, and the sum."""
        shapes = self.shapes(input_shape)
        inside = sum(layer.activations(shape) for layer, shape in zip(self.layers, shapes, strict=False))
        out = super().activations(input_shape)
        return inside + out * (1 if shapes[-1] == input_shape else 2)

    def receptive_field(self, field: ReceptiveField, input_shape: Shape) -> ReceptiveField:
        """What is seen through the layers, joined with what is seen on the way around."""
        shapes = self.shapes(input_shape)
        through = field
        for layer, shape in zip(self.layers, shapes, strict=False):
            through = layer.receptive_field(through, shape)
        around = field
        if shapes[-1] != input_shape:
            stride = self.projection(input_shape, shapes[-1])
            around = field.window((1, 1), stride or (1, 1), (0, 0), through.grid)
        return through.joined(around)

    def build(self, input_shape: Shape) -> nn.Module:
        """`convolab.networks.modules.Residual`."""
        from torch import nn

        from convolab.networks import modules

        shapes = self.shapes(input_shape)
        body = nn.Sequential(*(layer.build(shape) for layer, shape in zip(self.layers, shapes, strict=False)))
        if shapes[-1] == input_shape:
            return modules.Residual(body)
        stride = self.projection(input_shape, shapes[-1]) or (1, 1)
        return modules.Residual(body, nn.Conv2d(input_shape[0], shapes[-1][0], 1, stride, bias=False))

    def code(self, input_shape: Shape) -> str:
        """``Residual(nn.Sequential(…), nn.Conv2d(16, 32, kernel_size=1, stride=2, bias=False))``."""
        shapes = self.shapes(input_shape)
        lines = [layer.code(shape) for layer, shape in zip(self.layers, shapes, strict=False)]
        inner = "".join(indent(f"{line},\n", " " * 8) for line in lines)
        body = f"nn.Sequential(\n{inner}    )"
        if shapes[-1] == input_shape:
            return f"Residual(\n    {body},\n)"
        vertical, horizontal = self.projection(input_shape, shapes[-1]) or (1, 1)
        stride = str(vertical) if vertical == horizontal else f"({vertical}, {horizontal})"
        around = f"nn.Conv2d({input_shape[0]}, {shapes[-1][0]}, kernel_size=1, stride={stride}, bias=False)"
        return f"Residual(\n    {body},\n    {around},\n)"

    @property
    def summary(self) -> str:
        """``5 layers``."""
        return "1 layer" if len(self.layers) == 1 else f"{len(self.layers)} layers"

    def _cannot_add(self, input_shape: Shape, shape: Shape, floor: bool) -> ShapeError:
        fixes = []
        for index in range(len(self.layers) - 1, -1, -1):
            layer = self.layers[index]
            wanted: list[tuple[str, list[int], str]] = []
            if len(input_shape) == 1 and "out_features" in type(layer).model_fields:
                wanted = [("out_features", [input_shape[0]], "units")]
            elif "padding" in type(layer).model_fields and hasattr(layer, "kernel_size"):
                wanted = [("padding", [layer.kernel_size // 2], "padding"), ("stride", [1], "stride")]
            for name, values, word in wanted:
                changed = first_fitting(layer, self.shapes(input_shape)[index], name, values, floor)
                if changed is None or changed == layer:
                    continue
                block = self.changed(layers=(*self.layers[:index], changed, *self.layers[index + 1 :]))
                try:
                    block.output_shape(input_shape, floor=floor)
                except ShapeError:
                    continue
                value = getattr(changed, name)
                fixes.append(Fix(f"Set {word} of its layer {index + 1} to {value}", replacement=block))
        fixes.append(Fix("Remove the block", remove=True))
        return ShapeError(
            f"{described(input_shape)}, but {described(shape, 'come out')} of its layers, "
            "so input and output cannot be added.",
            self,
            input_shape,
            fixes,
        )
