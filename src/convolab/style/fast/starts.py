"""Where learning begins: with the weights of the style that is nearest to the painting.

A network that has learned one painting knows how to see a photo and how to lay on paint; another painting is
then learned in a fraction of the time.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from convolab.errors import ConvolabError, NetworkError
from convolab.style.fast.architecture import Architecture, parse
from convolab.style.fast.library import find_style, get_style, styles

if TYPE_CHECKING:
    from convolab.style.fast.learner import Learner

TRIED_PARTS = 2
"""Parts of photos that each style has to paint to be compared."""


def start_weights(name: str, architecture: Architecture) -> dict[str, Tensor]:
    """The weights of a style. NetworkError if there is none of that name, or its network is another one."""
    entry = find_style(name)
    own = parse(entry.card.architecture)
    if own.parts != architecture.parts:
        raise NetworkError(
            f"{entry.name} has the network {own.name}, not {architecture.name}; "
            "start with another style, or with none."
        )
    return get_style(name).network.state_dict()


@torch.no_grad()
def nearest_style(learner: Learner) -> str:
    """The style of the same architecture that does best what is to be learned; empty if none has it."""
    parts = learner.model.architecture.parts
    best, least = "", float("inf")
    for entry in styles():
        with contextlib.suppress(ConvolabError):
            if parse(entry.card.architecture).parts != parts:
                continue
            network = get_style(entry.name).network.to(learner.device)
            total = 0.0
            for number in range(TRIED_PARTS):
                photo = learner.parts.part(number).to(learner.device)
                total += learner.objective(photo).measure(network(photo).clamp(0, 1)).total
            if total < least:
                best, least = entry.name, total
    return best
