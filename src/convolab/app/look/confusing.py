"""Confusing inputs, for the room: the smallest change of the picture that puts it between two labels."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from convolab.app.look.sources import Subject
from convolab.errors import DataError, SettingsError

FRAMES = 13
"""Pictures on the way, with both ends."""


def answer(subject: Subject, asked: dict[str, Any]) -> dict[str, Any]:
    """The way from the present picture to one that is as much of label ``first`` as of ``second``.

    Labels are numbers. Takes a second or so: for a thread. Raises DataError while there is no picture,
    SettingsError for labels that are unknown or the same.
    """
    from convolab.activations.confusing import confuse

    if subject.pixels is None:
        raise DataError("There is no picture to begin with yet; draw one.")
    first, second = asked.get("first"), asked.get("second")
    if not isinstance(first, int) or not isinstance(second, int):
        raise SettingsError("Choose two labels.")
    low, high = ((edge - subject.mean) / subject.std for edge in (np.float32(0), np.float32(255)))
    found = confuse(
        subject.inspector,
        subject.normalize(subject.pixels),
        first,
        second,
        low=low,
        high=high,
        frames=FRAMES,
    )
    pixels = np.clip(np.rint(found.path * subject.std + subject.mean), 0, 255).astype(np.uint8)
    return {
        "first": found.first,
        "second": found.second,
        "shape": list(subject.pixels.shape),
        "frames": len(pixels),
        "pixels": base64.b64encode(pixels.tobytes()).decode(),
        "shares": found.shares.tolist(),
        "succeeded": found.succeeded,
        "distance": found.distance,
        "mean_change": found.mean_change,
        "largest_change": found.largest_change,
        "message": found.message,
    }
