"""Pictures in and out: every kind that people have, and those that cannot be used."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from style_kit import image

from convolab.errors import DataError
from convolab.style.pictures import (
    check_writable,
    fitted,
    grown,
    layer_mask,
    like_brightness,
    luminance,
    mask_tensor,
    read_mask,
    read_picture,
    read_settings,
    save_png,
    to_image,
    to_tensor,
    with_colors_of,
)
from convolab.style.settings import TransferSettings


def test_tensors_and_back() -> None:
    there = to_tensor(image(1), 40, 32)
    assert there.shape == (1, 3, 32, 40)
    assert np.array_equal(np.asarray(to_image(there)), np.asarray(image(1)))
    assert to_tensor(image(1), 20, 16).shape == (1, 3, 16, 20)
    assert fitted(800, 600, 512) == (512, 384)
    assert fitted(600, 800, 512) == (384, 512)
    assert fitted(10_000, 1, 32) == (32, 1)


def test_kinds_of_pictures(tmp_path: Path) -> None:
    plain = image(1)
    red = np.asarray(plain)[..., 0].astype(float)

    plain.convert("CMYK").save(tmp_path / "cmyk.jpg", quality=100)
    assert abs(np.asarray(read_picture(tmp_path / "cmyk.jpg")).astype(float)[..., 0] - red).mean() < 8

    plain.convert("L").save(tmp_path / "grey.png")
    grey = np.asarray(read_picture(tmp_path / "grey.png"))
    assert grey.shape == (32, 40, 3)
    assert np.array_equal(grey[..., 0], grey[..., 2])

    seen = Image.new("RGBA", (40, 32), (10, 20, 30, 0))
    seen.paste((200, 0, 0, 255), (0, 0, 20, 32))
    seen.save(tmp_path / "clear.png")
    pixels = np.asarray(read_picture(tmp_path / "clear.png"))
    assert tuple(pixels[0, 0]) == (200, 0, 0)
    assert tuple(pixels[0, 39]) == (255, 255, 255)  # what is transparent becomes white

    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    plain.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    turned = read_picture(tmp_path / "turned.jpg")
    assert turned.size == (32, 40)
    upright = np.asarray(plain.rotate(-90, expand=True)).astype(float)
    assert abs(np.asarray(turned).astype(float) - upright).mean() < 10


def huge_png(side: int) -> bytes:
    """The first bytes of a picture that claims to be of that size."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = b""
    for kind, content in ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")):
        chunks += struct.pack(">I", len(content)) + kind + content
        chunks += struct.pack(">I", zlib.crc32(kind + content))
    return b"\x89PNG\r\n\x1a\n" + chunks


def test_what_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "huge.png").write_bytes(huge_png(20_000))
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    content = (tmp_path / "dot.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(content[: len(content) // 2])
    for name, sentence in (
        ("text.png", "text.png cannot be used: it is not a picture"),
        ("huge.png", "huge.png cannot be used: it has more than 100 million pixels"),
        ("dot.png", "dot.png has 1×1 pixels; at least 16 a side are needed"),
        ("cut.png", "cut.png cannot be used: it is"),
        ("none.png", "none.png cannot be read: No such file"),
    ):
        with pytest.raises(DataError) as refused:
            read_picture(tmp_path / name)
        assert sentence in str(refused.value)


def test_growing_keeps_shapes_and_drops_the_grain_of_the_small_picture() -> None:
    across = torch.arange(20) % 2 * 1.0
    grain = across.expand(1, 3, 16, 20).contiguous()
    assert grown(grain, 32, 40).shape == (1, 3, 32, 40)
    assert float(grown(grain, 32, 40)[..., 4:-4].std()) < 0.01
    steps = (torch.arange(20) // 10 * 1.0).expand(1, 3, 16, 20).contiguous()
    large = grown(steps, 32, 40)
    assert float(large[..., :16].max()) < 0.05
    assert float(large[..., 24:].min()) > 0.95


def test_masks() -> None:
    drawn = Image.new("RGBA", (8, 8), (0, 0, 0, 255))
    drawn.paste((255, 255, 255, 255), (0, 0, 4, 8))
    mask = mask_tensor(read_mask(drawn), 16, 16)
    assert mask.shape == (16, 16)
    assert torch.equal(mask[:, :8], torch.ones(16, 8))
    assert torch.equal(mask[:, 8:], torch.zeros(16, 8))
    small = layer_mask(mask, 3, 3)
    assert float(small[0, 0]) == 1
    assert 0.3 < float(small[0, 1]) < 0.7


def test_colours() -> None:
    photo, style = to_tensor(image(1), 40, 32), to_tensor(image(2), 40, 32)
    grey = like_brightness(style, photo)
    assert torch.equal(grey[:, 0], grey[:, 2])
    assert float(grey.mean()) == pytest.approx(float(luminance(photo).mean()), abs=0.02)
    assert float(grey.std()) == pytest.approx(float(luminance(photo).std()), rel=0.1)
    mixed = with_colors_of(style, photo)
    assert float(mixed.min()) >= -1e-6
    assert float(mixed.max()) <= 1 + 1e-6
    assert torch.allclose(luminance(mixed), luminance(style), atol=1e-5)
    assert torch.allclose(with_colors_of(photo, photo), photo, atol=1e-5)


def test_settings_in_files(tmp_path: Path) -> None:
    settings = TransferSettings(weight=0.25, size=640, style_weights="1,1,1,1,2")
    save_png(tmp_path / "a.png", image(1), settings, step=7)
    assert read_settings(tmp_path / "a.png") == (settings, read_settings(tmp_path / "a.png")[1])
    assert read_settings(tmp_path / "a.png")[1] == {"step": 7}
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), np.asarray(image(1)))

    image(1).save(tmp_path / "plain.png")
    with pytest.raises(DataError, match=r"plain\.png holds no settings"):
        read_settings(tmp_path / "plain.png")
    (tmp_path / "text.png").write_text("no")
    with pytest.raises(DataError, match=r"text\.png"):
        read_settings(tmp_path / "text.png")

    for path in (tmp_path / "a.jpg", tmp_path / "nowhere" / "a.png", tmp_path):
        with pytest.raises(DataError):
            check_writable(path)
    check_writable(tmp_path / "new.png")
