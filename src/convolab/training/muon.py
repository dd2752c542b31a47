"""Muon: steps that change all directions of a weight matrix alike, and Adam for what is no matrix.

Muon (Jordan and others, 2024) takes the mean slope of a layer's weights as a matrix, a row for each filter,
and replaces it by the nearest matrix whose singular values are all about 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from convolab.training.device import usable_cores
from convolab.training.parallel import pool

_EPSILON = 1e-8


def orthogonal(matrix: Tensor, steps: int = 5) -> Tensor:
    """About the nearest matrix with all singular values 1: between 0.7 and 1.2 (Newton and Schulz)."""
    x = matrix / (matrix.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    # Each step multiplies x from the left by a polynomial of x·xᵀ, and these all commute: for a wide x it is
    # cheaper to gather them, at the size of its height, and to multiply x once.
    if x.shape[1] >= 2 * x.shape[0]:
        square = x @ x.T
        gathered = polynomial = _polynomial(square)
        for _ in range(steps - 1):
            square = polynomial @ square @ polynomial
            polynomial = _polynomial(square)
            gathered = polynomial @ gathered
        x = gathered @ x
    else:
        for _ in range(steps):
            x = _polynomial(x @ x.T) @ x
    return x.T if tall else x


def _polynomial(square: Tensor) -> Tensor:
    """What a step multiplies with: Jordan's coefficients, that make small singular values grow fast."""
    found = torch.addmm(square, square, square, beta=-4.7750, alpha=2.0315)
    found.diagonal().add_(3.4445)
    return found


def all_orthogonal(matrices: Sequence[Tensor]) -> list[Tensor]:
    """`orthogonal` of each. On the CPU each core takes whole matrices, since these are too small to share
    one: with six matrices of a small network on two cores 11 ms instead of 51.
    """
    threads = min(usable_cores(), len(matrices))
    if threads < 2 or matrices[0].device.type != "cpu":
        return [orthogonal(matrix) for matrix in matrices]
    with torch.no_grad():
        # The dearest first, so that no core is left with it in the end.
        order = sorted(range(len(matrices)), key=lambda i: -matrices[i].numel() * min(matrices[i].shape))
        tasks = {i: pool(threads).submit(_alone, matrices[i]) for i in order}
        return [tasks[i].result() for i in range(len(matrices))]


@torch.no_grad()
def _alone(matrix: Tensor) -> Tensor:
    return orthogonal(matrix)


class Muon(torch.optim.Optimizer):
    """Muon for ``matrices`` (two dimensions or more), Adam for ``others``; all it keeps is in ``state``.

    A step moves each weight of a matrix by about a fifth of the learning rate times ``factor``, whatever the
    matrix' shape, so that one learning rate serves both kinds (Liu and others: Muon is scalable, 2025).
    ``weight_decay`` is taken off the weights of the matrices themselves.
    """

    def __init__(
        self,
        matrices: Iterable[nn.Parameter],
        others: Iterable[nn.Parameter],
        lr: float,
        *,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        factor: float = 1.0,
    ) -> None:
        groups = [{"params": list(matrices), "matrix": True}, {"params": list(others), "matrix": False}]
        defaults = {
            "lr": lr, "momentum": momentum, "betas": betas, "weight_decay": weight_decay, "factor": factor,
        }  # fmt: skip
        super().__init__([group for group in groups if group["params"]], defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Change all weights once."""
        for group in self.param_groups:
            learning = [parameter for parameter in group["params"] if parameter.grad is not None]
            if group["matrix"]:
                self._muon(learning, group)
            else:
                self._adam(learning, group)

    def _muon(self, parameters: list[nn.Parameter], group: dict[str, Any]) -> None:
        ahead = [self._ahead(parameter, group["momentum"]) for parameter in parameters]
        rate = group["lr"] * group["factor"]
        for parameter, flat, direction in zip(parameters, ahead, all_orthogonal(ahead), strict=True):
            if group["weight_decay"]:
                parameter.mul_(1 - rate * group["weight_decay"])
            scale = 0.2 * math.sqrt(max(flat.shape))
            parameter.add_(direction.view(parameter.shape), alpha=-rate * scale)

    def _ahead(self, parameter: nn.Parameter, momentum: float) -> Tensor:
        """The mean slope, one step ahead (Nesterov), as a matrix with a row for each filter."""
        slope, state = parameter.grad, self.state[parameter]
        assert slope is not None
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        state["momentum"].lerp_(slope, 1 - momentum)
        ahead = torch.lerp(slope, state["momentum"], momentum)
        return ahead.reshape(len(ahead), -1)

    def _adam(self, parameters: list[nn.Parameter], group: dict[str, Any]) -> None:
        """All at once: with many small ones most of the time would go into calling."""
        if not parameters:
            return
        first, second = group["betas"]
        weights: list[Tensor] = [*parameters]
        slopes = [slope for parameter in parameters if (slope := parameter.grad) is not None]
        states = [self.state[parameter] for parameter in parameters]
        for parameter, state in zip(parameters, states, strict=True):
            if "exp_avg" not in state:
                state["exp_avg"] = torch.zeros_like(parameter)
                state["exp_avg_sq"] = torch.zeros_like(parameter)
                state["step"] = torch.zeros(())
            state["step"] += 1
        counts = [float(state["step"]) for state in states]
        means, squares = [state["exp_avg"] for state in states], [state["exp_avg_sq"] for state in states]
        torch._foreach_lerp_(means, slopes, 1 - first)
        torch._foreach_lerp_(squares, torch._foreach_mul(slopes, slopes), 1 - second)
        spread = torch._foreach_div(squares, [1 - second**count for count in counts])
        torch._foreach_sqrt_(spread)
        torch._foreach_add_(spread, _EPSILON)
        rates = [-group["lr"] / (1 - first**count) for count in counts]
        torch._foreach_addcdiv_(weights, means, spread, rates)
