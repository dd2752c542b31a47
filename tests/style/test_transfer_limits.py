"""Content or style alone, and what cannot be painted (settings, pictures, memory)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from style_kit import LAYERS, image, stripes
from transfer_kit import NETWORK, Script, of, paint, pixels, settings

from convolab.errors import SettingsError
from convolab.style import pictures
from convolab.style.compare import measure_content, measure_style
from convolab.style.control import TransferCommands
from convolab.style.events import Iterate, TransferFinished, WeightsChanged
from convolab.style.grams import GramWatch
from convolab.style.rebuild import content_series, rebuild_content, rebuild_style, style_series
from convolab.style.transferring import Transfer, transfer


def test_rebuilding_content_and_style() -> None:
    work = rebuild_content(image(1), "relu1_1", settings(steps=200), network=NETWORK)
    end = list(work.iterates())[-1]
    assert isinstance(end, TransferFinished)
    assert end.content < 0.01
    assert abs(pixels(work) - np.asarray(image(1)).astype(float)).mean() < 12  # the first layer knows it all
    texture = rebuild_style(stripes(), LAYERS, settings(steps=60), network=NETWORK)
    end = list(texture.iterates())[-1]
    assert isinstance(end, TransferFinished)
    assert end.style < 0.01
    names = [name for name, _ in content_series(image(1), ["relu1_1", "relu2_1"], settings(), NETWORK)]
    assert names == ["relu1_1", "relu2_1"]
    names = [name for name, _ in style_series(image(1), LAYERS, settings(), NETWORK)]
    assert names == ["relu1_1", "relu1_1+relu2_1", "relu1_1+relu2_1+relu3_1"]


def test_a_half_needs_no_layers_of_the_other() -> None:
    chosen = settings(steps=2, content_layer="relu9_9", style_layers="relu8_8,relu9_9", style_weights="1,2")
    content = rebuild_content(image(1), "relu1_1", chosen, network=NETWORK)
    end = list(content.iterates())[-1]
    assert isinstance(end, TransferFinished)
    assert (end.style, end.style_by_layer) == (0, {})
    assert end.content > 0
    texture = rebuild_style(image(1), LAYERS[:2], chosen, network=NETWORK)
    end = list(texture.iterates())[-1]
    assert isinstance(end, TransferFinished)
    assert end.content == 0
    assert set(end.style_by_layer) == set(LAYERS[:2])


@pytest.mark.parametrize("rebuild", [rebuild_content, rebuild_style])
def test_a_half_stays_one_whatever_w_is_asked_for(rebuild: Any) -> None:
    script = Script((0, TransferCommands()), (2, TransferCommands(weight=0.5, tv=1.0)))
    work = rebuild(image(1), "relu1_1", settings(steps=4), network=NETWORK, control=script)
    events = list(work.iterates())
    (changed,) = of(WeightsChanged, events)
    assert (changed.weight, changed.tv) == (work.settings.weight, 1.0)
    work.settings.changed(weight=changed.weight, tv=changed.tv)  # a saved picture can say so


@pytest.mark.parametrize("measure", ["gram", "wasserstein"])
def test_gram_matrices_of_style_and_picture_can_be_seen(measure: str) -> None:
    work = Transfer(
        image(1), image(2), settings(steps=60, weight=1.0, size=40, style_loss=measure), network=NETWORK
    )
    watch = GramWatch()
    assert watch.pairs() == []
    work.prepare()
    watch.attend(work.objective)
    distances = []
    for event in work.iterates():
        if isinstance(event, Iterate):
            pair = {pair.layer: pair for pair in watch.pairs()}["relu2_1"]
            wanted, found = (part * abs(part) * pair.limit for part in (pair.wanted, pair.found))
            distances.append(np.linalg.norm(found - wanted))
    style = NETWORK(pictures.to_tensor(image(2), 40, 32), ["relu2_1"])["relu2_1"][0].flatten(1)
    expected = (style @ style.T / style.shape[1]).numpy()
    np.testing.assert_allclose(wanted, expected, rtol=1e-3, atol=1e-4)
    assert distances[-1] < 0.3 * distances[0]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"weight": 1.5}, "weight must be less than or equal to 1, not 1.5"),
        ({"weight": -0.1}, "weight must be greater than or equal to 0"),
        ({"network": "vgg-16", "content_layer": "relu4_9"}, 'Did you mean "relu4_'),
        ({"network": "vgg-16", "style_layers": "rely1_1"}, 'Did you mean "relu1_1"'),
        ({"style_weights": "1,2"}, "3 style layers need as many style weights"),
        ({"style_weights": "1,x,2"}, "Style weights are numbers with commas"),
        ({"blend": "0,0"}, "not all 0"),
        ({"content_layer": ""}, "Without a content layer W must be 1"),
        ({"size": 20_000}, "size must be less than or equal to"),
        ({"steps": 0}, "steps must be greater than or equal to 1"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_one_sentence(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError) as refused:
        settings(**values)
    assert sentence in str(refused.value)


def test_parts_that_do_not_fit_are_refused_at_once() -> None:
    with pytest.raises(SettingsError, match=r'no layer in tiny "relu9_9"'):
        paint(content_layer="relu9_9")
    with pytest.raises(SettingsError, match="at least one style"):
        transfer(image(1), [], settings(), network=NETWORK)
    with pytest.raises(SettingsError, match="2 style pictures but 1 masks"):
        paint(styles=[image(2), image(3)], options={"masks": [image(1)]})
    with pytest.raises(SettingsError, match="2 style pictures need as many blend weights"):
        paint(styles=[image(2), image(3)], blend="1,2,3")
    with pytest.raises(SettingsError, match="200 MB are too little"):
        paint(size=4096, memory_mb=200)


def test_a_style_picture_too_large_for_the_memory_is_refused_at_once() -> None:
    values = {"size": 1024, "memory_mb": 1500, "steps": 4}
    Transfer(image(1), image(2), settings(**values), network=NETWORK)
    with pytest.raises(SettingsError, match=r"stroke size 8 .*1,500 MB are too little.*8191×") as refused:
        Transfer(image(1), image(2), settings(**values, stroke_size=8), network=NETWORK)
    fits = float(str(refused.value).split("a stroke size of ")[1].split(" ")[0])
    assert 2 < fits < 8
    Transfer(image(1), image(2), settings(**values, stroke_size=fits), network=NETWORK)
    # The content alone needs no style picture.
    rebuild_content(image(1), "relu1_1", settings(**values, stroke_size=8), network=NETWORK)


def test_out_of_memory_names_a_size_to_try(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Transfer(image(1), image(2), settings(size=512, coarse_to_fine=False), network=NETWORK)

    def full() -> None:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 8 bytes")

    monkeypatch.setattr(work, "prepare", full)
    with pytest.raises(SettingsError, match="512×410 pixels; choose a smaller size, such as 256, or"):
        list(work.iterates())


@pytest.mark.parametrize("measure", [measure_style, measure_content])
def test_out_of_memory_while_comparing_is_a_sentence(measure: Any) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(SettingsError, match="not enough memory to compare the pictures"):
        measure(full, image(1), image(2), LAYERS, 40)

    def broken(*_: object) -> None:
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        measure(broken, image(1), image(2), LAYERS, 40)


def test_memory_bounds_make_tiles_with_the_same_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    from convolab.style import tiles

    whole, _ = paint(size=128, steps=4, start="content")
    monkeypatch.setattr(tiles, "plan", lambda *_: tiles.Tiling(32, 16))
    cut, events = paint(size=128, steps=4, start="content")
    assert events[0].tiles > 4
    assert abs(pixels(whole) - pixels(cut)).max() <= 1


def test_pictures_remember_their_settings(tmp_path: Path) -> None:
    work, _ = paint(steps=2, weight=0.7, style_weights="1,2,3")
    path = tmp_path / "painted.png"
    pictures.save_png(path, work.picture(), work.settings, content="a.jpg")
    found, facts = pictures.read_settings(path)
    assert found == work.settings
    assert facts["content"] == "a.jpg"
