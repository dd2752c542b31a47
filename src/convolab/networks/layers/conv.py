"""Convolution."""

from __future__ import annotations

from textwrap import fill, indent
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import model_validator

from convolab.networks.layers.base import Fix, Layer, Shape, ShapeError, described, needs_maps
from convolab.networks.layers.windows import steps, window_shape
from convolab.networks.receptive import ReceptiveField
from convolab.spec import knob

if TYPE_CHECKING:
    from torch import nn

LENET5_CONNECTIONS: tuple[tuple[int, ...], ...] = (
    *(tuple(sorted((i + j) % 6 for j in range(3))) for i in range(6)),
    *(tuple(sorted((i + j) % 6 for j in range(4))) for i in range(6)),
    *(tuple(sorted((i, (i + 1) % 6, (i + 3) % 6, (i + 4) % 6))) for i in range(3)),
    (0, 1, 2, 3, 4, 5),
)
"""Which of 6 maps each of 16 maps sees: three neighbours, four neighbours, two pairs, all. (LeCun and others:
Gradient-based learning applied to document recognition, 1998, table I.)"""


class Conv2d(Layer):
    """Convolution: each output map is a weighted sum of a small window that slides over the input maps.

    Parameters: weights (out_channels, in_channels, kernel, kernel), or one (kernel, kernel) filter per
    connection where ``connections`` names the input maps each output map sees; and one bias per output map.
    """

    type: Literal["Conv2d"] = "Conv2d"
    title: ClassVar[str] = "Convolution"
    assignment_name: ClassVar[str] = "Convolution"
    help: ClassVar[str] = "Slides small learned filters over the maps; each filter makes one output map."

    out_channels: int = knob(
        1,
        "Output channels",
        "How many filters there are, and so how many maps come out.",
        unit="maps",
        minimum=1,
        maximum=4096,
        step=1,
        assignment="output depth",
    )
    kernel_size: int = knob(
        3,
        "Kernel size",
        "The side of the square window each filter looks at.",
        unit="pixels",
        minimum=1,
        maximum=64,
        step=1,
        assignment="field size",
    )
    stride: int = knob(
        1,
        "Stride",
        "How far the window moves from one unit to the next.",
        unit="pixels",
        minimum=1,
        maximum=64,
        step=1,
        assignment="stride",
    )
    padding: int = knob(
        0,
        "Padding",
        "How many rows and columns of zeros are put around the maps first.",
        unit="pixels",
        minimum=0,
        maximum=64,
        step=1,
        assignment="zero pad",
    )
    bias: bool = knob(True, "Bias", "Whether each filter also has a learned number that is added.")
    connections: tuple[tuple[int, ...], ...] | None = knob(
        None,
        "Connections",
        "For each output map the input maps it sees, counted from 0, as in LeNet-5; empty: all of them.",
    )
    whitening: bool = knob(
        False,
        "Whitening",
        "Filters that make what comes out uncorrelated, computed from the training images and kept.",
    )

    @model_validator(mode="after")
    def _connections_make_sense(self) -> Conv2d:
        if self.connections is None:
            return self
        if self.whitening:
            raise ValueError("Whitening needs every output map to see all input maps; remove the connections")
        if len(self.connections) != self.out_channels:
            raise ValueError(
                f"Connections must list the inputs of each of the {self.out_channels} output maps, "
                f"not of {len(self.connections)}"
            )
        for output, inputs in enumerate(self.connections):
            if not inputs or len(set(inputs)) != len(inputs) or min(inputs) < 0:
                raise ValueError(
                    f"Connections of output map {output} must name at least one input map, each once, "
                    "counted from 0"
                )
        return self

    def output_shape(self, input_shape: Shape, *, floor: bool = False) -> Shape:
        """(out_channels, height', width'); raises ShapeError."""
        needs_maps(self, input_shape)
        highest = max((max(inputs) for inputs in self.connections or ()), default=0)
        if highest >= input_shape[0]:
            raise ShapeError(
                f"{described(input_shape)}, but the connection table names input map {highest} "
                f"(they are counted from 0 to {input_shape[0] - 1}).",
                self,
                input_shape,
                [
                    Fix(
                        "Connect every output map to all input maps",
                        replacement=self.changed(connections=None),
                    )
                ],
            )
        if self.whitening and self.out_channels > (most := 2 * input_shape[0] * self.kernel_size**2):
            raise ShapeError(
                f"{described(input_shape)}: patches of {self.kernel_size} × {self.kernel_size} have "
                f"{most // 2} directions, each with its negative, so whitening makes at most {most} maps.",
                self,
                input_shape,
                [
                    Fix(f"Set output channels to {most}", replacement=self.changed(out_channels=most)),
                    Fix("Learn its filters instead", replacement=self.changed(whitening=False)),
                ],
            )
        return window_shape(
            self, input_shape, self.kernel_size, self.stride, self.padding, self.out_channels, floor
        )

    def filters(self, input_shape: Shape) -> int:
        """How many kernel × kernel filters there are: one per connected pair of maps."""
        if self.connections is None:
            return self.out_channels * input_shape[0]
        return sum(len(inputs) for inputs in self.connections)

    def parameters(self, input_shape: Shape) -> int:
        """Weights and biases; where filters are computed from the images, biases alone are learned."""
        weights = 0 if self.whitening else self.filters(input_shape) * self.kernel_size**2
        return weights + self.bias * self.out_channels

    def multiply_adds(self, input_shape: Shape) -> int:
        """One per weight and place of the window."""
        _, height, width = self.output_shape(input_shape, floor=True)
        return self.filters(input_shape) * self.kernel_size**2 * height * width

    def receptive_field(self, field: ReceptiveField, input_shape: Shape) -> ReceptiveField:
        """Grows by the kernel."""
        k, s, p = self.kernel_size, self.stride, self.padding
        grid = steps(input_shape[1], k, s, p), steps(input_shape[2], k, s, p)
        return field.window((k, k), (s, s), (p, p), grid)

    def build(self, input_shape: Shape) -> nn.Module:
        """``torch.nn.Conv2d`` (as `convolab.winograd.layer.WinogradConv2d`, the same but faster);
        `convolab.networks.modules.TableConv2d` with a connection table, and `WhiteningConv2d` where the
        filters are computed from the images.
        """
        if self.whitening:
            from convolab.networks.modules import WhiteningConv2d

            return WhiteningConv2d(
                input_shape[0], self.out_channels, self.kernel_size, self.stride, self.padding, bias=self.bias
            )
        if self.connections is None:
            from convolab.winograd.layer import WinogradConv2d

            return WinogradConv2d(
                input_shape[0], self.out_channels, self.kernel_size, self.stride, self.padding, bias=self.bias
            )
        from convolab.networks.modules import TableConv2d

        return TableConv2d(
            input_shape[0], self.connections, self.kernel_size, self.stride, self.padding, bias=self.bias
        )

    def code(self, input_shape: Shape) -> str:
        """``nn.Conv2d(1, 8, kernel_size=5, padding=2)``."""
        options = f"kernel_size={self.kernel_size}"
        options += f", stride={self.stride}" if self.stride != 1 else ""
        options += f", padding={self.padding}" if self.padding else ""
        options += "" if self.bias else ", bias=False"
        if self.connections is not None:
            lists = "\x00".join(str(list(inputs)).replace(" ", "\x01") for inputs in self.connections)
            # Wrapped between the lists, never inside one.
            wrapped = fill(lists.replace("\x00", ", "), 96).replace("\x01", " ")
            table = indent(f"[\n{indent(wrapped, '    ')}\n],", "    ")
            return f"TableConv2d(\n    {input_shape[0]},\n{table}\n    {options},\n)"
        kind = "WhiteningConv2d" if self.whitening else "nn.Conv2d"
        return f"{kind}({input_shape[0]}, {self.out_channels}, {options})"

    @property
    def summary(self) -> str:
        """``8 maps, kernel 5, padding 2``."""
        maps = "1 map" if self.out_channels == 1 else f"{self.out_channels} maps"
        stride = f", stride {self.stride}" if self.stride != 1 else ""
        padding = f", padding {self.padding}" if self.padding else ""
        table = ", connection table" if self.connections else ""
        whitening = ", whitening" if self.whitening else ""
        return f"{maps}, kernel {self.kernel_size}{stride}{padding}{table}{whitening}"
