"""The Build room's state as the query of an address: readable, and only what differs from the defaults."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from pydantic import ValidationError

from convolab.app.state import (
    DEFAULT_DATASET,
    DEFAULT_PRESET,
    DEFAULT_SETTINGS,
    BuildState,
    Model,
    dataset_infos,
    preset_for,
)
from convolab.errors import ConvolabError, unknown
from convolab.networks import PRESETS, Layer, Network, make_layer
from convolab.spec import explain, knobs
from convolab.training.settings import TrainingSettings

HIDEABLE = ("data", "network", "training", "settings", "more", "menu", "own-images")
"""What ``hide=`` can hide: the columns, the form of settings, its second part, the menu, own images."""
_PLAIN = ":(),;-._~!*"
_MAX_CHARACTERS = 20_000
_OWN = ("data", "net", "layers", "floor", "init", "run", "with", "hide")


@dataclass(frozen=True)
class Understood:
    """What an address says, and sentences about what could not be understood in it."""

    model: Model
    run_id: str | None
    overlays: tuple[str, ...]
    hidden: frozenset[str]
    problems: tuple[str, ...]


def to_query(state: BuildState, *, run: bool = True) -> str:
    """The query, without ``?``: data set and network always, settings where they differ from the defaults."""
    pairs = [("data", state.dataset)]
    if state.preset:
        pairs.append(("net", state.preset))
    else:
        pairs.append(("layers", layers_text(state.network.layers)))
    if state.preset is None and state.network.floor:
        pairs.append(("floor", "true"))
    if state.network.initialization != "original":
        pairs.append(("init", state.network.initialization))
    for name, value in state.settings.model_dump().items():
        if value != getattr(DEFAULT_SETTINGS, name):
            pairs.append((name, "none" if value is None else _plain(value)))
    if run and state.run_id:
        pairs.append(("run", state.run_id))
    if run and state.overlays:
        pairs.append(("with", ",".join(state.overlays)))
    if state.hidden:
        pairs.append(("hide", ",".join(sorted(state.hidden))))
    return "&".join(f"{name}={quote(value, safe=_PLAIN)}" for name, value in pairs)


def from_query(query: Mapping[str, str]) -> Understood:
    """Understand as much of a query as possible; never raises. Defaults stand in for the rest."""
    problems: list[str] = []
    if sum(len(value) for value in query.values()) > _MAX_CHARACTERS:
        return Understood(
            default_model(),
            None,
            (),
            frozenset(),
            ("This link is too long to be read; here are the defaults.",),
        )
    infos = dataset_infos()
    dataset = query.get("data", DEFAULT_DATASET)
    if dataset not in infos:
        problems.append(unknown("data set", dataset[:80], infos))
        dataset = DEFAULT_DATASET
    preset, network = _network(query, dataset, problems)
    settings = _settings(query, problems)
    hidden = frozenset(part.strip() for part in query.get("hide", "").split(",") if part.strip())
    if strange := sorted(hidden - set(HIDEABLE)):
        problems.append(unknown("part of the page to hide", strange[0][:80], HIDEABLE))
    if foreign := [name for name in query if name not in _OWN and name not in TrainingSettings.model_fields]:
        problems.append(f'The link says "{foreign[0][:80]}", which this lab does not know; it was left out.')
    overlays = tuple(part for part in query.get("with", "").split(",") if _is_id(part))
    run_id = query.get("run")
    return Understood(
        Model(dataset, preset, network, settings),
        run_id if run_id and _is_id(run_id) else None,
        overlays[:20],
        hidden & set(HIDEABLE),
        tuple(problems),
    )


def default_model() -> Model:
    """What a new visitor finds."""
    return Model(
        DEFAULT_DATASET, DEFAULT_PRESET, preset_for(DEFAULT_DATASET, DEFAULT_PRESET), DEFAULT_SETTINGS
    )


def layers_text(layers: tuple[Layer, ...]) -> str:
    """Layers as compact text: ``Conv2d(out_channels:8,kernel_size:5),ReLU,Flatten,Linear(out_features:10)``.

    Only settings that differ from their defaults are written; the layers of a block stand in its brackets.
    """
    return ",".join(_layer_text(layer) for layer in layers)


def _layer_text(layer: Layer) -> str:
    name = type(layer).__name__
    parts = []
    for knob in knobs(type(layer)):
        value = getattr(layer, knob.name)
        if value == knob.default:
            continue
        parts.append(layers_text(value) if knob.name == "layers" else f"{knob.name}:{_plain(value)}")
    return f"{name}({','.join(parts)})" if parts else name


def layers_from_text(text: str) -> tuple[Layer, ...]:
    """Read what `layers_text` wrote. Raises ConvolabError with one sentence."""
    return tuple(_layer_from_text(part) for part in _split(text))


def _layer_from_text(text: str, depth: int = 0) -> Layer:
    name, bracket, rest = text.partition("(")
    if (bracket and not rest.endswith(")")) or depth > 8:
        raise ConvolabError(f'"{text[:60]}" is not a layer; a bracket is missing.')
    settings: dict[str, Any] = {}
    inside: list[Layer] = []
    for part in _split(rest[:-1]) if bracket else []:
        key, colon, value = part.partition(":")
        if not colon or "(" in key:
            inside.append(_layer_from_text(part, depth + 1))
            continue
        settings[key] = _value(value)
    if inside:
        settings["layers"] = tuple(inside)
    layer: Layer = make_layer(name.strip(), **settings)
    return layer


def _split(text: str) -> list[str]:
    """At the commas that stand outside of brackets."""
    parts, depth, start = [], 0, 0
    for index, sign in enumerate(text):
        depth += (sign in "([") - (sign in ")]")
        if sign == "," and depth == 0:
            parts.append(text[start:index])
            start = index + 1
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return json.dumps(value, separators=(",", ":"))
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _network(query: Mapping[str, str], dataset: str, problems: list[str]) -> tuple[str | None, Network]:
    network: Network | None = None
    preset: str | None = query.get("net", DEFAULT_PRESET)
    if "layers" in query:
        shape = dataset_infos()[dataset].input_shape
        try:
            layers = layers_from_text(query["layers"])
            network = Network.model_validate(
                {"input_shape": shape, "layers": layers, "floor": query.get("floor") == "true"}
            )
            preset = None
        except ConvolabError as error:
            problems.append(f"The layers in the link could not be read: {error}")
        except ValidationError as error:
            problems.append(f"The layers in the link could not be read: {explain(error)}")
    if network is None:
        if preset not in PRESETS:
            problems.append(unknown("network", str(preset)[:80], PRESETS))
            preset = DEFAULT_PRESET
        try:
            network = preset_for(dataset, str(preset))
        except ConvolabError as error:
            problems.append(str(error))
            network = Network.model_validate({"input_shape": dataset_infos()[dataset].input_shape})
            preset = None
    if "init" in query:
        try:
            network = network.changed(initialization=query["init"])
        except ValidationError as error:
            problems.append(explain(error))
    return preset, network


def _settings(query: Mapping[str, str], problems: list[str]) -> TrainingSettings:
    wanted: dict[str, Any] = {}
    for name in TrainingSettings.model_fields:
        if name in query:
            wanted[name] = None if query[name] == "none" else query[name]
    try:
        return DEFAULT_SETTINGS.changed(**wanted)
    except ValidationError as error:
        problems.append(f"A setting in the link does not fit: {explain(error)}")
    # Keep what does fit, one by one, in the order of the form: a schedule may need a stop condition.
    settings = DEFAULT_SETTINGS
    for name, value in sorted(wanted.items(), key=lambda item: item[0] == "schedule"):
        try:
            settings = settings.changed(**{name: value})
        except ValidationError:
            continue
    return settings


def _is_id(text: str) -> bool:
    return 0 < len(text) <= 100 and all(sign.isalnum() or sign in "-_." for sign in text)
