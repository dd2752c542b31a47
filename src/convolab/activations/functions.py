"""The elementwise steps of a unit in plain arithmetic: what a person can follow with a calculator."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from convolab.networks import Layer

Numbers = Mapping[str, float]


@dataclass(frozen=True)
class Function:
    """A function of one number x; ``numbers`` are further ones in its formula."""

    formula: str
    apply: Callable[[float, Numbers], float]


FUNCTIONS: dict[str, Function] = {
    "ReLU": Function("max(0, x)", lambda x, _: max(0.0, x)),
    "Tanh": Function("tanh(x)", lambda x, _: math.tanh(x)),
    "ScaledTanh": Function("1.7159·tanh(2x/3)", lambda x, _: 1.7159 * math.tanh(2 * x / 3)),
    "GELU": Function("x·Φ(x)", lambda x, _: 0.5 * x * (1 + math.erf(x / math.sqrt(2)))),
    "Scale": Function("factor · x", lambda x, n: n["factor"] * x),
    "BatchNorm2d": Function(
        "(x − mean) / √(variance + epsilon) · scale + shift",
        lambda x, n: (x - n["mean"]) / math.sqrt(n["variance"] + n["epsilon"]) * n["scale"] + n["shift"],
    ),
}
"""By the type of the layer. Φ is the normal distribution function."""


@dataclass(frozen=True)
class UnitStep:
    """One elementwise step of one unit."""

    layer: Layer
    numbers: Numbers
    input: float
    output: float

    @classmethod
    def of(cls, layer: Layer, numbers: Numbers, x: float) -> UnitStep:
        """The step of ``layer`` from ``x`` on."""
        return cls(layer, numbers, x, FUNCTIONS[layer.type].apply(x, numbers))

    def to_json(self) -> dict[str, object]:
        """As the lab's cards and ``convolab look --json`` show it."""
        return {
            "name": self.layer.type,
            "title": self.layer.title,
            "kind": "norm" if self.layer.type == "BatchNorm2d" else "function",
            "formula": FUNCTIONS[self.layer.type].formula,
            "numbers": dict(self.numbers),
            "input": self.input,
            "output": self.output,
        }
