"""What the view of a network is sent: its layout once, and all activations of a picture as one frame.

A frame is a 32-bit length, that many bytes of JSON, then little-endian float32: for each network shown the
values of all levels in order, the raw outputs and the shares of the classes; last the uint8 picture that was
given. The JSON says how long each part is. `widgets/node_link_frame.js` reads it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from convolab.activations import Activations, Inspector


def layout(inspector: Inspector, **facts: Any) -> dict[str, Any]:
    """The levels of a network as the view needs them, with ``facts`` beside them.

    ``first`` is the place of a level's first unit among the values of a frame, ``units`` how many follow.
    """
    levels = []
    first = 0
    for level in inspector.levels:
        units = int(np.prod(level.shape))
        levels.append(
            {
                "key": level.key,
                "title": level.title,
                "kind": level.kind,
                "shape": list(level.shape),
                "function": level.function,
                "below": list(level.below),
                "first": first,
                "units": units,
            }
        )
        first += units
    return {"levels": levels, "units": first, **facts}


def encode_frame(
    shown: Mapping[str, tuple[Inspector, Activations]],
    given: np.ndarray,
    versions: Mapping[str, str] | None = None,
    **facts: Any,
) -> bytes:
    """One frame of the networks ``shown``, by slot, for the picture ``given``, uint8 (C, H, W)."""
    slots = []
    parts: list[bytes] = []
    for slot, (_, activations) in shown.items():
        prediction = activations.prediction
        values = _floats(activations.all_values())
        slots.append(
            {
                "slot": slot,
                "version": (versions or {}).get(slot, ""),
                "units": len(values),
                "classes": len(prediction.raw),
                "order": [int(index) for index in prediction.order],
                "how": prediction.how,
            }
        )
        parts += [part.tobytes() for part in (values, _floats(prediction.raw), _floats(prediction.shares))]
    header = {**facts, "given": list(given.shape), "slots": slots}
    return pack(header, [*parts, np.ascontiguousarray(given, np.uint8).tobytes()])


def pack(header: Mapping[str, Any], parts: Sequence[bytes]) -> bytes:
    """JSON and bytes as one message; the bytes begin at a multiple of 4."""
    text = json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    return b"".join([len(text).to_bytes(4, "little"), text, *parts])


def unpack(message: bytes) -> tuple[dict[str, Any], memoryview]:
    """The JSON and the bytes of a message. Raises ValueError if it is none."""
    if len(message) < 4:
        raise ValueError("The message is too short.")
    end = 4 + int.from_bytes(message[:4], "little")
    if end > len(message):
        raise ValueError("The message is cut short.")
    header = json.loads(message[4:end])
    if not isinstance(header, dict):
        raise ValueError("The message has no header.")
    return header, memoryview(message)[end:]


def _floats(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, "<f4").reshape(-1)
