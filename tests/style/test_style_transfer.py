"""Painting as a whole, on a tiny feature network: what settings do, control, saving and going on."""

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

from convolab.errors import SettingsError, TrainingError
from convolab.spec import check
from convolab.style import pictures
from convolab.style.compare import measure_content, measure_style
from convolab.style.control import MemoryTransferControl, TransferCommands
from convolab.style.events import (
    Iterate,
    TransferEvent,
    TransferFinished,
    TransferPaused,
    TransferResumed,
    TransferSaved,
    TransferStarted,
    WeightsChanged,
    transfer_event_from_dict,
)
from convolab.style.grams import GramWatch
from convolab.style.objective import STYLE_SCALE
from convolab.style.rebuild import content_series, rebuild_content, rebuild_style, style_series
from convolab.style.settings import TransferSettings
from convolab.style.transferring import Transfer, transfer

NETWORK = tiny_network(padding="replicate")


def settings(**values: Any) -> TransferSettings:
    base = {
        "network": "tiny",
        "size": 40,
        "steps": 20,
        "start": "noise",
        "content_layer": "relu2_2",
        "style_layers": LAYERS,
        # By itself the number format is chosen by timing, and two paintings may differ in their last bits.
        "precision": "fp32",
    }
    return check(TransferSettings, {**base, **values})


def paint(
    content: Any = None, styles: Any = None, *, options: dict[str, Any] | None = None, **values: Any
) -> tuple[Transfer, list[TransferEvent]]:
    work = Transfer(
        content or image(1), styles or image(2), settings(**values), network=NETWORK, **(options or {})
    )
    return work, list(work.iterates())


def pixels(work: Transfer) -> np.ndarray:
    return np.asarray(work.picture()).astype(float)


def of(kind: type, events: list[TransferEvent]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


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


# ------------------------------------------------------------------ control


class Script:
    """A control that says something else from a given poll on."""

    def __init__(self, *wishes: tuple[int, TransferCommands]) -> None:
        self.wishes, self.polls = wishes, 0

    def poll(self) -> TransferCommands:
        self.polls += 1
        return [wish for at, wish in self.wishes if at <= self.polls][-1]


def test_pause_change_w_and_go_on() -> None:
    other = TransferCommands(weight=0.9, style_weights=(2.0, 1.0, 1.0))
    script = Script(
        (0, TransferCommands()),
        (6, TransferCommands(paused=True)),
        (9, TransferCommands(paused=True, weight=0.9)),
        (11, other),
    )
    _, events = paint(options={"control": script})
    kinds = [type(event) for event in events]
    assert kinds.index(TransferPaused) < kinds.index(WeightsChanged) < kinds.index(TransferResumed)
    iterates = of(Iterate, events)
    assert len(iterates) == 20
    assert [event.weight for event in iterates] == [0.5] * 5 + [0.9] * 15
    changed = of(WeightsChanged, events)[-1]
    assert changed.style_weights == [0.5, 0.25, 0.25]
    last = iterates[-1]
    by_layer = list(last.style_by_layer.values())
    assert last.style == pytest.approx(0.5 * by_layer[0] + 0.25 * by_layer[1] + 0.25 * by_layer[2], rel=1e-5)
    assert events[-1].total < iterates[5].total  # it went on getting better by the new measure


def test_stop_keeps_the_picture() -> None:
    _, events = paint(options={"control": Script((0, TransferCommands()), (8, TransferCommands(stop=True)))})
    assert events[-1].stopped_because == "user"
    assert events[-1].step == 7


def test_memory_control_checks_what_it_is_given() -> None:
    control = MemoryTransferControl()
    control.pause()
    assert control.poll().paused
    control.resume()
    control.change(weight=0.25)
    assert control.poll() == TransferCommands(weight=0.25)
    with pytest.raises(SettingsError, match=r"W must be between 0 and 1, not 1\.5"):
        control.change(weight=1.5)
    with pytest.raises(SettingsError, match="not all 0"):
        control.change(style_weights=(0.0, 0.0))


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
@pytest.mark.parametrize("at", [3, 9, 14])
def test_resumed_is_uninterrupted(tmp_path: Path, optimizer: str, at: int) -> None:
    values = {"size": 320, "steps": 16, "optimizer": optimizer, "start": "noise"}
    whole, _ = paint(**values)
    path = tmp_path / "state.safetensors"
    first = Script((0, TransferCommands()), (at + 1, TransferCommands(release=True)))
    _, events = paint(options={"control": first, "checkpoint_path": path}, **values)
    assert isinstance(events[-1], TransferPaused)
    assert events[-2] == TransferSaved(step=at, path=str(path))
    again, events = paint(options={"checkpoint_path": path}, **values)
    assert events[0].step == at
    assert events[-1].step == 16
    assert np.array_equal(pixels(whole), pixels(again))
    assert whole.optimizer is not None
    assert again.optimizer is not None
    assert torch.equal(whole.optimizer.picture, again.optimizer.picture)


def test_changed_weights_are_saved_too(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    script = Script((0, TransferCommands(weight=0.8)), (6, TransferCommands(weight=0.8, release=True)))
    paint(options={"control": script, "checkpoint_path": path})
    again, events = paint(options={"checkpoint_path": path})
    assert {event.weight for event in of(Iterate, events)} == {0.8}
    assert again.weights.weight == 0.8


def test_a_state_of_other_pictures_or_none_at_all_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    script = Script((0, TransferCommands()), (4, TransferCommands(release=True)))
    paint(options={"control": script, "checkpoint_path": path})
    with pytest.raises(TrainingError, match="other pictures or settings"):
        paint(image(9), options={"checkpoint_path": path})
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(TrainingError, match="damaged or cut short"):
        paint(options={"checkpoint_path": path})


def test_saved_now_and_then(tmp_path: Path) -> None:
    _, events = paint(options={"checkpoint_path": tmp_path / "s.safetensors", "checkpoint_every": 0.0})
    assert len(of(TransferSaved, events)) == 20


# ------------------------------------------------------------------ the halves, and bad input


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
