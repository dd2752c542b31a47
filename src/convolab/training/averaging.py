"""A running mean of the weights while they are learned: what is measured and kept, if the settings say so."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class Average:
    """The mean of a model's weights that keeps the share ``keep`` of itself at each step.

    At first it keeps less, so that it is not ruled by where the weights began: step n keeps at most
    (1 + n) / (10 + n), as TensorFlow's moving averages do. Running means inside the model (batch norm) are
    averaged alike; counts are copied.
    """

    def __init__(self, model: nn.Sequential, keep: float) -> None:
        self.keep = keep
        self.model: nn.Sequential = copy.deepcopy(model).eval()
        self._pairs = list(zip(self.model.state_dict().values(), model.state_dict().values(), strict=True))
        self._means = [pair for pair in self._pairs if pair[0].is_floating_point()]
        self._copies = [pair for pair in self._pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self, steps: int) -> None:
        """Take the model's weights in; ``steps`` is how many steps were made before."""
        keep = min(self.keep, (1 + steps) / (10 + steps))
        means, weights = (list(part) for part in zip(*self._means, strict=True))
        torch._foreach_lerp_(means, weights, 1 - keep)
        for mean, value in self._copies:
            mean.copy_(value)

    def tensors(self) -> dict[str, Tensor]:
        """For a checkpoint, by name."""
        return {f"average.{name}": value for name, value in self.model.state_dict().items()}
