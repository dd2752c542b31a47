"""What excites a unit: the images of a data set that activate it most, and the patch of each that it sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from convolab.activations.inspector import Inspector
from convolab.activations.units import Index
from convolab.errors import DataError

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Exciting:
    """One image that activates a unit."""

    image: int
    """Its number among those searched, from 0."""
    value: float
    """The unit's output."""
    index: Index
    """The unit: the one asked for, or the most active one of its map."""
    field: Box
    """What it sees: (top, left, bottom, right) in pixels of the input level, the last two exclusive."""
    box: Box
    """The same in pixels of the image, without a border that the network puts around it."""
    patch: np.ndarray
    """uint8 (C, rows, columns): that part of the image; empty where the unit sees the border alone."""


def exciting(
    inspector: Inspector,
    key: str,
    index: Sequence[int],
    images: np.ndarray,
    normalize: Callable[[Tensor], Tensor],
    count: int = 9,
    *,
    anywhere: bool = False,
    batch: int = 250,
    progress: Callable[[int, int], None] | None = None,
) -> list[Exciting]:
    """The ``count`` of ``images`` that activate unit ``index`` of level ``key`` most, the strongest first.

    ``images`` are uint8 (N, C, H, W); ``normalize`` turns uint8 (N, H, W, C) into what the network takes, as
    `convolab.training.Normalize` does. ``anywhere`` takes the strongest unit of the whole map in each image.
    Of equal images the first counts. ``progress`` is called with (images done, of how many) after each
    ``batch``; what it raises ends the search. Raises UnitError for an unknown unit, DataError for images that
    do not fit.
    """
    place = inspector.check(key, index)
    if tuple(images.shape[1:]) != inspector.network.input_shape:
        sizes = (" × ".join(map(str, shape)) for shape in (inspector.network.input_shape, images.shape[1:]))
        raise DataError("This network takes images of {}, not {}.".format(*sizes))
    level = inspector.places[key]
    whole_map = anywhere and len(place) == 3
    flat = int(np.ravel_multi_index(place, inspector.levels[level].shape))
    values, places = np.empty(len(images), np.float32), np.empty(len(images), np.int64)
    for start in range(0, len(images), batch):
        part = torch.from_numpy(np.array(images[start : start + batch]))
        with torch.inference_mode():
            results = inspector.forward(normalize(part.permute(0, 2, 3, 1)), last=level)[-1][1]
            seen = results[:, place[0]].flatten(1) if whole_map else results.flatten(1)[:, [flat]]
            best = seen.max(dim=1)
        end = start + len(part)
        values[start:end], places[start:end] = best.values.cpu().numpy(), best.indices.cpu().numpy()
        if progress is not None:
            progress(end, len(images))
    found = []
    for number in np.argsort(-values, kind="stable")[:count]:
        unit = place
        if whole_map:
            row, column = divmod(int(places[number]), inspector.levels[level].shape[2])
            unit = (place[0], row, column)
        found.append(_exciting(inspector, key, unit, int(number), float(values[number]), images[number]))
    return found


def _exciting(
    inspector: Inspector, key: str, unit: Index, number: int, value: float, image: np.ndarray
) -> Exciting:
    field = inspector.field(key, unit)
    height, width = image.shape[1:]
    border = (inspector.levels[0].shape[1] - height) // 2
    top, left, bottom, right = (edge - border for edge in field)
    box = max(0, top), max(0, left), max(0, min(height, bottom)), max(0, min(width, right))
    if box[0] >= box[2] or box[1] >= box[3]:
        box = (0, 0, 0, 0)
    patch = np.array(image[:, box[0] : box[2], box[1] : box[3]])
    return Exciting(number, value, unit, field, box, patch)
