"""The picture of all activations shows them, in the colours that the legend promises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from look_kit import inspected, networks, picture
from PIL import ImageFont

from convolab.activations import lettering
from convolab.activations.drawing import HIGH, LOW, WIDTH, ZERO, draw, signed_colours
from convolab.networks import Network, preset
from convolab.networks.layers import Conv2d, Flatten, GlobalAvgPool2d, Linear, MaxPool2d


def test_the_scale_goes_from_blue_over_white_to_orange() -> None:
    colours = signed_colours(np.array([-2.0, -1.0, 0.0, 0.5, 1.0, 3.0]), 1.0)
    assert [tuple(colour) for colour in colours[[0, 1, 2, 4, 5]]] == [LOW, LOW, ZERO, HIGH, HIGH]
    np.testing.assert_allclose(colours[3], (np.array(ZERO) + HIGH) / 2, atol=1)
    assert (signed_colours(np.zeros((2, 2)), 0.0) == 255).all()


def holds(picture: np.ndarray, part: np.ndarray) -> bool:
    """Whether ``part`` is somewhere in ``picture``, pixel by pixel."""
    height, width = part.shape[:2]
    corner = (picture[: -height or None, : -width or None] == part[0, 0]).all(-1)
    corner &= (picture[height - 1 : -1, width - 1 : -1] == part[-1, -1]).all(-1)
    return any(np.array_equal(picture[y : y + height, x : x + width], part) for y, x in np.argwhere(corner))


def test_every_unit_is_a_square_in_its_colour() -> None:
    network = Network(
        input_shape=(1, 12, 12),
        layers=(
            Conv2d(out_channels=3, kernel_size=3), MaxPool2d(kernel_size=2, stride=2), Flatten(),
            Linear(out_features=6),
        ),
    )  # fmt: skip
    inspector, _ = inspected(network)
    activations = inspector.run(picture(network))
    drawn = np.asarray(draw(activations))
    for level in inspector.levels:
        values = activations.values(level.key)
        limit = float(np.abs(values).max())
        for plane in values if values.ndim == 3 else values.reshape(-1, 1, 1):
            colours = signed_colours(plane, limit)
            cell = 8 if values.ndim == 3 else 20
            assert holds(drawn, colours.repeat(cell, 0).repeat(cell, 1)), level.key


@pytest.mark.parametrize("name", ["every kind", "resnet", "random 1", "random 4", "random 6"])
def test_networks_of_every_kind_can_be_drawn_and_marked(name: str) -> None:
    network = networks()[name]
    inspector, _ = inspected(network)
    activations = inspector.run(picture(network))
    plain = np.asarray(draw(activations, title="Any", caption=["Said " * 80]))
    assert plain.shape[1] == WIDTH
    for level in inspector.levels[:: 1 + len(inspector.levels) // 6]:
        unit = activations.unit(level.key, (0,) * len(level.shape))
        marked = np.asarray(draw(activations, title="Any", caption=["Said " * 80], unit=unit))
        assert (marked != plain).any()


def test_large_and_many_maps_still_fit() -> None:
    layers = (Conv2d(out_channels=300, kernel_size=3), GlobalAvgPool2d(), Linear(out_features=40))
    network = Network(input_shape=(3, 96, 160), layers=layers)
    inspector, _ = inspected(network)
    drawn = draw(inspector.run(picture(network)))
    assert drawn.width == WIDTH
    assert drawn.height < 1400


def test_without_a_font_of_the_system_plain_letters_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    original = ImageFont.truetype

    def by_name(font: Any, *rest: Any, **options: Any) -> Any:
        if isinstance(font, str):
            raise OSError
        return original(font, *rest, **options)  # Pillow's own

    monkeypatch.setattr(ImageFont, "truetype", by_name)
    lettering._font.cache_clear()
    try:
        assert lettering.readable("5×5 − ±ä…", 15, 500) == "5x5 - +-a..."
        inspector, _ = inspected(preset("harley-mlp", (1, 28, 28), 10))
        assert draw(inspector.run(np.zeros((1, 28, 28), np.float32)), title="Größe").width == WIDTH
    finally:
        lettering._font.cache_clear()
    assert lettering.readable("a long line of text", 15, 60).endswith(("…", "..."))
