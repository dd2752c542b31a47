"""The flat node-link view as a picture: all units of all levels, input at the bottom, answer above."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from convolab.activations.inspector import Activations
from convolab.activations.lettering import wrapped, write, write_centred
from convolab.activations.levels import Level
from convolab.activations.units import Index, Unit, UnitInput

WIDTH = 1600
"""Of the picture, in pixels."""
LINES = 24
"""How many of a marked unit's contributions are drawn: the largest."""
LOW, ZERO, HIGH = (31, 119, 180), (255, 255, 255), (230, 115, 0)
"""Colours of the diverging scale: the most negative, 0, the most positive."""
_PAPER, _INK, _MUTED, _LINE, _FRAME = (
    (255, 255, 255),
    (20, 33, 30),
    (77, 94, 90),
    (219, 226, 223),
    (150, 163, 159),
)
_MARK = (11, 107, 102)
_MARGIN, _LABELS, _GAP = 32, 310, 34
_TALLEST = 250
_MOST_CLASSES = 20


def signed_colours(values: np.ndarray, limit: float) -> np.ndarray:
    """uint8 (\\*shape, 3): blue for −limit, white for 0, orange for +limit and beyond."""
    share = np.clip(values / (limit or 1.0), -1, 1)[..., None]
    ends = np.where(share < 0, np.array(LOW, float), np.array(HIGH, float))
    return np.round(np.array(ZERO, float) + (ends - ZERO) * np.abs(share)).astype(np.uint8)


def draw(
    activations: Activations, *, title: str = "", caption: Sequence[str] = (), unit: Unit | None = None
) -> Image.Image:
    """An RGB picture, `WIDTH` wide, of all activations, with labels, legend and predictions.

    Every level has its own scale, which its label tells. ``caption`` are lines under the title; ``unit`` is
    marked, with what it looks at, its largest contributions as lines.
    """
    levels = activations.inspector.levels
    panels = [_Panel.of(level, activations.values(level.key)) for level in levels]
    head = _heading(title, caption, activations)
    room = [max(panel.height, _label_height(panel)) for panel in panels]
    height = sum(room) + _GAP * len(panels) + head.height + 70
    picture = Image.new("RGB", (WIDTH, height), _PAPER)
    picture.paste(head, (0, 0))
    at = height - 70
    placed: dict[str, _Placed] = {}
    for panel, space in zip(panels, room, strict=True):
        at -= space
        left = _LABELS + (WIDTH - _MARGIN - _LABELS - panel.width) // 2
        placed[panel.level.key] = _Placed(panel, left, at + (space - panel.height) // 2)
        at -= _GAP
    pen = ImageDraw.Draw(picture)
    order = list(placed)
    for spot in placed.values():
        under = order[order.index(spot.panel.level.key) - 1]
        _links(pen, spot, [placed[key] for key in spot.panel.level.below], placed[under])
    for spot in placed.values():
        picture.paste(spot.panel.picture, (spot.left, spot.top))
        _label(pen, spot)
    if unit is not None:
        _mark(pen, placed, unit)
    _legend(picture, height - 44)
    return picture


@dataclass(frozen=True)
class _Panel:
    """A level as a picture of its maps or cells."""

    level: Level
    picture: Image.Image
    cell: float
    """Pixels per unit."""
    columns: int
    """Maps, or units of a flat level, in a row."""
    step: tuple[float, float]
    """From one map, or flat unit, to the next: down, across."""
    limit: float

    @property
    def width(self) -> int:
        return self.picture.width

    @property
    def height(self) -> int:
        return self.picture.height

    @classmethod
    def of(cls, level: Level, values: np.ndarray) -> _Panel:
        """Arranged so that it fits, with cells as large as that allows."""
        flat = len(level.shape) == 1
        maps = values.reshape(-1, 1, 1) if flat else values
        count, rows, columns = maps.shape
        most = WIDTH - _MARGIN - _LABELS
        gap = 1 if flat else 6
        largest = min(20.0 if flat else 8.0, _TALLEST / rows)
        across, cell = _arrangement(count, rows, columns, most, gap, largest)
        wide, high = max(1, round(columns * cell)), max(1, round(rows * cell))
        limit = float(np.abs(values[np.isfinite(values)]).max(initial=0.0))
        colours = signed_colours(np.nan_to_num(maps), limit)
        down = math.ceil(count / across)
        picture = Image.new("RGB", (across * (wide + gap) + 1, down * (high + gap) + 1), _PAPER)
        pen = ImageDraw.Draw(picture)
        for number in range(count):
            x, y = (number % across) * (wide + gap), (number // across) * (high + gap)
            pen.rectangle((x, y, x + wide + 1, y + high + 1), outline=_FRAME if not flat else _LINE)
            # Each unit a square where there is room; else the mean of the units under a pixel.
            how = Image.Resampling.NEAREST if cell >= 1 else Image.Resampling.BOX
            picture.paste(Image.fromarray(colours[number]).resize((wide, high), how), (x + 1, y + 1))
        return cls(level, picture, cell, across, (high + gap, wide + gap), limit)

    def box(self, index: Index) -> tuple[float, float, float, float]:
        """(left, top, right, bottom) of a unit in the panel."""
        number, row, column = index if len(index) == 3 else (index[0], 0, 0)
        top = (number // self.columns) * self.step[0] + 1 + row * self.cell
        left = (number % self.columns) * self.step[1] + 1 + column * self.cell
        return left, top, left + self.cell, top + self.cell


@dataclass(frozen=True)
class _Placed:
    panel: _Panel
    left: int
    top: int

    def box(self, index: Index) -> tuple[float, float, float, float]:
        left, top, right, bottom = self.panel.box(index)
        return left + self.left, top + self.top, right + self.left, bottom + self.top

    @property
    def right(self) -> int:
        return self.left + self.panel.width

    @property
    def bottom(self) -> int:
        return self.top + self.panel.height


def _arrangement(
    count: int, rows: int, columns: int, most: int, gap: int, largest: float
) -> tuple[int, float]:
    """How many maps stand in a row, and how many pixels a unit gets: as many as fit."""
    best = (count, 0.0)
    for down in range(1, min(count, 40) + 1):
        across = math.ceil(count / down)
        cell = min((most / across - gap) / columns, (_TALLEST / down - gap) / rows, largest)
        cell = float(math.floor(cell)) if cell >= 1 else cell
        if cell > best[1] * 1.001:
            best = (across, cell)
    return best if best[1] > 0 else (math.ceil(math.sqrt(count)), 0.05)


def _links(pen: ImageDraw.ImageDraw, spot: _Placed, below: list[_Placed], under: _Placed) -> None:
    """What a level gets its inputs from: a funnel to the row under it, a line around what lies between."""
    for source in below:
        if source is under:
            corners = [
                (source.left, source.top - 4), (source.right, source.top - 4),
                (spot.right, spot.bottom + 4), (spot.left, spot.bottom + 4),
            ]  # fmt: skip
            pen.polygon(corners, fill=(244, 247, 246), outline=_LINE)
            continue
        x = min(WIDTH - 10, max(spot.right, source.right) + 22)
        upper, lower = (spot.top + spot.bottom) / 2, (source.top + source.bottom) / 2
        around = [(source.right + 4, lower), (x, lower), (x, upper), (spot.right + 4, upper)]
        pen.line(around, fill=_FRAME, width=2, joint="curve")


def _label_lines(panel: _Panel) -> list[tuple[str, int, tuple[int, int, int]]]:
    level = panel.level
    shape = " × ".join(map(str, level.shape)) if len(level.shape) == 3 else "flat"
    lines = [(level.title, 19, _INK), (f"{level.key} · {shape}", 15, _MUTED)]
    if level.function:
        lines.append((f"then {level.function}", 15, _MUTED))
    lines.append((f"{math.prod(level.shape):,} units, full colour ±{panel.limit:.3g}", 15, _MUTED))
    return lines


def _label_height(panel: _Panel) -> int:
    return sum(size + 6 for _, size, _ in _label_lines(panel))


def _label(pen: ImageDraw.ImageDraw, spot: _Placed) -> None:
    y = (spot.top + spot.bottom - _label_height(spot.panel)) / 2
    for text, size, colour in _label_lines(spot.panel):
        write(pen, (_MARGIN, y), text, size, colour, _LABELS - _MARGIN - 14)
        y += size + 6


def _heading(title: str, caption: Sequence[str], activations: Activations) -> Image.Image:
    """Title, caption and the predictions as bars."""
    prediction, classes = activations.prediction, activations.inspector.classes
    shown = list(range(len(classes)))
    if len(classes) > _MOST_CLASSES:
        shown = sorted(prediction.order[:10])
    lines = wrapped([*caption, prediction.how], 16, WIDTH - 2 * _MARGIN)
    top = _MARGIN + (40 if title else 0) + 24 * len(lines) + 14
    image = Image.new("RGB", (WIDTH, top + 176), _PAPER)
    pen = ImageDraw.Draw(image)
    if title:
        write(pen, (_MARGIN, _MARGIN - 6), title, 26, _INK, WIDTH - 2 * _MARGIN)
    for number, line in enumerate(lines):
        y = _MARGIN + (40 if title else 0) + 24 * number
        write(pen, (_MARGIN, y), line, 16, _MUTED, WIDTH - 2 * _MARGIN)
    best = prediction.order[0]
    said = f"First guess {classes[best]}: {100 * prediction.shares[best]:.1f} %"
    write(pen, (_MARGIN, top + 30), said, 19, _INK, _LABELS - _MARGIN - 14)
    if len(prediction.order) > 1:
        second = prediction.order[1]
        said = f"second {classes[second]}: {100 * prediction.shares[second]:.1f} %"
        write(pen, (_MARGIN, top + 58), said, 16, _MUTED, _LABELS - _MARGIN - 14)
    space = (WIDTH - _MARGIN - _LABELS) / len(shown)
    for place, number in enumerate(shown):
        x, share = _LABELS + place * space, float(prediction.shares[number])
        bar = (x + space * 0.15, top + 120 - 90 * share, x + space * 0.85, top + 120)
        pen.rectangle(bar, fill=_MARK if number == best else _FRAME)
        write_centred(pen, x + space / 2, top + 100 - 90 * share, f"{100 * share:.1f} %", 14, _INK, space)
        write_centred(pen, x + space / 2, top + 126, classes[number], 17, _INK, space - 4)
        write_centred(
            pen,
            x + space / 2,
            top + 149,
            f"{prediction.raw[number]:.3g}".replace("-", "−"),
            13,
            _MUTED,
            space,
        )
    pen.line((_LABELS, top + 120, WIDTH - _MARGIN, top + 120), fill=_FRAME)
    return image


def _legend(picture: Image.Image, y: int) -> None:
    pen = ImageDraw.Draw(picture)
    ramp = signed_colours(np.linspace(-1, 1, 320)[None].repeat(14, 0), 1.0)
    x = _LABELS
    picture.paste(Image.fromarray(ramp), (x, y))
    pen.rectangle((x - 1, y - 1, x + 320, y + 14), outline=_FRAME)
    for share, text in ((0.0, "−"), (0.5, "0"), (1.0, "+")):
        write_centred(pen, x + 320 * share, y + 17, text, 15, _INK, 40)
    said = "activation of a unit; full colour is the largest magnitude of its level, told beside it"
    write(pen, (x + 345, y - 2), said, 15, _MUTED, WIDTH - _MARGIN - x - 345)


def _mark(pen: ImageDraw.ImageDraw, placed: dict[str, _Placed], unit: Unit) -> None:
    """The unit, the windows it looks at, and lines from the inputs that contribute most."""
    target = placed[unit.level.key].box(unit.index)
    strongest: list[tuple[float, tuple[float, float]]] = []
    for entry in unit.inputs:
        spot = placed[entry.level]
        cells = np.argwhere(np.ones(entry.values.shape, bool) if entry.padded is None else ~entry.padded)
        places = [_place(entry, int(row), int(column)) for row, column in cells]
        if entry.map is not None and places:
            first, last = spot.box(places[0]), spot.box(places[-1])
            pen.rectangle((first[0] - 1, first[1] - 1, last[2], last[3]), outline=_MARK, width=2)
        if (products := entry.products) is not None:
            for cell, place in zip(cells, places, strict=True):
                strongest.append((float(products[tuple(cell)]), _middle(spot.box(place))))
    if unit.winner is not None:
        strongest.append((unit.sum, _middle(placed[unit.winner[0]].box(unit.winner[1]))))
    strongest.sort(key=lambda pair: -abs(pair[0]))
    for product, start in reversed(strongest[:LINES]):
        pen.line((*start, *_middle(target)), fill=HIGH if product > 0 else LOW, width=1)
    pen.rectangle((target[0] - 2, target[1] - 2, target[2] + 1, target[3] + 1), outline=_MARK, width=2)


def _place(entry: UnitInput, row: int, column: int) -> Index:
    """The unit below that a cell of an input shows."""
    if entry.map is None:
        return (entry.column + column,)
    return entry.map, entry.row + row, entry.column + column


def _middle(box: tuple[float, float, float, float]) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
