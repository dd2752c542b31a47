"""The pictures that the lab paints itself."""

from __future__ import annotations

import numpy as np
import pytest

from convolab.errors import SettingsError
from convolab.style.painted import PAINTED, SCENES, STYLES, paint


@pytest.mark.parametrize("name", PAINTED)
def test_each_is_colourful_repeatable_and_another_with_another_seed(name: str) -> None:
    one = np.asarray(paint(name, 48)).astype(float)
    assert one.shape == (48, 48, 3)
    assert one.std() > 20
    assert np.array_equal(one, np.asarray(paint(name, 48)))
    assert abs(one - np.asarray(paint(name, 48, seed=1))).mean() > 2


def test_names() -> None:
    assert set(STYLES) == {"strokes", "waves", "mosaic", "hatching", "dots"}
    assert set(SCENES) == {"lake"}
    with pytest.raises(SettingsError, match="mosaic"):
        paint("mosaik")
