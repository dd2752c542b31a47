"""Restyling pictures: one style, several mixed, one after the other, or one again and again.

For the assignment's three questions every picture on the way is kept. Between two filters a picture is
rounded to 8 bits a channel, so a chain is exactly what one gets by saving each picture and opening it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from convolab.errors import SettingsError
from convolab.style.fast.network import Padding
from convolab.style.fast.painter import Painter, Styles, share_text
from convolab.style.pictures import Picture, fitted, read_picture, to_image, to_tensor, with_colors_of

MOST_REPEATS = 100
MOST_PIXELS = 100_000_000


@dataclass(frozen=True)
class Filtered:
    """A picture on the way: after which filter, and how it looks."""

    filter: str
    """The style, or the styles with their shares; empty for the photo itself."""
    picture: Image.Image


def stylize(
    image: Picture,
    style: Styles,
    strength: float = 1.0,
    size: int | None = None,
    *,
    repeat: int = 1,
    then: Sequence[Styles] = (),
    padding: Padding = "reflect",
    preserve_color: bool = False,
    memory_mb: int | None = None,
) -> Image.Image:
    """A picture as a style paints it.

    ``style``: the name of a style of the library, its file, or several with shares (``"wave:0.3,scream:0.7"``
    or a dict). ``strength``: 0 is the photo, 1 the painting. ``size``: long side in pixels at which it is
    painted; None keeps the picture's own. ``repeat``: so many times one after the other; ``then``: other
    styles after it. ``padding``: what the network sees beyond the edge. Raises ConvolabError with one
    sentence.
    """
    options = {"repeat": repeat, "then": then, "padding": padding, "memory_mb": memory_mb}
    return stylize_steps(image, style, strength, size, preserve_color=preserve_color, **options)[-1].picture  # type: ignore[arg-type]


def stylize_steps(
    image: Picture,
    style: Styles,
    strength: float = 1.0,
    size: int | None = None,
    *,
    repeat: int = 1,
    then: Sequence[Styles] = (),
    padding: Padding = "reflect",
    preserve_color: bool = False,
    memory_mb: int | None = None,
) -> list[Filtered]:
    """As `stylize`, with every picture on the way: first the photo at its size, last the result."""
    painters = chain(style, repeat=repeat, then=then, padding=padding, memory_mb=memory_mb)
    return through(image, painters, strength, size, preserve_color=preserve_color)


def chain(
    style: Styles,
    *,
    repeat: int = 1,
    then: Sequence[Styles] = (),
    padding: Padding = "reflect",
    memory_mb: int | None = None,
) -> list[Painter]:
    """The painters of a chain of filters, to be used for many pictures. ConvolabError."""
    if not 1 <= repeat <= MOST_REPEATS or len(then) > MOST_REPEATS:
        raise SettingsError(f"A filter can be applied 1 to {MOST_REPEATS} times, not {repeat}.")
    first = Painter(style, padding=padding, memory_mb=memory_mb)
    return [first] * repeat + [Painter(other, padding=padding, memory_mb=memory_mb) for other in then]


def through(
    image: Picture,
    painters: Sequence[Painter],
    strength: float = 1.0,
    size: int | None = None,
    *,
    preserve_color: bool = False,
) -> list[Filtered]:
    """The photo, and what each of the painters makes of the picture before it."""
    photo = sized(read_picture(image), size)
    found = [Filtered("", photo)]
    own = to_tensor(photo, *photo.size) if preserve_color else None
    for painter in painters:
        picture = found[-1].picture
        painted = painter(to_tensor(picture, *picture.size), strength)
        if own is not None:
            painted = with_colors_of(painted, own.to(painted.device))
        found.append(Filtered(share_text(painter.styles), to_image(painted)))
    return found


def sized(photo: Image.Image, size: int | None) -> Image.Image:
    """The photo with ``size`` pixels on its long side. SettingsError for a size that cannot be painted."""
    if size is None:
        return photo
    if size < 16:
        raise SettingsError(f"The size must be at least 16 pixels, not {size}.")
    width, height = fitted(photo.width, photo.height, size)
    if width * height > MOST_PIXELS:
        raise SettingsError(
            f"{width}×{height} are more than {MOST_PIXELS // 1_000_000} million pixels; choose a smaller "
            "size."
        )
    return photo if (width, height) == photo.size else photo.resize((width, height), Image.Resampling.LANCZOS)


def save_picture(path: str | Path, picture: Image.Image) -> None:
    """Write a PNG, JPEG or WebP by the name's ending; whole or not at all. DataError."""
    from convolab.errors import DataError

    path = Path(path)
    kinds = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
    kind = kinds.get(path.suffix.lower())
    if kind is None:
        raise DataError(f"{path.name} must end in .png, .jpg or .webp.")
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        picture.save(unfinished, kind, **({} if kind == "PNG" else {"quality": 93}))
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise DataError(f"{path} cannot be written: {(error.strerror or str(error)).lower()}.") from None
