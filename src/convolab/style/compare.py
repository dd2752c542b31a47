"""The assignment's two measures between two pictures, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeVar

import torch
from PIL import Image

from convolab.datasets.pictures import crop_and_resize
from convolab.errors import SettingsError
from convolab.style.features import FeatureNetwork
from convolab.style.losses import ContentLoss, GramLoss, content_diff, style_diff_by_layer, style_moments
from convolab.style.pictures import Picture, fitted, read_picture, to_tensor
from convolab.style.settings import DEFAULT_STYLE_LAYERS
from convolab.training.device import is_out_of_memory


@dataclass(frozen=True)
class Measured:
    """A difference of B from A: the assignment's number, its parts by layer, and the same made comparable."""

    total: float
    by_layer: dict[str, float] = field(default_factory=dict)
    relative: float = 0.0
    """Per place and relative to A, mean over the layers: what painting minimises."""
    relative_by_layer: dict[str, float] = field(default_factory=dict)
    size: tuple[int, int] = (0, 0)
    """(width, height) at which A was measured."""


_Measures = TypeVar("_Measures", bound=Callable[..., Measured])


def _or_too_large(measure: _Measures) -> _Measures:
    """``measure``, with a sentence as SettingsError where memory does not suffice."""

    @wraps(measure)
    def measured(*arguments: Any, **named: Any) -> Measured:
        try:
            return measure(*arguments, **named)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise SettingsError(
                "There is not enough memory to compare the pictures at this size; choose a smaller --size."
            ) from error

    return measured  # type: ignore[return-value]


@_or_too_large
@torch.no_grad()
def measure_style(
    network: FeatureNetwork,
    a: Picture,
    b: Picture,
    layers: Sequence[str] = DEFAULT_STYLE_LAYERS,
    size: int = 512,
) -> Measured:
    """StyleDiff(A, B). A has ``size`` pixels on its long side, B the same area, each its own proportions."""
    first, second = read_picture(a), read_picture(b)
    _check(layers)
    width, height = fitted(*first.size, size)
    scale = math.sqrt(width * height / (second.width * second.height))
    wide, high = max(1, round(second.width * scale)), max(1, round(second.height * scale))
    one = network(to_tensor(first, width, height), layers)
    two = network(to_tensor(second, wide, high), layers)
    by_layer = {layer: float(value) for layer, value in style_diff_by_layer(one, two, layers).items()}
    relative = {}
    for layer in layers:
        places = two[layer].shape[2] * two[layer].shape[3]
        relative[layer] = float(GramLoss(layer, style_moments(one[layer], "gram"), places)(two))
    mean = sum(relative.values()) / len(relative)
    return Measured(sum(by_layer.values()), by_layer, mean, relative, (width, height))


@_or_too_large
@torch.no_grad()
def measure_content(
    network: FeatureNetwork, a: Picture, b: Picture, layers: Sequence[str] = ("relu4_2",), size: int = 512
) -> Measured:
    """ContentDiff(A, B). B is cropped to A's proportions: content has to lie in the same places."""
    first, second = read_picture(a), read_picture(b)
    _check(layers)
    width, height = fitted(*first.size, size)
    cut: Image.Image = crop_and_resize(second, height, width)
    one = network(to_tensor(first, width, height), layers)
    two = network(to_tensor(cut, width, height), layers)
    by_layer = {layer: float(content_diff(one[layer], two[layer])) for layer in layers}
    relative = {layer: float(ContentLoss(layer, one[layer])(two)) for layer in layers}
    # All maps of all layers in one vector.
    total = math.sqrt(sum(value**2 for value in by_layer.values()))
    mean = sum(relative.values()) / len(relative)
    return Measured(total, by_layer, mean, relative, (width, height))


def _check(layers: Sequence[str]) -> None:
    if not layers:
        raise SettingsError("At least one layer is needed to compare pictures.")
