"""How chosen runs differ, as the page shows it: settings first those that differ, networks layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convolab.experiments.differences import (
    LayerChange,
    SettingRow,
    network_differences,
    setting_differences,
    unfair,
)
from convolab.experiments.variants import shown
from convolab.networks.layers import Layer
from convolab.runs.folder import RunFolder
from convolab.spec import knobs
from convolab.training.settings import TrainingSettings
from convolab.words import shape_text

_UNITS = {knob.name: knob.unit for knob in knobs(TrainingSettings)}


def differences(run_ids: Sequence[str]) -> dict[str, Any]:
    """All settings of some runs, those that differ first, and why a comparison may say little.

    RunError if one of them is not in this lab's folder.
    """
    specs = [RunFolder(run_id).spec() for run_id in run_ids]
    return {
        "runs": list(run_ids),
        "names": [spec.name for spec in specs],
        "settings": [_setting(row) for row in setting_differences(specs)],
        "unfair": unfair(specs) if len(specs) > 1 else [],
    }


def layers(first: str, second: str) -> dict[str, Any]:
    """The networks of two runs side by side. RunError if one of them is not in this lab's folder."""
    specs = [RunFolder(run_id).spec() for run_id in (first, second)]
    found = network_differences(specs[0].network, specs[1].network)
    return {
        "runs": [first, second],
        "names": [spec.name for spec in specs],
        "inputs": [shape_text(spec.network.input_shape) for spec in specs],
        "layers": [_change(one) for one in found],
        "totals": [
            {"parameters": spec.network.parameters, "multiply_adds": spec.network.multiply_adds}
            for spec in specs
        ],
        "same": all(one.kind == "same" for one in found),
    }


def _setting(row: SettingRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "label": row.label,
        "unit": _UNITS.get(row.name, ""),
        "values": [_text(value) for value in row.values],
        "differs": row.differs,
    }


def _text(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return shown(value) if isinstance(value, bool | float | str) else str(value)


def _change(change: LayerChange) -> dict[str, Any]:
    return {
        "kind": change.kind,
        "first": _side(change.first, change.first_number, change.first_shape, change.first_parameters),
        "second": _side(change.second, change.second_number, change.second_shape, change.second_parameters),
        "fields": [[name, _text(old), _text(new)] for name, (old, new) in change.fields.items()],
        "inside": [_change(one) for one in change.inside],
    }


def _side(
    layer: Layer | None, number: str, shape: tuple[int, ...] | None, parameters: int
) -> dict[str, Any] | None:
    if layer is None:
        return None
    return {
        "number": number,
        "title": layer.title,
        "summary": layer.summary,
        "shape": shape_text(shape),
        "parameters": parameters,
    }
