"""Trained networks that come with the lab, to look inside at once.

Each was trained by the lab's own loop on MNIST, with digits that are shifted, turned, scaled, thickened and
thinned, so that drawings that are off-centre or odd are understood too. The weights lie beside this module in
half precision; `SHIPPED` holds the settings that made them, and their card what they can do.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convolab.errors import NetworkError, unknown

if TYPE_CHECKING:
    from torch import nn

    from convolab.networks.network import Network
    from convolab.training.weights import WeightsInfo

FOLDER = Path(__file__).parent / "weights"
_CHANGES = "--shift 4 --rotation 12 --scaling 0.15 --stroke 0.5"
_GENTLE = "--shift 2 --rotation 8 --scaling 0.1 --stroke 0.3"


@dataclass(frozen=True)
class Shipped:
    """A trained network that comes with the lab: its preset's name, and how it was trained."""

    name: str
    title: str
    phases: tuple[str, ...]
    """Options of ``convolab train mnist``: for the first phase, and for the one that goes on from it."""

    averaged: bool = False
    """Whether it is the mean of the weights after the last two phases (Izmailov and others, 2018)."""

    @property
    def commands(self) -> list[str]:
        """The commands that train it anew."""
        first, *rest = self.phases
        found = [f"convolab train mnist --network {self.name} --name {self.name}-1 {first}"]
        for number, options in enumerate(rest, 2):
            origin = f"--start-from {self.name}-{number - 1} --name {self.name}-{number}"
            found.append(f"convolab train mnist {origin} {options}")
        return found

    @property
    def path(self) -> Path:
        """The file of its weights."""
        return FOLDER / f"{self.name}.safetensors"

    def card(self) -> dict[str, Any]:
        """What it is and can do, with the machine; written by benchmarks/shipped_networks.py."""
        card: dict[str, Any] = json.loads(self.path.with_suffix(".json").read_text())
        return card


SHIPPED: dict[str, Shipped] = {
    entry.name: entry
    for entry in (
        Shipped(
            "harley-cnn",
            "Harley's CNN",
            (
                "--optimizer adamw --learning-rate 0.003 --batch-size 128 --schedule one-cycle --epochs 40 "
                + _CHANGES,
                "--optimizer adamw --learning-rate 0.001 --batch-size 64 --schedule cosine --epochs 12 "
                + f"{_GENTLE} --seed 1",
                "--optimizer adamw --learning-rate 0.0012 --batch-size 64 --schedule cosine --epochs 14 "
                + f"{_GENTLE} --seed 2",
            ),
            averaged=True,
        ),
        Shipped(
            "harley-mlp",
            "Harley's MLP",
            (
                "--optimizer adamw --learning-rate 0.002 --batch-size 256 --schedule one-cycle --epochs 90 "
                + _CHANGES,
            ),
        ),
        Shipped(
            "modern-cnn",
            "Small modern CNN",
            (
                "--optimizer adamw --learning-rate 0.005 --batch-size 128 --schedule one-cycle --epochs 12 "
                + _CHANGES,
                "--optimizer adamw --learning-rate 0.003 --batch-size 128 --schedule cosine --epochs 5 "
                + f"{_GENTLE} --seed 1",
            ),
        ),
    )
}
"""The trained networks by name, in the order in which a menu should offer them."""


def shipped(name: str) -> tuple[Network, nn.Sequential, WeightsInfo]:
    """A trained network of the lab: description, model in evaluation mode, what is known about it.

    NetworkError if there is none of that name.
    """
    from convolab.training.weights import load_weights

    if name not in SHIPPED:
        raise NetworkError(unknown("trained network", name, SHIPPED))
    return load_weights(SHIPPED[name].path)
