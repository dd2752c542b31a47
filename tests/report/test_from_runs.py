"""Pins made of a real run, and the page of them, by the command line."""

import csv
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from convolab.cli import main
from convolab.errors import ReportError, RunError
from convolab.report import find_pin, open_report, pin_run
from convolab.runs import create_run, curves, execute
from convolab.training import TrainingSettings


@pytest.fixture
def run_id(shapes: str) -> str:
    from convolab.datasets import load
    from convolab.networks import preset

    data = load(shapes)
    network = preset("convolutional", data.input_shape, len(data.classes))
    settings = TrainingSettings(examples=600, batch_size=20, learning_rate=0.05, flip=True)
    run = create_run(shapes, network, settings, name="mine")
    execute(run)
    return run


def test_pins_of_a_run_hold_its_exact_figures(run_id: str, shapes: str, tmp_path: Path, capfd):
    pinned = {what: pin_run("mine", what) for what in ("curves", "confusion", "statistics", "network")}

    rows = list(csv.DictReader(pinned["curves"].path("curves.csv").open()))
    test = [(float(row["examples"]), float(row["accuracy"])) for row in rows if row["set"] == "test"]
    own = curves(run_id).test
    assert test == list(zip(own["examples"], own["test_accuracy"], strict=True))
    for what, name in (("curves", "curves.svg"), ("confusion", "confusion.svg")):
        drawing = ElementTree.parse(pinned[what].path(name)).getroot()
        assert drawing.tag.endswith("svg")
        assert not [element for element in drawing.iter() if element.tag.endswith("script")]
    matrix = list(csv.reader(pinned["confusion"].path("confusion.csv").open()))
    assert matrix[0] == ["true", "bars", "columns", "discs"]
    assert sum(int(cell) for row in matrix[1:] for cell in row[1:]) == 36
    (statistics,) = csv.DictReader(pinned["statistics"].path("statistics.csv").open())
    assert float(statistics["accuracy"]) == pytest.approx(own["test_accuracy"][-1], abs=1e-4)
    compile(pinned["network"].path("train.py").read_text(), "train.py", "exec")
    assert json.loads(pinned["network"].path("network.json").read_text())
    expected = f"convolab train {shapes} --network convolutional --learning-rate 0.05 --batch-size 20 --flip"
    assert pinned["curves"].reproduce == f"{expected} --examples 600"

    # The command that a pin names can be given.
    assert main([*pinned["curves"].reproduce.split()[1:-1], "40", "--name", "again"]) == 0

    assert main(["report", "new", "Homework", "--author", "Ada", "--template", "statistics"]) == 0
    assert main(["report", "add", "homework", "--run", "mine", "--what", "confusion", "--at", "1"]) == 0
    assert main(["report", "add", "homework", "--pin", pinned["network"].id, "--text", "The *end*"]) == 0
    picture = tmp_path / "my_photo.png"
    picture.write_bytes(b"png")
    assert main(["report", "add", "homework", "--picture", str(picture), "--caption", "Me"]) == 0
    capfd.readouterr()
    assert main(["report", "build", "homework", "-o", str(tmp_path / "out"), "--json"]) == 0
    written = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert written["blocks"] == 6
    text = Path(written["written"]).read_text()
    assert "Confusion matrix of mine" in text
    assert "<em>end</em>" in text
    assert (tmp_path / "out/files/06/my-photo.png").read_bytes() == b"png"
    assert find_pin(open_report("homework").blocks[0].pin).kind == "confusion"  # type: ignore[union-attr]


def test_what_cannot_be_pinned_is_one_sentence(home: Path, capfd):
    with pytest.raises(ReportError, match=r'part of a run "curve".*Did you mean "curves"'):
        pin_run("mine", "curve")
    with pytest.raises(RunError):
        pin_run("mine")
    assert main(["report", "new", "Page"]) == 0
    assert main(["report", "add", "page"]) == 2
    assert main(["report", "add", "page", "--picture", "nowhere.png"]) == 2
    assert main(["report", "build", "pge"]) == 2
    errors = capfd.readouterr().err
    assert "Say what to add" in errors
    assert "nowhere.png cannot be read" in errors
    assert 'Did you mean "page"' in errors
