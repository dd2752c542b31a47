"""The two optimizers of learning: Adam, and Muon, whose steps change all directions of a matrix alike.

Muon (Jordan and others, 2024) replaces the mean slope of a convolution's weights, taken as a matrix of
filters, by the nearest matrix whose singular values are all about 1. What is no matrix, and the last
convolution, is left to Adam.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from convolab.style.fast.network import TransformNetwork

BETAS = (0.9, 0.99)
MOMENTUM = 0.9
PER_RATE = 7.0
"""Muon's learning rate for one of Adam's."""
_EPSILON = 1e-8


def orthogonal(matrix: Tensor, steps: int = 5) -> Tensor:
    """About the nearest matrix with all singular values 1: between 0.7 and 1.2 (Newton and Schulz)."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix / (matrix.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(steps):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Muon for the convolutions of a network, Adam for all else; all that it keeps is in ``state``."""

    def __init__(self, network: TransformNetwork, rate: float) -> None:
        named = list(network.named_parameters())
        matrices = [p for name, p in named if p.dim() == 4 and name != "last.weight"]
        others = [p for name, p in named if p.dim() != 4 or name == "last.weight"]
        super().__init__(
            [{"params": matrices, "matrix": True}, {"params": others, "matrix": False}], {"lr": rate}
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Change all weights once."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    one = self._muon if group["matrix"] else self._adam
                    one(parameter, parameter.grad, self.state[parameter], group["lr"])

    def _muon(self, parameter: Tensor, slope: Tensor, state: dict[str, Any], rate: float) -> None:
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        state["momentum"].lerp_(slope, 1 - MOMENTUM)
        ahead = torch.lerp(slope, state["momentum"], MOMENTUM)
        flat = ahead.reshape(len(ahead), -1)
        # So that each weight moves by about a fifth of the rate, whatever the matrix' shape.
        scale = 0.2 * math.sqrt(max(flat.shape))
        parameter.add_(orthogonal(flat).view(ahead.shape), alpha=-rate * PER_RATE * scale)

    def _adam(self, parameter: Tensor, slope: Tensor, state: dict[str, Any], rate: float) -> None:
        if "exp_avg" not in state:
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
            state["step"] = torch.zeros(())
        state["step"] += 1
        count = float(state["step"])
        state["exp_avg"].lerp_(slope, 1 - BETAS[0])
        state["exp_avg_sq"].lerp_(slope.square(), 1 - BETAS[1])
        spread = (state["exp_avg_sq"] / (1 - BETAS[1] ** count)).sqrt().add_(_EPSILON)
        parameter.addcdiv_(state["exp_avg"], spread, value=-rate / (1 - BETAS[0] ** count))
