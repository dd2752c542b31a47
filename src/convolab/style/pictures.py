"""Pictures as tensors and back: opening, resizing, colours, and PNG files that know how they were painted."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, PngImagePlugin
from torch import Tensor
from torch.nn import functional

from convolab.datasets.pictures import open_picture
from convolab.errors import DataError, SettingsError
from convolab.spec import check
from convolab.style.settings import TransferSettings

SMALLEST = 16
"""Pixels a side: with less there is nothing to paint, and nothing to learn a style from."""
_KEY = "convolab"

Picture = Image.Image | bytes | str | Path


def read_picture(source: Picture) -> Image.Image:
    """Any picture, upright, as RGB; transparent parts on white. DataError with a sentence."""
    picture = open_picture(source).convert("RGB")
    if min(picture.size) < SMALLEST:
        name = Path(source).name if isinstance(source, str | Path) else "The picture"
        raise DataError(
            f"{name} has {picture.width}×{picture.height} pixels; at least {SMALLEST} a side are needed."
        )
    return picture


def fitted(width: int, height: int, size: int) -> tuple[int, int]:
    """(width, height) with the same proportions and ``size`` pixels on the long side."""
    scale = size / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def to_tensor(picture: Image.Image, width: int, height: int) -> Tensor:
    """float32 (1, 3, height, width), 0 … 1, resized with a Lanczos filter."""
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    pixels = torch.from_numpy(np.array(picture))
    return (pixels.permute(2, 0, 1)[None].float() / 255).contiguous()


def to_image(picture: Tensor) -> Image.Image:
    """8 bits per channel, of (1, 3, H, W) with values 0 … 1; what lies outside is cut off."""
    pixels = (picture[0].detach().clamp(0, 1) * 255).round().byte()
    return Image.fromarray(pixels.permute(1, 2, 0).cpu().numpy())


def grown(picture: Tensor, height: int, width: int) -> Tensor:
    """A larger version of (1, 3, H, W), smooth, to go on painting at.

    What changes from pixel to pixel in the small picture is grain of its own size; enlarged it is a grid
    that no loss removes quickly. So it is smoothed away first, and grain of the new size is painted instead.
    """
    kernel = torch.tensor([0.25, 0.5, 0.25], device=picture.device)
    channels = picture.shape[1]
    down = kernel.view(1, 1, 3, 1).expand(channels, 1, 3, 1)
    across = kernel.view(1, 1, 1, 3).expand(channels, 1, 1, 3)
    framed = functional.pad(picture, (1, 1, 1, 1), mode="replicate")
    smooth = functional.conv2d(functional.conv2d(framed, down, groups=channels), across, groups=channels)
    return functional.interpolate(smooth, (height, width), mode="bicubic", align_corners=False).clamp(0, 1)


def read_mask(source: Picture) -> Image.Image:
    """A mask: white where a style belongs, black where it does not, grey between. DataError."""
    return open_picture(source).convert("L")


def mask_tensor(mask: Image.Image, height: int, width: int) -> Tensor:
    """float32 (height, width), 0 … 1."""
    resized_mask = mask.resize((width, height), Image.Resampling.BOX)
    return torch.from_numpy(np.array(resized_mask)).float() / 255


def layer_mask(mask: Tensor, rows: int, columns: int) -> Tensor:
    """A mask of the picture as one of a layer: each unit gets the mean of its part."""
    return functional.adaptive_avg_pool2d(mask[None, None], (rows, columns))[0, 0]


# ------------------------------------------------------------------ colours

_LUMA = (0.299, 0.587, 0.114)


def luminance(picture: Tensor) -> Tensor:
    """(1, 1, H, W): how bright each pixel looks (ITU-R BT.601)."""
    weights = torch.tensor(_LUMA, device=picture.device).view(1, 3, 1, 1)
    return (picture * weights).sum(1, keepdim=True)


def like_brightness(style: Tensor, content: Tensor) -> Tensor:
    """A style picture in grey, with the mean and the deviation of the content's brightness.

    So that a photo which keeps its colours is given strokes, not another exposure (Gatys and others, 2016).
    """
    own, wanted = luminance(style), luminance(content)
    scale = wanted.std() / own.std().clamp_min(1e-4)
    return ((own - own.mean()) * scale + wanted.mean()).clamp(0, 1).expand(-1, 3, -1, -1).contiguous()


def with_colors_of(painted: Tensor, photo: Tensor) -> Tensor:
    """The brightness of one picture with the colours of another of the same size.

    Bright or dark places have less room for colour: there it fades, instead of being cut off.
    """
    bright = luminance(painted).clamp(0, 1)
    color = photo - luminance(photo)
    room = torch.where(color > 0, (1 - bright) / color.clamp_min(1e-6), bright / (-color).clamp_min(1e-6))
    return bright + color * room.amin(1, keepdim=True).clamp(0, 1)


# ------------------------------------------------------------------ files


def check_writable(path: str | Path) -> None:
    """DataError if a PNG could not be written there: better said before hours of painting than after."""
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise DataError(f"{path.name} must end in .png: only PNG files keep the settings, and every pixel.")
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise DataError(f"{path} cannot be written: there is no folder {path.parent} that may be written to.")


def save_png(path: str | Path, picture: Image.Image, settings: TransferSettings, **facts: Any) -> None:
    """Write a PNG whose metadata says how it was painted. DataError if it cannot be written."""
    note = PngImagePlugin.PngInfo()
    content = {"settings": settings.model_dump(), **facts}
    note.add_itxt(_KEY, json.dumps(content, ensure_ascii=False), zip=True)
    try:
        picture.save(Path(path), "PNG", pnginfo=note)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {(error.strerror or str(error)).lower()}.") from None


def read_settings(source: str | Path | Image.Image) -> tuple[TransferSettings, dict[str, Any]]:
    """The settings in a PNG that the lab painted, and what else was noted. DataError if there are none."""
    name = "The picture" if isinstance(source, Image.Image) else Path(source).name
    try:
        if isinstance(source, Image.Image):
            text = source.info.get(_KEY)
        else:
            with Image.open(source) as picture:
                picture.load()
                text = picture.info.get(_KEY)
        content = json.loads(text) if isinstance(text, str) and len(text) < 100_000 else None
        given = dict(content.pop("settings")) if isinstance(content, dict) else None
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror or 'it is not a picture'}.") from None
    except (ValueError, KeyError, TypeError, SyntaxError, AttributeError):
        given = content = None
    if given is None or content is None:
        raise DataError(f"{name} holds no settings; only PNG files that the lab painted do.")
    known = {key: value for key, value in given.items() if key in TransferSettings.model_fields}
    try:
        return check(TransferSettings, known), content
    except SettingsError as error:
        raise DataError(f"The settings in {name} cannot be used: {error}") from None
