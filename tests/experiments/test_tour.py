"""The quick tour, on small data sets: everything together; its page is whole; what was stopped goes on."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from convolab.cli import main
from convolab.experiments import Here
from convolab.experiments.tour import FULL, QUICK, Tour
from convolab.runs.store import runs_here

PLAN = replace(
    QUICK,
    datasets={"shapes": 300, "shapes-b": 300, "shapes-c": 300},
    variant_examples=200,
    picture=32,
    steps=3,
    features="own",
    minutes=(0.01,),
)


@pytest.fixture(scope="module", autouse=True)
def three_data_sets(lab: Path, shapes_folder: Path) -> None:
    from convolab.datasets import import_images

    for name in ("shapes-b", "shapes-c"):
        import_images(shapes_folder, name, size=16, color=name == "shapes-c")


def test_the_tour_makes_a_page_of_real_results_and_goes_on_after_a_stop(
    lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from convolab.experiments import challenge

    begin = challenge.challenge_settings()
    # 144 images are hardly more than a batch of 128.
    monkeypatch.setattr(challenge, "challenge_settings", lambda: begin.changed(batch_size=32))
    monkeypatch.setattr("convolab.experiments.speed.convolution_speed", lambda *_: 1.0)
    with Here() as here:
        tour = Tour(PLAN, here)
        assert not tour.continues
        for stage in tour.stages(tmp_path / "page"):
            if stage.part == 5 and stage.run_id is not None:
                break  # put aside while it trains the variants
    trained = {info.run_id for info in runs_here() if info.state == "finished"}
    assert len(trained) >= 4
    monkeypatch.setattr("convolab.experiments.tour.QUICK", PLAN)
    assert main(["tour", "--quick", "--output", str(tmp_path / "page"), "--json"]) == 0
    printed = capsys.readouterr()
    assert "Going on with the tour that was put aside." in printed.err
    assert trained <= {info.run_id for info in runs_here()}
    assert len(runs_here()) == 3 + 1 + 3 + 1  # nothing was trained twice
    assert all(info.state == "finished" for info in runs_here())
    said = {part["part"]: part["said"] for part in json.loads(printed.out.splitlines()[-1])["parts"]}
    assert list(said) == [
        "Training on three data sets",
        "Comparing two networks",
        "Why one data set is harder",
        "Looking inside",
        "How many layers",
        "Style transfer",
        "Restyling",
        "The challenge",
        "The page",
    ]
    page = tmp_path / "page" / "index.html"
    assert said["The page"] == str(page)
    html = page.read_text(encoding="utf-8")
    files = re.findall(r'(?:src|href)="(files/[^"]+)"', html)
    assert len(files) > 15
    for name in files:
        assert (page.parent / name).stat().st_size > 0
    for words in ("McNemar", "Every unit", "convolutional layers", "GFLOP/s", "A lake in waves"):
        assert words in html
    assert "was pinned here, but has been deleted" not in html
    assert not Tour(PLAN, Here()).continues  # the next one begins anew


def test_the_plans_are_whole() -> None:
    for plan in (QUICK, FULL):
        assert (plan.easy, plan.hard) == ("mnist", "cifar10")
    assert sum(FULL.minutes) == 16
