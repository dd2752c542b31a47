"""What differs between runs: settings that differ first, networks layer by layer, and what is unfair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from convolab.experiments.recipe import Recipe, Start, recipe_of
from convolab.networks import Network
from convolab.networks.layers import Layer, Residual
from convolab.networks.layers.base import Position, Shape, number
from convolab.networks.trace import LayerTrace
from convolab.spec import knobs
from convolab.training.settings import TrainingSettings

Kind = Literal["same", "changed", "added", "removed"]


@dataclass(frozen=True)
class SettingRow:
    """One setting of several runs."""

    name: str
    label: str
    values: tuple[object, ...]
    """One for each run, in the order in which the runs were given; None where a run has none."""
    differs: bool


@dataclass(frozen=True)
class LayerChange:
    """One line of two networks side by side."""

    kind: Kind
    first: Layer | None
    """The layer of the first network; None where it was added."""
    second: Layer | None
    first_number: str = ""
    """As people count: ``3``, or ``3.1`` inside a block; empty where there is none."""
    second_number: str = ""
    first_shape: Shape | None = None
    """What comes out of it for one example."""
    second_shape: Shape | None = None
    fields: dict[str, tuple[object, object]] = field(default_factory=dict)
    """Of a changed layer: label of each setting that differs → (first, second)."""
    first_parameters: int = 0
    second_parameters: int = 0
    inside: tuple[LayerChange, ...] = ()
    """The layers of two residual blocks, side by side."""

    @property
    def words(self) -> str:
        """``Convolution: Kernel size 5 → 3, Padding 2 → 1``."""
        layer = self.second or self.first
        title = layer.title if layer is not None else ""
        if self.kind == "changed":
            changes = ", ".join(f"{name} {old} → {new}" for name, (old, new) in self.fields.items())
            return f"{title}: {changes}" if changes else f"{title}: layers inside"
        return f"{title} {layer.summary}".strip() if layer is not None else ""


def setting_differences(starts: Sequence[Start]) -> list[SettingRow]:
    """All settings of some runs, those that differ first; each group in the order of the forms."""
    recipes = [recipe_of(start) for start in starts]
    found = [
        _row("dataset", "Data set", [recipe.dataset for recipe in recipes]),
        _row("network", "Network", [recipe.network.name or "custom" for recipe in recipes]),
        _row("parameters", "Parameters", [recipe.network.parameters for recipe in recipes]),
        _row("multiply_adds", "Multiply-adds", [recipe.network.multiply_adds for recipe in recipes]),
        _row("initialization", "Initial weights", [recipe.network.initialization for recipe in recipes]),
    ]
    for knob in knobs(TrainingSettings):
        values = [recipe.settings.model_dump() for recipe in recipes]
        found.append(
            _row(knob.name, knob.label, [v[knob.name] if knob.applies_to(v) else None for v in values])
        )
    return sorted(found, key=lambda row: not row.differs)


def _row(name: str, label: str, values: Sequence[object]) -> SettingRow:
    return SettingRow(name, label, tuple(values), any(value != values[0] for value in values[1:]))


def unfair(starts: Sequence[Start]) -> list[str]:
    """Why a comparison of these runs says little, a sentence for each reason; empty if nothing speaks
    against it."""
    recipes = [recipe_of(start) for start in starts]
    found = []
    if len({recipe.dataset for recipe in recipes}) > 1:
        found.append(
            "They were trained on different data sets: curves, figures and networks can be looked at side by "
            "side, but an accuracy of one says nothing about the other."
        )
    if len({_length(recipe) for recipe in recipes}) > 1:
        found.append("They were trained for different lengths.")
    seeds = {(recipe.settings.seed, recipe.settings.weights_seed) for recipe in recipes}
    if len(seeds) > 1:
        found.append("Their seeds differ: initial weights and order of the examples are not the same.")
    return found


def _length(recipe: Recipe) -> tuple[object, ...]:
    s = recipe.settings
    batches = None if s.batches is None else s.batches * s.batch_size
    return (s.examples or batches, s.epochs, s.budget, s.target_accuracy)


# ---------------------------------------------------------------- networks


def network_differences(first: Network, second: Network) -> list[LayerChange]:
    """The layers of two networks side by side, aligned so that as few as possible differ."""
    return _aligned(first.walk(), second.walk())


def _aligned(first: Sequence[LayerTrace], second: Sequence[LayerTrace]) -> list[LayerChange]:
    """The cheapest way from one list to the other (Wagner and Fischer, 1974): layers of one kind may change,
    which is cheaper than to take one out and put another in."""
    rows, columns = len(first), len(second)
    costs = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    for i in range(rows, -1, -1):
        for j in range(columns, -1, -1):
            if i == rows or j == columns:
                costs[i][j] = float(rows - i + columns - j)
            else:
                costs[i][j] = min(
                    _cost(first[i].layer, second[j].layer) + costs[i + 1][j + 1],
                    1 + costs[i + 1][j],
                    1 + costs[i][j + 1],
                )
    found = []
    i = j = 0
    while i < rows or j < columns:
        both = i < rows and j < columns
        if both and costs[i][j] == _cost(first[i].layer, second[j].layer) + costs[i + 1][j + 1]:
            found.append(_paired(first[i], second[j]))
            i, j = i + 1, j + 1
        elif i < rows and costs[i][j] == 1 + costs[i + 1][j]:
            found.append(_paired(first[i], None))
            i += 1
        else:
            found.append(_paired(None, second[j]))
            j += 1
    return found


def _cost(first: Layer, second: Layer) -> float:
    if first == second:
        return 0.0
    return 1.0 if first.type == second.type else 3.0


def _paired(first: LayerTrace | None, second: LayerTrace | None) -> LayerChange:
    kind: Kind = "changed"
    fields: dict[str, tuple[object, object]] = {}
    inside: tuple[LayerChange, ...] = ()
    if first is None or second is None:
        kind = "added" if first is None else "removed"
    elif first.layer == second.layer:
        kind = "same"
    else:
        fields = {
            knob.label: (getattr(first.layer, knob.name), getattr(second.layer, knob.name))
            for knob in knobs(type(first.layer))
            if knob.name != "layers" and getattr(first.layer, knob.name) != getattr(second.layer, knob.name)
        }
        if isinstance(first.layer, Residual):
            inside = tuple(_aligned(first.inside, second.inside))
    return LayerChange(
        kind=kind,
        first=first.layer if first else None,
        second=second.layer if second else None,
        first_number=_number(first),
        second_number=_number(second),
        first_shape=first.output_shape if first else None,
        second_shape=second.output_shape if second else None,
        fields=fields,
        first_parameters=first.parameters if first else 0,
        second_parameters=second.parameters if second else 0,
        inside=inside,
    )


def _number(step: LayerTrace | None) -> str:
    position: Position = step.position if step is not None else ()
    return number(position)
