"""From what the room shows to transfers in the queue: one, a grid of them, or one half on its own."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any, Literal

from pydantic import ValidationError

from convolab.app.transfer import library, networks
from convolab.app.transfer.state import PICTURE, Wanted
from convolab.errors import SettingsError
from convolab.spec import explain
from convolab.style.job import create_transfer
from convolab.style.job_folder import Cell
from convolab.style.settings import TransferSettings, names

MOST_CELLS = 36
Half = Literal["content", "style"]
GRIDS = {
    "style layers": "Style layers: the first, the first two, …",
    "content layers": "Content layer: from shallow to deep",
    "rebuild": "Each half alone, by layer (the paper's first figure)",
}
"""What the columns of a grid can be, with their titles."""
_PREVIEW_SIZE, _PREVIEW_STEPS = 256, 60


def paint(wanted: Wanted, cell: Cell | None = None, name: str | None = None) -> str:
    """Make the transfer that the room asks for; its id. Off the event loop. ConvolabError with a sentence."""
    settings = wanted.settings
    start = None
    if settings.start.startswith(PICTURE):
        start = library.part(settings.start.removeprefix(PICTURE))
    network = networks.weights_part(settings.network)
    return create_transfer(
        library.part(wanted.photo),
        [library.part(style) for style in wanted.styles],
        settings,
        masks=[library.part(mask) for mask in wanted.masks],
        start=start,
        network=network,
        cell=cell,
        name=name,
    )


def rebuild(wanted: Wanted, half: Half) -> str:
    """Make a small transfer that rebuilds the photo's content alone, or the first style alone."""
    settings = _half(
        wanted.settings, half, size=min(wanted.settings.size, _PREVIEW_SIZE), steps=_PREVIEW_STEPS
    )
    key = wanted.photo if half == "content" else wanted.styles[0]
    title = library.entry(key).title
    name = f"{title}, rebuilt from its {half} alone"
    return paint(_with(wanted, settings, key), name=name)


def grid(wanted: Wanted, columns: str, weights: str, size: int, steps: int) -> tuple[str, list[str]]:
    """Make the transfers of a grid; its id, and theirs in the order in which they are to be painted."""
    grid_id = secrets.token_hex(6)
    plan = _plan(wanted, columns, weights, size, steps)
    if len(plan) > MOST_CELLS:
        raise SettingsError(
            f"This grid has {len(plan)} pictures; choose fewer W, at most {MOST_CELLS} in all."
        )
    made = []
    for row, column, row_title, column_title, settings, key in plan:
        cell = Cell(grid=grid_id, row=row, column=column, row_title=row_title, column_title=column_title)
        made.append(paint(_with(wanted, settings, key), cell, f"{row_title}, {column_title}"))
    return grid_id, made


_Planned = tuple[int, int, str, str, TransferSettings, str]
"""Row, column, their titles, settings, and the one picture of a half on its own; empty where all are used."""


def _plan(wanted: Wanted, columns: str, weights: str, size: int, steps: int) -> list[_Planned]:
    settings = wanted.settings.changed(size=size, steps=steps, budget=None)
    ladder = _ladder(wanted)
    deep = [layers[-1] for layers in ladder]
    plan: list[_Planned] = []
    if columns == "rebuild":
        for column, layers in enumerate(ladder):
            one = _half(settings, "content", content_layer=layers[-1])
            plan.append((0, column, "Content alone", layers[-1], one, wanted.photo))
        for column, layers in enumerate(ladder):
            one = _half(settings, "style", style_layers=layers, style_weights="")
            plan.append((1, column, "Style alone", layers[-1], one, wanted.styles[0]))
        return plan
    for row, weight in enumerate(_rows(weights)):
        for column, layers in enumerate(ladder):
            if columns == "content layers":
                one = _changed(settings, weight=weight, content_layer=deep[column])
                title = deep[column]
            else:
                one = _changed(settings, weight=weight, style_layers=layers, style_weights="")
                title = layers[0] if len(layers) == 1 else f"{layers[0]} … {layers[-1]}"
            plan.append((row, column, f"W = {weight:g}", title, one, ""))
    return plan


def _rows(weights: str) -> list[float]:
    """Each W of a text with commas. SettingsError unless there is one, and all are numbers from 0 to 1."""
    rows = []
    for part in names(weights):
        try:
            weight = float(part)
        except ValueError:
            raise SettingsError(f"Each W is a number, with commas between them, not {part[:20]!r}.") from None
        if not 0 <= weight <= 1:
            raise SettingsError(f"W must be between 0 and 1, not {weight:g}.")
        rows.append(weight)
    if not rows:
        raise SettingsError("Give at least one W, such as 0.2, 0.5, 0.8.")
    return rows


def _ladder(wanted: Wanted) -> list[tuple[str, ...]]:
    """The first chosen style layer, the first two, and so on; at least all blocks of the network."""
    layers = wanted.settings.style_names
    if len(layers) < 2:
        first: dict[int, str] = {}
        for layer in networks.layers(wanted.settings.network):
            first.setdefault(layer.block, layer.name)
        layers = tuple(first.values())
    return [layers[: count + 1] for count in range(min(5, len(layers)))]


def _half(settings: TransferSettings, half: Half, **changes: Any) -> TransferSettings:
    """One half alone; without the layers of the other half, which the network need not have."""
    if half == "content":
        only: dict[str, Any] = {"weight": 0.0, "style_layers": "", "style_weights": ""}
    else:
        only = {"weight": 1.0, "content_layer": ""}
    plain = {"preserve_color": False, "start": "noise", "blend": "", "tv": 0.0}
    return _changed(settings, **{**only, **plain, **changes})


def _changed(settings: TransferSettings, **values: Any) -> TransferSettings:
    """Other settings. SettingsError with a sentence if they do not fit."""
    try:
        return settings.changed(**values)
    except ValidationError as error:
        raise SettingsError(explain(error)) from None


def _with(wanted: Wanted, settings: TransferSettings, key: str) -> Wanted:
    """With these settings; with one picture as photo and style where only a half is painted."""
    if not key:
        return replace(wanted, settings=settings)
    return replace(wanted, settings=settings, photo=key, styles=(key,), masks=())
