"""Settings of teaching: one spec from which the form, the options and the JSON are derived."""

from __future__ import annotations

from typing import Literal

from convolab.spec import Spec, knob

ClassifierKind = Literal["linear", "mlp", "knn"]

KINDS: dict[str, str] = {
    "linear": "Linear",
    "mlp": "One hidden layer",
    "knn": "Nearest neighbours",
}
"""The kinds of classifiers and what they are called."""
ENDING = ".teach"
"""Of the files that hold everything."""
LARGEST_FILE = 900_000_000
"""Bytes."""


class TeachSettings(Spec):
    """How new classes are learned from the features of a network that was trained before."""

    base: str = knob(
        "vgg-16",
        "Base network",
        "Whose features are used: vgg-16, vgg-19, run:ID for a network trained in the lab, or its file of "
        "weights.",
        group="features",
    )
    layer: str = knob(
        "",
        "Layer",
        "Whose activations are the features, each map averaged; empty: relu5_3 of VGG, else the last hidden "
        "layer.",
        group="features",
    )
    size: int = knob(
        224,
        "Size",
        "How large a picture is when the base looks at it, in pixels a side; a network of the lab has a size "
        "of its own.",
        unit="pixels",
        minimum=32,
        maximum=448,
        step=32,
        group="features",
    )
    classifier: ClassifierKind = knob(
        "linear",
        "Classifier",
        "What tells the classes apart: one linear layer, a hidden layer before it, or the nearest examples.",
        group="classifier",
    )
    neighbours: int = knob(
        5,
        "Neighbours",
        "How many of the nearest examples vote, each the more the nearer it is.",
        unit="examples",
        minimum=1,
        maximum=50,
        step=1,
        applies={"classifier": ("knn",)},
        group="classifier",
    )
    hidden: int = knob(
        64,
        "Hidden units",
        "How many units the hidden layer has.",
        unit="units",
        minimum=1,
        maximum=1024,
        step=16,
        applies={"classifier": ("mlp",)},
        group="classifier",
    )
    held_out: float = knob(
        0.2,
        "Held out",
        "The share of each class's images that is kept for testing and never learned from.",
        minimum=0.05,
        maximum=0.9,
        step=0.05,
        group="data",
    )
    seed: int = knob(
        0,
        "Seed",
        "Fixes which images are held out, the initial weights and the order of the examples.",
        minimum=0,
        maximum=2**31 - 1,
        step=1,
        group="data",
    )
