"""Looking at the examples of a data set: pages of them by class, as one picture or one by one."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from convolab.datasets.dataset import Dataset
from convolab.errors import DataError

_MAX_SIDE = 16_384


@dataclass(frozen=True)
class Page:
    """One page of examples."""

    indices: tuple[int, ...]
    """Positions in the training or test images."""
    page: int
    """Counted from 0; a number past the end becomes the last page."""
    pages: int
    """At least 1."""
    total: int
    """Examples on all pages."""


def examples(
    dataset: Dataset, split: str = "train", label: int | None = None, page: int = 0, per_page: int = 100
) -> Page:
    """One page of the examples of a class (``label``; None is all classes) in the order of the data set.

    Raises DataError for another split than ``"train"`` or ``"test"`` or a label that is no class.
    """
    labels = dataset.labels(split)
    if label is not None and not 0 <= label < len(dataset.classes):
        raise DataError(
            f"There is no class {label}; {dataset.title} has the classes 0 to {len(dataset.classes) - 1}."
        )
    if per_page < 1:
        raise DataError(f"A page holds at least 1 example, not {per_page}.")
    found = np.arange(len(labels)) if label is None else np.flatnonzero(labels == label)
    pages = max(1, math.ceil(len(found) / per_page))
    page = min(max(page, 0), pages - 1)
    shown = found[page * per_page : (page + 1) * per_page]
    return Page(tuple(int(index) for index in shown), page, pages, len(found))


def sprite(
    dataset: Dataset, indices: Sequence[int], columns: int = 10, scale: int = 1, split: str = "train"
) -> bytes:
    """PNG of a contact sheet: the images at ``indices``, row by row, ``scale`` times as large, without gaps.

    Cells that are left over in the last row are black. Raises DataError for an index that does not exist.
    """
    if columns < 1 or scale < 1:
        raise DataError("A contact sheet needs at least 1 column and a scale of at least 1.")
    images = _pick(dataset, indices, split)
    count, channels, height, width = images.shape
    columns = min(columns, max(count, 1))
    rows = max(1, math.ceil(count / columns))
    if rows * height * scale > _MAX_SIDE or columns * width * scale > _MAX_SIDE:
        raise DataError(
            f"That contact sheet would be larger than {_MAX_SIDE} pixels; show fewer images at once."
        )
    sheet = np.zeros((rows * columns, channels, height, width), np.uint8)
    sheet[:count] = images
    sheet = sheet.reshape(rows, columns, channels, height, width).transpose(0, 3, 1, 4, 2)
    return png(sheet.reshape(rows * height, columns * width, channels), scale)


def picture(dataset: Dataset, index: int, scale: int = 1, split: str = "train") -> bytes:
    """PNG of one example. Raises DataError for an index that does not exist."""
    return png(_pick(dataset, [index], split)[0].transpose(1, 2, 0), scale)


def png(pixels: np.ndarray, scale: int = 1) -> bytes:
    """PNG of uint8 (H, W, C) with 1 or 3 channels, each pixel a square of ``scale``."""
    image = Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels))
    if scale != 1:
        image = image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


def _pick(dataset: Dataset, indices: Sequence[int], split: str) -> np.ndarray:
    images = dataset.images(split)
    wanted = np.asarray(indices, dtype=np.int64).reshape(-1)
    outside = wanted[(wanted < 0) | (wanted >= len(images))]
    if outside.size:
        raise DataError(
            f"{dataset.title} has no {split} image {outside[0]}; they are numbered 0 to {len(images) - 1}."
        )
    return np.asarray(images[wanted])
