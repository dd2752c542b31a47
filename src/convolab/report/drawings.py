"""Drawings for the page as SVG text: lines over examples, and a matrix as a heat map with its numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's colours, which people with any colour vision can tell apart."""
LONG_NAME = 14
"""Characters of a name that find room at the end of a line, with its value."""
LEGEND_LINE = 18
"""Height of a line of the legend, in pixels."""
_FONT = 'font-family="system-ui, sans-serif"'


@dataclass(frozen=True)
class Line:
    """One curve: points in order, with the name that stands at its end."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    dashed: bool = False


def lines_svg(
    curves: Sequence[Line], x_title: str, y_title: str, *, percent: bool = False, width: int = 720
) -> str:
    """Curves in one frame, 16:9; ``percent``: y is a share and the axis goes from 0 to 100 %.

    Names stand at the ends of the lines; long ones below the frame, and only the last values at the ends.
    """
    plot, left, top, bottom = round(width * 0.5), 64, 30, 44
    below = any(len(line.name) > LONG_NAME for line in curves)
    right, legend = (90, LEGEND_LINE * len(curves) + 8) if below else (150, 0)
    height = plot + legend
    bottom += legend
    points = [(x, y) for line in curves for x, y in zip(line.x, line.y, strict=True) if math.isfinite(y)]
    most_x = max((x for x, _ in points), default=1) or 1
    most_y = 1.0 if percent else (max((y for _, y in points), default=1) or 1)

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            left + x / most_x * (width - left - right),
            height - bottom - min(y, most_y) / most_y * (height - top - bottom),
        )

    parts = [_head(width, height)]
    for value in _ticks(most_y):
        _, y = place(0, value)
        shown = f"{100 * value:.0f} %" if percent else f"{value:g}"
        parts.append(f'<path d="M{left} {y:.1f}H{width - right}" stroke="#d0d4d3"/>')
        parts.append(_text(left - 8, y + 4, shown, "end"))
    for value in _ticks(most_x):
        x, _ = place(value, 0)
        parts.append(
            _text(x, height - bottom + 18, f"{value:,.0f}" if most_x > 10 else f"{value:g}", "middle")
        )
    parts.append(_text(left, top - 12, y_title))
    parts.append(_text((left + width - right) / 2, plot - 8, x_title, "middle"))
    ends = []
    for number, line in enumerate(curves):
        colour = COLOURS[number % len(COLOURS)]
        steps = [place(x, y) for x, y in _thinned(line.x, line.y, width - left - right) if math.isfinite(y)]
        if not steps:
            continue
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in steps)
        dash = ' stroke-dasharray="5 4"' if line.dashed else ""
        parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        last = line.y[-1]
        figure = f"{100 * last:.1f} %" if percent else f"{last:.3g}"
        ends.append((steps[-1][1], figure if below else f"{line.name} {figure}", colour))
        if below:
            place_y = plot + LEGEND_LINE * number + 6
            parts.append(f'<rect x="{left}" y="{place_y}" width="16" height="4" fill="{colour}"/>')
            parts.append(_text(left + 24, place_y + 6, line.name))
    under = -math.inf
    for y, label, colour in sorted(ends):
        under = max(y, under + 15)  # labels must not lie on each other
        parts.append(_text(width - right + 8, under + 4, label, colour=colour))
    return "\n".join([*parts, "</svg>"])


def matrix_svg(counts: Sequence[Sequence[int]], classes: Sequence[str], side: int = 560) -> str:
    """A confusion matrix: a row per true class, a column per answer, shade by the share of the row."""
    margin, size = 110, len(classes)
    cell = (side - margin) / size
    parts = [_head(side, side), _text(margin, 16, "taken for")]
    for number, name in enumerate(classes):
        middle = margin + (number + 0.5) * cell
        parts.append(_text(margin - 8, middle + 4, name, "end"))
        parts.append(
            f'<text x="{middle:.1f}" y="{margin - 8}" {_FONT} font-size="12" fill="#333" '
            f'transform="rotate(-45 {middle:.1f} {margin - 8})">{escape(name)}</text>'
        )
    for row, line in enumerate(counts):
        total = sum(line) or 1
        for column, count in enumerate(line):
            share = count / total
            x, y = margin + column * cell, margin + row * cell
            # Mistakes are few: the square root makes them visible.
            strength = math.sqrt(share)
            colour = "0,114,178" if row == column else "213,94,0"
            parts.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{cell:.1f}" height="{cell:.1f}" '
                f'fill="rgba({colour},{strength:.3f})" stroke="#fff"><title>{escape(classes[row])} taken for '
                f"{escape(classes[column])}: {count:,}</title></rect>"
            )
            if count and cell >= 18:
                ink = "#fff" if strength > 0.6 else "#333"
                small = 10 if cell > 26 else 8
                parts.append(
                    f'<text x="{x + cell / 2:.1f}" y="{y + cell / 2 + 4:.1f}" {_FONT} font-size="{small}" '
                    f'text-anchor="middle" fill="{ink}">{count}</text>'
                )
    return "\n".join([*parts, "</svg>"])


def _head(width: int, height: int) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}"><rect width="{width}" height="{height}" fill="#fff"/>'
    )


def _text(x: float, y: float, words: str, anchor: str = "start", colour: str = "#333") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" {_FONT} font-size="12" text-anchor="{anchor}" '
        f'fill="{colour}">{escape(words)}</text>'
    )


def _ticks(most: float) -> list[float]:
    """Four to six round values from 0 to ``most``."""
    step = 10 ** math.floor(math.log10(most / 4)) if most > 0 else 1.0
    for factor in (1, 2, 2.5, 5, 10):
        if most / (step * factor) <= 5.001:
            step *= factor
            break
    return [round(step * number, 12) for number in range(int(most / step + 1e-9) + 1)]


def _thinned(x: Sequence[float], y: Sequence[float], width: int) -> list[tuple[float, float]]:
    """About one point per pixel: a curve has one per report, and a long run many thousand."""
    every = max(1, len(x) // width)
    kept = list(range(0, len(x), every))
    if len(x) and kept[-1] != len(x) - 1:
        kept.append(len(x) - 1)
    return [(x[i], y[i]) for i in kept]
