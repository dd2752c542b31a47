"""With the real VGG-16, fetched once into the cache of the test run: it is the known one, and paints."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from convolab.errors import DataError
from convolab.style.compare import measure_content, measure_style
from convolab.style.events import Iterate, TransferFinished
from convolab.style.features import FeatureNetwork
from convolab.style.loading import load_network
from convolab.style.painted import paint
from convolab.style.settings import TransferSettings
from convolab.style.transferring import Transfer
from convolab.style.weights import load_weights

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def network() -> FeatureNetwork:
    try:
        return load_network("vgg-16", padding="replicate")
    except DataError as error:
        pytest.skip(f"VGG-16 cannot be had here: {error}")


def test_the_weights_are_the_known_ones(network: FeatureNetwork) -> None:
    first = load_weights("vgg-16")["conv1_1.weight"]
    # As Keras shows them for block1_conv1.
    np.testing.assert_allclose(first[0, :, 0, 0], [0.42947057, 0.55037946, 0.4800154], rtol=1e-6)
    np.testing.assert_allclose(first[:3, 0, 0, 0], [0.42947057, 0.11727387, 0.03401296], rtol=1e-5)


def test_style_and_content_are_what_people_mean_by_them(network: FeatureNetwork) -> None:
    scene, strokes, waves = (paint(name, 128) for name in ("lake", "strokes", "waves"))
    other_strokes = paint("strokes", 128, seed=5)
    layers = ("relu1_1", "relu2_1", "relu3_1")
    alike = measure_style(network, strokes, other_strokes, layers, 128).relative
    assert alike < 0.5 * measure_style(network, strokes, waves, layers, 128).relative
    blurred = Image.fromarray(np.asarray(scene)).resize((64, 64)).resize((128, 128))
    same = measure_content(network, scene, blurred, size=128)
    other = measure_content(network, scene, strokes, size=128)
    assert same.total < 0.8 * other.total
    assert measure_content(network, scene, scene, size=128).total == 0


def test_painting(network: FeatureNetwork) -> None:
    settings = TransferSettings(size=96, steps=12, start="content", weight=0.8)
    work = Transfer(paint("lake", 128), paint("strokes", 128), settings, network=network)
    events = list(work.iterates())
    iterates = [event for event in events if isinstance(event, Iterate)]
    end = events[-1]
    assert isinstance(end, TransferFinished)
    assert end.total < iterates[0].total / 3
    painted = np.asarray(work.picture()).astype(float)
    assert painted.std() > 20
    # No border: the outermost pixels are as bright as their neighbours.
    rim = np.concatenate([painted[0], painted[-1], painted[:, 0], painted[:, -1]]).mean()
    inner = np.concatenate([painted[3], painted[-4], painted[:, 3], painted[:, -4]]).mean()
    assert abs(rim - inner) < 15


def test_larger_strokes_are_larger_in_the_picture(network: FeatureNetwork) -> None:
    grey = Image.new("RGB", (96, 96), (128, 128, 128))

    def fine(stroke: float) -> float:
        """Share of the picture's contrast that is between neighbouring pixels."""
        settings = TransferSettings(
            size=96,
            steps=15,
            weight=1.0,
            style_layers="relu1_1,relu2_1,relu3_1",
            stroke_size=stroke,
            start="noise",
        )
        work = Transfer(grey, paint("dots", 256), settings, network=network)
        list(work.iterates())
        painted = np.asarray(work.picture()).astype(float).mean(-1)
        return float(np.diff(painted, axis=1).std() / painted.std())

    assert fine(0.5) > 1.1 * fine(3.0)
