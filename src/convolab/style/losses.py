"""Content and style as differences of features: the assignment's measures, and the losses used for painting.

`content_diff`, `gram_matrix` and `style_diff` are exactly those of the assignment (3.2 to 3.4). Their
values depend on the size of the pictures and on the layer. For painting each difference is therefore
measured per place and relative to the size of its target, so that one weight means the same for every pair of
pictures and every resolution.

A loss of painting takes two steps: `measure` sums something over the places of a part of the picture, and
`value` makes a number of the sum over all parts. So a picture can be computed in tiles with the same result.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from convolab.style import bf16
from convolab.style.features import PICTURE

# ------------------------------------------------------------------ the assignment's measures


def content_diff(a: Tensor, b: Tensor) -> Tensor:
    """‖C(A) − C(B)‖: the norm of the difference of all activations of the content layer.

    ``a`` and ``b`` have the same shape. The slope is 0 where they are equal.
    """
    difference = (a - b).flatten()
    total = (difference * difference).sum()
    # The norm's own slope is not a number at 0.
    return torch.where(total > 0, total.clamp_min(1e-38).sqrt(), total)


def gram_matrix(features: Tensor) -> Tensor:
    """G(A), (maps, maps): element (i, j) is the dot product of activation maps i and j.

    ``features`` is (maps, rows, columns), or (1, maps, rows, columns).
    """
    return _gram(_places(features))


def style_diff(
    a: Mapping[str, Tensor], b: Mapping[str, Tensor], layers: Iterable[str] | None = None
) -> Tensor:
    """StyleDiff(A, B): the sum over the style layers of the squares of all elements of G(A) − G(B)."""
    return torch.stack(list(style_diff_by_layer(a, b, layers).values())).sum()


def style_diff_by_layer(
    a: Mapping[str, Tensor], b: Mapping[str, Tensor], layers: Iterable[str] | None = None
) -> dict[str, Tensor]:
    """The style difference of each layer on its own; ``layers`` are all in ``a`` unless told otherwise."""
    chosen = [layer for layer in a if layer != PICTURE] if layers is None else list(layers)
    return {layer: (gram_matrix(a[layer]) - gram_matrix(b[layer])).square().sum() for layer in chosen}


def _places(features: Tensor) -> Tensor:
    """(rows · columns, maps): without copying where the tensor is channels_last."""
    if features.dim() == 3:
        features = features[None]
    if len(features) != 1:
        raise ValueError(f"one picture at a time, not {len(features)}")
    # Indexing [0] instead would cost zeros and a copy of all of it in the backward pass.
    return features.permute(0, 2, 3, 1).reshape(-1, features.shape[1])


def _exact(x: Tensor) -> Tensor:
    """What sums need: bf16 has too few digits for them."""
    return x.float() if x.dtype is torch.bfloat16 else x


class _GramOf(torch.autograd.Function):
    """FᵀF. Its slope needs one matrix product, where that of the plain product needs two."""

    @staticmethod
    def forward(ctx: Any, places: Tensor) -> Tensor:
        ctx.save_for_backward(places)
        return bf16.gram(places) if places.dtype is torch.bfloat16 else places.T @ places

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Tensor:
        (places,) = ctx.saved_tensors
        return places @ (slopes[0] + slopes[0].T).to(places.dtype)


def _gram(places: Tensor) -> Tensor:
    return _GramOf.apply(places)


# ------------------------------------------------------------------ the losses of painting


@dataclass(frozen=True)
class Region:
    """Which places of a layer a tensor of features holds: rows and columns from ``top``, ``left`` on."""

    top: int = 0
    left: int = 0


class Loss(ABC):
    """One part of what is minimised, about one layer; 0 is perfect, 1 as far as the target is large."""

    layer: str

    @abstractmethod
    def measure(self, features: Tensor, region: Region) -> Tensor:
        """What is summed over places, of (1, maps, rows, columns)."""

    @abstractmethod
    def value(self, total: Tensor) -> Tensor:
        """The loss, from the sum over the whole picture."""

    def __call__(self, features: Mapping[str, Tensor]) -> Tensor:
        """The loss for a dict of features of a whole picture."""
        return self.value(self.measure(features[self.layer], Region()))


class ContentLoss(Loss):
    """ContentDiff² relative to the target's own square: ‖C(Z) − C(Y)‖² / ‖C(Y)‖²."""

    def __init__(self, layer: str, target: Tensor) -> None:
        self.layer, self.target = layer, _exact(target.detach())
        self.scale = float(self.target.square().sum()) or 1.0

    def measure(self, features: Tensor, region: Region) -> Tensor:
        """The sum of squared differences."""
        rows, columns = features.shape[2:]
        part = self.target[:, :, region.top : region.top + rows, region.left : region.left + columns]
        return (_exact(features) - part).square().sum()

    def value(self, total: Tensor) -> Tensor:
        """Relative to the target."""
        return total / self.scale


class _StyleLoss(Loss):
    """What style losses share: a mask (rows, columns) that says how much each place counts."""

    def __init__(self, layer: str, places: int, mask: Tensor | None) -> None:
        self.layer, self.mask = layer, mask
        self.count = float(places if mask is None else mask.sum()) or 1.0

    @abstractmethod
    def gram(self, moments: Tensor) -> Tensor:
        """The Gram matrix per place, (maps, maps), in what `style_moments` gives."""

    def _weighted(self, features: Tensor, region: Region) -> Tensor:
        """(places, maps), each row times the root of its weight, so that products have the weight itself."""
        places = _places(features)
        if self.mask is None:
            return places
        rows, columns = features.shape[2:]
        part = self.mask[region.top : region.top + rows, region.left : region.left + columns]
        return places * part.sqrt().reshape(-1, 1)


class GramLoss(_StyleLoss):
    """A layer's style difference per place, relative to the target: ‖G(Z)/n − G(X)/m‖² / ‖G(X)/m‖².

    ``target`` is G(X)/m, m the number of places in the style picture; ``places`` is n.
    """

    def __init__(self, layer: str, target: Tensor, places: int, mask: Tensor | None = None) -> None:
        super().__init__(layer, places, mask)
        self.target = target.detach()
        self.scale = float(self.target.square().sum()) or 1.0

    def measure(self, features: Tensor, region: Region) -> Tensor:
        """The Gram matrix."""
        return _gram(self._weighted(features, region))

    def value(self, total: Tensor) -> Tensor:
        """How far its mean per place is from the target."""
        return (total / self.count - self.target).square().sum() / self.scale

    def gram(self, moments: Tensor) -> Tensor:
        """They are it."""
        return moments


class WassersteinLoss(_StyleLoss):
    """The squared Wasserstein distance of the activations, taken as normal distributions, relative.

    ‖μ − ν‖² + tr(A + B − 2(B^½ A B^½)^½) over ‖ν‖² + tr B, with means μ, ν and covariances A, B of the maps
    over the places of Z and X. ``target`` is (maps + 1, maps): the mean, then the mean of products.
    """

    def __init__(self, layer: str, target: Tensor, places: int, mask: Tensor | None = None) -> None:
        super().__init__(layer, places, mask)
        self.target = target.detach()
        self.mean = self.target[0]
        self.covariance = _covariance(self.target)
        self.root = _root(self.covariance)
        self.scale = float(self.mean.square().sum() + self.covariance.trace()) or 1.0

    def measure(self, features: Tensor, region: Region) -> Tensor:
        """The sum of activations, and the Gram matrix."""
        places = _exact(self._weighted(features, region))
        weights = places.new_ones(len(places), 1)
        if self.mask is not None:
            rows, columns = features.shape[2:]
            part = self.mask[region.top : region.top + rows, region.left : region.left + columns]
            weights = part.sqrt().reshape(-1, 1)
        return torch.cat([weights.T @ places, _gram(places)])

    def value(self, total: Tensor) -> Tensor:
        """The distance of both distributions."""
        moments = total / self.count
        covariance = _covariance(moments)
        middle = self.root @ covariance @ self.root
        middle = (middle + middle.T) / 2
        values = torch.linalg.eigvalsh(middle).clamp_min(0)
        # Where maps outnumber places, eigenvalues are 0, where the slope of a root is infinite: λ/√(λ + ε) is
        # the root but for values as small as ε.
        least = 1e-6 * self.covariance.trace().square() / len(middle) ** 2
        roots = values / (values + least.clamp_min(1e-30)).sqrt()
        traces = covariance.trace() + self.covariance.trace() - 2 * roots.sum()
        return ((moments[0] - self.mean).square().sum() + traces).clamp_min(0) / self.scale

    def gram(self, moments: Tensor) -> Tensor:
        """All but the row of means."""
        return moments[1:]


def _covariance(moments: Tensor) -> Tensor:
    return moments[1:] - torch.outer(moments[0], moments[0])


def _root(matrix: Tensor) -> Tensor:
    """The symmetric square root of a positive semi-definite matrix."""
    values, vectors = torch.linalg.eigh((matrix + matrix.T) / 2)
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T


class TotalVariation(Loss):
    """Mean squared difference of neighbouring pixels, times 100: 0 for one colour, some tens for noise."""

    layer = PICTURE

    def measure(self, features: Tensor, region: Region) -> Tensor:
        """All squared differences of neighbours, per pixel."""
        down = (features[:, :, 1:] - features[:, :, :-1]).square().sum()
        across = (features[:, :, :, 1:] - features[:, :, :, :-1]).square().sum()
        return 100 * (down + across) / features[0].numel()

    def value(self, total: Tensor) -> Tensor:
        """As measured."""
        return total


def style_moments(features: Tensor, measure: str) -> Tensor:
    """The target for `GramLoss` or `WassersteinLoss` (``gram``, ``wasserstein``), from a style's features."""
    with torch.no_grad():
        return style_sums(features, measure) / (features.shape[2] * features.shape[3])


def style_sums(features: Tensor, measure: str) -> Tensor:
    """The same, summed over places instead of averaged: what tiles add up to."""
    places = _places(features)
    if measure == "gram":
        return _gram(places)
    places = _exact(places)
    return torch.cat([places.sum(0, keepdim=True), _gram(places)])
