"""Pictures of data sets as addresses: examples by class, mean image, deviation. Drawn off the event loop."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from fastapi import HTTPException, Response
from nicegui import app

from convolab.errors import ConvolabError

if TYPE_CHECKING:
    import numpy as np

    from convolab.datasets import Dataset, Statistics

ROWS = 10
COLUMNS = 8
GAP = 2
"""Pixels between two examples, transparent."""
_LOCK = threading.Lock()
_YEAR = {"Cache-Control": "private, max-age=31536000, immutable"}


def install() -> None:
    """Register the addresses. Plain functions: the server runs them in threads."""

    @app.get("/pictures/{name}/examples.png")
    def examples(name: str, split: str = "train", label: int = -1, page: int = 0) -> Response:
        return _png(name, lambda data: example_sheet(data, split, None if label < 0 else label, max(0, page)))

    @app.get("/pictures/{name}/mean.png")
    def mean(name: str) -> Response:
        return _png(name, lambda data: _clipped(_statistics(data.name, _stamp(name)).mean_image))

    @app.get("/pictures/{name}/std.png")
    def deviation(name: str) -> Response:
        # Doubled, so that a deviation of half the range, the largest there can be, is white.
        return _png(name, lambda data: _clipped(2 * _statistics(data.name, _stamp(name)).std_image))


def example_pages(data_classes: int, counts: list[int], label: int | None) -> int:
    """How many pages of examples there are, for all classes or for one."""
    if label is not None:
        return max(1, -(-counts[label] // (ROWS * COLUMNS)))
    return class_blocks(data_classes) * max(1, -(-max(counts, default=0) // COLUMNS))


def class_blocks(classes: int) -> int:
    """How many pages it takes to show each class once."""
    return max(1, -(-classes // ROWS))


def shown_classes(classes: int, page: int) -> range:
    """The classes on a page of all classes."""
    block = page % class_blocks(classes)
    return range(block * ROWS, min(classes, (block + 1) * ROWS))


def example_sheet(data: Dataset, split: str, label: int | None, page: int) -> np.ndarray:
    """uint8 (height, width, 4): a row per class, or examples of one; the rest is transparent."""
    import numpy as np

    labels, images = data.labels(split), data.images(split)
    classes = len(data.classes)
    if label is None:
        block = page // class_blocks(classes)
        rows = [
            np.flatnonzero(labels == shown)[block * COLUMNS : (block + 1) * COLUMNS]
            for shown in shown_classes(classes, page)
        ]
    else:
        found = np.flatnonzero(labels == label)[page * ROWS * COLUMNS : (page + 1) * ROWS * COLUMNS]
        rows = [found[start : start + COLUMNS] for start in range(0, max(1, len(found)), COLUMNS)]
    _, height, width = data.input_shape
    sheet = np.zeros((len(rows) * (height + GAP) - GAP, COLUMNS * (width + GAP) - GAP, 4), np.uint8)
    for row, indices in enumerate(rows):
        for column, index in enumerate(indices):
            top, left = row * (height + GAP), column * (width + GAP)
            sheet[top : top + height, left : left + width, :3] = colored(np.asarray(images[index]))
            sheet[top : top + height, left : left + width, 3] = 255
    return sheet


def colored(image: np.ndarray) -> np.ndarray:
    """uint8 (height, width, 3) of an image (channels, height, width): grey, or its first three channels."""
    import numpy as np

    if image.shape[0] < 3:
        return np.repeat(image[:1].transpose(1, 2, 0), 3, axis=2)
    return image[:3].transpose(1, 2, 0)


def dataset(name: str) -> Dataset:
    """A data set that is here; never fetches, but raises DataError. Reads the disk: off the event loop."""
    return _dataset(name, _stamp(name))


@lru_cache(maxsize=16)
def _dataset(name: str, stamp: int) -> Dataset:
    from convolab.datasets import load

    return load(name)


@lru_cache(maxsize=16)
def _kept_statistics(name: str, stamp: int) -> Statistics:
    from convolab.datasets import statistics

    return statistics(_dataset(name, stamp))


def _statistics(name: str, stamp: int) -> Statistics:
    # Both pictures and the figures are asked for at once; one of them computes, the others wait.
    with _LOCK:
        return _kept_statistics(name, stamp)


def figures(name: str) -> Statistics:
    """`convolab.datasets.statistics` of a data set that is here. The first time takes seconds."""
    return _statistics(name, _stamp(name))


def _stamp(name: str) -> int:
    """Something that differs when a data set of the same name was made anew."""
    from convolab.datasets import info
    from convolab.errors import DataError

    found = info(name)
    if not found.present:
        raise DataError(f"{found.title} is not here yet.")
    return found.bytes


def _clipped(image: np.ndarray) -> np.ndarray:
    import numpy as np

    return colored(np.clip(image, 0, 255).astype(np.uint8))


def _png(name: str, draw: Callable[[Dataset], np.ndarray]) -> Response:
    from PIL import Image

    try:
        pixels = draw(dataset(name))
    except (ConvolabError, IndexError) as error:
        raise HTTPException(404, str(error)) from None
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return Response(buffer.getvalue(), media_type="image/png", headers=_YEAR)
