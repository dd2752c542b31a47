"""Learning a style in the room without a browser: what is asked for, curves, photos at hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from restyle_kit import file_of, noise

from convolab.app.restyle import learning, photo_sets, samples
from convolab.app.transfer import library as pictures
from convolab.errors import DataError, RunError, SettingsError
from convolab.style.fast.job_folder import LearnFolder


def test_learning_begins_with_what_was_asked_for(photo: str, room_home: Path) -> None:
    name = "set-0123456789abcdef"
    assert photo_sets.bring(file_of(noise(900, 700)), name) == {"photos": 1}
    assert photo_sets.bring(file_of(noise(64, 48)), name) == {"photos": 2}
    wanted = {
        "painting": photo,
        "title": " My waves ",
        "year": "2026",
        "size": "small",
        "minutes": 2,
        "weight": 0.7,
    }
    run_id = learning.create({**wanted, "photos": name})
    spec = LearnFolder(run_id).spec()
    assert (spec.name, spec.year, spec.settings.architecture) == ("My waves", "2026", "small")
    assert (spec.settings.budget, spec.settings.weight, spec.key) == (120, 0.7, photo)
    assert spec.photos == str(room_home / "photos" / name)
    with Image.open(Path(spec.photos) / "00001.jpg") as kept:
        assert kept.size == (640, 498)
    view = learning.VIEWS.get(run_id)
    view.refresh()
    news = view.news("")
    assert news is not None
    assert (news["state"], news["facts"]["minutes"], news["can"]) == ("queued", 2, ["stop"])
    assert view.news(news["cursor"]) is None
    assert (news["photos"], news["scenes"]) == ("", False)
    started = {"kind": "started", "step": 0, "photos": 2, "photos_from": "my album"}
    with LearnFolder(run_id).events_path.open("a") as file:
        file.write(json.dumps({"time": 1.0, **started, "few": True, "scenes": True}) + "\n")
    view.read_again()
    view.refresh()
    begun = view.news(news["cursor"])
    assert begun is not None
    assert begun["photos"] == "Learns from 2 photos: my album. More photos make it better."
    assert begun["scenes"]
    for change, said in (
        ({"size": "huge"}, "Choose a network"),
        ({"minutes": 0}, "above 0"),
        ({"minutes": "long"}, 'must be a number, not "long"'),
        ({"weight": 2}, "W"),
        ({"painting": "gone"}, "no longer in the lab"),
        ({"photos": "/no/such/folder"}, "There is no folder /no/such/folder"),
    ):
        with pytest.raises((SettingsError, DataError), match=said):
            learning.create({**wanted, **change})
    assert [item["job"] for item in learning.earlier()] == [run_id]
    for bad in ("../spec", "learning.json"):
        with pytest.raises(RunError):
            learning.file_of(run_id, bad)
    LearnFolder(run_id).set_state("stopped")
    learning.delete(run_id)
    assert learning.earlier() == []


def test_layers_strokes_and_start_can_be_chosen(photo: str) -> None:
    offered = learning.more()
    assert offered["layers"][0] == "relu1_1"
    assert offered["layers"][-1] == "relu5_3"
    defaults = {name: knob["default"] for name, knob in offered["knobs"].items()}
    chosen = {
        "content_layer": "relu2_2",
        "style_layers": "relu1_1,relu4_3",
        "stroke_size": 2,
        "start": "none",
    }
    wanted = {"painting": photo, "size": "small", "minutes": 1}
    spec = LearnFolder(learning.create({**wanted, "more": {**defaults, **chosen}})).spec()
    settings = spec.settings
    assert (settings.content_names, settings.style_names) == (("relu2_2",), ("relu1_1", "relu4_3"))
    assert (settings.stroke_size, settings.start, settings.stability) == (2, "none", defaults["stability"])
    told = learning.LearnView(learning.earlier()[0]["job"]).facts()["settings"]
    assert told == "Small network · W 0.8 · content relu2_2 · style relu1_1, relu4_3 · strokes × 2"
    for more, said in (
        ({"style_layers": "relu1_9"}, 'no layer in vgg-16 "relu1_9".*relu1_'),
        ({"stroke_size": 99}, "stroke size must be"),
        ({"budget": 1e6}, 'The setting "budget" of learning cannot be chosen here'),
        (["style_loss"], "cannot be chosen here"),
    ):
        with pytest.raises(SettingsError, match=said):
            learning.create({**wanted, "more": more})
    for item in learning.earlier():
        learning.delete(item["job"])


def test_a_network_of_ones_own_is_told_as_it_was_described(photo: str) -> None:
    run_id = learning.create({"painting": photo, "size": "small", "minutes": 1})
    folder = LearnFolder(run_id)
    own = folder.spec().settings.changed(architecture="c5s1-8,d16,R16,U8,c3s1-3", weight=1, content_layer="")
    view = learning.LearnView(run_id)
    view.spec = view.spec.model_copy(update={"settings": own})
    said = view.facts()["settings"]
    assert said.startswith("c5s1-8,d16,R16,U8,c3s1-3 network · W 1 · content none · style relu1_2,")
    learning.delete(run_id)


def test_curves_are_told_once_and_again_after_a_step_back(photo: str) -> None:
    run_id = learning.create({"painting": photo, "size": "small", "minutes": 1})
    folder = LearnFolder(run_id)
    step = {"kind": "step", "total": 1.0, "style": 0.5, "content": 2.0, "examples": 3, "fraction": 0.1}

    def write(*entries: dict[str, Any]) -> None:
        with folder.events_path.open("a") as file:
            file.writelines(json.dumps({"time": 1.0, **entry}) + "\n" for entry in entries)

    write(*({**step, "step": n, "seconds": float(n), "seconds_left": 9.0} for n in (1, 2, 3)))
    view = learning.VIEWS.get(run_id)
    view.refresh()
    first = view.news("")
    assert first is not None
    assert (first["reset"], [row[0] for row in first["rows"]]) == (True, [1, 2, 3])
    write({"kind": "started", "step": 2}, {**step, "step": 3, "seconds": 3.5, "seconds_left": 9.0})
    view.read_again()
    view.refresh()
    again = view.news(first["cursor"])
    assert again is not None
    assert (again["reset"], [row[1] for row in again["rows"]]) == (True, [1.0, 2.0, 3.5])
    write({**step, "step": 4, "seconds": 4.5, "seconds_left": 8.0})
    view.read_again()
    view.refresh()
    more = view.news(again["cursor"])
    assert more is not None
    assert (more["reset"], [row[0] for row in more["rows"]]) == (False, [4])
    folder.set_state("stopped")
    learning.delete(run_id)


def test_photos_at_hand_need_nothing_to_be_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CONVOLAB_DATA", str(tmp_path))
    offered = samples.offered()
    assert offered["photos"][0]["key"] == "lab-lake"
    assert (offered["samples"], offered["more"]) == ([], True)
    (tmp_path / "photos").mkdir()
    noise(seed=9).save(tmp_path / "photos" / "coffee.png")
    assert samples.offered()["samples"] == [{"name": "coffee.png", "title": "Coffee"}]
    key = samples.take("coffee.png")["key"]
    assert pictures.entry(key).title == "Coffee"
    assert samples.offered()["samples"] == []
    for name in ("rocket.jpg", "../coffee.png"):
        with pytest.raises(DataError):
            samples.take(name)
