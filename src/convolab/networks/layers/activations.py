"""Activations: functions applied to each unit on its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from convolab.networks.layers.base import Layer, Shape
from convolab.spec import knob

if TYPE_CHECKING:
    from torch import nn


class ReLU(Layer):
    """max(0, x)."""

    type: Literal["ReLU"] = "ReLU"
    title: ClassVar[str] = "ReLU"
    assignment_name: ClassVar[str] = "ReLU"
    help: ClassVar[str] = "Lets positive values through and turns negative ones into 0."

    def build(self, input_shape: Shape) -> nn.Module:
        """``torch.nn.ReLU``."""
        from torch import nn

        return nn.ReLU()

    def code(self, input_shape: Shape) -> str:
        """``nn.ReLU()``."""
        return "nn.ReLU()"


class Tanh(Layer):
    """tanh(x), between −1 and 1."""

    type: Literal["Tanh"] = "Tanh"
    title: ClassVar[str] = "Tanh"
    help: ClassVar[str] = "Squeezes each value smoothly into −1 to 1."

    def build(self, input_shape: Shape) -> nn.Module:
        """``torch.nn.Tanh``."""
        from torch import nn

        return nn.Tanh()

    def code(self, input_shape: Shape) -> str:
        """``nn.Tanh()``."""
        return "nn.Tanh()"


class ScaledTanh(Layer):
    """1.7159·tanh(2x/3), which maps 1 to 1 and −1 to −1 (LeCun and others: Efficient BackProp, 1998)."""

    type: Literal["ScaledTanh"] = "ScaledTanh"
    title: ClassVar[str] = "Scaled tanh"
    help: ClassVar[str] = (
        "1.7159·tanh(2x/3): squeezes each value smoothly into −1.7159 to 1.7159 and keeps ±1 at ±1."
    )

    def build(self, input_shape: Shape) -> nn.Module:
        """`convolab.networks.modules.ScaledTanh`."""
        from convolab.networks import modules

        return modules.ScaledTanh()

    def code(self, input_shape: Shape) -> str:
        """``ScaledTanh()``."""
        return "ScaledTanh()"


class GELU(Layer):
    """x·Φ(x), Φ the normal distribution function: a smooth ReLU (Hendrycks and Gimpel, 2016)."""

    type: Literal["GELU"] = "GELU"
    title: ClassVar[str] = "GELU"
    help: ClassVar[str] = "A smooth ReLU: large values pass, small ones are faded out."

    def build(self, input_shape: Shape) -> nn.Module:
        """``torch.nn.GELU``."""
        from torch import nn

        return nn.GELU()

    def code(self, input_shape: Shape) -> str:
        """``nn.GELU()``."""
        return "nn.GELU()"


class Scale(Layer):
    """factor · x. Before the softmax, a factor below 1 keeps the first steps of bold training gentle.

    (Page: How to train your ResNet, 2018, where the logits are scaled by 1/8.)
    """

    type: Literal["Scale"] = "Scale"
    title: ClassVar[str] = "Scale"
    help: ClassVar[str] = "Multiplies every value by a fixed number; small ones calm what comes out."

    factor: float = knob(
        0.125, "Factor", "What every value is multiplied by.", minimum=-1000, maximum=1000, step=0.125
    )

    def build(self, input_shape: Shape) -> nn.Module:
        """`convolab.networks.modules.Scale`."""
        from convolab.networks import modules

        return modules.Scale(self.factor)

    def code(self, input_shape: Shape) -> str:
        """``Scale(0.125)``."""
        return f"Scale({self.factor!r})"

    @property
    def summary(self) -> str:
        """``× 0.125``."""
        return f"× {self.factor:g}"
