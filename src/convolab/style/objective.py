"""What is minimised while a picture is painted: W · 6 · StyleDiff + (1 − W) · ContentDiff, normalised."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from convolab.style.features import PICTURE, FeatureNetwork
from convolab.style.losses import (
    ContentLoss,
    GramLoss,
    Loss,
    TotalVariation,
    WassersteinLoss,
    style_moments,
    style_sums,
)
from convolab.style.pictures import layer_mask
from convolab.style.settings import Measure
from convolab.style.tiles import Tiling, evaluate_tiled, features_of, sums_of

STYLE_SCALE = 6.0
"""A relative style difference of 1/6 weighs as much as a relative content difference of 1: with W = 1/2
pictures then come out as paintings in which the photo is well recognised (docs/LOG.md)."""


@dataclass(frozen=True)
class Weights:
    """How much each part counts; may be changed while a picture is painted."""

    weight: float
    style: tuple[float, ...]
    """One for each style layer; they sum to 1."""
    tv: float = 0.0

    @property
    def factors(self) -> dict[str, float]:
        """What ``style``, ``content`` and ``tv`` of `Differences` are multiplied by in their ``total``."""
        return {"style": self.weight * STYLE_SCALE, "content": 1 - self.weight, "tv": self.tv}


@dataclass(frozen=True)
class Differences:
    """The losses at one picture. All are normalised; ``total`` is what is minimised."""

    total: float
    style: float
    """The weighted mean of ``style_by_layer``."""
    content: float
    tv: float
    style_by_layer: dict[str, float] = field(default_factory=dict)
    content_by_layer: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class StyleTarget:
    """What a style picture is to the losses: sums over its places, per layer and per place."""

    moments: Mapping[str, Tensor]


def style_target(
    network: FeatureNetwork,
    picture: Tensor,
    layers: Sequence[str],
    measure: Measure,
    tiling: Tiling | None = None,
) -> StyleTarget:
    """Learn a style from a picture (1, 3, H, W)."""
    if tiling is not None:
        sums = sums_of(network, picture, layers, tiling, lambda part: style_sums(part, measure))
        height, width = picture.shape[2:]
        places = {layer: math.prod(network.shape(layer, height, width)[1:]) for layer in layers}
        return StyleTarget({layer: sums[layer] / places[layer] for layer in layers})
    with torch.no_grad():
        features = network(picture, layers)
        return StyleTarget({layer: style_moments(features[layer], measure) for layer in layers})


class Objective:
    """The losses of one picture at one size, against targets that are computed once.

    ``content`` is (1, 3, H, W). With one mask (H, W) per style each style is wanted where its mask is white;
    without masks the styles are blended: the target is the mean of their Gram matrices by ``blend``.
    With a ``tiling`` the picture is computed in tiles, with the same result and less memory.
    """

    def __init__(
        self,
        network: FeatureNetwork,
        content: Tensor,
        styles: Sequence[StyleTarget],
        weights: Weights,
        *,
        content_layers: Sequence[str],
        style_layers: Sequence[str],
        measure: Measure = "gram",
        blend: Sequence[float] = (),
        masks: Sequence[Tensor] = (),
        tiling: Tiling | None = None,
    ) -> None:
        self.network, self.weights, self.tiling = network, weights, tiling
        self.shape = tuple(content.shape)
        kind = GramLoss if measure == "gram" else WassersteinLoss
        blend = tuple(blend) or (1 / max(len(styles), 1),) * len(styles)
        self.content: list[Loss] = []
        if content_layers:
            if tiling is None:
                with torch.no_grad():
                    found = dict(network(content, content_layers))
            else:
                found = features_of(network, content, content_layers, tiling)
            self.content = [ContentLoss(layer, found[layer]) for layer in content_layers]
        self.style: list[list[tuple[float, Loss]]] = []
        """For each style layer its losses with their shares: one, or one for each masked style."""
        self.style_layers = tuple(style_layers)
        for layer in style_layers:
            _, rows, columns = network.shape(layer, *content.shape[2:])
            if masks:
                self.style.append(_masked(kind, layer, styles, masks, rows, columns))
                continue
            target = sum(share * style.moments[layer] for share, style in zip(blend, styles, strict=True))
            assert isinstance(target, Tensor)
            self.style.append([(1.0, kind(layer, target, rows * columns))])
        self.tv = TotalVariation()

    @property
    def losses(self) -> list[Loss]:
        """Those that count at the present weights and need the network; nobody asked for the others."""
        found = self.content[:] if self.weights.weight < 1 else []
        if self.weights.weight > 0:
            for weight, parts in zip(self.weights.style, self.style, strict=True):
                found += [loss for _, loss in parts] if weight > 0 else []
        return found

    def total(self, values: Mapping[Loss, Tensor], picture: Tensor) -> tuple[Tensor, Differences]:
        """What is minimised, from the value of each loss."""
        zero = picture.new_zeros(())
        by_layer: dict[str, Tensor] = {}
        for layer, parts in zip(self.style_layers, self.style, strict=True):
            there = [share * values[loss] for share, loss in parts if loss in values]
            if there:
                by_layer[layer] = torch.stack(there).sum()
        style = zero
        for layer, weight in zip(self.style_layers, self.weights.style, strict=True):
            style = style + weight * by_layer[layer] if layer in by_layer else style
        content_by_layer = {loss.layer: values[loss] for loss in self.content if loss in values}
        content = torch.stack([*content_by_layer.values()]).mean() if content_by_layer else zero
        tv = self.tv({PICTURE: picture}) if self.weights.tv > 0 else zero
        by = self.weights.factors
        total = by["style"] * style + by["content"] * content + by["tv"] * tv
        return total, Differences(
            total=float(total.detach()),
            style=float(style.detach()),
            content=float(content.detach()),
            tv=float(tv.detach()),
            style_by_layer={layer: float(value.detach()) for layer, value in by_layer.items()},
            content_by_layer={layer: float(value.detach()) for layer, value in content_by_layer.items()},
        )

    def __call__(self, picture: Tensor) -> tuple[Differences, Tensor]:
        """The differences at a picture, and the gradient of their total."""
        if self.tiling is not None:
            return evaluate_tiled(self, picture, self.tiling)
        picture = picture.detach().requires_grad_()
        losses = self.losses
        features = self.network(picture, {loss.layer for loss in losses})
        total, differences = self.total({loss: loss(features) for loss in losses}, picture)
        if not total.requires_grad:  # nothing counts
            return differences, torch.zeros_like(picture)
        (gradient,) = torch.autograd.grad(total, picture)
        return differences, gradient

    def measure(self, picture: Tensor) -> Differences:
        """The differences alone."""
        if self.tiling is not None:
            return evaluate_tiled(self, picture, self.tiling, gradient=False)[0]
        with torch.no_grad():
            losses = self.losses
            features = self.network(picture, {loss.layer for loss in losses})
            return self.total({loss: loss(features) for loss in losses}, picture)[1]


def _masked(
    kind: type[GramLoss] | type[WassersteinLoss],
    layer: str,
    styles: Sequence[StyleTarget],
    masks: Sequence[Tensor],
    rows: int,
    columns: int,
) -> list[tuple[float, Loss]]:
    """One loss for each style, which counts by the share of the picture that its mask covers."""
    parts = [layer_mask(mask, rows, columns) for mask in masks]
    covered = sum(float(part.sum()) for part in parts)
    return [
        (float(part.sum()) / covered, kind(layer, style.moments[layer], rows * columns, part))
        for part, style in zip(parts, styles, strict=True)
        if float(part.sum()) > 0
    ]
