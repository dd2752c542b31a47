"""Muon for image transformation networks: for their convolutions, all but the last one; Adam for all else."""

from __future__ import annotations

from convolab.style.fast.network import TransformNetwork
from convolab.training.muon import Muon

BETAS = (0.9, 0.99)
MOMENTUM = 0.9
PER_RATE = 7.0
"""Muon's learning rate for one of Adam's."""


def make_muon(network: TransformNetwork, rate: float) -> Muon:
    """The optimizer of ``network``'s weights at Adam's learning rate ``rate``."""
    named = list(network.named_parameters())
    return Muon(
        [p for name, p in named if p.dim() == 4 and name != "last.weight"],
        [p for name, p in named if p.dim() != 4 or name == "last.weight"],
        rate,
        momentum=MOMENTUM,
        betas=BETAS,
        factor=PER_RATE,
    )
