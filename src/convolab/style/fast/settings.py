"""Settings of learning a style: one spec from which the form, the options and the JSON are derived."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator, model_validator

from convolab.errors import NetworkError, unknown
from convolab.spec import Spec, knob
from convolab.style.fast.architecture import parse
from convolab.style.settings import Measure, names
from convolab.style.vgg import VGGS

DEFAULT_BUDGET = 600.0
"""Seconds that are learned for where nothing else was asked for."""


class LearnSettings(Spec):
    """How a network learns a style. What is minimised is that of a transfer, mean over many photos."""

    architecture: str = knob(
        "standard",
        "Network",
        "small (8-16-32, for live video), standard (16-32-64), large (32-64-128), or c5s1-16,d32,R64x5,…",
        group="network",
    )
    weight: float = knob(
        0.8,
        "W",
        "How much style counts against content: 0 keeps the photos, 1 paints style alone.",
        minimum=0,
        maximum=1,
        step=0.05,
        assignment="weighting factor W",
        group="measure",
    )
    content_layer: str = knob(
        "relu3_3",
        "Content layer",
        "Whose activations are the content; several with commas. Deeper keeps less detail.",
        group="measure",
    )
    style_layers: str = knob(
        "relu1_2,relu2_2,relu3_3,relu4_3",
        "Style layers",
        "Whose Gram matrices are the style, with commas. Shallow: colour and grain; deep: shapes.",
        group="measure",
    )
    style_loss: Measure = knob(
        "gram",
        "Style measure",
        "Gram matrices as in the assignment, or the Wasserstein distance of means and covariances.",
        group="measure",
    )
    tv: float = knob(
        0.0,
        "Total variation",
        "How much differences between neighbouring pixels count: above 0 smooths.",
        minimum=0,
        maximum=100,
        step=0.01,
        group="measure",
    )
    stability: float = knob(
        0.4,
        "Stability",
        "How much it counts that a slightly moved and noised photo gives the same painting: calm videos.",
        minimum=0,
        maximum=100,
        step=0.1,
        group="measure",
    )
    stroke_size: float = knob(
        1.0,
        "Stroke size",
        "1: strokes as large as in the painting, were it as large as a photo of 480 pixels.",
        minimum=0.1,
        maximum=8,
        step=0.1,
        group="picture",
    )
    budget: float | None = knob(
        None,
        "Time budget",
        "Learn for so much time. None: 10 minutes, or the steps.",
        unit="s",
        above=0,
        maximum=1e6,
        step=60,
        group="stop",
    )
    examples: int | None = knob(
        None,
        "Photos",
        "Learn from so many parts of photos in all.",
        minimum=1,
        maximum=100_000_000,
        step=500,
        group="stop",
    )
    steps: int | None = knob(
        None,
        "Steps",
        "Change the weights so many times.",
        minimum=1,
        maximum=10_000_000,
        step=100,
        group="stop",
    )
    crop: int = knob(
        320,
        "Part of a photo",
        "Side of the square parts of photos that are learned from; smaller ones are quicker but teach worse.",
        unit="pixels",
        minimum=32,
        maximum=1024,
        step=32,
        group="data",
    )
    batch_size: int = knob(
        1,
        "Batch size",
        "Parts of photos for each change of the weights.",
        minimum=1,
        maximum=256,
        step=1,
        group="optimizer",
    )
    optimizer: Literal["muon", "adam"] = knob(
        "muon",
        "Optimizer",
        "Muon changes all directions of a convolution's weights alike; Adam each weight on its own.",
        group="optimizer",
    )
    learning_rate: float = knob(
        0.002,
        "Learning rate",
        "How far each step moves the weights at first; it falls to 0 towards the end.",
        above=0,
        maximum=1,
        step=0.0005,
        group="optimizer",
    )
    start: str = knob(
        "auto",
        "Start",
        "The weights to begin with: of the nearest style of the same size (auto), none (new), or a style.",
        group="run",
    )
    network: Literal["vgg-16", "vgg-19"] = knob(
        "vgg-16", "Feature network", "Whose layers are content and style.", group="network"
    )
    precision: Literal["auto", "fp32", "bf16"] = knob(
        "auto", "Precision", "bf16 is used only where it is verified and faster.", group="network"
    )
    seed: int = knob(
        0, "Seed", "Fixes the photos and new weights.", minimum=0, maximum=2**31 - 1, group="run"
    )

    @field_validator("content_layer", "style_layers", mode="before")
    @classmethod
    def _join(cls, value: object) -> object:
        return ",".join(str(part) for part in value) if isinstance(value, list | tuple) else value

    @model_validator(mode="after")
    def _check(self) -> LearnSettings:
        try:
            parse(self.architecture)
        except NetworkError as error:
            raise ValueError(str(error)[:-1]) from None
        if not self.content_names and self.weight < 1:
            raise ValueError("without a content layer W must be 1")
        if not self.style_names and self.weight > 0:
            raise ValueError("without style layers W must be 0")
        for name in (*self.content_names, *self.style_names):
            if name not in VGGS[self.network].layers:
                raise ValueError(unknown(f"layer in {self.network}", name, VGGS[self.network].layers)[:-1])
        return self

    @property
    def content_names(self) -> tuple[str, ...]:
        """The content layers."""
        return names(self.content_layer)

    @property
    def style_names(self) -> tuple[str, ...]:
        """The style layers."""
        return names(self.style_layers)

    @property
    def most_seconds(self) -> float | None:
        """The time budget; None where steps or photos alone end it."""
        return self.budget or (None if self.steps or self.examples else DEFAULT_BUDGET)

    @property
    def most_steps(self) -> int | None:
        """After how many steps it ends at the latest; None where time alone ends it."""
        limits = [self.steps, self.examples and -(-self.examples // self.batch_size)]
        return min((limit for limit in limits if limit), default=None)
