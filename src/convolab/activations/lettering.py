"""Text in pictures: with a font of the system where there is one, in plain letters where there is not."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Any

from PIL import ImageDraw, ImageFont

Colour = tuple[int, int, int]

_FONTS = ("DejaVuSans.ttf", "LiberationSans-Regular.ttf", "Arial.ttf", "arial.ttf", "Helvetica.ttc")


@cache
def _font(size: int) -> tuple[Any, bool]:
    """A font, and whether it has more than ASCII: Pillow's own has little else."""
    for name in _FONTS:
        try:
            return ImageFont.truetype(name, size), True
        except OSError:
            continue
    return ImageFont.load_default(size), False


def readable(text: str, size: int, most: float) -> str:
    """The text in letters that the font has, cut to at most ``most`` pixels."""
    font, full = _font(size)
    if not full:
        for sign, plain in (("×", "x"), ("−", "-"), ("–", "-"), ("±", "+-"), ("·", "-"), ("…", "...")):
            text = text.replace(sign, plain)
        text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    ending = "…" if full else "..."
    while text and font.getlength(text) > most:
        text = text.removesuffix(ending)[:-1] + ending
        if text == ending:
            break
    return text


def write(
    pen: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    size: int,
    colour: Colour,
    most: float,
) -> None:
    """Write a line from its upper left corner on, at most ``most`` pixels wide."""
    pen.text(at, readable(text, size, most), font=_font(size)[0], fill=colour)


def write_centred(
    pen: ImageDraw.ImageDraw,
    x: float,
    y: float,
    text: str,
    size: int,
    colour: Colour,
    most: float,
) -> None:
    """Write a line with its middle at ``x``."""
    fitting = readable(text, size, most)
    pen.text((x - _font(size)[0].getlength(fitting) / 2, y), fitting, font=_font(size)[0], fill=colour)


def wrapped(lines: Sequence[str], size: int, most: float) -> list[str]:
    """Lines broken between words, so that each is at most ``most`` pixels wide."""
    font, _ = _font(size)
    found: list[str] = []
    for line in lines:
        current = ""
        for word in line.split():
            longer = f"{current} {word}".strip()
            if current and font.getlength(longer) > most:
                found.append(current)
                longer = word
            current = longer
        found.append(current)
    return found
