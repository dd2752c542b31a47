"""Transfers as jobs: executed from a folder, steered through it, interrupted and taken up again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from style_kit import image, stripes, tiny_network

from convolab.errors import RunError, SettingsError
from convolab.style import MemoryTransferControl, Transfer, TransferSettings, grams
from convolab.style import job as job_module
from convolab.style import job_recorder as recorder_module
from convolab.style.events import Iterate, TransferEvent, TransferPaused, TransferStarted
from convolab.style.job import create_transfer, execute_transfer
from convolab.style.job_folder import Part, TransferFolder
from convolab.style.job_recorder import TransferRecovered
from convolab.style.losses import gram_matrix
from convolab.style.pictures import to_tensor

SETTINGS = TransferSettings(
    size=40,
    steps=12,
    content_layer="relu2_1",
    style_layers="relu1_1,relu2_1",
    start="noise",
    precision="fp32",
    coarse_to_fine=False,
)


@pytest.fixture(autouse=True)
def _tiny(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home of each test's own, a feature network that takes no time, every iterate kept."""
    monkeypatch.setattr(job_module, "_network", lambda folder, settings: tiny_network())
    monkeypatch.setattr(recorder_module, "PICTURE_SECONDS", 0)
    monkeypatch.setattr(recorder_module, "PICTURE_SHARE", 1e9)


@pytest.fixture
def parts(tmp_path: Path) -> tuple[Part, Part]:
    image().save(tmp_path / "photo.png")
    stripes().save(tmp_path / "stripes.png")
    return Part(tmp_path / "photo.png", "Photo", "abc"), Part(tmp_path / "stripes.png", "Stripes")


def new(parts: tuple[Part, Part], settings: TransferSettings = SETTINGS) -> TransferFolder:
    return TransferFolder(create_transfer(parts[0], [parts[1]], settings))


def straight(settings: TransferSettings = SETTINGS) -> Transfer:
    """The same transfer without any folder."""
    work = Transfer(image(), stripes(), settings, network=tiny_network())
    list(work.iterates())
    return work


def last_picture(folder: TransferFolder) -> np.ndarray:
    with Image.open(folder.iterate_path(folder.iterates()[-1])) as opened:
        return np.asarray(opened)


def test_a_transfer_is_painted_as_without_a_folder_and_its_folder_tells_all(parts: tuple[Part, Part]) -> None:
    folder = new(parts)
    assert folder.state().state == "queued"
    assert (folder.name, folder.spec().keys) == ("Photo as Stripes", {"content": "abc"})
    end = execute_transfer(folder.run_id)
    assert end is not None
    assert (end.step, end.stopped_because) == (12, "steps")
    assert execute_transfer(folder.run_id) == end  # once is enough
    state = folder.state()
    assert (state.state, state.figures.steps, state.figures.fraction) == ("finished", 12, 1.0)
    assert state.figures.style == end.style
    assert folder.iterates() == list(range(1, 13))
    assert np.array_equal(last_picture(folder), np.asarray(straight().picture()))
    kinds = [entry["kind"] for entry in folder.entries()[0]]
    assert kinds == ["started", *["iterate"] * 12, "saved", "finished"]


def test_weights_change_pause_and_stop_through_the_folder(parts: tuple[Part, Part]) -> None:
    folder = new(parts)
    seen: list[TransferEvent] = []

    def watch(event: TransferEvent) -> None:
        seen.append(event)
        if isinstance(event, Iterate) and event.step == 4:
            folder.control(weight=0.9, style_weights=(1.0, 3.0), paused=True)
        if isinstance(event, TransferPaused):
            assert folder.state().state == "paused"
            folder.control(paused=False)
        if isinstance(event, Iterate) and event.step == 7:
            folder.control(stop=True)

    end = execute_transfer(folder.run_id, watch)
    assert end is not None
    assert (end.step, end.stopped_because, folder.state().state) == (7, "user", "stopped")
    weights = [event.weight for event in seen if isinstance(event, Iterate)]
    assert weights == [0.5] * 4 + [0.9] * 3
    last = next(event for event in reversed(seen) if isinstance(event, Iterate))
    by_layer = last.style_by_layer
    assert last.style == pytest.approx(0.25 * by_layer["relu1_1"] + 0.75 * by_layer["relu2_1"], rel=1e-5)
    with pytest.raises(SettingsError, match="between 0 and 1"):
        folder.control(weight=1.5)


def test_released_and_taken_up_again_it_comes_to_the_same_picture(parts: tuple[Part, Part]) -> None:
    folder = new(parts)

    def release(event: TransferEvent) -> None:
        if isinstance(event, Iterate) and event.step == 5:
            folder.control(release=True)

    assert execute_transfer(folder.run_id, release) is None
    assert folder.state().state == "interrupted"
    seen: list[TransferEvent] = []
    assert execute_transfer(folder.run_id, seen.append) is not None
    assert isinstance(seen[0], TransferStarted)
    assert seen[0].step == 5
    assert np.array_equal(last_picture(folder), np.asarray(straight().picture()))


def test_after_a_crash_it_says_from_where_it_goes_on_and_forgets_what_comes_again(
    parts: tuple[Part, Part],
) -> None:
    folder = new(parts)

    def crash(event: TransferEvent) -> None:
        if isinstance(event, Iterate) and event.step == 3:
            folder.control(paused=True)  # saves
        if isinstance(event, TransferPaused):
            folder.control(paused=False)
        if isinstance(event, Iterate) and event.step == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute_transfer(folder.run_id, crash)
    assert folder.iterates()[-1] == 8
    folder.set_state("running")  # as a process leaves it that is killed
    assert folder.state().state == "interrupted"
    seen: list[TransferEvent] = []

    def watch(event: TransferEvent) -> None:
        seen.append(event)
        if isinstance(event, TransferStarted):
            assert folder.iterates() == [1, 2, 3]

    execute_transfer(folder.run_id, watch)
    assert isinstance(seen[0], TransferRecovered)
    assert "after 3 steps" in seen[0].message
    assert folder.state().state == "finished"
    assert np.array_equal(last_picture(folder), np.asarray(straight().picture()))


def test_an_error_becomes_a_state_with_a_sentence(parts: tuple[Part, Part]) -> None:
    folder = new(parts, SETTINGS.changed(network="vgg-16", content_layer="relu2_1"))
    folder.content_path.write_bytes(b"no picture")
    with pytest.raises(Exception, match="not a picture"):
        execute_transfer(folder.run_id)
    assert folder.state().state == "failed"
    assert "not a picture" in folder.state().reason
    with pytest.raises(RunError, match="There is no transfer transfer-none"):
        execute_transfer("transfer-none")


def test_too_many_pictures_are_thinned_but_never_the_first_and_the_newest(
    parts: tuple[Part, Part], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "PICTURES", 6)
    folder = new(parts, SETTINGS.changed(steps=40))
    execute_transfer(folder.run_id)
    kept = folder.iterates()
    assert len(kept) <= 7
    assert (kept[0], kept[-1]) == (1, 40)
    assert {path.stem for path in folder.iterates_path.glob("*.gram")} == {f"{step:06d}" for step in kept}


def test_gram_matrices_are_those_of_style_and_picture(parts: tuple[Part, Part]) -> None:
    # Average pooling and a start from the photo: the first picture that is judged is the photo itself.
    folder = new(parts, SETTINGS.changed(start="content"))
    execute_transfer(folder.run_id)
    pairs = {pair.layer: pair for pair in grams.unpack(folder.gram_path(1).read_bytes())}
    assert list(pairs) == ["relu1_1", "relu2_1"]
    network = tiny_network()
    photo = network(to_tensor(image(), 40, 32), ["relu2_1"])["relu2_1"]
    places = photo.shape[2] * photo.shape[3]
    expected = gram_matrix(photo).numpy() / places
    pair = pairs["relu2_1"]
    assert (pair.maps, pair.shown) == (12, tuple(range(12)))
    found = pair.found * np.abs(pair.found) * pair.limit
    inside = np.abs(expected) < pair.limit
    assert inside.any()
    assert np.abs(found - expected)[inside].max() < 0.03 * pair.limit
    assert np.abs(pair.wanted).max() == pytest.approx(1)
    last = {pair.layer: pair for pair in grams.unpack(folder.gram_path(12).read_bytes())}["relu2_1"]
    assert np.abs(last.found - last.wanted).mean() < np.abs(pair.found - pair.wanted).mean()


def test_parts_that_do_not_fit_never_become_a_transfer(parts: tuple[Part, Part], home: Path) -> None:
    photo, style = parts
    with pytest.raises(SettingsError, match="at least one style"):
        create_transfer(photo, [], SETTINGS)
    with pytest.raises(SettingsError, match="2 style pictures need as many masks, not 1"):
        create_transfer(photo, [style, style], SETTINGS, masks=[style])
    with pytest.raises(SettingsError, match="2 style pictures need as many blend weights, not 3"):
        create_transfer(photo, [style, style], SETTINGS.changed(blend="1,2,3"))
    with pytest.raises(SettingsError, match='no feature network "vgg-61"'):
        create_transfer(photo, [style], SETTINGS.changed(network="vgg-61"))
    assert TransferFolder.all() == []


def test_masks_start_and_several_styles_are_used(parts: tuple[Part, Part], tmp_path: Path) -> None:
    photo, style = parts
    stripes(vertical=False).save(tmp_path / "flat.png")
    half = np.zeros((32, 40), np.uint8)
    half[:, :20] = 255
    Image.fromarray(half).save(tmp_path / "left.png")
    Image.fromarray(255 - half).save(tmp_path / "right.png")
    run_id = create_transfer(
        photo,
        [style, Part(tmp_path / "flat.png", "Flat")],
        SETTINGS,
        masks=[Part(tmp_path / f"{side}.png", side) for side in ("left", "right")],
        start=style,
    )
    execute_transfer(run_id)
    work = Transfer(
        image(),
        [stripes(), stripes(vertical=False)],
        SETTINGS.changed(start=str(style.path)),
        masks=[tmp_path / "left.png", tmp_path / "right.png"],
        network=tiny_network(),
        control=MemoryTransferControl(),
    )
    list(work.iterates())
    folder = TransferFolder(run_id)
    assert np.array_equal(last_picture(folder), np.asarray(work.picture()))
    pairs = grams.unpack(folder.gram_path(12).read_bytes())
    assert [(pair.layer, pair.style) for pair in pairs] == [
        ("relu1_1", 0),
        ("relu1_1", 1),
        ("relu2_1", 0),
        ("relu2_1", 1),
    ]
    assert json.loads((folder.path / "transfer.json").read_text())["settings"]["start"] == "Stripes"
