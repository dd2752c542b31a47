"""The room Experiments without a browser: the index of runs, notes, addresses, differences."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from convolab.app.experiments import details, differences, trying
from convolab.app.experiments.index import RunIndex
from convolab.app.experiments.state import Shown, from_query, to_query
from convolab.errors import DataError, ExperimentError, RunError, SettingsError
from convolab.networks import Network, preset
from convolab.runs import RunFolder, RunSpec
from convolab.runs.folder import Figures
from convolab.runs.notes import read_notes, write_notes
from convolab.training.settings import TrainingSettings

CONVOLUTIONAL = preset("convolutional", (1, 28, 28), 10)


def make(
    run_id: str, network: Network = CONVOLUTIONAL, state: str = "finished", **settings: Any
) -> RunFolder:
    """A run of MNIST as it lies on the disk; ``settings`` differ from the defaults."""
    folder = RunFolder(run_id)
    spec = RunSpec(
        run_id=run_id,
        name=f"run {run_id}",
        dataset="mnist",
        network=network,
        settings=TrainingSettings(**settings),
        created=f"2026-01-01T00:00:{len(run_id):02d}.000Z",
        version="1",
        tags={"experiment": "abc"},
    )
    folder.create(spec)
    figures = Figures(examples=640, seconds=1.5, test_accuracy=0.9, test_loss=0.3, parameters=11_274)
    folder.set_state(state, figures=figures)  # type: ignore[arg-type]
    return folder


@pytest.fixture
def index(home: Path, monkeypatch: pytest.MonkeyPatch) -> RunIndex:
    """An index that looks at each question and does not ask MLflow."""
    made = RunIndex()
    monkeypatch.setattr("convolab.app.experiments.index.LOOK_EVERY", 0.0)
    monkeypatch.setattr(made, "_ask_others", lambda: None)
    return made


def news(index: RunIndex, version: str = "") -> dict[str, Any]:
    found, _ = index.news(f"since{version}")
    assert found is not None
    return found


def test_the_index_tells_all_once_and_then_only_what_changed(index: RunIndex) -> None:
    make("aa", examples=640)
    make("bbb", learning_rate=0.01)
    first = news(index)
    assert first["reset"]
    rows = {row["id"]: row for row in first["rows"]}
    assert rows["bbb"]["settings"] == {"learning_rate": 0.01}
    assert rows["aa"]["multiply_adds"] == CONVOLUTIONAL.multiply_adds
    assert rows["aa"]["test_accuracy"] == 0.9
    assert rows["aa"]["tags"] == {"experiment": "abc"}
    assert {fact["name"] for fact in first["settings"]} >= {"learning_rate", "seed"}
    assert [row["id"] for row in index.rows()] == ["bbb", "aa"]  # the newest first

    assert index.news(f"since{first['version']}") == (None, False)
    write_notes("aa", text="good", labels=["wide"])
    second = news(index, first["version"])
    assert not second["reset"]
    assert [(row["id"], row["note"], row["labels"]) for row in second["rows"]] == [("aa", "good", ["wide"])]

    shutil.rmtree(RunFolder("bbb").path)
    third = news(index, second["version"])
    assert (third["rows"], third["gone"]) == ([], ["bbb"])
    # Who was away for longer gets both, and who comes from another lab everything.
    assert news(index, first["version"])["gone"] == ["bbb"]
    assert news(index, "another.7")["reset"]


def test_runs_that_rest_are_not_read_again(index: RunIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        make(f"r{'x' * number}")
    first = news(index)
    read: list[str] = []
    before = RunFolder.state
    monkeypatch.setattr(RunFolder, "state", lambda self: (read.append(self.run_id), before(self))[1])
    assert index.news(f"since{first['version']}")[0] is None
    assert read == []
    RunFolder("rxx").set_state("failed", "The loss is not finite.")
    assert [row["reason"] for row in news(index, first["version"])["rows"]] == ["The loss is not finite."]
    assert read == ["rxx"]


def test_a_run_whose_process_is_gone_reads_as_interrupted(index: RunIndex) -> None:
    make("dead", state="running")
    found, moving = index.news("since")
    assert found is not None
    assert [row["state"] for row in found["rows"]] == ["interrupted"]
    assert not moving


def test_damaged_folders_are_left_out_and_numbers_that_are_none_do_no_harm(index: RunIndex) -> None:
    make("good")
    (make("badly").path / "run.json").write_text("{")
    folder = make("wild")
    folder.set_state("failed", figures=Figures(test_loss=float("nan")))
    found = news(index)
    assert {row["id"] for row in found["rows"]} == {"good", "wild"}
    json.dumps(found, allow_nan=False)


def test_notes_are_kept_cleaned_and_checked(home: Path) -> None:
    folder = make("aa")
    write_notes("aa", text="  first line\nsecond  ", labels=[" good  one ", "", "good one"], colour=3)
    write_notes("aa", colour=5)
    found = read_notes(folder)
    assert (found.text, found.labels, found.colour) == ("first line\nsecond", ("good one",), 5)
    (folder.path / "notes.json").write_text('{"colour": 99}')
    assert read_notes(folder).colour == 0
    with pytest.raises(RunError, match="longer than 40"):
        write_notes("aa", labels=["x" * 41])
    with pytest.raises(RunError, match="at most"):
        write_notes("aa", text="x" * 5001)
    with pytest.raises(RunError, match="colour"):
        write_notes("aa", colour=9)
    with pytest.raises(RunError, match="no run"):
        write_notes("nowhere", text="x")


def test_an_address_says_what_is_shown() -> None:
    shown = Shown("sweeps", ("aa", "b-c_1"), base="aa", experiment="0a1b2c3d", sweep="11223344")
    found, problems = from_query(dict(parse_qsl(to_query(shown))))
    assert (found, problems) == (shown, [])
    assert to_query(Shown()) == ""
    found, problems = from_query({"view": "swept", "runs": "aa,<script>", "colour": "red"})
    assert found == Shown(runs=("aa",))
    said = " ".join(problems)
    assert "sweeps" in said
    assert "colour" in said
    assert len(from_query({"runs": ",".join(f"r{i}" for i in range(30))})[0].runs) == 20


def test_a_page_can_change_only_what_makes_sense() -> None:
    shown = Shown().changed(
        {"view": "challenge", "runs": ["aa", "../etc", 3], "base": "x y", "sweep": "12ab"}
    )
    assert shown == Shown("challenge", ("aa", "3"), sweep="12ab")


def test_differences_of_runs_with_networks_layer_by_layer(home: Path) -> None:
    other = CONVOLUTIONAL.changed_layer(0, out_channels=12).remove(5)
    make("aa", learning_rate=0.1, examples=640)
    make("bb", other, learning_rate=0.01, examples=640, seed=3)
    found = differences.differences(["aa", "bb"])
    differing = [line for line in found["settings"] if line["differs"]]
    assert found["settings"][: len(differing)] == differing  # they come first
    rate = next(line for line in differing if line["name"] == "learning_rate")
    assert rate["values"] == ["0.1", "0.01"]
    assert any("seed" in sentence for sentence in found["unfair"])
    layers = differences.layers("aa", "bb")
    kinds = [one["kind"] for one in layers["layers"]]
    assert (kinds[0], kinds.count("removed")) == ("changed", 1)
    assert any(change[1:] == ["8", "12"] for change in layers["layers"][0]["fields"])
    assert layers["totals"][1]["parameters"] == other.parameters
    assert differences.layers("aa", "aa")["same"]


def test_runs_on_pictures_of_other_sizes_are_not_compared_image_by_image(home: Path) -> None:
    from convolab.app.experiments.measured import check_comparable

    small, same = make("aa"), make("bb", learning_rate=0.01)
    spec = small.spec()
    wide = spec.model_copy(update={"network": preset("convolutional", (3, 32, 32), 10), "name": "wide"})
    check_comparable(spec, same.spec())
    with pytest.raises(DataError, match=r"no test set fits both.*can still be looked at side by side"):
        check_comparable(spec, wide)
    other = spec.model_copy(update={"dataset": "cifar10"})
    assert "side by side" in " ".join(differences.unfair([spec, other]))


def test_what_is_said_of_a_run_that_is_not_here(home: Path) -> None:
    with pytest.raises(RunError, match="another machine"):
        details.about("elsewhere1")
    make("aa")
    about = details.about("aa")
    assert about["sets"][0] == {"name": "mnist", "title": "MNIST", "own": True}
    assert about["build"].startswith("/build?")
    assert "nowhere" in details.deleted(["nowhere"])["error"]


def test_what_can_be_varied_is_offered_with_values(home: Path) -> None:
    make("aa", learning_rate=0.1, examples=6400)
    found = trying.offered("aa")
    assert (found["examples"], found["endless"]) == (6400, False)
    rate = next(one for one in found["proposals"] if one["key"] == "learning_rate")
    assert rate["current"] in rate["values"]
    assert all(isinstance(value, str) for one in found["proposals"] for value in one["values"])


def test_runs_are_trained_again_under_the_conditions_of_the_first(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convolab.runs.tracking.begin", lambda name, dataset: f"new{abs(hash(name))}")
    submitted: list[str] = []

    class Queue:
        slots = 1

        def submit(self, run_id: str) -> None:
            submitted.append(run_id)

    make("aa", examples=640, seed=7)
    make("bb", examples=640, seed=7, learning_rate=0.01)
    make("cc", budget=20.0, seed=1, learning_rate=0.5)
    found = trying.fair(["aa", "bb", "cc"], Queue())  # type: ignore[arg-type]
    assert found[:2] == ["aa", "bb"]
    assert submitted == found[2:]
    settings = RunFolder(found[2]).spec().settings
    assert settings == TrainingSettings(examples=640, seed=7, learning_rate=0.5)
    make("dd")
    for runs, sentence in ((["aa"], "at least two"), (["dd", "aa"], "until it was stopped")):
        with pytest.raises(ExperimentError, match=sentence):
            trying.fair(runs, Queue())  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "0", "-3", "2.5", "many", None])
def test_whole_numbers_are_checked_with_a_sentence(text: str | None) -> None:
    with pytest.raises(SettingsError, match="whole number"):
        trying.whole(text, "Seeds")
    assert trying.whole("30,000", "Examples") == 30_000
