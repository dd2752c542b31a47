"""The fully connected layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from convolab.networks.layers.base import Fix, Layer, Shape, ShapeError, described
from convolab.networks.receptive import ReceptiveField
from convolab.spec import knob

if TYPE_CHECKING:
    from torch import nn


class Linear(Layer):
    """Fully connected: every unit is a weighted sum of all inputs, plus a bias.

    Parameters: weights (out_features, in_features) and biases (out_features,).
    """

    type: Literal["Linear"] = "Linear"
    title: ClassVar[str] = "Fully connected"
    assignment_name: ClassVar[str] = "Fully connected"
    help: ClassVar[str] = "Connects every unit with every input."

    out_features: int = knob(
        10,
        "Units",
        "How many units there are; the last layer needs one per class.",
        unit="units",
        minimum=1,
        maximum=65_536,
        step=1,
        assignment="hidden units",
    )
    bias: bool = knob(True, "Bias", "Whether each unit also has a learned number that is added.")

    def output_shape(self, input_shape: Shape, *, floor: bool = False) -> Shape:
        """(out_features,); raises ShapeError for maps."""
        if len(input_shape) != 1:
            from convolab.networks.layers.shape import Flatten, GlobalAvgPool2d

            raise ShapeError(
                f"{described(input_shape)}, but this layer needs a flat list of units.",
                self,
                input_shape,
                [
                    Fix("Insert Flatten before it", added=(Flatten(),)),
                    Fix("Insert Global average pool before it", added=(GlobalAvgPool2d(),)),
                ],
            )
        return (self.out_features,)

    def parameters(self, input_shape: Shape) -> int:
        """Weights and biases."""
        return self.out_features * (input_shape[0] + self.bias)

    def multiply_adds(self, input_shape: Shape) -> int:
        """One per weight."""
        return self.out_features * input_shape[0]

    def receptive_field(self, field: ReceptiveField, input_shape: Shape) -> ReceptiveField:
        """All that any of the inputs sees."""
        return field.whole()

    def build(self, input_shape: Shape) -> nn.Module:
        """``torch.nn.Linear``."""
        from torch import nn

        return nn.Linear(input_shape[0], self.out_features, bias=self.bias)

    def code(self, input_shape: Shape) -> str:
        """``nn.Linear(784, 10)``."""
        return f"nn.Linear({input_shape[0]}, {self.out_features}{'' if self.bias else ', bias=False'})"

    @property
    def summary(self) -> str:
        """``10 units``."""
        return "1 unit" if self.out_features == 1 else f"{self.out_features} units"
