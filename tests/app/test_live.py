"""The lab's view of runs: read from their folders, once for all tabs, with only increments sent."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from convolab.app import figures
from convolab.app.live import RunView, Views, thin, watch_interval
from convolab.app.status import status
from convolab.networks import preset
from convolab.runs import RunFolder, RunSpec
from convolab.runs.folder import Figures
from convolab.training import events
from convolab.training.events import Event
from convolab.training.settings import TrainingSettings
from convolab.words import duration

STARTED = events.Started(
    parameters=11_274,
    train_size=60_000,
    test_size=10_000,
    device="cpu",
    precision="fp32",
    precision_reason="",
    threads=2,
    planned_examples=60_000,
)


def progress(examples: int, loss: float = 0.5) -> Event:
    return events.Progress(
        examples=examples,
        batches=examples // 64,
        epoch=examples / 60_000,
        seconds=examples / 10_000,
        loss=loss,
        train_accuracy=0.9,
        examples_per_second=9_800.0,
        learning_rate=0.1,
        fraction=examples / 60_000,
        seconds_left=(60_000 - examples) / 10_000,
    )


def evaluated(examples: int, correct: int = 9_710) -> Event:
    return events.Evaluated(
        examples=examples,
        batches=examples // 64,
        seconds=examples / 10_000,
        test_loss=0.0931,
        test_accuracy=correct / 10_000,
        correct=correct,
        total=10_000,
        evaluation_seconds=0.3,
        confusion=[[1, 0], [2, 3]],
    )


@pytest.fixture
def folder(home: Path) -> RunFolder:
    """The folder of a run that waits."""
    made = RunFolder("abc123")
    settings = TrainingSettings(examples=60_000)
    network = preset("convolutional", (1, 28, 28), 10)
    spec = RunSpec(
        run_id="abc123",
        name="first",
        dataset="mnist",
        network=network,
        settings=settings,
        created="",
        version="",
    )
    made.create(spec)
    return made


def write(folder: RunFolder, *happened: Event) -> None:
    with folder.events_path.open("a") as file:
        for event in happened:
            file.write(json.dumps(event.to_dict()) + "\n")


def look(view: RunView) -> bool:
    view.read_again()
    return view.refresh()


def test_a_tab_gets_each_point_once(folder: RunFolder) -> None:
    view = RunView("abc123")
    write(folder, STARTED, evaluated(0, 1_000), progress(640))
    look(view)
    first = view.curves("")
    assert first["reset"]
    assert [row[0] for row in first["train"]] == [640]
    assert first["test"] == [[0, 0, 0, 0.0931, 0.1]]
    write(folder, progress(1_280), progress(1_920), evaluated(1_920))
    look(view)
    second = view.curves(first["cursor"])
    assert not second["reset"]
    assert [row[0] for row in second["train"]] == [1_280, 1_920]
    assert [row[0] for row in second["test"]] == [1_920]
    assert view.curves(second["cursor"])["train"] == []


def test_a_line_that_is_not_written_to_its_end_waits(folder: RunFolder) -> None:
    view = RunView("abc123")
    write(folder, STARTED)
    line = json.dumps(progress(640).to_dict())
    with folder.events_path.open("a") as file:
        file.write(line[:40])
    look(view)
    assert view.train == []
    with folder.events_path.open("a") as file:
        file.write(line[40:] + "\n")
    look(view)
    assert [row[0] for row in view.train] == [640]


def test_points_after_the_checkpoint_are_taken_back_on_recovery(folder: RunFolder) -> None:
    view = RunView("abc123")
    write(folder, STARTED, progress(640), progress(1_280), progress(1_920), evaluated(1_920))
    look(view)
    had = view.curves("")
    message = (
        "The process that trained this run died; it goes on by itself from its checkpoint at 640 examples."
    )
    again = replace(STARTED, examples=640)
    write(folder, events.Recovered(examples=1_920, message=message), again, progress(1_280))
    folder.set_state("running")
    with folder.lock():
        look(view)
    now = view.curves(had["cursor"])
    assert now["reset"]
    assert [row[0] for row in now["train"]] == [640, 1_280]
    assert now["test"] == []
    assert status(view)["sentence"] == message
    assert status(view)["tone"] == "warn"


def test_status_says_how_far_and_how_good(folder: RunFolder) -> None:
    write(folder, STARTED, progress(12_800, loss=0.09312), evaluated(12_800))
    folder.set_state("running")
    view = RunView("abc123")
    with folder.lock():
        look(view)
    said = status(view)
    assert said["state"] == "running"
    assert said["done"] == "12,800 of 60,000 examples"
    assert said["left"] == "about 5 s left"
    assert said["fraction"] == pytest.approx(12_800 / 60_000)
    assert said["figures"][0] == ("Test accuracy", "97.1 %", "of 10,000 test images")
    assert ("Loss", "0.093", "test 0.093") in said["figures"]
    assert ("Speed", "9,800", "examples/s") in said["figures"]


def test_states_are_told_as_sentences(folder: RunFolder) -> None:
    view = RunView("abc123")
    look(view)
    assert "place 3" in status(view, position=3)["sentence"]
    folder.set_state("paused", "The disk is full.", Figures(examples=640))
    look(view)
    said = status(view)
    assert "640 examples" in said["sentence"]
    assert "The disk is full." in said["sentence"]
    assert said["tone"] == "warn"
    folder.set_state("running")  # and yet nobody holds the lock: the process is gone
    look(view)
    assert status(view)["state"] == "interrupted"
    assert "Resume" in status(view)["sentence"]
    folder.set_state("failed", "The loss is not finite; try a smaller learning rate.")
    look(view)
    assert status(view)["tone"] == "error"
    assert "smaller learning rate" in status(view)["sentence"]


def test_a_change_of_state_is_told_and_progress_is_not(folder: RunFolder) -> None:
    view = RunView("abc123")
    assert look(view)
    folder.set_state("paused", figures=Figures(examples=1))
    assert look(view)
    folder.set_state("paused", figures=Figures(examples=2))
    assert not look(view)
    told: list[str] = []
    end = view.on_change(lambda: told.append("changed"))
    view.tell()
    end()
    view.tell()
    assert told == ["changed"]


def test_files_are_not_read_more_often_than_allowed(folder: RunFolder) -> None:
    view = RunView("abc123")
    look(view)
    write(folder, STARTED, progress(640))
    view.refresh()  # at once after the last look
    assert view.train == []
    look(view)
    assert len(view.train) == 1


def test_confusion_matrix_belongs_to_its_evaluation(folder: RunFolder) -> None:
    view = RunView("abc123")
    assert view.confusion() == {"version": "0"}
    write(folder, STARTED, evaluated(640))
    look(view)
    found = view.confusion()
    assert found["rows"] == [[1, 0], [2, 3]]
    assert found["note"] == "97.1 % of 10,000 test images, after 640 examples"


def test_views_are_shared() -> None:
    views = Views()
    with pytest.raises(Exception, match="no run"):
        views.run("nothing-there")


def test_one_view_for_all_tabs(folder: RunFolder) -> None:
    views = Views()
    assert views.run("abc123") is views.run("abc123")


def test_thinning_keeps_spikes_and_both_ends() -> None:
    rows = [[float(i), 0.0, 0.0, 1.0, 0.5, 100.0] for i in range(10_000)]
    rows[5_003][3] = 9.0
    kept = thin(rows, 300)
    assert len(kept) <= 320
    assert rows[5_003] in kept
    assert kept[0] == rows[0]
    assert kept[-1] == rows[-1]
    assert [row[0] for row in kept] == sorted(row[0] for row in kept)
    assert thin(rows[:200], 300) == rows[:200]


def test_many_tabs_ask_seldom() -> None:
    assert watch_interval([True], active=True) <= 0.5
    assert watch_interval([True] * 20, active=True) >= 5
    assert watch_interval([False] * 20, active=True) < 3
    assert watch_interval([True], active=False) >= 2
    views = Views()
    intervals = [views.interval(f"tab {number}", active=True) for number in range(20)]
    assert intervals[0] <= 0.5
    assert intervals[-1] >= 5


@pytest.mark.parametrize(
    ("share", "digits", "text"),
    [
        (0.971, 1, "97.1 %"),
        (0.99999, 1, "99.9 %"),
        (1.0, 1, "100.0 %"),
        (0.0, 1, "0.0 %"),
        (1e-6, 1, "< 0.1 %"),
    ],
)
def test_percentages_do_not_flatter(share: float, digits: int, text: str) -> None:
    assert figures.percent(share, digits) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.42, "0.4 s"),
        (12.3, "12 s"),
        (125, "2 min 5 s"),
        (600, "10 min"),
        (4_800, "1 h 20 min"),
        (7_200, "2 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
