"""Settings of style transfer: one spec from which the form, the options and the JSON are derived."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import field_validator, model_validator

from convolab.errors import unknown
from convolab.spec import Spec, knob
from convolab.style.vgg import VGGS

Measure = Literal["gram", "wasserstein"]
DEFAULT_STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")

_LBFGS = {"optimizer": ("lbfgs",)}
_ADAM = {"optimizer": ("adam",)}


class TransferSettings(Spec):
    """How a picture is painted, minimising W · 6 · style + (1 − W) · content + tv · total variation.

    ``style`` and ``content`` are StyleDiff and the square of ContentDiff relative to their targets
    (`convolab.style.losses`), and 6 is `convolab.style.objective.STYLE_SCALE`. From coarse to fine, 1 −
    ``coarse_share`` of what is minimised is this at the present size, the rest its mean at the coarser ones.

    Lists (layers, weights) are texts with commas; lists of Python are accepted as well.
    """

    weight: float = knob(
        0.5,
        "W",
        "How much style counts against content: 0 keeps the photo, 1 paints style alone.",
        minimum=0,
        maximum=1,
        step=0.05,
        assignment="weighting factor W",
        group="measure",
    )
    content_layer: str = knob(
        "relu4_2",
        "Content layer",
        "Whose activations are the content; several with commas. Deeper keeps less detail.",
        group="measure",
    )
    style_layers: str = knob(
        ",".join(DEFAULT_STYLE_LAYERS),
        "Style layers",
        "Whose Gram matrices are the style, with commas. Shallow: colour and grain; deep: shapes.",
        group="measure",
    )
    style_weights: str = knob(
        "",
        "Weights of the style layers",
        "One number for each style layer, with commas; none means that all count alike.",
        group="measure",
    )
    blend: str = knob(
        "",
        "Blend of the styles",
        "One number for each style picture, with commas; none means that all count alike.",
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
    size: int = knob(
        512,
        "Size",
        "Long side of the picture that is painted.",
        unit="pixels",
        minimum=32,
        maximum=8192,
        step=64,
        group="picture",
    )
    stroke_size: float = knob(
        1.0,
        "Stroke size",
        "Scale of the style on the picture, at every size: 2 makes strokes twice as large, 0.5 half.",
        minimum=0.1,
        maximum=8,
        step=0.1,
        group="picture",
    )
    start: str = knob(
        "noise",
        "Start",
        "The first guess: noise (as in the assignment), content (more of the photo is left), or a file.",
        group="picture",
    )
    preserve_color: bool = knob(
        False,
        "Keep the photo's colours",
        "Take from the style its strokes but not its colours.",
        group="picture",
    )
    optimizer: Literal["lbfgs", "adam"] = knob(
        "lbfgs",
        "Optimizer",
        "L-BFGS needs few steps; Adam takes small steady ones.",
        group="optimizer",
    )
    history: int = knob(
        20,
        "History",
        "How many of its last steps L-BFGS learns the curvature from.",
        minimum=1,
        maximum=200,
        step=5,
        applies=_LBFGS,
        group="optimizer",
    )
    learning_rate: float = knob(
        0.02,
        "Learning rate",
        "How far Adam moves each pixel per step, of the range 0 … 1.",
        above=0,
        maximum=1,
        step=0.01,
        applies=_ADAM,
        group="optimizer",
    )
    beta1: float = knob(
        0.9,
        "Beta 1",
        "How slowly Adam's mean of slopes forgets.",
        minimum=0,
        maximum=0.9999,
        step=0.05,
        applies=_ADAM,
        group="optimizer",
    )
    beta2: float = knob(
        0.99,
        "Beta 2",
        "How slowly Adam's mean of squared slopes forgets.",
        minimum=0,
        maximum=0.9999,
        step=0.01,
        applies=_ADAM,
        group="optimizer",
    )
    steps: int | None = knob(
        None,
        "Steps",
        "How many times the picture is judged and improved, at all sizes together. None: 200, or the budget.",
        minimum=1,
        maximum=100_000,
        step=50,
        group="stop",
    )
    budget: float | None = knob(
        None, "Time budget", "Stop after so much time.", unit="s", above=0, maximum=1e6, step=10, group="stop"
    )
    coarse_to_fine: bool = knob(
        True,
        "Coarse to fine",
        "Paint a small picture first, then larger ones: large shapes come early and cheaply.",
        group="picture",
    )
    coarse_share: float = knob(
        0.3,
        "Share of the coarser sizes",
        "How much of what is minimised is about the coarser sizes: keeps large shapes, costs a third more.",
        minimum=0,
        maximum=0.9,
        step=0.1,
        applies={"coarse_to_fine": (True,)},
        group="picture",
    )
    network: str = knob(
        "vgg-16",
        "Feature network",
        "vgg-16, vgg-19, or a file of weights of a network trained in the lab.",
        group="network",
    )
    pooling: Literal["max", "average"] = knob(
        "max",
        "Pooling",
        "The maximum, as VGG was trained, or the average of Gatys' paper: softer, with a faint grid.",
        group="network",
    )
    padding: Literal["zero", "replicate"] = knob(
        "replicate",
        "Padding of the first layer",
        "What it sees beyond the edge: zeros (mean grey), or the pixels at the edge once more.",
        group="network",
    )
    precision: Literal["auto", "fp32", "bf16"] = knob(
        "auto",
        "Precision",
        "bf16 is used only where it is verified and faster.",
        group="network",
    )
    memory_mb: int | None = knob(
        None,
        "Memory",
        "Compute the picture in tiles so that about so much is needed at most. None: what is free.",
        unit="MB",
        minimum=200,
        maximum=1_000_000,
        step=500,
        group="network",
    )
    seed: int = knob(
        0, "Seed", "Fixes the noise of the start.", minimum=0, maximum=2**31 - 1, group="picture"
    )

    @field_validator("content_layer", "style_layers", "style_weights", "blend", mode="before")
    @classmethod
    def _join(cls, value: Any) -> Any:
        return ",".join(str(part) for part in value) if isinstance(value, list | tuple) else value

    @model_validator(mode="after")
    def _check(self) -> TransferSettings:
        for what, text in (("style_weights", self.style_weights), ("blend", self.blend)):
            numbers(text, what)
        if self.style_weights and len(self.layer_weights) != len(self.style_names):
            raise ValueError(f"{len(self.style_names)} style layers need as many style weights")
        if not self.content_names and self.weight < 1:
            raise ValueError("without a content layer W must be 1")
        if not self.style_names and self.weight > 0:
            raise ValueError("without style layers W must be 0")
        if self.network in VGGS:
            for name in (*self.content_names, *self.style_names):
                if name not in VGGS[self.network].layers:
                    raise ValueError(
                        unknown(f"layer in {self.network}", name, VGGS[self.network].layers)[:-1]
                    )
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
    def layer_weights(self) -> tuple[float, ...]:
        """One weight per style layer; they sum to 1."""
        given = numbers(self.style_weights, "style_weights") or (1.0,) * len(self.style_names)
        return tuple(weight / sum(given) for weight in given)

    def blend_for(self, styles: int) -> tuple[float, ...]:
        """One weight per style picture; they sum to 1. ValueError if there are more or fewer of them."""
        given = numbers(self.blend, "blend") or (1.0,) * styles
        if len(given) != styles:
            raise ValueError(f"{styles} style pictures need as many blend weights, not {len(given)}")
        return tuple(weight / sum(given) for weight in given)

    @property
    def most_steps(self) -> int | None:
        """The number of steps; None where only the budget ends it."""
        return self.steps or (None if self.budget else DEFAULT_STEPS)


DEFAULT_STEPS = 200


def names(text: str) -> tuple[str, ...]:
    """The parts of a text with commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def numbers(text: str, what: str) -> tuple[float, ...]:
    """The numbers of a text with commas. ValueError unless they are 0 or more, and not all 0."""
    try:
        found = tuple(float(part) for part in names(text))
    except ValueError:
        raise ValueError(f"{what.replace('_', ' ')} are numbers with commas between, not {text!r}") from None
    if found and not (all(0 <= number < float("inf") for number in found) and sum(found) > 0):
        raise ValueError(f"{what.replace('_', ' ')} must be 0 or more and not all 0, not {text!r}")
    return found
