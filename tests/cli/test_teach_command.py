"""`convolab teach` and `convolab classify` as a user meets them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convolab.cli import main

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "teach"))
from teach_kit import KINDS, folder, lab_weights, picture


@pytest.fixture
def place(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder(tmp_path / "shapes", 4)
    lab_weights(tmp_path / "base.safetensors")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capfd: pytest.CaptureFixture[str], *arguments: str) -> dict:
    assert main([*arguments, "--json"]) == 0
    return json.loads(capfd.readouterr().out.strip().splitlines()[-1])


def test_from_a_folder_to_an_answer(
    place: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = said(
        capfd, "teach", "shapes", "--base", "base.safetensors", "--classifier", "mlp", "--hidden", "8",
        "--compare-layers",
    )  # fmt: skip
    assert told["classes"] == dict.fromkeys(KINDS, 4)
    assert (told["train"], told["test"]) == (9, 3)
    assert told["layer"] == "relu2"
    assert told["file"] == "shapes.teach"
    assert told["test_accuracy"] == told["correct"] / 3
    assert told["run_id"]
    assert {one["layer"] for one in told["layers"]} == {"relu1", "linear2", "relu2"}
    assert main(["runs"]) == 0
    assert "hidden-layer head" in capfd.readouterr().out
    for name in KINDS:
        picture(name, 90).save(place / f"{name}.png")
    # Another home, as on another machine; without the base network.
    monkeypatch.setenv("CONVOLAB_HOME", str(place / "other home"))
    (place / "base.safetensors").unlink()
    found = said(capfd, "classify", "discs.png", "stripes.png", "missing.png", "--with", "shapes.teach")
    assert [one["class"] for one in found["images"]] == ["discs", "stripes"]
    assert sum(found["images"][0]["shares"].values()) == pytest.approx(1, abs=1e-5)
    assert main(["classify", "plain.png", "--with", "shapes.teach"]) == 0
    assert capfd.readouterr().out.splitlines()[1].split("\t")[:2] == ["plain.png", "plain"]


def test_what_is_wrong_is_said_in_one_sentence(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(place / "black.png")
    (place / "one" / "cats").mkdir(parents=True)
    picture("discs", 0).save(place / "one" / "cats" / "a.png")
    (place / "empty" / "cats").mkdir(parents=True)
    base = ("--base", "base.safetensors")
    cases = (
        (("teach", "nowhere", *base), "There is no folder or zip nowhere"),
        (("teach", "one", *base), 'only one class, "cats"'),
        (("teach", "empty", *base), "There are no files in empty"),
        (("teach", "shapes", *base, "--layer", "relu5_3"), 'no layer in base "relu5_3"'),
        (("teach", "shapes", "--base", "vgg16"), 'Did you mean "vgg-16"?'),
        (("teach", "shapes", "--classifier", "tree"), "classifier must be one of linear, mlp, knn"),
        (("teach", "shapes", *base, "-o", "no/such/place.teach"), "cannot be written"),
        (("classify", "black.png", "--with", "black.png"), "black.png is no file of classes"),
    )
    for arguments, sentence in cases:
        assert main(list(arguments)) == 2, arguments
        assert sentence in capfd.readouterr().err
    assert not (place / "shapes.teach").exists()
