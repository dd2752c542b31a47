"""The picture judged at its own size and at the coarser ones it was painted at before.

VGG sees strokes of a fixed number of pixels. Painting on at twice the size, L-BFGS would trade the large
shapes away for fine ones, and pictures of different sizes would not look like the same painting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from convolab.style.objective import Differences, Objective, Weights


class Pyramid:
    """(1 − share) times the objective at the full size, plus share times the mean of those at coarser sizes.

    The differences it reports are those at the full size; only ``total``, what is minimised, is of all sizes.
    """

    def __init__(self, fine: Objective, coarser: Sequence[Objective] = (), share: float = 0.0) -> None:
        self.fine = fine
        self.coarser = tuple(coarser) if share > 0 else ()
        self.share = share if self.coarser else 0.0

    @property
    def weights(self) -> Weights:
        """What counts how much, at all sizes."""
        return self.fine.weights

    @weights.setter
    def weights(self, weights: Weights) -> None:
        for objective in (self.fine, *self.coarser):
            objective.weights = weights

    def __call__(self, picture: Tensor) -> tuple[Differences, Tensor]:
        """The differences at a picture, and the gradient of their total."""
        differences, gradient = self.fine(picture)
        if not self.coarser:
            return differences, gradient
        total = (1 - self.share) * differences.total
        gradient = (1 - self.share) * gradient
        each = self.share / len(self.coarser)
        for objective in self.coarser:
            full = picture.detach().requires_grad_()
            small = _shrunk(full, objective)
            found, slope = objective(small.detach())
            total += each * found.total
            (back,) = torch.autograd.grad(small, full, slope)
            gradient = gradient + each * back
        return replace(differences, total=total), gradient

    def measure(self, picture: Tensor) -> Differences:
        """The differences alone."""
        differences = self.fine.measure(picture)
        if not self.coarser:
            return differences
        with torch.no_grad():
            coarse = [objective.measure(_shrunk(picture, objective)).total for objective in self.coarser]
        total = (1 - self.share) * differences.total + self.share * sum(coarse) / len(coarse)
        return replace(differences, total=total)


def _shrunk(picture: Tensor, objective: Objective) -> Tensor:
    return functional.interpolate(
        picture, objective.shape[2:], mode="bicubic", antialias=True, align_corners=False
    )
