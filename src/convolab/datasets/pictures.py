"""From any picture to what a network takes: upright, 8 bits, grey or RGB, of the data set's size."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageFilter, ImageOps, UnidentifiedImageError

from convolab.datasets.dataset import Dataset
from convolab.errors import DataError

MAX_PIXELS = 100_000_000
"""Larger pictures are refused before they are decoded: a few bytes can claim to be gigabytes."""

_NOT_PLAIN_DATA = {"EPS", "WMF"}
"""Kinds that Pillow hands to another program, which would run code from the file."""

_STROKE = 2.0
"""Strokes thinner than this, in pixels of the input, would fade away when a big drawing is made small."""

_ENOUGH = 400
"""Photographs of drawings are made this small first: plenty for a network's input, and quick."""

_LEVELS = np.arange(256) + 0.5
"""The middle of each level of brightness."""


class Unreadable(Exception):
    """Why a file cannot be used as a picture; ``str()`` completes "cat.jpg: …"."""


def open_picture(source: Image.Image | bytes | str | Path) -> Image.Image:
    """A picture of any kind, upright, as mode ``L`` or ``RGB``. Raises DataError with a sentence."""
    if isinstance(source, Image.Image):
        return flatten(ImageOps.exif_transpose(source))
    name = "The picture"
    try:
        if isinstance(source, bytes):
            return decode(io.BytesIO(source))
        name = Path(source).name
        with Path(source).open("rb") as file:
            return decode(file)
    except Unreadable as error:
        raise DataError(f"{name} cannot be used: {error}.") from None
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror or error}.") from None


def decode(file: BinaryIO, *, at_least: int | None = None) -> Image.Image:
    """Decode a picture file: upright, mode ``L`` or ``RGB``; of an animation the first frame.

    ``at_least`` allows a JPEG to be decoded smaller than it is, with both sides still at least so long, which
    is several times faster. Raises Unreadable.
    """
    Image.init()
    kinds = [kind for kind in Image.OPEN if kind not in _NOT_PLAIN_DATA]
    try:
        with Image.open(file, formats=kinds) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise Unreadable(f"it has more than {MAX_PIXELS // 1_000_000} million pixels")
            if at_least is not None and picture.format == "JPEG":
                picture.draft(None, (at_least, at_least))
            picture.load()
            return flatten(ImageOps.exif_transpose(picture))
    except Unreadable:
        raise
    except UnidentifiedImageError:
        file.seek(0, io.SEEK_END)
        what = "it is not a picture of a kind that can be read" if file.tell() else "it is empty (0 bytes)"
        raise Unreadable(what) from None
    except Image.DecompressionBombError:
        raise Unreadable(f"it has more than {MAX_PIXELS // 1_000_000} million pixels") from None
    except MemoryError:
        raise Unreadable("it needs more memory than there is") from None
    except Exception:  # on damaged files Pillow raises OSError, SyntaxError, struct.error, IndexError, …
        raise Unreadable("it is damaged or cut short") from None


def flatten(picture: Image.Image) -> Image.Image:
    """Any mode as ``L`` (grey) or ``RGB``, 8 bits a channel; what is transparent becomes white."""
    if picture.mode in ("L", "RGB"):
        if "transparency" not in picture.info:
            return picture.copy()
    elif picture.mode == "1":
        return picture.convert("L")
    elif picture.mode.startswith(("I", "F")):
        return _eight_bits(picture)
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        solid = picture.convert("RGBA")
        paper = Image.new("RGBA", solid.size, "white")
        return Image.alpha_composite(paper, solid).convert(
            "L" if picture.mode in ("LA", "La", "L") else "RGB"
        )
    return picture.convert("RGB")  # P, CMYK, YCbCr, HSV, LAB


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits or floating point to 8 bits, by its full range if that is known, else its own."""
    values = np.nan_to_num(np.asarray(picture).astype(np.float64))
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 1 and picture.mode == "F":
        low, high = 0.0, 1.0
    elif low >= 0 and high <= 255 and not picture.mode.startswith("I;16"):
        low, high = 0.0, 255.0
    elif low >= 0 and high <= 65_535:
        low, high = 0.0, 65_535.0
    scaled = (values - low) * (255.0 / (high - low)) if high > low else np.zeros_like(values)
    return Image.fromarray(np.round(scaled).astype(np.uint8))


def to_pixels(picture: Image.Image, channels: int) -> np.ndarray:
    """uint8 (C, H, W) of a picture of mode ``L`` or ``RGB``; 1 channel is grey, 3 are red, green, blue."""
    pixels = np.asarray(picture.convert("L" if channels == 1 else "RGB"))
    return pixels[None] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def crop_and_resize(picture: Image.Image, height: int, width: int) -> Image.Image:
    """The largest centred part with the wanted proportions, resized with a Lanczos filter."""
    scale = min(picture.width / width, picture.height / height)
    wide, high = max(1, round(width * scale)), max(1, round(height * scale))
    left, top = (picture.width - wide) // 2, (picture.height - high) // 2
    # Cropped first: the filter would otherwise reach for pixels outside the crop.
    cropped = picture.crop((left, top, left + wide, top + high))
    return cropped.resize((width, height), Image.Resampling.LANCZOS)


def picture_to_input(
    image: Image.Image | bytes | str | Path,
    dataset_shape: tuple[int, int, int],
    *,
    centre: bool = True,
    invert: bool | None = None,
) -> tuple[np.ndarray, str]:
    """A picture as one input of a network: uint8 (C, H, W), and a sentence that says what was done to it.

    For a colour data set the picture is cropped to its centre and resized. For a grey one it is made grey;
    ``invert`` swaps dark and bright (None: where the picture's rim is bright, as on paper, so that strokes
    become bright on dark); ``centre`` then does what was done to the digits of MNIST: cut out, scaled to fit
    20 out of 28 pixels, and placed with the centre of mass in the middle (LeCun et al., 1998). Raises
    DataError if the picture cannot be read.
    """
    picture = open_picture(image)
    channels, height, width = dataset_shape
    if channels != 1:
        cropped = picture.width * height != picture.height * width
        steps = [f"resized to {width}×{height}"]
        if cropped:
            steps.insert(0, "cropped to its centre")
        return to_pixels(crop_and_resize(picture, height, width), channels), _sentence(steps)
    shown = picture if picture.mode == "L" else picture.convert("L")
    if max(shown.size) > _ENOUGH:
        shown = shown.copy()
        shown.thumbnail((_ENOUGH, _ENOUGH), Image.Resampling.LANCZOS)
    grey = np.asarray(shown)
    steps = ["made grey"] if picture.mode != "L" else []
    if _rim(grey) > 127 if invert is None else invert:
        grey = 255 - grey
        steps.append("inverted, so that strokes are bright on dark" if centre else "inverted")
    if centre:
        strokes = _strokes(grey)
        if strokes is None:
            return np.zeros(
                dataset_shape, np.uint8
            ), "The picture is empty: nothing stands out from its background."
        result, thickened = _centred(strokes, height, width)
        box = round(min(height, width) * 20 / 28)
        steps += ["cut out", *(["thickened"] if thickened else []), f"scaled to fit {box}×{box}"]
        steps.append("centred by its centre of mass, as in MNIST")
        return result[None], _sentence(steps)
    whole = _padded(grey, height, width)
    steps.append(f"resized to {width}×{height}")
    return np.asarray(whole.resize((width, height), Image.Resampling.LANCZOS))[None], _sentence(steps)


def dataset_input(
    image: Image.Image | bytes | str | Path, dataset: Dataset, *, centre: bool | None = None
) -> tuple[np.ndarray, str]:
    """`picture_to_input` with the treatment that suits a data set, read off its mean image.

    A grey data set whose images are dark at the rim gets bright-on-dark pictures; one whose images keep their
    rim empty, as MNIST's do, gets centred ones, unless ``centre`` says otherwise.
    """
    from convolab.datasets.measures import statistics

    mean = statistics(dataset).mean_image
    dark_rim = _rim(mean[0]) < 32
    frame = np.ones(mean[0].shape, bool)
    frame[2:-2, 2:-2] = False
    empty_rim = float(mean[0][frame].mean()) < 2
    if centre is None:
        centre = dark_rim and empty_rim
    return picture_to_input(image, dataset.input_shape, centre=centre, invert=None if dark_rim else False)


def _sentence(steps: list[str]) -> str:
    return f"The picture was {', '.join(steps[:-1])}{' and ' if steps[:-1] else ''}{steps[-1]}."


def _rim(grey: np.ndarray) -> float:
    """The median brightness along the four edges."""
    depth = max(1, min(grey.shape) // 25)
    edges = [grey[:depth], grey[-depth:], grey[:, :depth], grey[:, -depth:]]
    return float(np.median(np.concatenate([edge.ravel() for edge in edges])))


def _strokes(grey: np.ndarray) -> np.ndarray | None:
    """What stands out from a dark background, float32 0..255 elsewhere 0; None if nothing does."""
    ground, noise = _ground(grey)
    empty = 0
    if isinstance(ground, float) and ground == 0:  # a drawing: its empty part need not be looked at
        lifted = grey[_box(grey)]
        empty = grey.size - lifted.size
    elif isinstance(ground, float):
        lifted = np.clip(grey.astype(np.int16) - int(ground), 0, 255).astype(np.uint8)
    else:
        lifted = np.clip(grey - ground, 0, None)
    if not lifted.size or lifted.max() < 24 + 4 * noise:
        return None
    counts = np.bincount(lifted.astype(np.uint8).ravel(), minlength=256)
    counts[0] += empty
    threshold = max(_otsu(counts) / 2, 4 * noise)
    mask = lifted > threshold
    if noise and min(mask.shape) > 64:  # specks of dust: kept is what the majority of 5×5 neighbours agree on
        mask &= np.asarray(Image.fromarray(mask).convert("L").filter(ImageFilter.BoxBlur(2))) > 127
    box = _box(mask)
    if not mask[box].size:
        return None
    cut = lifted[box] * mask[box]
    full = np.percentile(cut[cut > 0], 90) if noise else _percentile(counts, threshold, 0.9)
    return cut if full == 255 else np.clip(cut * (255 / full), 0, 255)


def _box(marked: np.ndarray) -> tuple[slice, slice]:
    """The rows and columns of (H, W) between the first and the last that are not all 0."""
    rows, columns = np.flatnonzero(marked.any(1)), np.flatnonzero(marked.any(0))
    if not len(rows):
        return slice(0), slice(0)
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _percentile(counts: np.ndarray, threshold: float, share: float) -> float:
    """As `numpy.percentile`, of the levels above a threshold, from how often there is each of 0..255."""
    first = int(threshold) + 1
    below = np.cumsum(counts[first:])
    place = share * (int(below[-1]) - 1)
    low, high = np.searchsorted(below, (int(place), math.ceil(place)), side="right")
    return first + float(low + (high - low) * (place % 1))


def _ground(grey: np.ndarray) -> tuple[np.ndarray | float, float]:
    """The background and its noise: a smooth surface through the rim, float32 (H, W), for uneven light.

    One number for a drawing from the screen, whose ground is all the same.
    """
    height, width = grey.shape
    depth = max(1, min(grey.shape) // 25)
    edges = (grey[:depth], grey[-depth:], grey[:, :depth], grey[:, -depth:])
    size = sum(edge.size for edge in edges)
    # Strokes may reach the rim; the noise of a camera never leaves three quarters of it at one level.
    for common in (int(grey[0, 0]), int(grey[-1, -1])):
        if sum(np.count_nonzero(edge == common) for edge in edges) >= 0.75 * size:
            return float(common), 0.0
    rows, columns = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None]
    rim = np.ones(grey.shape, bool)
    rim[depth : height - depth, depth : width - depth] = False
    rim &= abs(grey - _rim(grey)) < 64  # strokes that reach the rim are no background
    known = grey[rim].astype(np.float64)
    if len(known) < 100:
        return float(round(_rim(grey))), 0.0
    y, x = (np.broadcast_to(axis, grey.shape)[rim] for axis in (rows, columns))
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    c, *_ = np.linalg.lstsq(terms.T @ terms, terms.T @ known, rcond=None)
    noise = float(np.std(known - terms @ c))
    across = c[0] + c[1] * columns + c[3] * columns**2
    return (across + (c[2] + c[4] * columns + c[5] * rows) * rows).astype(np.float32), noise


def _otsu(counts: np.ndarray) -> float:
    """The threshold that separates two groups of brightness best (Otsu, 1979), from how often each is."""
    below = np.cumsum(counts)
    total = np.cumsum(counts * _LEVELS)
    size, whole = int(below[-1]), int(total[-1])
    below, total = below[:-1], total[:-1]
    above = size - below
    # The gap of the means, squared, times both sizes; where a group is empty its 0 stays 0.
    products = np.maximum(below * above, 1).astype(np.float64)
    between = (total * float(size) - below * float(whole)) ** 2 / products
    return float(np.argmax(between)) + 1.0


def _centred(strokes: np.ndarray, height: int, width: int) -> tuple[np.ndarray, bool]:
    """uint8 (H, W) with the strokes in a box of 20/28 of the side, their centre of mass in the middle."""
    scale = min(height, width) * 20 / 28 / max(strokes.shape)
    if strokes.dtype != np.uint8:
        strokes = np.round(strokes).astype(np.uint8)
    wide = _stroke_width(strokes > 127)
    thin = wide * scale < _STROKE * 0.75
    if thin:
        strokes = _grown(strokes, min(round(_STROKE / scale - wide) // 2, 20))
        scale = min(height, width) * 20 / 28 / max(strokes.shape)
    size = max(1, round(strokes.shape[1] * scale)), max(1, round(strokes.shape[0] * scale))
    small = np.asarray(
        Image.fromarray(strokes).resize(
            size, Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC
        )
    )
    if (brightest := int(small.max())) not in (0, 255):
        small = np.round(small * (255 / brightest)).astype(np.uint8)
    down, across = small.sum(1), small.sum(0)
    mass = max(int(down.sum()), 1)
    # MNIST's digits have their mean centre of mass at row 14.0, column 14.0, counted from the first one's 0.
    top = round(height / 2 - int(down @ np.arange(size[1])) / mass)
    left = round(width / 2 - int(across @ np.arange(size[0])) / mass)
    top, left = min(max(top, 0), height - size[1]), min(max(left, 0), width - size[0])
    result = np.zeros((height, width), np.uint8)
    result[top : top + size[1], left : left + size[0]] = small
    return result, bool(thin)


def _grown(values: np.ndarray, by: int) -> np.ndarray:
    """uint8 (H + 2·by, W + 2·by): each pixel the largest of those at most ``by`` away, down or across."""
    values = np.pad(values, 2 * by)
    for _ in (0, 1):
        values = values.swapaxes(0, 1)
        reach = 1
        while reach < 2 * by + 1:  # the largest of twice as many neighbours with each turn
            step = min(reach, 2 * by + 1 - reach)
            values = np.maximum(values[:-step], values[step:])
            reach += step
    return values


def _stroke_width(mask: np.ndarray) -> float:
    """About how wide the strokes are, in pixels: twice their area over the length of their outline."""
    inner = mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    area, within = int(np.count_nonzero(mask)), int(np.count_nonzero(inner))
    return 2 * area / max(area - within, 1)


def _padded(grey: np.ndarray, height: int, width: int) -> Image.Image:
    """The whole picture on a ground of its rim's brightness that has the wanted proportions."""
    scale = max(grey.shape[1] / width, grey.shape[0] / height)
    size = max(grey.shape[1], round(width * scale)), max(grey.shape[0], round(height * scale))
    ground = Image.new("L", size, round(_rim(grey)))
    drawn = Image.fromarray(np.round(grey).astype(np.uint8))
    ground.paste(drawn, ((size[0] - drawn.width) // 2, (size[1] - drawn.height) // 2))
    return ground
