"""What a sweep searches: settings with their ranges, architectures, and any layer of a network."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from convolab.errors import ExperimentError, NetworkError, unknown
from convolab.experiments.recipe import Recipe
from convolab.experiments.variants import Value, proposal, proposals
from convolab.networks import Network
from convolab.networks.layers import (
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    Layer,
    Linear,
    MaxPool2d,
    ReLU,
    Shape,
)
from convolab.spec import explain, knobs
from convolab.training.settings import TrainingSettings

if TYPE_CHECKING:
    from optuna.trial import Trial as OptunaTrial

NORMS = ("none", "batch norm")
HEADS = ("flatten", "global average")
ARCHITECTURE: dict[str, tuple[str, Value]] = {
    "blocks": ("Blocks of convolution, activation and pooling", 2),
    "filters": ("Filters of the first block", 16),
    "growth": ("How many times as many filters each next block has", 1.5),
    "kernel": ("Kernel size of all convolutions", 3),
    "norm": ("Normalisation after each convolution", "none"),
    "head": ("How maps become a list: flatten, or the mean of each map", "flatten"),
    "dropout": ("Share of the units left out before the last layer", 0.0),
}
"""What an architecture is made of: name → what it means, and what counts where it is not searched."""
MOST_FILTERS = 512


class Dimension(BaseModel):
    """One thing that is searched, and where."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """A training setting, a name in `ARCHITECTURE`, or the key of a `Proposal`: ``layer1.out_channels``."""
    kind: Literal["float", "int", "choice"]
    low: float = 0
    high: float = 0
    log: bool = False
    """Whether equal ratios are equally likely, rather than equal differences."""
    choices: tuple[Value, ...] = ()

    @model_validator(mode="after")
    def _makes_sense(self) -> Dimension:
        if self.kind == "choice":
            if len(self.choices) < 2:
                raise ValueError(f"{self.name} needs at least two values to choose from")
        elif not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"{self.name} needs a range from a smaller to a larger number")
        elif self.log and self.low <= 0:
            raise ValueError(f"{self.name} is searched by ratios, so its range must begin above 0")
        return self

    @property
    def label(self) -> str:
        """In words: ``Learning rate``."""
        knob = next((knob for knob in knobs(TrainingSettings) if knob.name == self.name), None)
        if knob is not None:
            return knob.label
        return self.name.capitalize() if self.name in ARCHITECTURE else self.name

    @property
    def text(self) -> str:
        """As it is written on the command line: ``learning_rate=0.001..1:log``."""
        if self.kind == "choice":
            return f"{self.name}={','.join(map(str, self.choices))}"
        return f"{self.name}={self.low:g}..{self.high:g}{':log' if self.log else ''}"

    def suggest(self, trial: OptunaTrial) -> Value:
        """The value of this trial; the same each time it is asked."""
        if self.kind == "choice":
            chosen = trial.suggest_categorical(self.name, list(self.choices))
            assert chosen is not None
            return chosen
        if self.kind == "int":
            return int(trial.suggest_int(self.name, round(self.low), round(self.high), log=self.log))
        return float(trial.suggest_float(self.name, self.low, self.high, log=self.log))

    def holds(self, value: object) -> bool:
        """Whether a value lies in it."""
        if self.kind == "choice":
            return value in self.choices
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and self.low <= float(str(value)) <= self.high


def _numbers(name: str, low: float, high: float, *, log: bool = False, whole: bool = False) -> Dimension:
    return Dimension(name=name, kind="int" if whole else "float", low=low, high=high, log=log)


def _choice(name: str, *choices: Value) -> Dimension:
    return Dimension(name=name, kind="choice", choices=choices)


_RATE = _numbers("learning_rate", 0.0005, 0.5, log=True)
_OPTIMIZER = _choice("optimizer", "momentum", "nesterov", "adam", "adamw")
_ARCHITECTURE = (
    _numbers("blocks", 1, 4, whole=True),
    _numbers("filters", 8, 48, log=True, whole=True),
    _choice("growth", 1.0, 1.5, 2.0),
    _choice("kernel", 3, 5),
    _choice("norm", *NORMS),
)
_SETTINGS = (
    _RATE,
    _choice("batch_size", 32, 64, 128, 256),
    _OPTIMIZER,
    _numbers("momentum", 0.0, 0.95),
    _choice("schedule", "constant", "cosine", "one-cycle"),
)
SPACES: dict[str, tuple[Dimension, ...]] = {
    "settings": _SETTINGS,
    "architecture": (*_ARCHITECTURE, _RATE, _OPTIMIZER),
    "both": (*_ARCHITECTURE, *_SETTINGS),
}
"""Search spaces to begin with, by name."""


def parse_dimension(text: str, recipe: Recipe) -> Dimension:
    """``learning_rate=0.001..1:log``, ``filters=8..64``, ``optimizer=adam,momentum``. ExperimentError."""
    name, equals, range_text = (part.strip() for part in text.partition("="))
    name = name.replace("-", "_")
    if not equals:
        raise ExperimentError(f'Write what is searched like learning_rate=0.001..1:log, not "{text}".')
    _check_name(name, recipe)
    span = re.fullmatch(r"([^:,]+?)\.\.([^:,]+)(:log)?", range_text)
    try:
        if span is None:
            values = tuple(_value(part, name, recipe) for part in range_text.split(",") if part.strip())
            return Dimension(name=name, kind="choice", choices=values)
        low, high = float(span[1]), float(span[2])
        whole = _is_whole(name, recipe)
        return Dimension(name=name, kind="int" if whole else "float", low=low, high=high, log=bool(span[3]))
    except ValidationError as error:
        raise ExperimentError(f'"{text}" cannot be searched: {explain(error)}') from None
    except ValueError:
        raise ExperimentError(f'"{text}" cannot be searched: it is neither a range nor a list.') from None


def check_space(space: Sequence[Dimension], recipe: Recipe) -> None:
    """ExperimentError if something cannot be searched, or is named twice."""
    if not space:
        raise ExperimentError("A sweep needs something to search; name a space or some settings.")
    names = [dimension.name for dimension in space]
    for name in names:
        _check_name(name, recipe)
        if names.count(name) > 1:
            raise ExperimentError(f"{name} is named twice.")
    layers = [name for name in names if name.startswith("layer") or name == "conv_blocks"]
    if layers and any(name in ARCHITECTURE for name in names):
        raise ExperimentError(
            f"{layers[0]} belongs to the network as it is, but blocks, filters and the like make a new one; "
            "search one or the other."
        )


def _check_name(name: str, recipe: Recipe) -> None:
    settings = [knob.name for knob in knobs(TrainingSettings) if knob.group not in ("stop", "run")]
    if name in settings or name in ARCHITECTURE:
        return
    keys = [found.key for found in proposals(recipe) if found.key.startswith(("layer", "conv_blocks"))]
    if name not in keys:
        raise ExperimentError(unknown("thing to search", name, [*settings, *ARCHITECTURE, *keys]))


def _value(text: str, name: str, recipe: Recipe) -> Value:
    if name in ARCHITECTURE:
        default = ARCHITECTURE[name][1]
        return text.strip() if isinstance(default, str) else type(default)(text)
    return proposal(recipe, name).parse(text)


def _is_whole(name: str, recipe: Recipe) -> bool:
    if name in ARCHITECTURE:
        return isinstance(ARCHITECTURE[name][1], int)
    return proposal(recipe, name).kind == "int"


# ---------------------------------------------------------------- from a trial to a recipe


def suggest(space: Sequence[Dimension], trial: OptunaTrial, start: Recipe) -> dict[str, Value]:
    """The values of a trial; settings that do not apply (momentum of Adam) are not asked for."""
    present: dict[str, Value] = start.settings.model_dump()
    found: dict[str, Value] = {}
    applies = {knob.name: knob.applies or {} for knob in knobs(TrainingSettings)}
    # What others depend on has to be known first.
    for dimension in sorted(space, key=lambda one: bool(applies.get(one.name))):
        needed = applies.get(dimension.name, {})
        if all({**present, **found}.get(name) in allowed for name, allowed in needed.items()):
            found[dimension.name] = dimension.suggest(trial)
    return {one.name: found[one.name] for one in space if one.name in found}


def present_values(space: Sequence[Dimension], start: Recipe) -> dict[str, Value]:
    """Where the start stands in the space, as far as it lies in it: the first trial to make."""
    found: dict[str, Value] = {}
    for dimension in space:
        name = dimension.name
        if name in ARCHITECTURE:
            value: object = ARCHITECTURE[name][1]
        elif name in TrainingSettings.model_fields:
            value = getattr(start.settings, name)
        else:
            value = proposal(start, name).current
        if isinstance(value, bool | int | float | str) and dimension.holds(value):
            found[name] = value
    return found


def recipe_for(values: Mapping[str, Value], start: Recipe) -> Recipe:
    """What a trial trains. NetworkError or SettingsError if the values do not fit together."""
    settings = {name: value for name, value in values.items() if name in TrainingSettings.model_fields}
    made = start.changed(**settings)
    if any(name in ARCHITECTURE for name in values):
        chosen = {name: values.get(name, default) for name, (_, default) in ARCHITECTURE.items()}
        network = architecture(start.network.input_shape, start.classes, **chosen)
        made = replace(made, network=network)
    for name, value in values.items():
        if name not in settings and name not in ARCHITECTURE:
            made = replace(made, network=proposal(made, name).make(value).network)
    made.check()
    return made


def architecture(
    input_shape: Shape,
    classes: int,
    *,
    blocks: Value = 2,
    filters: Value = 16,
    growth: Value = 1.5,
    kernel: Value = 3,
    norm: Value = "none",
    head: Value = "flatten",
    dropout: Value = 0.0,
) -> Network:
    """A plain network: blocks of convolution, normalisation, ReLU and (down to 4 × 4) max pooling, one layer
    at the end. NetworkError if the values make none."""
    if norm not in NORMS or head not in HEADS:
        raise NetworkError(f"norm is one of {', '.join(NORMS)}; head one of {', '.join(HEADS)}.")
    layers: list[Layer] = []
    side = min(input_shape[1:])
    try:
        for block in range(int(blocks)):
            maps = min(MOST_FILTERS, round(float(filters) * float(growth) ** block))
            normal, window = norm == "batch norm", int(kernel)
            conv = Conv2d(out_channels=maps, kernel_size=window, padding=window // 2, bias=not normal)
            layers += [conv, *([BatchNorm2d()] if normal else []), ReLU()]
            if side >= 8:
                layers.append(MaxPool2d(kernel_size=2, stride=2))
                side //= 2
        layers.append(GlobalAvgPool2d() if head == "global average" else Flatten())
        if float(dropout) > 0:
            layers.append(Dropout(p=float(dropout)))
        layers.append(Linear(out_features=classes))
        return Network.model_validate(
            {"input_shape": input_shape, "layers": layers, "floor": True, "name": "searched"}
        )
    except ValidationError as error:
        raise NetworkError(explain(error, "The architecture")) from None
