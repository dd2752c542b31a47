"""The room Transfer without a browser: addresses, pictures, presets, what can be saved."""

from __future__ import annotations

import asyncio
import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import pytest
from PIL import Image

from convolab.app.transfer import library, networks, presets, saving, starting
from convolab.app.transfer.room import Room
from convolab.app.transfer.state import Wanted, from_query, of_spec, to_query
from convolab.errors import DataError, RunError, SettingsError
from convolab.style.events import Iterate, WeightsChanged
from convolab.style.job_folder import TransferFolder, TransferSpec
from convolab.style.settings import TransferSettings

pytestmark = pytest.mark.usefixtures("home")


def nothing(run_id: str) -> TransferSpec:
    raise RunError(f"There is no transfer {run_id}.")


def png(color: tuple[int, int, int] = (200, 30, 30), size: tuple[int, int] = (48, 32)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, "PNG")
    return buffer.getvalue()


def again(wanted: Wanted) -> Wanted:
    found, problems = from_query(dict(parse_qsl(to_query(wanted))), nothing)
    assert problems == []
    return found


def test_an_address_says_all_that_is_chosen() -> None:
    one, two = library.bring(png(), "one.png")["key"], library.bring(png((0, 9, 99)), "two.png")["key"]
    mask = library.bring_mask(png((255, 255, 255)))["key"]
    wanted = Wanted(one, (two, "lab-waves"), (mask, mask)).changed_settings(
        weight=0.25, style_layers="relu1_1,relu3_1", style_weights="1,2.5", budget=30, preserve_color=True
    )
    assert again(wanted) == wanted
    assert again(Wanted()) == Wanted()
    assert "weight=0.25" in to_query(wanted)
    assert "content_layer" not in to_query(wanted)  # the default


def test_of_a_bad_address_what_can_be_understood_is_kept() -> None:
    query = {
        "style_layers": "relu1_1,relu9_9",
        "weight": "0.75",
        "photo": "nowhere",
        "colour": "red",
        "job": "transfer-gone",
    }
    wanted, problems = from_query(query, nothing)
    said = " ".join(problems)
    assert wanted.settings == Wanted().changed_settings(weight=0.75).settings
    assert (wanted.photo, wanted.job) == (Wanted().photo, "")
    for part in (
        "relu9_9",
        'Did you mean "relu',
        "no longer in the lab",
        '"colour"',
        "transfer-gone",
    ):
        assert part in said


def test_a_network_that_is_gone_is_replaced_by_vgg_and_its_layers() -> None:
    wanted, problems = from_query({"network": "run:none", "style_layers": "conv1,relu2_1"}, nothing)
    assert "There is no run none" in problems[0]
    settings = wanted.settings
    assert (settings.network, settings.style_names, settings.content_names) == (
        "vgg-16",
        ("relu2_1",),
        ("relu4_2",),
    )


def test_other_styles_drop_masks_and_blend_that_no_longer_fit() -> None:
    wanted = Wanted(styles=("lab-waves", "lab-dots"), masks=("mask-a", "mask-b")).changed_settings(
        blend="1,2"
    )
    assert wanted.with_styles(("lab-dots", "lab-waves")).masks == ("mask-a", "mask-b")
    fewer = wanted.with_styles(("lab-dots", "lab-dots"))
    assert (fewer.styles, fewer.masks, fewer.settings.blend) == (("lab-dots",), (), "")


def test_pictures_are_kept_once_by_what_is_in_them() -> None:
    first, second = library.bring(png(), "a b_c.png"), library.bring(png(), "other.png")
    assert first["key"] == second["key"]
    assert (first["title"], first["width"], first["height"]) == ("a b c", 48, 32)
    with Image.open(library.thumbnail(first["key"])) as small:
        assert max(small.size) == 48
    assert [item["key"] for item in library.recent()] == [first["key"]]
    for content, said in ((b"no", "not a picture"), (b"", "empty"), (png(size=(1, 1)), "1×1 pixels")):
        with pytest.raises(DataError, match=said):
            library.bring(content, "bad.png")
    for key in ("../secret", "", "A", "gone"):
        with pytest.raises(DataError, match="no longer in the lab"):
            library.path(key)


def test_examples_are_painted_when_they_are_looked_at() -> None:
    assert library.entry("lab-dots").title == "Dots"
    with Image.open(library.tile("lab-dots")) as small:  # to choose by, sooner than the picture itself
        small_colour = small.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    path = library.path("lab-dots")
    with Image.open(path) as painted:
        assert painted.size == (library.entry("lab-dots").width, library.entry("lab-dots").height)
        colour = painted.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    assert max(abs(a - b) for a, b in zip(colour, small_colour, strict=True)) < 12
    assert library.tile("lab-dots") == library.thumbnail("lab-dots")
    before = path.stat().st_mtime_ns
    assert library.path("lab-dots").stat().st_mtime_ns == before
    assert library.recent() == []


def painted(steps: int = 12) -> TransferFolder:
    """A transfer as if it had been painted: W was changed after 6 steps."""
    key = library.bring(png(), "photo.png")["key"]
    run_id = starting.paint(Wanted(key, (key,)).changed_settings(size=48, steps=steps))
    folder = TransferFolder(run_id)
    lines = []
    for step in range(1, steps + 1):
        event = Iterate(
            step=step,
            total=1 / step,
            style=0.5 / step,
            content=2.0,
            tv=0.0,
            weight=0.5 if step <= 6 else 0.9,
            style_by_layer={"relu1_1": 0.25 / step},
            content_by_layer={"relu4_2": 2.0},
            width=48,
            height=32,
            seconds=float(step),
            fraction=step / steps,
            seconds_left=0.0,
        )
        lines.append(event.to_dict())
        if step == 6:
            lines.append(WeightsChanged(step=6, weight=0.9, style_weights=[0.2] * 5, tv=1.0).to_dict())
        Image.new("RGB", (48, 32), (20 * step, 0, 0)).save(folder.iterate_path(step), "PNG")
    import json

    folder.events_path.write_text("".join(json.dumps({"time": 1.0, **line}) + "\n" for line in lines))
    return folder


def test_a_saved_picture_knows_the_settings_of_its_step() -> None:
    folder = painted()
    early = library.bring(saving.png(folder, 5), "early.png")["painted"]
    late = library.bring(saving.png(folder, 12), "late.png")["painted"]
    assert (early["settings"]["weight"], late["settings"]["weight"]) == (0.5, 0.9)
    assert (early["settings"]["tv"], late["settings"]["tv"]) == (0.0, 1.0)
    assert (early["facts"]["step"], early["facts"]["seconds"]) == (5, 5.0)
    assert late["facts"]["keys"]["content"] == folder.spec().keys["content"]
    with pytest.raises(DataError, match="no longer kept"):
        saving.png(folder, 99)


@pytest.mark.parametrize("kind", ["gif", "webp", "apng"])
def test_a_film_shows_the_pictures_in_order(kind: str) -> None:
    folder = painted()
    with Image.open(io.BytesIO(saving.film(folder, kind))) as film:
        assert film.n_frames == 12  # type: ignore[attr-defined]
        reds = []
        for i in range(12):
            film.seek(i)
            reds.append(film.convert("RGB").getpixel((10, 10))[0])  # type: ignore[index]
    assert reds == sorted(reds)
    assert reds[-1] - reds[0] > 200


def test_losses_stand_in_the_table_once_per_step() -> None:
    folder = painted()
    with folder.events_path.open("a") as file:  # went on from an earlier state
        file.write(folder.events_path.read_text().splitlines(keepends=True)[10])
    lines = saving.losses(folder).splitlines()
    assert lines[0].startswith("step,seconds,total,style,content,tv,weight,width,height,style relu1_1")
    assert [line.split(",")[0] for line in lines[1:]] == [str(step) for step in range(1, 13)]


def test_what_would_paint_a_transfer_again_is_what_was_asked_for() -> None:
    key = library.bring(png(), "photo.png")["key"]
    wanted = Wanted(key, ("lab-dots", "lab-waves")).changed_settings(
        size=64, blend="1,3", start=f"picture:{key}"
    )
    run_id = starting.paint(wanted)
    folder = TransferFolder(run_id)
    assert folder.start_path.read_bytes() == png()
    found = of_spec(folder.spec(), Wanted())
    assert (found.photo, found.styles, found.settings, found.job) == (
        key,
        wanted.styles,
        wanted.settings,
        run_id,
    )


def test_a_grid_has_a_transfer_for_each_w_and_each_set_of_layers() -> None:
    key = library.bring(png(), "photo.png")["key"]
    wanted = Wanted(key, (key,)).changed_settings(style_layers="relu1_1,relu2_1,relu3_1")
    grid_id, made = starting.grid(wanted, "style layers", "0.1, 0.9", 64, 5)
    specs = [TransferFolder(run_id).spec() for run_id in made]
    found = [(spec.settings.weight, spec.settings.style_layers, spec.settings.steps) for spec in specs]
    ladder = ["relu1_1", "relu1_1,relu2_1", "relu1_1,relu2_1,relu3_1"]
    assert found == [(weight, layers, 5) for weight in (0.1, 0.9) for layers in ladder]
    assert {spec.cell.grid for spec in specs if spec.cell} == {grid_id}
    _, halves = starting.grid(wanted, "rebuild", "", 64, 5)
    weights = [TransferFolder(run_id).spec().settings.weight for run_id in halves]
    assert weights == [0.0] * 3 + [1.0] * 3
    for run_id in halves:  # the layers of the other half are not there
        settings = TransferFolder(run_id).spec().settings
        assert (settings.style_names if settings.weight == 0 else settings.content_names) == ()
    for text, said in (
        ("", "at least one W"),
        ("2", "between 0 and 1, not 2"),
        ("-0.1", "between 0 and 1, not -0.1"),
        ("nan", "between 0 and 1, not nan"),
        ("a", "Each W is a number, with commas between them, not 'a'"),
        ("0.1," * 20, "60"),
    ):
        with pytest.raises(SettingsError, match=said):
            starting.grid(wanted, "style layers", text.rstrip(","), 64, 5)


def test_a_grid_of_content_layers_goes_from_shallow_to_deep() -> None:
    key = library.bring(png(), "photo.png")["key"]
    wanted = Wanted(key, (key,)).changed_settings(style_layers="relu1_1,relu2_1,relu3_1")
    _, made = starting.grid(wanted, "content layers", "0.3", 64, 5)
    specs = [TransferFolder(run_id).spec() for run_id in made]
    assert [spec.settings.content_layer for spec in specs] == ["relu1_1", "relu2_1", "relu3_1"]
    assert {spec.settings.style_layers for spec in specs} == {"relu1_1,relu2_1,relu3_1"}
    assert [(spec.cell.row_title, spec.cell.column_title) for spec in specs if spec.cell] == [
        ("W = 0.3", layer) for layer in ("relu1_1", "relu2_1", "relu3_1")
    ]


def test_a_grid_may_have_w_0_alone() -> None:
    key = library.bring(png(), "photo.png")["key"]
    wanted = Wanted(key, (key,)).changed_settings(style_layers="relu1_1,relu2_1")
    _, made = starting.grid(wanted, "style layers", "0", 64, 5)
    assert [TransferFolder(run_id).spec().settings.weight for run_id in made] == [0.0, 0.0]
    none = wanted.changed_settings(weight=0, style_layers="")
    with pytest.raises(SettingsError, match="ithout style layers W must be 0"):
        starting.grid(none, "content layers", "0.5", 64, 5)


def test_one_half_is_rebuilt_without_the_layers_of_the_other() -> None:
    key = library.bring(png(), "photo.png")["key"]
    wanted = Wanted(key, (key,)).changed_settings(style_weights="1,2,3,4,5")
    content = TransferFolder(starting.rebuild(wanted, "content")).spec().settings
    style = TransferFolder(starting.rebuild(wanted, "style")).spec().settings
    assert (content.weight, content.style_layers, content.style_weights) == (0.0, "", "")
    assert (style.weight, style.content_layer) == (1.0, "")
    assert style.style_layers == wanted.settings.style_layers
    assert style.style_weights == "1,2,3,4,5"


@pytest.mark.parametrize("half", ["content", "style"])
def test_beside_a_rebuilt_half_the_room_says_that_something_else_is_chosen(half: starting.Half) -> None:
    key = library.bring(png(), "photo.png")["key"]
    wanted = Wanted(key, (key,))
    room, _ = a_room(replace(wanted, job=starting.rebuild(wanted, half)))
    assert room.differs()
    room, _ = a_room(replace(wanted, job=starting.paint(wanted)))
    assert not room.differs()
    room, _ = a_room(room.wanted.changed_settings(weight=0.9))  # taken over while it is painted
    assert not room.differs()


class Heard:
    """A widget that remembers what it was sent."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def send(self, content: dict[str, Any]) -> None:
        self.sent.append(content)


def a_room(wanted: Wanted | None = None) -> tuple[Room, Heard]:
    room, stage = Room(wanted or Wanted(), lambda _: None), Heard()
    room.stage = stage  # type: ignore[assignment]
    return room, stage


def until_done(coroutine: Any) -> None:
    """In a thread of its own: this one may have an event loop already."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, coroutine).result()


def test_a_preset_is_pressed() -> None:
    room, stage = a_room(Wanted().changed_settings(size=200, seed=3))
    until_done(room.heard_weight({"preset": "strokes"}))
    assert presets.chosen(room.wanted.settings) == "strokes"
    assert (room.wanted.settings.size, room.wanted.settings.seed) == (200, 3)
    assert stage.sent == []
    until_done(room.heard_weight({"preset": "nonsense"}))
    assert "no preset" in stage.sent[-1]["error"]
    own = TransferSettings(network="run:abc", content_layer="conv1", style_layers="", weight=0)
    room, stage = a_room(replace(Wanted(), settings=own))
    until_done(room.heard_weight({"preset": "strong"}))
    assert "ithout style layers W must be 0" in stage.sent[-1]["error"]


def test_a_w_that_the_layers_do_not_allow_is_a_sentence() -> None:
    room, stage = a_room(Wanted().changed_settings(weight=0, style_layers=""))
    until_done(room.heard_weight({"weight": 0.5}))
    assert "ithout style layers W must be 0" in stage.sent[-1]["error"]
    assert room.wanted.settings.weight == 0


@pytest.mark.parametrize(
    "painted",
    [
        {"settings": {}, "facts": {"keys": "x"}},
        {"settings": {}, "facts": {"keys": {}, "styles": 5}},
        {"settings": {}, "facts": "x"},
        {"settings": "x", "facts": {}},
        {},
        "x",
    ],
)
def test_damaged_facts_in_a_picture_are_a_sentence(painted: Any) -> None:
    room, stage = a_room()
    until_done(room.heard_pictures({"painted": painted}))
    assert stage.sent == [
        {"error": "What this picture says of its settings is damaged; choose them by hand."}
    ]
    assert room.wanted == Wanted()


def test_without_weights_and_network_the_room_says_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failed:
        finished, sentence, fraction = True, "", None
        error = "The weights of VGG-16 could not be fetched. Tried: nobody."

    monkeypatch.setattr(networks, "is_here", lambda network: False)
    monkeypatch.setattr(networks, "fetch", lambda network: Failed())
    room, stage = a_room()
    until_done(room.heard_stage({"do": "paint"}))
    assert stage.sent[-1]["error"] == (
        f"{Failed.error} Or train a network in the room Build: it can serve as feature network."
    )
    own = [("vgg-16", "VGG-16"), ("run:abc", "Mine")]
    monkeypatch.setattr(networks, "choices", lambda: own)
    until_done(room.heard_stage({"do": "paint"}))
    assert stage.sent[-1]["error"].endswith("as feature network, above.")


def test_presets_change_what_they_say_and_are_recognised() -> None:
    settings = TransferSettings(size=200, seed=3)
    for preset in presets.PRESETS:
        applied = presets.applied(preset.name, settings)
        assert presets.chosen(applied) == preset.name
        assert (applied.size, applied.seed) == (200, 3)
    strokes = presets.applied("strokes", settings)
    assert strokes.preserve_color
    assert presets.chosen(strokes.changed(weight=0.61)) == ""
    own = TransferSettings(network="run:abc", content_layer="conv1", style_layers="conv1")
    assert presets.applied("strong", own).style_layers == "conv1"
