"""Training settings: one spec from which the form, the options and the JSON are derived."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from convolab.spec import Spec, knob

Optimizer = Literal[
    "sgd", "momentum", "nesterov", "rmsprop", "adagrad", "adadelta", "adam", "adamax", "adamw", "muon"
]
Schedule = Literal["constant", "step", "cosine", "one-cycle", "linear"]
Normalization = Literal["[-1, 1]", "[0, 1]", "none", "per-channel"]

_BETAS = {"optimizer": ("adam", "adamax", "adamw")}


class TrainingSettings(Spec):
    """How a network is trained. Defaults are those of the assignment's Model Builder.

    Several stop conditions may be given; the first that is met ends the run. With none, training goes on
    until it is stopped.
    """

    optimizer: Optimizer = knob(
        "momentum", "Optimizer", "The rule that turns gradients into steps of the weights.", group="optimizer"
    )
    learning_rate: float = knob(
        0.1,
        "Learning rate",
        "How far each step moves the weights. 0.1 is bold, 0.001 cautious.",
        above=0,
        maximum=100,
        step=0.01,
        group="optimizer",
    )
    momentum: float = knob(
        0.1,
        "Momentum",
        "The share of the last step that is added to the next one.",
        minimum=0,
        maximum=0.9999,
        step=0.05,
        applies={"optimizer": ("momentum", "nesterov", "rmsprop", "muon")},
        group="optimizer",
    )
    gamma: float = knob(
        0.1,
        "Gamma",
        "How slowly the running mean of squared gradients forgets. PyTorch's alpha or rho.",
        minimum=0,
        maximum=0.9999,
        step=0.05,
        applies={"optimizer": ("rmsprop", "adadelta")},
        group="optimizer",
    )
    beta1: float = knob(
        0.9,
        "Beta 1",
        "How slowly the running mean of gradients forgets.",
        minimum=0,
        maximum=0.9999,
        step=0.01,
        applies=_BETAS,
        group="optimizer",
    )
    beta2: float = knob(
        0.999,
        "Beta 2",
        "How slowly the running mean of squared gradients forgets.",
        minimum=0,
        maximum=0.999999,
        step=0.001,
        applies=_BETAS,
        group="optimizer",
    )
    weight_decay: float = knob(
        0.0,
        "Weight decay",
        "How strongly weights are pulled towards zero at each step; 0 is off.",
        minimum=0,
        maximum=10,
        step=0.0001,
        group="optimizer",
    )
    norm_rate: float = knob(
        1.0,
        "Rate of norm shifts",
        "How many times as fast batch norms learn their shifts; a large factor helps short training.",
        above=0,
        maximum=1000,
        step=1,
        group="optimizer",
    )
    average: float = knob(
        0.0,
        "Average of weights",
        "Measure a running mean of the weights that keeps this share at each step; 0 is off.",
        minimum=0,
        maximum=0.9999,
        step=0.01,
        group="optimizer",
    )
    batch_size: int = knob(
        64,
        "Batch size",
        "How many examples are looked at before each step of the weights.",
        unit="examples",
        minimum=1,
        maximum=100_000,
        step=1,
        group="optimizer",
    )
    schedule: Schedule = knob(
        "constant",
        "Schedule",
        "How the learning rate changes on the way to the end of training.",
        group="schedule",
    )
    step_factor: float = knob(
        0.1,
        "Step factor",
        "What the learning rate is multiplied by at one half and again at three quarters of training.",
        above=0,
        maximum=1,
        step=0.1,
        applies={"schedule": ("step",)},
        group="schedule",
    )
    warmup: float = knob(
        0.25,
        "Warm-up",
        "The share of training in which the learning rate rises to its full value.",
        minimum=0,
        maximum=0.9,
        step=0.05,
        applies={"schedule": ("one-cycle",)},
        group="schedule",
    )
    label_smoothing: float = knob(
        0.0,
        "Label smoothing",
        "The share of the target spread evenly over all classes; 0 is off.",
        minimum=0,
        maximum=0.9,
        step=0.05,
        group="data",
    )
    normalization: Normalization = knob(
        "[-1, 1]",
        "Normalisation",
        "What pixels 0 … 255 become: -1 … 1, 0 … 1, unchanged, or mean 0 and deviation 1 per channel.",
        group="data",
    )
    flip: bool = knob(
        False, "Flip", "Mirror half of the training images left to right.", group="augmentation"
    )
    alternate_flip: bool = knob(
        False,
        "Flip in turns",
        "Mirror each image in every other pass instead of at random, so that two passes show both sides.",
        applies={"flip": (True,)},
        group="augmentation",
    )
    shift: int = knob(
        0,
        "Shift",
        "Move each training image by up to so many pixels at random.",
        unit="pixels",
        minimum=0,
        maximum=32,
        step=1,
        group="augmentation",
    )
    rotation: float = knob(
        0.0,
        "Rotation",
        "Turn each training image by up to so many degrees at random, either way.",
        unit="degrees",
        minimum=0,
        maximum=180,
        step=5,
        group="augmentation",
    )
    scaling: float = knob(
        0.0,
        "Scaling",
        "Enlarge or shrink each training image at random by up to this share; 0.1 is 10 %.",
        minimum=0,
        maximum=0.5,
        step=0.05,
        group="augmentation",
    )
    stroke: float = knob(
        0.0,
        "Stroke width",
        "Thicken or thin bright strokes of each training image at random, by up to so many pixels per edge.",
        unit="pixels",
        minimum=0,
        maximum=1,
        step=0.1,
        group="augmentation",
    )
    cutout: int = knob(
        0,
        "Cutout",
        "Blank a square of this side at a random place of each training image.",
        unit="pixels",
        minimum=0,
        maximum=64,
        step=1,
        group="augmentation",
    )
    start_size: float = knob(
        1.0,
        "Picture size at first",
        "Share of the pictures' side that training begins with; it grows to 1 in the first two thirds.",
        minimum=0.25,
        maximum=1,
        step=0.05,
        group="data",
    )
    whitening_until: float = knob(
        1.0,
        "Whitening learns until",
        "The share of training after which the bias of a whitening convolution stays as it is.",
        minimum=0,
        maximum=1,
        step=0.1,
        group="schedule",
    )
    seed: int = knob(
        0,
        "Seed",
        "Fixes the initial weights, the order of the examples and the augmentation.",
        minimum=0,
        maximum=2**31 - 1,
        step=1,
        group="run",
    )
    weights_seed: int | None = knob(
        None,
        "Weights seed",
        "A seed for the initial weights alone, to start several runs from the same weights; empty: the seed.",
        minimum=0,
        maximum=2**31 - 1,
        step=1,
        group="run",
    )
    examples: int | None = knob(
        None,
        "Stop after examples",
        "End after so many training examples.",
        unit="examples",
        minimum=1,
        maximum=10**10,
        step=1000,
        group="stop",
    )
    batches: int | None = knob(
        None,
        "Stop after batches",
        "End after so many batches.",
        unit="batches",
        minimum=1,
        maximum=10**9,
        step=100,
        group="stop",
    )
    epochs: float | None = knob(
        None,
        "Stop after epochs",
        "End after so many passes over the training images.",
        unit="epochs",
        above=0,
        maximum=10**6,
        step=1,
        group="stop",
    )
    budget: float | None = knob(
        None,
        "Time budget",
        "End after so many seconds of training; evaluation and loading do not count.",
        unit="seconds",
        above=0,
        maximum=10**7,
        step=10,
        group="stop",
    )
    target_accuracy: float | None = knob(
        None,
        "Target accuracy",
        "End when the whole test set reaches this share of right answers.",
        above=0,
        maximum=1,
        step=0.01,
        group="stop",
    )
    evaluate_every: int = knob(
        0,
        "Evaluate every",
        "Examples between two evaluations on the whole test set; 0 chooses so that they take little time.",
        unit="examples",
        minimum=0,
        maximum=10**9,
        step=1000,
        group="run",
    )
    precision: Literal["auto", "fp32", "bf16"] = knob(
        "auto",
        "Precision",
        "Number format of the arithmetic; auto uses bf16 only where it is verified and faster here.",
        group="run",
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = knob(
        "auto", "Device", "Where the arithmetic runs; auto takes the fastest there is.", group="run"
    )

    @model_validator(mode="after")
    def _schedule_needs_an_end(self) -> TrainingSettings:
        if self.schedule != "constant" and not self.has_length():
            raise ValueError(
                f"schedule {self.schedule} needs to know when training ends; "
                "give a number of examples, batches, epochs or a time budget"
            )
        return self

    @model_validator(mode="after")
    def _growing_needs_an_end(self) -> TrainingSettings:
        if (self.start_size < 1 or self.whitening_until < 1) and not self.has_length():
            raise ValueError(
                "Picture sizes that grow, and a whitening bias that stops, need to know when training ends; "
                "give a number of examples, batches, epochs or a time budget"
            )
        return self

    def has_length(self) -> bool:
        """Whether a stop condition other than the target accuracy is set, so that progress can be known."""
        return any(v is not None for v in (self.examples, self.batches, self.epochs, self.budget))
