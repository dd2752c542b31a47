from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from convolab.datasets import Dataset, dataset_input, open_picture, picture_to_input
from convolab.datasets.pictures import crop_and_resize, decode
from convolab.errors import DataError


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)  # type: ignore[arg-type]
    return file.getvalue()


def colour(image: Image.Image) -> tuple[int, ...]:
    """The colour of an image that has only one."""
    array = np.asarray(image)
    flat = array.reshape(-1, *array.shape[2:])
    assert np.ptp(flat.astype(int), axis=0).max() <= 3
    return tuple(int(value) for value in np.atleast_1d(flat[0]))


def transparent_palette() -> bytes:
    image = Image.new("P", (8, 8), 0)
    image.putpalette([255, 0, 0, 0, 255, 0])
    return encoded(image, transparency=0)


def animation() -> bytes:
    frames = [Image.new("RGB", (8, 8), shade) for shade in ("red", "blue")]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (encoded(Image.new("RGB", (8, 8), (10, 200, 30))), (10, 200, 30)),
        (encoded(Image.new("L", (8, 8), 77)), (77,)),
        (encoded(Image.new("1", (8, 8), 1)), (255,)),
        (encoded(Image.new("RGB", (8, 8), (10, 200, 30)).quantize(4)), (10, 200, 30)),
        (encoded(Image.new("RGBA", (8, 8), (255, 0, 0, 0))), (255, 255, 255)),
        (encoded(Image.new("RGBA", (8, 8), (255, 0, 0, 128))), (255, 127, 127)),
        (encoded(Image.new("LA", (8, 8), (0, 0))), (255,)),
        (transparent_palette(), (255, 255, 255)),
        (encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"), (254, 0, 0)),
        (encoded(Image.fromarray(np.full((8, 8), 32_768, np.uint16))), (128,)),
        (encoded(Image.fromarray(np.full((8, 8), 1_000, np.uint16)), "TIFF"), (4,)),
        (encoded(Image.fromarray(np.full((8, 8), 0.5, np.float32)), "TIFF"), (128,)),
        (encoded(Image.fromarray(np.full((8, 8), 200, np.int32)), "TIFF"), (200,)),
        (animation(), (254, 0, 0)),
        (encoded(Image.new("RGB", (8, 8), (10, 200, 30)), "WEBP", lossless=True), (10, 200, 30)),
        (encoded(Image.new("RGB", (8, 8), (10, 200, 30)), "BMP"), (10, 200, 30)),
    ],
)
def test_every_mode_becomes_grey_or_rgb_of_8_bits(data, expected):
    image = open_picture(data)
    assert image.mode in ("L", "RGB")
    assert image.size == (8, 8)
    found = colour(image)
    assert len(found) == len(expected)
    assert max(abs(a - b) for a, b in zip(found, expected, strict=True)) <= 3


def test_sixteen_bits_keep_their_order_from_black_to_white():
    ramp = np.linspace(0, 65_535, 256).astype(np.uint16).reshape(16, 16)
    image = np.asarray(open_picture(encoded(Image.fromarray(ramp)))).ravel()
    np.testing.assert_array_equal(image, np.arange(256))


def test_a_photo_is_turned_upright_by_its_exif_tag():
    image = Image.new("RGB", (20, 10), "black")
    image.paste("white", (0, 0, 5, 10))  # white at the left …
    exif = Image.Exif()
    exif[0x0112] = 6  # … which the camera says is the top: turn by 90° clockwise
    upright = open_picture(encoded(image, "JPEG", exif=exif, quality=95))
    assert upright.size == (10, 20)
    pixels = np.asarray(upright.convert("L")).astype(int)
    assert pixels[:4].mean() > 240
    assert pixels[6:].mean() < 15


@pytest.mark.parametrize("data", [b"", b"x" * 100, encoded(Image.effect_noise((50, 50), 50))[:900]])
def test_what_is_no_picture_is_a_sentence(data, tmp_path):
    with pytest.raises(DataError, match=r"^The picture cannot be used: it is .*\.$"):
        open_picture(data)
    (tmp_path / "x.png").write_bytes(data)
    with pytest.raises(DataError, match=r"^x.png cannot be used: it is"):
        picture_to_input(tmp_path / "x.png", (3, 8, 8))


def test_a_missing_file_is_a_sentence(tmp_path):
    with pytest.raises(DataError, match=r"none.png cannot be read: No such file"):
        open_picture(tmp_path / "none.png")


def test_resizing_takes_the_centre_and_averages():
    image = Image.new("RGB", (300, 100), "black")
    image.paste("white", (100, 0, 200, 100))
    image.paste("red", (0, 0, 90, 100))
    assert colour(crop_and_resize(image, 10, 10)) == (255, 255, 255)
    checks = np.indices((64, 64)).sum(0) % 2 * 255
    small = np.asarray(crop_and_resize(Image.fromarray(checks.astype(np.uint8)), 8, 8)).astype(int)
    assert abs(small - 127).max() <= 12, "every other pixel is white: grey, not stripes"


def test_a_large_jpeg_decoded_small_looks_the_same():
    random = np.random.default_rng(0)
    coarse = Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    photo = encoded(coarse.resize((1600, 1600), Image.Resampling.BICUBIC), "JPEG", quality=95)
    quick = decode(io.BytesIO(photo), at_least=64)
    assert quick.size == (200, 200)
    whole = decode(io.BytesIO(photo))
    small = [np.asarray(crop_and_resize(image, 32, 32)).astype(int) for image in (quick, whole)]
    assert abs(small[0] - small[1]).max() <= 4


def digit(paper: int, ink: int, size=(400, 300), at=(60, 40), width=24) -> Image.Image:
    """A seven, drawn off the centre."""
    image = Image.new("L", size, paper)
    x, y = at
    ImageDraw.Draw(image).line([(x, y), (x + 80, y), (x + 40, y + 160)], fill=ink, width=width)
    return image


def test_a_drawing_is_treated_like_the_digits_of_mnist():
    found, said = picture_to_input(digit(255, 0).convert("RGB"), (1, 28, 28))
    assert (found.shape, found.dtype) == ((1, 28, 28), np.uint8)
    image = found[0].astype(float)
    rows, columns = np.flatnonzero(image.max(1) > 20), np.flatnonzero(image.max(0) > 20)
    assert max(np.ptp(rows), np.ptp(columns)) + 1 in (19, 20)
    grid = np.arange(28)
    assert abs((image.sum(1) @ grid) / image.sum() - 14) <= 0.51
    assert abs((image.sum(0) @ grid) / image.sum() - 14) <= 0.51
    assert image.max() == 255
    assert image[0].max() == image[-1].max() == 0
    assert "inverted" in said
    assert "20×20" in said
    assert said.startswith("The picture was made grey, ")


def test_paper_or_board_place_size_light_and_noise_do_not_matter():
    expected = picture_to_input(digit(255, 0), (1, 28, 28))[0].astype(int)
    random = np.random.default_rng(0)
    shaded = np.asarray(digit(230, 40)) - np.linspace(0, 40, 400) + random.normal(0, 5, (300, 400))
    for other in (
        digit(0, 255),
        digit(255, 0, (1000, 900), (700, 500)),
        digit(255, 0).resize((4000, 3000)),
        digit(200, 60),
        Image.fromarray(np.clip(shaded, 0, 255).astype(np.uint8)),
    ):
        found = picture_to_input(other, (1, 28, 28))[0].astype(int)
        assert abs(found - expected).mean() < 8
    assert "inverted" not in picture_to_input(digit(0, 255), (1, 28, 28))[1]


def test_thin_strokes_are_thickened_and_said_so():
    found, said = picture_to_input(digit(255, 0, width=3), (1, 28, 28))
    assert "thickened" in said
    assert (found > 200).sum() >= 25
    assert "thickened" not in picture_to_input(digit(255, 0), (1, 28, 28))[1]


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_an_empty_picture_is_black_and_said_so(shade):
    found, said = picture_to_input(Image.new("L", (50, 50), shade), (1, 28, 28))
    assert not found.any()
    assert "empty" in said


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (3, 2)])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 9, 17)])
@pytest.mark.parametrize("centre", [True, False])
def test_pictures_of_odd_sizes_and_inputs_of_odd_shapes(size, shape, centre):
    image = Image.new("RGB", size, "black")
    image.putpixel((size[0] // 2, size[1] // 2), (255, 255, 255))
    found, said = picture_to_input(image, shape, centre=centre)
    assert (found.shape, found.dtype) == (shape, np.uint8)
    assert said.endswith(".")


def test_a_colour_input_is_cropped_and_keeps_its_colours():
    image = Image.new("RGB", (300, 100), "black")
    image.paste((250, 120, 10), (100, 0, 200, 100))
    found, said = picture_to_input(encoded(image), (3, 32, 32))
    assert [int(channel.mean()) for channel in found] == [250, 120, 10]
    assert said == "The picture was cropped to its centre and resized to 32×32."


def test_without_centring_the_whole_picture_is_shown():
    image = Image.new("L", (200, 100), 250)
    image.paste(0, (0, 40, 20, 60))
    found, said = picture_to_input(image, (1, 20, 20), centre=False)
    assert found[0, 10, 0] > 240, "the dark spot at the rim is still there, now bright"
    assert found[0, :4].max() < 10, "the ground is extended to a square"
    assert said == "The picture was inverted and resized to 20×20."
    kept, said = picture_to_input(image, (1, 20, 20), centre=False, invert=False)
    np.testing.assert_allclose(kept.astype(int), 255 - found.astype(int), atol=1)
    assert said == "The picture was resized to 20×20."


def dataset(images: np.ndarray) -> Dataset:
    labels = np.zeros(len(images), np.int64)
    return Dataset("x", "X", ("a", "b"), images, labels, images, labels)


def test_the_treatment_follows_from_the_data_set():
    digits = np.zeros((10, 1, 28, 28), np.uint8)
    digits[:, :, 6:22, 10:18] = 255
    clothes = np.zeros((10, 1, 28, 28), np.uint8)
    clothes[:, :, :, 5:23] = 200
    photos = np.full((10, 1, 28, 28), 120, np.uint8)
    drawing = digit(255, 0)
    assert "centre of mass" in dataset_input(drawing, dataset(digits))[1]
    assert dataset_input(drawing, dataset(clothes))[1] == "The picture was inverted and resized to 28×28."
    assert dataset_input(drawing, dataset(photos))[1] == "The picture was resized to 28×28."
