"""Paintings on a tiny feature network, for the tests of style transfer."""

from __future__ import annotations

from typing import Any

import numpy as np
from style_kit import LAYERS, image, tiny_network

from convolab.spec import check
from convolab.style.control import TransferCommands
from convolab.style.events import TransferEvent
from convolab.style.settings import TransferSettings
from convolab.style.transferring import Transfer

NETWORK = tiny_network(padding="replicate")


def settings(**values: Any) -> TransferSettings:
    base = {
        "network": "tiny",
        "size": 40,
        "steps": 20,
        "start": "noise",
        "content_layer": "relu2_2",
        "style_layers": LAYERS,
        # By itself the number format is chosen by timing, and two paintings may differ in their last bits.
        "precision": "fp32",
    }
    return check(TransferSettings, {**base, **values})


def paint(
    content: Any = None, styles: Any = None, *, options: dict[str, Any] | None = None, **values: Any
) -> tuple[Transfer, list[TransferEvent]]:
    work = Transfer(
        content or image(1), styles or image(2), settings(**values), network=NETWORK, **(options or {})
    )
    return work, list(work.iterates())


def pixels(work: Transfer) -> np.ndarray:
    return np.asarray(work.picture()).astype(float)


def of(kind: type, events: list[TransferEvent]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


class Script:
    """A control that says something else from a given poll on."""

    def __init__(self, *wishes: tuple[int, TransferCommands]) -> None:
        self.wishes, self.polls = wishes, 0

    def poll(self) -> TransferCommands:
        self.polls += 1
        return [wish for at, wish in self.wishes if at <= self.polls][-1]
