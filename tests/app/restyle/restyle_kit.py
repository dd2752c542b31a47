"""What the tests of the room Fast style share: small pictures, and the bytes of their files."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def noise(width: int = 96, height: int = 80, seed: int = 0) -> Image.Image:
    """A smooth picture."""
    small = np.random.default_rng(seed).integers(0, 255, (6, 8, 3)).astype(np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def file_of(picture: Image.Image, kind: str = "PNG") -> bytes:
    """What a file of this kind would hold."""
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()
