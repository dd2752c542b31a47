"""Learning a style: it gets better, ends as asked, goes on as if it had not been interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fast_kit import SETTINGS, photos, put, tiny_learning, tiny_style
from PIL import Image
from style_kit import image, stripes, tiny_network

from convolab.errors import DataError, NetworkError, SettingsError, TrainingError
from convolab.style import MemoryTransferControl
from convolab.style.fast import learner as learner_module
from convolab.style.fast import learning as learning_module
from convolab.style.fast import library, photo_sources
from convolab.style.fast.events import (
    LearnEvent,
    LearnFinished,
    LearnPreview,
    LearnStarted,
    LearnStep,
    learn_event_from_dict,
)
from convolab.style.fast.learning import Learning
from convolab.style.fast.photo_sources import Gathered, gather
from convolab.style.fast.photos import Ahead, Parts, split
from convolab.style.pictures import to_tensor


@pytest.fixture(autouse=True)
def _own(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "SHIPPED", tmp_path / "shipped")


@pytest.fixture(scope="module")
def learned() -> Learning:
    """Stripes, learned in 150 steps."""
    work = tiny_learning(SETTINGS.changed(steps=150, learning_rate=0.01, seed=1))
    list(work.events())
    return work


def kinds(events: list[LearnEvent]) -> list[str]:
    return [event.kind for event in events]


def test_paintings_of_photos_it_never_saw_get_nearer_to_the_painting(learned: Learning) -> None:
    end = learned.finished
    assert end is not None
    assert (end.step, end.examples, end.stopped_because) == (150, 150, "steps")
    assert end.total < 0.7 * end.photo_total
    before, _ = tiny_learning().measure()
    assert end.total < 0.7 * before.total


def test_photos_are_left_further_behind_as_strength_grows(learned: Learning) -> None:
    photo = to_tensor(learned.held_out[0], *learned.held_out[0].size)
    objective = learned.objective(photo)
    with torch.no_grad():
        at = [objective.measure(learned.average(photo, s).clamp(0, 1)) for s in (0.0, 0.5, 1.0)]
    assert at[0].style > max(at[1].style, at[2].style)
    assert at[0].content < 1e-9 < at[1].content < at[2].content


def test_the_style_that_comes_of_it_has_a_card(learned: Learning) -> None:
    style = learned.style()
    card = style.card
    assert (card.title, card.architecture, card.steps) == ("Stripes", SETTINGS.architecture, 150)
    assert card.settings == learned.settings.model_dump()
    assert card.total == pytest.approx(learned.finished.total, abs=1e-5)  # type: ignore[union-attr]
    assert card.picture() is not None
    photo = to_tensor(image(50), 40, 32)
    with torch.no_grad():
        assert torch.equal(style.network(photo), learned.average(photo))


def test_interrupted_it_ends_as_it_would_have_without(tmp_path: Path) -> None:
    straight = tiny_learning()
    list(straight.events())
    control = MemoryTransferControl()
    first = tiny_learning(control=control, checkpoint_path=tmp_path / "c.safetensors")
    for event in first.events():
        if isinstance(event, LearnStep) and event.step == 5:
            control.release()
    assert first.finished is None
    second = tiny_learning(checkpoint_path=tmp_path / "c.safetensors")
    assert second.step == 5
    events = list(second.events())
    assert events[0].step == 5
    for mine, other in zip(second.model.parameters(), straight.model.parameters(), strict=True):
        assert torch.equal(mine, other)
    assert second.finished is not None
    assert straight.finished is not None
    assert second.finished.total == straight.finished.total


def test_pause_resume_stop() -> None:
    control = MemoryTransferControl()
    work = tiny_learning(SETTINGS.changed(steps=100_000), control=control)
    found: list[LearnEvent] = []
    for event in work.events():
        found.append(event)
        if event.kind == "step" and event.step == 2:
            control.pause()
        if event.kind == "paused":
            control.resume()
        if event.kind == "step" and event.step == 4:
            control.stop()
    assert kinds(found) == ["started", "step", "step", "paused", "resumed", "step", "step", "finished"]
    assert work.finished is not None
    assert work.finished.stopped_because == "user"
    assert work.style().card.steps == 4


def test_events_travel_as_json() -> None:
    for event in tiny_learning(SETTINGS.changed(steps=1)).events():
        assert learn_event_from_dict({**event.to_dict(), "from_the_future": 1}) == event


def test_budgets_in_seconds_photos_and_steps() -> None:
    list((work := tiny_learning(SETTINGS.changed(steps=None, budget=0.3))).events())
    assert work.finished is not None
    assert work.finished.stopped_because == "budget"
    assert 0.3 <= work.finished.seconds < 3
    list((work := tiny_learning(SETTINGS.changed(steps=None, examples=5, batch_size=2))).events())
    assert work.finished is not None
    assert (work.finished.step, work.finished.examples) == (3, 6)
    assert SETTINGS.changed(steps=None).most_seconds == 600


def test_previews_show_photos_that_are_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIRST_PREVIEW", "PREVIEW_SECONDS"):
        monkeypatch.setattr(learning_module, name, 0)
    monkeypatch.setattr(learning_module, "PREVIEW_SHARE", 1e9)
    work = tiny_learning(SETTINGS.changed(steps=2))
    seen = [work.newest_preview for event in work.events() if isinstance(event, LearnPreview)]
    assert len(seen) == 2
    assert [picture.size for picture in seen[0]] == [photo.size for photo in work.held_out]
    assert np.asarray(seen[0][0]).tolist() != np.asarray(seen[1][0]).tolist()
    held = {photo.tobytes() for photo in work.held_out}
    assert held
    assert not held & {photo.tobytes() for photo in work.parts.photos if isinstance(photo, Image.Image)}


def test_stability_compares_the_same_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a network that changes nothing the moved copy shows the same, so only the noise is left."""
    work = tiny_learning()

    class Nothing(torch.nn.Module):
        def forward(self, photo: torch.Tensor, strength: float) -> torch.Tensor:
            return photo

    work.model = Nothing()  # type: ignore[assignment]
    photo = work.parts.part(0)
    for noise, least, most in ((0.0, 0.0, 1e-12), (0.02, 0.5, 2.0)):
        monkeypatch.setattr(learner_module, "STABLE_NOISE", noise)
        for seed in range(4):
            unrest = work._unrest(photo, photo, 1.0, np.random.default_rng(seed))
            relative = float(unrest * photo.var() / max(noise, 1) ** 2) if not noise else float(
                unrest * photo.var().clamp_min(1e-3) / noise**2
            )  # fmt: skip
            assert least <= relative <= most


def test_stability_makes_calmer_paintings() -> None:
    def unrest(stability: float) -> float:
        settings = SETTINGS.changed(
            steps=60, learning_rate=0.01, optimizer="adam", stability=stability, weight=0.9
        )
        work = tiny_learning(settings)
        list(work.events())
        found = []
        with torch.no_grad():
            for i in range(8):
                part = work.parts.part(1000 + i)
                painted = work.model(part, 1.0)
                found.append(float(work._unrest(part, painted, 1.0, np.random.default_rng(i))))
        return float(np.mean(found))

    assert unrest(5.0) < 0.8 * unrest(0.0)


# ------------------------------------------------------------------ where it begins


def test_it_begins_with_the_nearest_style_of_the_same_network(learned: Learning) -> None:
    style = learned.style()
    library.add_style(style, "striped")
    put(library.styles_dir(), "other", 9)
    put(library.styles_dir(), "larger", architecture="c3s1-5,d8,R8,U5,c3s1-3")
    work = tiny_learning(SETTINGS.changed(start="auto", steps=1))
    list(work.events())
    assert work.started_with == "striped"
    assert work.style().card.started_with == "striped"
    fresh = tiny_learning(SETTINGS.changed(start="other"))
    fresh.begin()
    expected = tiny_style(9).network.state_dict()["last.weight"].half().float()
    assert torch.equal(fresh.model.state_dict()["last.weight"], expected)
    with pytest.raises(NetworkError, match="larger has the network c3s1-5"):
        list(tiny_learning(SETTINGS.changed(start="larger")).events())
    with pytest.raises(NetworkError, match=r'no style "sriped".*"striped"'):
        list(tiny_learning(SETTINGS.changed(start="sriped")).events())


# ------------------------------------------------------------------ what cannot be


def test_what_cannot_be_learned_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="must have at least"):
        tiny_learning(SETTINGS.changed(crop=32, style_layers="relu3_1"), network=_deep())
    with pytest.raises(DataError, match="at least 16"):
        Learning(Image.new("RGB", (8, 8)), SETTINGS, photos=photos(), network=tiny_network())
    path = tmp_path / "c.safetensors"
    list(tiny_learning(SETTINGS.changed(steps=1), checkpoint_path=path).events())
    with pytest.raises(TrainingError, match="saved with another painting"):
        tiny_learning(SETTINGS.changed(weight=0.9), checkpoint_path=path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(TrainingError, match="cut short"):
        tiny_learning(checkpoint_path=path)
    work = tiny_learning()
    work.model.color.data.fill_(float("nan"))
    with pytest.raises(TrainingError, match="finite numbers"):
        list(work.events())


def _deep() -> object:
    network = tiny_network()
    network.smallest = lambda layers: 64  # type: ignore[method-assign]
    return network


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"architecture": "big"}, "no size of network"),
        ({"style_layers": "relu9_9"}, "no layer in vgg-16"),
        ({"content_layer": ""}, "W must be 1"),
        ({"weight": 2}, "W"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, object], said: str) -> None:
    from convolab.spec import check
    from convolab.style.fast.settings import LearnSettings

    with pytest.raises(SettingsError) as error:
        check(LearnSettings, changes)
    assert said.lower() in str(error.value).lower()


# ------------------------------------------------------------------ photos


def test_a_part_is_the_same_whenever_it_is_asked_for() -> None:
    pictures = [image(i, 60, 48) for i in range(5)]
    one, other = Parts(pictures, 32, 3), Parts(pictures, 32, 3)
    forward = [one.part(i) for i in range(12)]
    assert all(torch.equal(other.part(i), forward[i]) for i in (11, 3, 7, 0))
    assert forward[0].shape == (1, 3, 32, 32)
    assert all(0 <= float(part.min()) <= float(part.max()) <= 1 for part in forward)
    assert not torch.equal(Parts(pictures, 32, 4).part(0), forward[0])
    ahead = Ahead(one, 5, 2)
    assert all(torch.equal(ahead.next(), forward[i]) for i in (5, 7, 9, 11))
    ahead.close()


def test_each_photo_comes_once_before_any_comes_again() -> None:
    colors = [(230, 20, 20), (20, 230, 20), (20, 20, 230)]
    parts = Parts([Image.new("RGB", (40, 40), color) for color in colors] * 20, 32)
    first = [int(parts.part(i).mean((0, 2, 3)).argmax()) for i in range(60)]
    assert sorted(first) == [0] * 20 + [1] * 20 + [2] * 20


def test_unreadable_photos_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    image(1, 60, 48).save(tmp_path / "b.png")
    parts = Parts([tmp_path / "a.jpg", tmp_path / "b.png"], 32)
    assert all(parts.part(i).shape == (1, 3, 32, 32) for i in range(4))
    broken = Ahead(Parts([tmp_path / "a.jpg"], 32))
    with pytest.raises(DataError, match="None of the photos"):
        broken.next()
    broken.close()


def test_photos_of_odd_sizes_give_parts() -> None:
    shapes = [(1200, 20), (16, 16), (20, 900), (1000, 800)]
    parts = Parts([image(i, *shape) for i, shape in enumerate(shapes)], 64)
    assert all(parts.part(i).shape == (1, 3, 64, 64) for i in range(8))


def test_folders_are_searched_and_empty_ones_said(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    image().save(tmp_path / "deep" / "x.PNG")
    (tmp_path / "notes.txt").write_text("x")
    found = gather(tmp_path)
    assert [path.name for path in found.photos] == ["x.PNG"]  # type: ignore[union-attr]
    assert found.few
    (tmp_path / "deep" / "x.PNG").unlink()
    with pytest.raises(DataError, match="no pictures in"):
        gather(tmp_path)
    with pytest.raises(DataError, match="no folder"):
        gather(tmp_path / "none")


def test_without_photos_and_without_sources_scenes_are_painted(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: object) -> Iterator[Path]:
        raise DataError("no source")

    monkeypatch.setattr(photo_sources, "fetch_photos", nothing)
    monkeypatch.setattr(photo_sources, "SCENES", 1)
    found = gather()
    assert (len(found.photos), found.few, found.painted) == (1, True, True)
    assert "painted" in found.title


@pytest.mark.parametrize(
    ("gathered", "few", "scenes"),
    [
        (photos(9), False, False),
        (replace(photos(4), few=True), True, False),
        (replace(photos(3), few=True), True, True),  # none could be held out
        (replace(photos(9), few=True, painted=True), True, True),
    ],
)
def test_it_is_said_whether_more_photos_would_be_better_and_what_previews_show(
    gathered: Gathered, few: bool, scenes: bool
) -> None:
    work = tiny_learning(SETTINGS.changed(steps=1), photos=gathered)
    begun = next(event for event in work.events() if isinstance(event, LearnStarted))
    assert (begun.few, begun.scenes, begun.photos_from) == (few, scenes, "a test")
    assert begun.held_out == len(work.held_out) > 0


@pytest.mark.parametrize("strength", [1.0, 0.6])
def test_in_bf16_paintings_and_slopes_are_those_of_fp32(strength: float) -> None:
    found: dict[str, tuple[torch.Tensor, dict[str, torch.Tensor]]] = {}
    for precision in ("fp32", "bf16"):
        work = tiny_learning()
        work.features.precision = precision  # type: ignore[assignment]
        work.model.last.weight.data.mul_(10)
        part = work.parts.part(3)
        painted = work.paint(part, strength)
        total, _ = work.objective(part, strength).total_of(painted)
        total.backward()
        slopes = {name: p.grad for name, p in work.model.named_parameters() if p.grad is not None}
        found[precision] = painted.detach(), slopes
    (full, slopes), (low, low_slopes) = found["fp32"], found["bf16"]
    assert full.dtype == low.dtype == torch.float32
    assert 0 < float((low - full).norm() / full.norm()) < 0.02
    assert slopes.keys() == low_slopes.keys()
    whole, low_whole = (torch.cat([s.flatten() for s in one.values()]) for one in (slopes, low_slopes))
    for name, slope in slopes.items():
        # A few maps only: rounding does not average out as in networks that are used. Some slopes are zero,
        # such as that of a shift before another norm.
        apart = float((low_slopes[name] - slope).norm())
        assert apart <= 0.25 * float(slope.norm()) + 1e-3 * float(whole.norm()), name
    assert float(torch.cosine_similarity(whole, low_whole, dim=0)) > 0.99


def test_photos_are_held_out_where_there_are_enough() -> None:
    for count, kept in ((3, 0), (4, 1), (7, 1), (8, 2)):
        assert [len(part) for part in split([image(i) for i in range(count)])] == [count - kept, kept]
    learn, held = split([image(i) for i in range(40)])
    assert (len(learn), len(held)) == (36, 4)


def test_finished_is_an_event_like_others() -> None:
    end = LearnFinished(
        step=1, stopped_because="steps", seconds=1, examples=1, total=1, style=1, content=1, photo_total=2
    )
    assert learn_event_from_dict(replace(end, name="x").to_dict()) == replace(end, name="x")


def test_the_painting_is_looked_at_at_the_size_of_a_photo() -> None:
    work = Learning(stripes(300, 200), SETTINGS, photos=photos(), network=tiny_network())
    assert work.painting_size() == (480, 320)
    half = Learning(
        stripes(300, 200), SETTINGS.changed(stroke_size=0.5), photos=photos(), network=tiny_network()
    )
    assert half.painting_size() == (240, 160)
