"""What excites a unit, for the room: test images are searched a part at a time, as long as the page asks."""

from __future__ import annotations

import base64
import time
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from convolab.app.look.sources import NotHere, Subject
from convolab.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

    from convolab.activations.excitation import Exciting

COUNT = 9
"""Images that are shown."""
PART = 500
"""Images searched at once."""
PATIENCE = 0.4
"""Seconds after which an answer is given, whether or not all images have been searched."""
_KEPT = 24


@dataclass
class _Search:
    done: int = 0
    found: list[Exciting] = field(default_factory=list)


_searches: OrderedDict[tuple[Any, ...], _Search] = OrderedDict()
"""By network, weights and unit, the newest last."""


def answer(subject: Subject, asked: dict[str, Any]) -> dict[str, Any]:
    """The test images that activate the unit ``level``, ``index`` most; of its whole map with ``anywhere``.

    Searches for `PATIENCE` seconds and says how far it is (``done`` of ``total``): the page asks again until
    that is all of them. Only for the thread of `convolab.app.inference.compute`. Raises UnitError for an
    unknown unit, NotHere if the data set is not fetched, DataError if its images do not fit.
    """
    from convolab.activations.excitation import exciting
    from convolab.app.pictures import dataset
    from convolab.datasets import info

    index = asked.get("index")
    if not isinstance(index, list) or not all(isinstance(number, int) for number in index):
        raise DataError("This names no unit.")
    level, anywhere = str(asked.get("level", "")), bool(asked.get("anywhere"))
    place = subject.inspector.check(level, index)
    about = info(subject.dataset)
    if not about.present:
        raise NotHere(subject.dataset, f"The test images of {about.title} are not here yet.")
    data = dataset(subject.dataset)
    images = np.asarray(data.test_images)
    key = (subject.source, subject.version, level, place[:1] if anywhere else place, anywhere)
    search = _searches.setdefault(key, _Search())
    _searches.move_to_end(key)
    while len(_searches) > _KEPT:
        _searches.popitem(last=False)
    began = time.monotonic()
    while search.done < len(images) and time.monotonic() - began < PATIENCE:
        part = images[search.done : search.done + PART]
        new = exciting(subject.inspector, level, place, part, _normalizer(subject), COUNT, anywhere=anywhere)
        both = [(one.image, one) for one in search.found] + [(search.done + one.image, one) for one in new]
        # Stable: of equal images the first counts.
        both.sort(key=lambda pair: -pair[1].value)
        search.found = [_numbered(one, number) for number, one in both[:COUNT]]
        search.done += len(part)
    return {
        "done": search.done,
        "total": len(images),
        "title": about.title,
        "images": [
            {
                "image": one.image,
                "label": int(data.test_labels[one.image]),
                "name": data.classes[int(data.test_labels[one.image])],
                "value": one.value,
                "index": list(one.index),
                "box": list(one.box),
                "shape": list(images.shape[1:]),
                "pixels": base64.b64encode(images[one.image].tobytes()).decode(),
            }
            for one in search.found
        ],
    }


def _numbered(one: Exciting, number: int) -> Exciting:
    return one if one.image == number else replace(one, image=number)


def _normalizer(subject: Subject) -> Any:
    import torch

    mean, std = (torch.from_numpy(part.reshape(1, -1, 1, 1)) for part in (subject.mean, subject.std))

    def normalize(images: Tensor) -> Tensor:
        """uint8 (N, H, W, C) → float32 (N, C, H, W)."""
        return (images.permute(0, 3, 1, 2).float() - mean) / std

    return normalize
