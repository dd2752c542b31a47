"""What a run can be varied in: "try these" for its layers and settings, each value with its network."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from convolab.errors import ExperimentError, NetworkError, SettingsError, unknown
from convolab.experiments.layer_values import POOLS, blocks, fits, with_blocks, with_value
from convolab.experiments.recipe import Recipe, Start, recipe_of
from convolab.networks import Network
from convolab.networks.layers import Conv2d, Layer, Linear, Residual
from convolab.networks.layers.base import Position, number
from convolab.spec import Knob, knobs
from convolab.training.settings import TrainingSettings

Value: TypeAlias = bool | int | float | str

LENGTHS = ("batches", "examples", "epochs", "budget")
"""Settings that say when training ends: an experiment that varies one of them has no length of its own."""
_FACTORS = (0.25, 0.5, 1, 2, 4)
MOST_IMAGES = 10**9
"""Where the number of training images is not known."""


class Variant(NamedTuple):
    """One value of a proposal, carried out."""

    network: Network
    settings: TrainingSettings
    label: str


@dataclass(frozen=True)
class Proposal:
    """One thing that can be varied, with values worth trying; the present one is among them."""

    key: str
    """``learning_rate``, ``conv_blocks``, ``layer1.out_channels``; inside a block ``layer4.1.stride``."""
    title: str
    """``Filters of layer 1``."""
    help: str
    unit: str
    current: Value | None
    """Of the run; None where it has none."""
    values: tuple[Value, ...]
    kind: str
    """``int``, ``float``, ``choice`` or ``bool``."""
    _make: Callable[[Value], Variant] = field(repr=False, compare=False)

    @property
    def numeric(self) -> bool:
        """Whether the values have an order."""
        return self.kind in ("int", "float")

    def make(self, value: Value) -> Variant:
        """Network, settings and a label for any valid value, not only the proposed ones.

        NetworkError or SettingsError with one sentence if it does not fit.
        """
        return self._make(value)

    def parse(self, text: str) -> Value:
        """A value as it is typed. SettingsError if it is none."""
        cleaned = text.strip()
        try:
            match self.kind:
                case "int":
                    return int(cleaned.replace("_", ""))
                case "float":
                    return float(cleaned)
                case "bool":
                    return {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}[
                        cleaned.lower()
                    ]
        except (ValueError, KeyError):
            what = {"int": "a whole number", "float": "a number", "bool": "yes or no"}[self.kind]
            raise SettingsError(f'{self.title} takes {what}, not "{cleaned}".') from None
        return cleaned


def proposals(start: Start) -> list[Proposal]:
    """What can be varied of a run, settings first, then its convolutional layers, then layer by layer.

    Only values with which the network fits are proposed, and only things that have at least two of them.
    """
    recipe = recipe_of(start)
    classes = recipe.classes
    found = [_setting(recipe, name) for name in ("learning_rate", "batch_size", "batches", "optimizer")]
    if blocks(recipe.network):
        found.append(_conv_blocks(recipe, classes))
    for position, layer in _layers(recipe.network):
        found += _of_layer(recipe, position, layer, classes)
    return [proposal for proposal in found if len(proposal.values) > 1]


def proposal(start: Start, key: str) -> Proposal:
    """One thing that can be varied, by its key: one of `proposals`, or any other training setting.

    ExperimentError with the nearest valid key if there is none.
    """
    recipe = recipe_of(start)
    wanted = key.strip().replace("-", "_")
    if wanted in {knob.name for knob in knobs(TrainingSettings)} - {"seed", "weights_seed", "device"}:
        return _setting(recipe, wanted)
    there = {entry.key: entry for entry in proposals(recipe)}
    if wanted in there:
        return there[wanted]
    raise ExperimentError(unknown("thing to vary", key, there))


def shown(value: Value | None) -> str:
    """A value as a person writes it: ``0.03``, ``yes``, ``adam``."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else "" if value is None else str(value)


# ---------------------------------------------------------------- settings


def _setting(recipe: Recipe, name: str) -> Proposal:
    knob = next(knob for knob in knobs(TrainingSettings) if knob.name == name)
    current = getattr(recipe.settings, name)

    def make(value: Value) -> Variant:
        changed = recipe.changed(**_ends(name, value))
        return Variant(changed.network, changed.settings, f"{knob.label.lower()} {shown(value)}")

    return Proposal(
        name, knob.label, knob.help, knob.unit, current, _setting_values(recipe, knob), knob.kind, make
    )


def _ends(name: str, value: Value) -> dict[str, Value | None]:
    """The change of a setting; where that is an end of training, the others no longer count."""
    others = dict.fromkeys((*LENGTHS, "target_accuracy")) if name in LENGTHS else {}
    return {**others, name: value}


def _setting_values(recipe: Recipe, knob: Knob) -> tuple[Value, ...]:
    current = getattr(recipe.settings, knob.name)
    if knob.kind == "choice":
        return knob.choices
    if knob.kind == "bool":
        return (False, True)
    if knob.name == "learning_rate":
        return _distinct((_rounded(current * factor) for factor in (0.01, 0.1, 0.3, 1, 3)), knob)
    if knob.name == "batch_size":
        most = _training_images(recipe)
        return tuple(
            v for v in _distinct((max(1, round(current * f)) for f in _FACTORS), knob) if int(v) <= most
        )
    if knob.name == "batches":
        current = current or max(4, (recipe.settings.examples or 30_000) // recipe.settings.batch_size)
    if knob.kind == "int" and isinstance(current, int) and current > 1:
        return _distinct((max(1, round(current * factor)) for factor in _FACTORS), knob)
    return () if current is None else (current,)


def _training_images(recipe: Recipe) -> int:
    from convolab.datasets import info

    return info(recipe.dataset).train_size or MOST_IMAGES


def _distinct(values: Iterable[Value], knob: Knob) -> tuple[Value, ...]:
    low = -math.inf if knob.minimum is None else knob.minimum
    high = math.inf if knob.maximum is None else knob.maximum
    return tuple(sorted({value for value in values if low <= float(value) <= high}, key=float))


def _rounded(value: float) -> float:
    """To two figures: 0.03, not 0.030000000000000002."""
    return float(f"{value:.2g}")


# ---------------------------------------------------------------- layers


def _layers(network: Network) -> list[tuple[Position, Layer]]:
    found: list[tuple[Position, Layer]] = []
    for index, layer in enumerate(network.layers):
        found.append(((index,), layer))
        if isinstance(layer, Residual):
            found += [((index, inner), inside) for inner, inside in enumerate(layer.layers)]
    return found


def _of_layer(recipe: Recipe, position: Position, layer: Layer, classes: int) -> list[Proposal]:
    wanted: dict[str, tuple[str, Iterable[int]]] = {}
    if isinstance(layer, Conv2d):
        wanted = {
            "out_channels": ("filters", _scaled(layer.out_channels)),
            "kernel_size": ("kernel", (1, 3, 5, 7, 9)),
            "stride": ("stride", (1, 2, 3)),
        }
    elif isinstance(layer, POOLS):
        wanted = {"kernel_size": ("window", (2, 3, 4)), "stride": ("stride", (1, 2, 3, 4))}
    elif isinstance(layer, Linear):
        wanted = {"out_features": ("units", _scaled(layer.out_features))}
    return [
        _layer_setting(recipe, position, layer, name, word, values, classes)
        for name, (word, values) in wanted.items()
    ]


def _scaled(count: int) -> list[int]:
    return [max(1, round(count * factor)) for factor in _FACTORS]


def _layer_setting(
    recipe: Recipe,
    position: Position,
    layer: Layer,
    name: str,
    word: str,
    values: Iterable[int],
    classes: int,
) -> Proposal:
    knob = next(knob for knob in knobs(type(layer)) if knob.name == name)
    where = number(position)
    current = getattr(layer, name)

    def make(value: Value) -> Variant:
        if isinstance(value, bool | str) or value != int(value):
            raise SettingsError(f"{knob.label} takes a whole number, not {value!r}.")
        network, note = with_value(recipe.network, position, name, int(value), classes)
        number_of = word in ("filters", "units")
        label = f"layer {where}: " + (f"{value:g} {word}" if number_of else f"{word} {value:g}")
        return Variant(network, recipe.settings, f"{label} ({note})" if note else label)

    def works(value: int) -> bool:
        try:
            make(value)
        except (NetworkError, SettingsError):
            return False
        return True

    kept = tuple(value for value in sorted({*values, current}) if value == current or works(value))
    title = f"{word.capitalize()} of layer {where} ({layer.title.lower()})"
    return Proposal(
        f"layer{where}.{name}",
        title,
        knob.help,
        knob.unit,
        current,
        kept if works(current) else (),
        "int",
        make,
    )


def _conv_blocks(recipe: Recipe, classes: int) -> Proposal:
    there = len(blocks(recipe.network))

    def make(value: Value) -> Variant:
        if isinstance(value, bool | str) or value != int(value):
            raise SettingsError(f"The number of layers is a whole number, not {value!r}.")
        network = with_blocks(recipe.network, int(value), classes)
        word = "layer" if value == 1 else "layers"
        return Variant(network, recipe.settings, f"{value:g} convolutional {word}")

    values = []
    for count in range(1, there + 4):
        try:
            network = make(count).network
        except (NetworkError, ValueError):
            continue
        if fits(network, classes):
            values.append(count)
    return Proposal(
        "conv_blocks",
        "Convolutional layers",
        "How many convolutions there are, each with what follows it up to the next one: activation, pooling.",
        "layers",
        there,
        tuple(values),
        "int",
        make,
    )
