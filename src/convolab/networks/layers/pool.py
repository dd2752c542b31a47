"""Pooling: a map made smaller by taking the largest, or the mean, of each window."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from convolab.networks.layers.base import Fix, Layer, Shape, ShapeError, first_fitting, needs_maps
from convolab.networks.layers.windows import steps, window_shape
from convolab.networks.receptive import ReceptiveField
from convolab.spec import knob

if TYPE_CHECKING:
    from torch import nn


class _Pool2d(Layer):
    """What both kinds of pooling share."""

    kernel_size: int = knob(
        3,
        "Kernel size",
        "The side of the square window that becomes one unit.",
        unit="pixels",
        minimum=1,
        maximum=64,
        step=1,
        assignment="field size",
    )
    stride: int = knob(
        1,
        "Stride",
        "How far the window moves from one unit to the next; 2 halves the map.",
        unit="pixels",
        minimum=1,
        maximum=64,
        step=1,
        assignment="stride",
    )
    padding: int = knob(
        0,
        "Padding",
        "How many rows and columns are put around the maps first; at most half the kernel.",
        unit="pixels",
        minimum=0,
        maximum=32,
        step=1,
        assignment="zero pad",
    )

    def output_shape(self, input_shape: Shape, *, floor: bool = False) -> Shape:
        """(channels, height', width'); raises ShapeError."""
        needs_maps(self, input_shape)
        if self.padding > self.kernel_size // 2:
            # A wider border would give windows that hold nothing but border.
            paddings = range(self.kernel_size // 2, -1, -1)
            kernels = range(2 * self.padding, 65)
            fixes = []
            for name, values, label in (
                ("padding", paddings, "Set padding to"),
                ("kernel_size", kernels, "Set kernel size to"),
            ):
                changed = first_fitting(self, input_shape, name, values, floor)
                if changed is not None:
                    fixes.append(Fix(f"{label} {getattr(changed, name)}", replacement=changed))
            raise ShapeError(
                f"padding {self.padding} is more than half the kernel of {self.kernel_size}, "
                "so some windows would hold only border.",
                self,
                input_shape,
                fixes,
            )
        return window_shape(
            self, input_shape, self.kernel_size, self.stride, self.padding, input_shape[0], floor
        )

    def receptive_field(self, field: ReceptiveField, input_shape: Shape) -> ReceptiveField:
        """Grows by the kernel."""
        k, s, p = self.kernel_size, self.stride, self.padding
        grid = steps(input_shape[1], k, s, p), steps(input_shape[2], k, s, p)
        return field.window((k, k), (s, s), (p, p), grid)

    def code(self, input_shape: Shape) -> str:
        """``nn.MaxPool2d(kernel_size=2, stride=2)``."""
        padding = f", padding={self.padding}" if self.padding else ""
        return f"nn.{self.type}(kernel_size={self.kernel_size}, stride={self.stride}{padding})"

    @property
    def summary(self) -> str:
        """``kernel 2, stride 2``."""
        padding = f", padding {self.padding}" if self.padding else ""
        return f"kernel {self.kernel_size}, stride {self.stride}{padding}"


class MaxPool2d(_Pool2d):
    """Max pooling: the largest value of each window, map by map."""

    type: Literal["MaxPool2d"] = "MaxPool2d"
    title: ClassVar[str] = "Max pool"
    assignment_name: ClassVar[str] = "Max pool"
    help: ClassVar[str] = (
        "Keeps the largest value of each window, so maps get smaller and small shifts matter less."
    )

    def build(self, input_shape: Shape) -> nn.Module:
        """``torch.nn.MaxPool2d``."""
        from torch import nn

        return nn.MaxPool2d(self.kernel_size, self.stride, self.padding)


class AvgPool2d(_Pool2d):
    """Average pooling: the mean of each window, map by map; padding counts as zeros."""

    type: Literal["AvgPool2d"] = "AvgPool2d"
    title: ClassVar[str] = "Average pool"
    help: ClassVar[str] = "Takes the mean of each window, so maps get smaller and smoother."

    def build(self, input_shape: Shape) -> nn.Module:
        """``torch.nn.AvgPool2d``."""
        from torch import nn

        return nn.AvgPool2d(self.kernel_size, self.stride, self.padding)
