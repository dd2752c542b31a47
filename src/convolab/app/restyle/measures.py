"""What is measured of filtered pictures: how much a filter changed, borders, StyleDiff to the paintings."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from convolab.errors import ConvolabError, DataError
from convolab.style.fast.job_folder import LearnFolder
from convolab.style.fast.settings import LearnSettings

if TYPE_CHECKING:
    from convolab.style.features import FeatureNetwork

NETWORK = "vgg-16"
CONTENT_LAYER = "relu3_3"
LAB_PAINTING = 640
"""Pixels on a side of the lab's own paintings when their styles were learned."""
GAIN = 2
"""How much brighter difference pictures are than the difference."""
_lock = threading.Lock()
_network: list[FeatureNetwork] = []


@dataclass(frozen=True)
class Painting:
    """The painting that a style was learned from, as far as it is here."""

    picture: Image.Image
    size: int
    """Pixels on the long side, at which it is compared."""
    layers: tuple[str, ...]
    whole: bool
    """Whether it is the painting itself, and not the small picture of it that every style carries."""


def change(before: Image.Image, after: Image.Image) -> float:
    """Mean absolute difference of two pictures of one size, of 255."""
    return float(np.abs(_pixels(before) - _pixels(after)).mean())


def difference(before: Image.Image, after: Image.Image) -> Image.Image:
    """The absolute difference of two pictures of one size, `GAIN` times as bright."""
    apart = np.minimum(GAIN * np.abs(_pixels(before) - _pixels(after)), 255)
    return Image.fromarray(apart.astype(np.uint8))


def _pixels(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("RGB"), np.int16)


def border(picture: Image.Image) -> float | None:
    """`border_artefact`: above 1 the border stands out; None for pictures too small to say."""
    from convolab.style.fast.border import border_artefact

    try:
        return border_artefact(picture)
    except DataError:
        return None


def network_is_here() -> bool:
    """Whether style and content can be measured without fetching anything."""
    from convolab.app.transfer import networks

    return networks.is_here(NETWORK)


def _features() -> FeatureNetwork:
    """The feature network, loaded once. DataError if its weights are not here and cannot be had."""
    from convolab.style.loading import load_network

    with _lock:
        if not _network:
            _network.append(load_network(NETWORK))
        return _network[0]


def style_diff(painting: Painting, picture: Image.Image) -> dict[str, float]:
    """``assignment``: the sum over the layers; ``relative``: normalised, what learning makes small."""
    from convolab.style.compare import measure_style

    found = measure_style(_features(), painting.picture, picture, painting.layers, painting.size)
    return {"assignment": found.total, "relative": found.relative}


def style_distance(a: Image.Image, b: Image.Image) -> float:
    """StyleDiff of B from A, normalised, both as large as they are."""
    from convolab.style.compare import measure_style

    return measure_style(_features(), a, b, LearnSettings().style_names, max(a.size)).relative


def content_distance(a: Image.Image, b: Image.Image) -> float:
    """ContentDiff of B from A, normalised."""
    from convolab.style.compare import measure_content

    return measure_content(_features(), a, b, (CONTENT_LAYER,), max(a.size)).relative


def painting_of(name: str, size: int) -> Painting | None:
    """The painting of a style: itself where it was learned here or is painted by the lab, else a small one.

    The small picture is compared at its own size: pictures are made as small as it is, and strokes with them.
    """
    from convolab.style.fast.library import find_style

    entry = find_style(name)
    settings: dict[str, Any] = {}
    with contextlib.suppress(ConvolabError, ValueError):
        settings = {"layers": LearnSettings(**entry.card.settings).style_names}
    layers = tuple(settings.get("layers") or LearnSettings().style_names)
    if not entry.shipped and (found := _learned_from(entry.name)) is not None:
        return Painting(found, min(size, max(found.size)), layers, True)
    if entry.shipped and (found := _lab_painting(entry.name)) is not None:
        return Painting(found, min(size, max(found.size)), layers, True)
    small = entry.card.picture()
    return None if small is None else Painting(small, max(small.size), layers, False)


@lru_cache(maxsize=4)
def _lab_painting(name: str) -> Image.Image | None:
    """The painting of one of the lab's own styles, painted again; None for the styles of others."""
    from convolab.style.painted import STYLES, paint

    own = name.removesuffix("-small")
    return paint(own, LAB_PAINTING) if own in STYLES else None


def _learned_from(name: str) -> Image.Image | None:
    """The painting in the folder of the job that learned a style."""
    from convolab.style.fast.job import last_finish
    from convolab.style.pictures import read_picture

    for folder in LearnFolder.all():
        with contextlib.suppress(ConvolabError, OSError):
            end = last_finish(folder)
            if end is not None and end.name == name:
                return read_picture(folder.painting_path)
    return None
