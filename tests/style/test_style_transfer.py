"""Painting as a whole, on a tiny feature network: what the settings do."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from style_kit import LAYERS, image, stripes, tiny_network
from transfer_kit import NETWORK, of, paint, pixels, settings

from convolab.style import pictures
from convolab.style.events import Iterate, TransferFinished, TransferStarted, transfer_event_from_dict
from convolab.style.objective import STYLE_SCALE
from convolab.style.settings import TransferSettings
from convolab.style.transferring import Transfer, transfer


def test_painting_lowers_what_is_minimised_and_reports_it() -> None:
    work, events = paint(steps=40)
    assert isinstance(events[0], TransferStarted)
    assert isinstance(events[-1], TransferFinished)
    iterates = of(Iterate, events)
    assert [event.step for event in iterates] == list(range(1, 41))
    assert events[-1].total < iterates[0].total / 5
    assert (events[-1].width, events[-1].height) == work.picture().size == (40, 32)
    last = iterates[-1]
    assert set(last.style_by_layer) == set(LAYERS)
    assert last.style == pytest.approx(sum(last.style_by_layer.values()) / 3)
    assert last.total == pytest.approx(0.5 * 6 * last.style + 0.5 * last.content, rel=1e-5)
    assert last.fraction == pytest.approx(1)
    assert last.seconds_left == pytest.approx(0)
    assert events[-1].peak_memory_mb > 50
    for event in events:
        assert transfer_event_from_dict(event.to_dict()) == event


def test_w_goes_from_the_photo_to_the_style() -> None:
    found = {w: paint(weight=w, start="content", steps=30)[1][-1] for w in (0.05, 0.5, 1.0)}
    assert found[0.05].content < found[0.5].content
    assert found[0.05].style > found[0.5].style > found[1.0].style
    photo = np.asarray(image(1)).astype(float)
    kept, _ = paint(weight=0.0, start="content", steps=5)
    assert abs(pixels(kept) - photo).max() <= 1


def test_the_seed_fixes_the_noise() -> None:
    one, two, other = (pixels(paint(steps=3, seed=seed)[0]) for seed in (1, 1, 2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_starts(tmp_path: Path) -> None:
    photo = np.asarray(image(1)).astype(float)
    image(5).save(tmp_path / "guess.png")
    for start, near in (
        ("content", photo),
        (str(tmp_path / "guess.png"), np.asarray(image(5)).astype(float)),
    ):
        work, _ = paint(start=start, steps=1)
        assert abs(pixels(work) - near).max() <= 1


def test_coarse_to_fine_grows_and_shares_the_steps() -> None:
    work = Transfer(image(1), image(2), settings(size=640, steps=40), network=NETWORK)
    assert [level.size for level in work.plan] == [160, 320, 640]
    assert [level.steps for level in work.plan] == [10, 10, 20]
    _, events = paint(size=320, steps=8)
    assert [event.width for event in of(Iterate, events)] == [160] * 4 + [320] * 4
    _, events = paint(size=320, steps=4, coarse_to_fine=False)
    assert {event.width for event in of(Iterate, events)} == {320}


def test_large_shapes_are_kept_while_fine_ones_are_painted() -> None:
    def at_coarse_size(share: float) -> float:
        """The style difference of the finished picture, made small again."""
        work, _ = paint(size=320, steps=60, weight=1.0, coarse_share=share)
        small = pictures.to_tensor(work.picture(), 160, 128)
        judge = work._judge(0)
        return judge.measure(small).style

    assert at_coarse_size(0.5) < 0.7 * at_coarse_size(0.0)


def test_of_a_panorama_no_coarser_size_is_too_small_for_the_layers() -> None:
    photo = image(1, 400, 40)
    _, events = paint(photo, size=320, steps=8)  # 160×16, where the deepest layer has 4 rows
    assert {(event.width, event.height) for event in of(Iterate, events)} == {(160, 16), (320, 32)}
    deep = tiny_network(padding="replicate")
    deep.steps = (*deep.steps, ("pool4", torch.nn.AvgPool2d(2, 2)), ("pool5", torch.nn.AvgPool2d(2, 2)))
    deep.layers = tuple(name for name, _ in deep.steps)
    assert deep.smallest(["pool5"]) == 32
    values = settings(size=320, steps=8, style_layers="relu1_1,pool5")
    work = Transfer(photo, image(2), values, network=deep)
    assert [level.size for level in work.plan] == [320]
    assert list(work.iterates())[-1].step == 8


def test_a_time_budget_ends_it() -> None:
    start = time.perf_counter()
    _, events = paint(size=320, steps=None, budget=1.0)
    assert time.perf_counter() - start < 8
    assert events[-1].stopped_because == "budget"
    assert {event.width for event in of(Iterate, events)} == {160, 320}
    assert events[-1].seconds >= 1.0


def test_adam_paints_too() -> None:
    _, events = paint(optimizer="adam", learning_rate=0.05, steps=40)
    assert events[-1].total < of(Iterate, events)[0].total / 2


def test_several_content_layers_count_alike() -> None:
    _, events = paint(content_layer="relu1_2,relu2_2", steps=30)
    first, last = of(Iterate, events)[0], of(Iterate, events)[-1]
    assert list(last.content_by_layer) == ["relu1_2", "relu2_2"]
    assert last.content == pytest.approx(sum(last.content_by_layer.values()) / 2, rel=1e-5)
    assert last.total < first.total / 3
    one = of(Iterate, paint(content_layer="relu2_2", steps=1)[1])[0]
    assert first.content_by_layer["relu2_2"] == pytest.approx(one.content, rel=1e-5)


def test_an_iterate_has_its_picture_but_does_not_take_it_along() -> None:
    pictures_: list[np.ndarray] = []
    for event in transfer(image(1), image(2), settings(steps=4), network=NETWORK):
        if isinstance(event, Iterate):
            assert event.picture is not None
            pictures_.append(np.asarray(event.picture()))
            assert "picture" not in event.to_dict()
            json.dumps(event.to_dict())
            read = transfer_event_from_dict(event.to_dict())
            assert isinstance(read, Iterate)
            assert (read == event, read.picture) == (True, None)
    assert [seen.shape for seen in pictures_] == [(32, 40, 3)] * 4
    assert not np.array_equal(pictures_[0], pictures_[-1])
    work, _ = paint(steps=4)
    assert np.array_equal(pictures_[-1], pixels(work).astype(np.uint8))


def test_the_formula_that_the_page_shows_is_the_one_that_is_computed() -> None:
    import convolab

    widgets = Path(convolab.__file__).parent / "widgets"
    assert f"const STYLE_SCALE = {STYLE_SCALE:g};" in (widgets / "transfer_weight.js").read_text("utf-8")
    assert f"W · {STYLE_SCALE:g} · style + (1 − W) · content" in (widgets / "transfer_curves.js").read_text(
        "utf-8"
    )
    assert f"W · {STYLE_SCALE:g} · style" in str(TransferSettings.__doc__)


def test_the_wasserstein_loss_paints_too() -> None:
    _, events = paint(style_loss="wasserstein", steps=30, weight=1.0)
    assert events[-1].style < of(Iterate, events)[0].style / 5


def test_total_variation_smooths() -> None:
    def rough(work: Transfer) -> float:
        return float(abs(np.diff(pixels(work), axis=1)).mean())

    assert rough(paint(tv=10.0, steps=30)[0]) < 0.7 * rough(paint(tv=0.0, steps=30)[0])


def test_several_styles_blend() -> None:
    red = Image.new("RGB", (40, 32), (220, 30, 30))
    blue = Image.new("RGB", (40, 32), (30, 30, 220))
    shares = {}
    for blend in ("1,0", "0.5,0.5", "0,1"):
        work, _ = paint(styles=[red, blue], blend=blend, weight=1.0, style_layers="relu1_1", steps=30)
        mean = pixels(work).mean((0, 1))
        shares[blend] = mean[0] - mean[2]
    assert shares["1,0"] > shares["0.5,0.5"] > shares["0,1"]


def test_masks_say_which_style_goes_where() -> None:
    red = Image.new("RGB", (40, 32), (220, 30, 30))
    blue = Image.new("RGB", (40, 32), (30, 30, 220))
    left = Image.new("L", (40, 32), 0)
    left.paste(255, (0, 0, 20, 32))
    right = left.point(lambda value: 255 - value)
    work, _ = paint(
        styles=[red, blue], weight=1.0, style_layers="relu1_1", steps=30, options={"masks": [left, right]}
    )
    painted = pixels(work)
    assert painted[:, :18, 0].mean() > painted[:, :18, 2].mean() + 50
    assert painted[:, 22:, 2].mean() > painted[:, 22:, 0].mean() + 50


def test_the_photos_colours_can_be_kept() -> None:
    photo = Image.new("RGB", (40, 32), (60, 140, 60))
    work, _ = paint(photo, stripes(), preserve_color=True, steps=30)
    painted = pixels(work)
    assert painted.std(axis=(0, 1)).max() > 1  # it was painted
    bright = painted @ np.array([0.299, 0.587, 0.114])
    colour = painted - bright[..., None]
    own = np.array([60.0, 140.0, 60.0]) - np.array([60, 140, 60]) @ np.array([0.299, 0.587, 0.114])
    strong = colour[np.linalg.norm(colour, axis=-1) > 8]
    assert len(strong) > 300
    along = (strong @ own) / np.linalg.norm(strong, axis=-1) / np.linalg.norm(own)
    assert along.min() > 0.97  # only the hue of the photo is left


def test_stroke_size_holds_across_resolutions_and_scales_the_style() -> None:
    def style_size(**values: Any) -> tuple[int, int]:
        work = Transfer(image(1), stripes(96, 96), settings(**values), network=NETWORK)
        return work._style_size(work.styles[0], *work._size(work.settings.size))

    small, large = style_size(size=128), style_size(size=256)
    assert large[0] == pytest.approx(2 * small[0], abs=1)
    assert style_size(size=128, stroke_size=2)[0] == pytest.approx(2 * small[0], abs=1)
    # With stroke size 1 style and picture have the same area.
    assert small[0] * small[1] == pytest.approx(128 * 102, rel=0.02)
