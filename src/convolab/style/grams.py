"""Gram matrices to look at while a picture is painted: those of the styles beside those of the picture.

Of a layer with many maps those are shown that are strongest in the style. Values are kept as signed bytes of
the square root of their share of the largest one, because a few elements are many times larger than the rest.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from convolab.style.losses import Loss
    from convolab.style.objective import Objective

SHOWN = 64
"""Maps of a layer that are shown at most."""


@dataclass(frozen=True)
class GramPair:
    """One layer's Gram matrix per place, of a style and of the picture, both (shown, shown) in -1 … 1.

    The values are signed roots: element · |element| · ``limit`` is the mean product of two maps.
    """

    layer: str
    style: int
    """Number of the style picture, from 0; of blended styles the mixture counts as the first."""
    maps: int
    """How many the layer has."""
    shown: tuple[int, ...]
    """Which of them are rows and columns, from 0."""
    limit: float
    wanted: np.ndarray
    found: np.ndarray


class GramWatch:
    """Listens to the style losses of an objective, and remembers the Gram matrices of the newest picture."""

    def __init__(self) -> None:
        self._objective: Objective | None = None
        self._found: dict[Loss, Tensor] = {}

    def attend(self, objective: Objective | None) -> None:
        """Listen to this objective from now on; nothing happens if it is the one already."""
        if objective is self._objective or objective is None:
            return
        self._objective = objective
        self._found.clear()
        for parts in objective.style:
            for _, loss in parts:
                loss.value = self._heard(loss, loss.value)  # type: ignore[assignment, method-assign]

    def _heard(self, loss: Any, value: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def listening(total: Tensor) -> Tensor:
            self._found[loss] = (total / loss.count).detach()
            return value(total)

        return listening

    def pairs(self) -> list[GramPair]:
        """The matrices of the newest picture that was judged, beside those of the styles."""
        if self._objective is None:
            return []
        found = []
        for layer, parts in zip(self._objective.style_layers, self._objective.style, strict=True):
            for number, (_, loss) in enumerate(parts):
                if loss in self._found:
                    found.append(_pair(layer, number, loss, self._found[loss]))
        return found


def _pair(layer: str, number: int, loss: Any, found: Tensor) -> GramPair:
    wanted, found = loss.gram(loss.target), loss.gram(found)
    maps = len(wanted)
    strongest = wanted.diagonal().topk(min(SHOWN, maps)).indices.sort().values
    pair = [matrix[strongest][:, strongest].float().cpu().numpy() for matrix in (wanted, found)]
    limit = float(np.abs(pair[0]).max()) or 1.0
    roots = [np.clip(np.sign(values) * np.sqrt(np.abs(values) / limit), -1, 1) for values in pair]
    return GramPair(layer, number, maps, tuple(int(i) for i in strongest), limit, roots[0], roots[1])


def pack(pairs: Sequence[GramPair]) -> bytes:
    """One line of JSON, then for each pair int8 (shown, shown) of the style and of the picture."""
    header = [
        {
            "layer": pair.layer,
            "style": pair.style,
            "maps": pair.maps,
            "shown": pair.shown,
            "limit": float(f"{pair.limit:.6g}"),
        }
        for pair in pairs
    ]
    bytes_ = [
        np.round(127 * part).astype(np.int8).tobytes() for pair in pairs for part in (pair.wanted, pair.found)
    ]
    return b"".join([json.dumps(header, separators=(",", ":")).encode(), b"\n", *bytes_])


def unpack(content: bytes) -> list[GramPair]:
    """What `pack` wrote. Raises ValueError if it is something else or cut short."""
    line, _, rest = content.partition(b"\n")
    values = np.frombuffer(rest, np.int8).astype(np.float32) / 127
    found, at = [], 0
    for item in json.loads(line):
        side = len(item["shown"])
        parts = []
        for _ in range(2):
            parts.append(values[at : at + side * side].reshape(side, side))
            at += side * side
        found.append(
            GramPair(
                item["layer"],
                item["style"],
                item["maps"],
                tuple(item["shown"]),
                item["limit"],
                parts[0],
                parts[1],
            )
        )
    return found
