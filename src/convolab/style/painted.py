"""Pictures that the lab paints itself from a seed: five styles and a scene, with nothing to fetch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from convolab.errors import SettingsError, unknown

Color = tuple[int, int, int]
_FINE = 2
"""Everything is drawn so many times larger and made small at the end: smooth edges."""


@dataclass(frozen=True)
class Painted:
    """One picture that the lab can paint."""

    name: str
    title: str
    painter: Callable[[np.random.Generator, int], Image.Image]


def paint(name: str, size: int = 512, seed: int = 0) -> Image.Image:
    """A square RGB picture of ``size`` pixels a side; the same for the same seed. SettingsError."""
    if name not in PAINTED:
        raise SettingsError(unknown("painted picture", name, PAINTED))
    drawn = PAINTED[name].painter(np.random.default_rng(seed), size * _FINE)
    return drawn.resize((size, size), Image.Resampling.LANCZOS)


# ------------------------------------------------------------------ smooth fields


def _field(random: np.random.Generator, side: int, cells: int) -> np.ndarray:
    """Smooth random values (side, side), about −1 … 1, with about ``cells`` bumps across."""
    coarse = random.normal(size=(cells + 3, cells + 3)).astype(np.float32)
    grown = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
    values = np.asarray(grown)
    return np.tanh(values / values.std())


def _at(field: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The values of a field at places (n, 2) of (column, row); those outside get the nearest."""
    at = np.clip(places, 0, len(field) - 1).astype(int)
    return field[at[:, 1], at[:, 0]]


def _colors(values: np.ndarray, palette: list[Color]) -> np.ndarray:
    """Values 0 … 1 along a palette, blended: (…, 3)."""
    at = np.clip(values, 0, 1) * (len(palette) - 1)
    stops = np.array(palette, float)
    channels = [np.interp(at, np.arange(len(palette)), stops[:, i]) for i in range(3)]
    return np.stack(channels, axis=-1)


def _as_color(value: np.ndarray) -> Color:
    red, green, blue = np.clip(np.round(value), 0, 255).astype(int).tolist()
    return red, green, blue


# ------------------------------------------------------------------ the styles


def _strokes(random: np.random.Generator, side: int) -> Image.Image:
    """Thick oil paint that follows a swirling flow, blue and gold."""
    palette: list[Color] = [
        (12, 22, 58),
        (24, 58, 118),
        (58, 116, 168),
        (148, 188, 188),
        (240, 206, 96),
        (250, 236, 170),
    ]
    tone = 0.5 + 0.5 * _field(random, side, 4)
    flow = math.pi * (_field(random, side, 3) + 0.3 * _field(random, side, 7))
    picture = Image.fromarray(_colors(tone * 0.6, palette).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for width, length, count in ((0.030, 0.13, 900), (0.017, 0.10, 2600), (0.009, 0.06, 4200)):
        thick = max(2, round(width * side))
        places = [random.random((count, 2)) * side]
        for _ in range(7):
            angle = _at(flow, places[-1])
            places.append(places[-1] + length * side / 7 * np.stack([np.cos(angle), np.sin(angle)], -1))
        paths = np.stack(places, axis=1)
        bases = _colors(_at(tone, places[0]) + random.normal(size=count) * 0.09, palette)
        # Bristles: a lighter edge on one side, a darker one on the other; thin strokes often show none.
        bristled = random.random(count) < (1.0 if thick > 0.015 * side else 0.4)
        for path, base, bristles in zip(paths, bases, bristled, strict=True):
            draw.line(path.ravel().tolist(), fill=_as_color(base), width=thick, joint="curve")
            for shift, light in ((-0.35, 26.0), (0.35, -22.0), (0.05, 10.0)) if bristles else ():
                moved = (path + shift * thick).ravel().tolist()
                draw.line(moved, fill=_as_color(base + light), width=max(1, thick // 6), joint="curve")
    return picture


def _waves(random: np.random.Generator, side: int) -> Image.Image:
    """Rows of curling waves with foam, in the blues of a woodblock print."""
    paper: Color = (236, 224, 196)
    blues: list[Color] = [(18, 44, 84), (38, 84, 130), (104, 150, 176), (172, 200, 204)]
    picture = Image.new("RGB", (side, side), paper)
    draw = ImageDraw.Draw(picture)
    rows = 13
    for row in range(rows + 3):
        base = side * (row - 0.5) / rows
        count = int(random.integers(4, 7))
        phase, swing = random.random() * 2 * math.pi, side * random.uniform(0.02, 0.035)
        across = np.linspace(0, side, 240)
        angle = across / side * count * 2 * math.pi + phase
        # Sharp crests, round troughs.
        line = base - swing * (1 - abs(np.sin(angle / 2))) * 2.4 + swing * 0.4 * np.sin(angle * 2.3)
        band = side / rows * 1.9
        for i in range(4):
            shift = band * i / 4
            points = [(float(x), float(y + shift)) for x, y in zip(across, line, strict=True)]
            fill = blues[(row + i) % len(blues)]
            draw.polygon([*points, (side, side), (0, side)], fill=fill)
            ink = (14, 28, 58) if i % 2 == 0 else paper
            draw.line(points, fill=ink, width=max(2, side // (260 if i else 170)), joint="curve")
        crests = [i for i in range(1, 239) if line[i] < line[i - 1] and line[i] <= line[i + 1]]
        for crest in crests:
            x, y = float(across[crest]), float(line[crest])
            for _ in range(16):
                angle_, far = random.uniform(-math.pi, 0), abs(random.normal()) * side * 0.02
                radius = side * random.uniform(0.0025, 0.0075)
                dx, dy = x + far * 1.6 * math.cos(angle_), y + far * math.sin(angle_)
                draw.ellipse((dx - radius, dy - radius, dx + radius, dy + radius), fill=(246, 240, 224))
    return picture


def _mosaic(random: np.random.Generator, side: int) -> Image.Image:
    """Glass and stone set along rings, with dark joints."""
    palette: list[Color] = [
        (122, 28, 34),
        (196, 78, 42),
        (232, 168, 66),
        (238, 222, 178),
        (46, 122, 118),
        (20, 58, 92),
    ]
    cells = 34
    step = side / cells
    jitter = random.uniform(-0.32, 0.32, (cells + 4, cells + 4, 2))
    tone = random.normal(0, 0.10, (cells + 4, cells + 4))
    rows, columns = np.mgrid[0:side, 0:side].astype(np.float32)
    row_of, column_of = (rows / step).astype(int), (columns / step).astype(int)
    first = np.full((side, side), np.inf, np.float32)
    second = first.copy()
    value = np.zeros((side, side), np.float32)
    middle = np.array([0.42, 0.55]) * side
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            r, c = row_of + down + 2, column_of + right + 2
            y = (r - 2 + 0.5 + jitter[r, c, 0]) * step
            x = (c - 2 + 0.5 + jitter[r, c, 1]) * step
            # The distance to a square piece rather than to a point: pieces look cut, not grown.
            away = (np.abs(rows - y) ** 3 + np.abs(columns - x) ** 3) ** (1 / 3)
            ring = np.hypot(y - middle[0], x - middle[1]) / side * 3.1
            shade = (ring + tone[r, c]) % 1.0
            closer = away < first
            second = np.where(closer, first, np.minimum(second, away))
            value = np.where(closer, shade, value)
            first = np.where(closer, away, first)
    joint = np.clip((second - first) / (0.16 * step), 0, 1)[..., None]
    pieces = _colors(value, [*palette, palette[0]])
    pieces *= (1.1 - 0.35 * (first / step))[..., None]
    grain = random.normal(0, 5, (side, side, 1))
    colored = (pieces + grain) * joint + np.array([38, 32, 30]) * (1 - joint)
    return Image.fromarray(np.clip(colored, 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(1))


def _hatching(random: np.random.Generator, side: int) -> Image.Image:
    """Ink lines in four directions, denser where it is darker, on warm paper."""
    tone = 0.5 + 0.36 * _field(random, side, 4) + 0.2 * _field(random, side, 9)
    rows, columns = np.mgrid[0:side, 0:side].astype(np.float32) / side
    ink = np.zeros((side, side), np.float32)
    bend = 0.012 * _field(random, side, 6)
    layers = ((0.62, 0.9, 76), (2.2, 0.66, 84), (1.45, 0.45, 92), (0.05, 0.28, 104))
    for angle, darkest, lines in layers:
        along = (columns * math.cos(angle) + rows * math.sin(angle) + bend) * lines
        distance = abs(along - np.round(along))
        wobble = 0.06 * _field(random, side, 40)
        width = np.clip((darkest - tone) * 0.55, 0, 0.34) * (1 + 2 * wobble)
        ink = np.maximum(ink, np.clip((width - distance) * 14, 0, 1))
    paper = (
        np.array([240, 230, 208])
        + 5 * _field(random, side, 60)[..., None]
        + random.normal(0, 3, (side, side, 1))
    )
    colored = paper * (1 - ink[..., None]) + np.array([34, 28, 40]) * ink[..., None]
    return Image.fromarray(np.clip(colored, 0, 255).astype(np.uint8))


def _dots(random: np.random.Generator, side: int) -> Image.Image:
    """Pure colours side by side in round dabs, which mix only in the eye."""
    palette: list[Color] = [
        (30, 58, 138),
        (38, 132, 148),
        (92, 168, 84),
        (236, 204, 70),
        (238, 140, 60),
        (214, 70, 78),
    ]
    tone = 0.5 + 0.5 * _field(random, side, 3)
    picture = Image.new("RGB", (side, side), (244, 236, 216))
    draw = ImageDraw.Draw(picture)
    for radius, spacing in ((0.013, 0.017), (0.0085, 0.0125), (0.0055, 0.011)):
        count = int(1 / spacing)
        grid = np.stack(np.meshgrid(np.arange(count + 1), np.arange(count + 1)), -1).reshape(-1, 2)
        places = (grid + random.uniform(-0.45, 0.45, grid.shape)) * spacing * side
        random.shuffle(places)
        # Mostly the colour that belongs there, sometimes its neighbour or its opposite.
        other = random.choice([0.0, 0.2, 0.5], len(places), p=[0.72, 0.16, 0.12])
        values = (_at(tone, places) + random.normal(size=len(places)) * 0.05 + other) % 1.0
        chosen = np.array(palette)[np.round(values * (len(palette) - 1)).astype(int)]
        chosen = np.clip(chosen + random.normal(0, 9, chosen.shape), 0, 255).astype(int)
        sizes = radius * side * random.uniform(0.75, 1.15, len(places))
        for (x, y), r, color in zip(places.tolist(), sizes.tolist(), chosen.tolist(), strict=True):
            draw.ellipse((x - r, y - 0.85 * r, x + r, y + 0.85 * r), fill=(color[0], color[1], color[2]))
    return picture


# ------------------------------------------------------------------ a scene to paint


def _scene(random: np.random.Generator, side: int) -> Image.Image:
    """A house by a lake under mountains: something to recognise, with plain and busy parts."""
    rows = np.mgrid[0:side, 0:side][0].astype(np.float32) / side
    sky = _colors(rows / 0.55, [(86, 140, 206), (158, 196, 226), (248, 226, 190)])
    clouds = np.clip(_field(random, side, 5) + 0.6 * _field(random, side, 13) - 0.35, 0, 1) * np.clip(
        1 - rows / 0.5, 0, 1
    )
    colored = sky * (1 - 0.8 * clouds[..., None]) + 250 * 0.8 * clouds[..., None]
    horizon = 0.58
    across = np.linspace(0, 1, side)
    for depth, (height, color) in enumerate(
        ((0.26, (120, 134, 160)), (0.16, (84, 104, 112)), (0.07, (58, 86, 62)))
    ):
        ridge = np.zeros(side)
        for octave in range(1, 8):
            wave = 2.0**octave * (1 + 0.3 * depth)
            ridge += np.sin(across * wave * math.pi + random.random() * 7) / 2.0 ** (octave * 0.95)
        ridge = horizon - height * (0.55 + 0.4 * ridge / abs(ridge).max())
        inside = (rows > ridge[None]) & (rows < horizon + 0.002)
        shade = 1 + 0.16 * _field(random, side, 24 + 20 * depth) + 0.5 * (ridge[None] - rows + 0.08)
        snow = inside & (depth == 0) & (rows < ridge[None] + 0.05 + 0.02 * _field(random, side, 30))
        colored = np.where(inside[..., None], np.array(color) * shade[..., None], colored)
        colored = np.where(
            snow[..., None], np.array([236, 240, 246]) * np.clip(shade, 0.8, 1.06)[..., None], colored
        )
    top = int(horizon * side)
    depth_ = np.arange(side - top)
    ripple = np.round(3 * _FINE * np.sin(depth_ / 5) * depth_ / side).astype(int)
    mirror = colored[np.clip(top - 1 - (depth_ * 1.25).astype(int), 0, top - 1)]
    mirror = np.stack([np.roll(line, shift, axis=0) for line, shift in zip(mirror, ripple, strict=True)])
    glitter = np.clip(_field(random, side, 60)[top:] - 0.7, 0, 1)[..., None] * 60
    colored[top:] = mirror * 0.62 + np.array([22, 44, 62]) * 0.38 + glitter
    shore = 0.83 + 0.05 * np.sin(across * 4 + 0.5) - 0.10 * across
    meadow = rows > shore[None]
    grass = _colors(
        0.5 + 0.3 * _field(random, side, 80) + 0.25 * _field(random, side, 9),
        [(44, 78, 34), (96, 130, 52), (176, 176, 84)],
    )
    colored = np.where(meadow[..., None], grass, colored)
    picture = Image.fromarray(np.clip(colored, 0, 255).astype(np.uint8))
    _house(ImageDraw.Draw(picture), side)
    _tree(ImageDraw.Draw(picture), random, side)
    return picture


def _house(draw: ImageDraw.ImageDraw, side: int) -> None:
    def at(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [(x * side, y * side) for x, y in points]

    draw.polygon(at((0.60, 0.60), (0.82, 0.60), (0.82, 0.80), (0.60, 0.82)), fill=(214, 196, 168))
    draw.polygon(at((0.82, 0.60), (0.90, 0.58), (0.90, 0.77), (0.82, 0.80)), fill=(168, 148, 124))
    draw.polygon(at((0.575, 0.61), (0.65, 0.48), (0.865, 0.48), (0.845, 0.61)), fill=(158, 62, 48))
    draw.polygon(at((0.845, 0.61), (0.865, 0.48), (0.92, 0.585)), fill=(120, 44, 38))
    draw.polygon(at((0.69, 0.45), (0.73, 0.45), (0.73, 0.52), (0.69, 0.52)), fill=(126, 92, 78))
    for i in range(12):
        y = 0.487 + 0.01 * i
        draw.line(
            at((0.65 - 0.0058 * i, y), (0.865 - 0.0016 * i, y)), fill=(134, 50, 40), width=max(1, side // 420)
        )
    for x in (0.635, 0.70, 0.765):
        draw.polygon(at((x, 0.64), (x + 0.035, 0.64), (x + 0.035, 0.70), (x, 0.70)), fill=(66, 84, 104))
        draw.line(at((x + 0.0175, 0.64), (x + 0.0175, 0.70)), fill=(236, 230, 216), width=max(1, side // 300))
        draw.line(at((x, 0.67), (x + 0.035, 0.67)), fill=(236, 230, 216), width=max(1, side // 300))
    draw.polygon(at((0.70, 0.735), (0.74, 0.735), (0.74, 0.808), (0.70, 0.812)), fill=(92, 58, 40))


def _tree(draw: ImageDraw.ImageDraw, random: np.random.Generator, side: int) -> None:
    def branch(x: float, y: float, angle: float, length: float, width: float) -> None:
        end = x + length * math.cos(angle), y - length * math.sin(angle)
        draw.line([(x, y), end], fill=(66, 48, 36), width=max(1, round(width)))
        if length < 0.028 * side:
            for _ in range(9):
                dx, dy = random.normal(0, 0.017 * side, 2)
                r = side * random.uniform(0.004, 0.011)
                green = _as_color(
                    np.array([70, 112, 48])
                    + random.normal(0, 24, 3)
                    + np.array([18, 22, 4]) * (dx - dy) / r / 4
                )
                draw.ellipse((end[0] + dx - r, end[1] + dy - r, end[0] + dx + r, end[1] + dy + r), fill=green)
            return
        for turn in (-0.45, 0.1, 0.5):
            branch(
                *end, angle + turn + random.normal() * 0.12, length * random.uniform(0.6, 0.74), width * 0.6
            )

    branch(0.2 * side, 0.9 * side, math.pi / 2, 0.17 * side, 0.022 * side)


STYLES = {
    item.name: item
    for item in (
        Painted("strokes", "Brush strokes", _strokes),
        Painted("waves", "Waves", _waves),
        Painted("mosaic", "Mosaic", _mosaic),
        Painted("hatching", "Hatching", _hatching),
        Painted("dots", "Dots", _dots),
    )
}
"""Pictures to learn a style from."""
SCENES = {"lake": Painted("lake", "House by a lake", _scene)}
"""Pictures to paint, in the place of a photo."""
PAINTED = {**STYLES, **SCENES}
