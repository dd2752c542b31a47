"""`convolab look` as a user meets it: what it says, what it draws, how it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from convolab.cli import main
from convolab.datasets import load, normalizer, picture_to_input
from convolab.networks import preset
from convolab.networks.shipped import shipped
from convolab.runs import RunFolder, RunSpec
from convolab.runs.folder import State
from convolab.training import TrainingSettings, save_weights


def answer(capfd: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["look", *arguments, "--json"]) == 0
    return json.loads(capfd.readouterr().out)


def paper(folder: Path, strokes: list[tuple[int, int]], size: int = 200, mode: str = "RGB") -> str:
    """A drawing in black ink on white paper."""
    picture = Image.new(mode, (size, size), "white")
    ImageDraw.Draw(picture).line(strokes, fill="black", width=max(1, size // 14), joint="curve")
    path = folder / f"drawing-{size}.png"
    picture.save(path)
    return str(path)


SEVEN = [(50, 50), (150, 50), (90, 160)]


@pytest.fixture
def seven(tmp_path: Path) -> str:
    return paper(tmp_path, SEVEN)


def test_a_drawn_seven_is_a_seven_and_its_numbers_are_the_networks(
    seven: str, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("harley-cnn", "harley-mlp", "modern-cnn"):
        told = answer(capfd, seven, "--network", name)
        assert told["prediction"]["class"] == "7"
        assert "inverted" in told["done"]
        assert "200×200" in told["done"]
        _, model, info = shipped(name)
        pixels, _ = picture_to_input(seven, (1, 28, 28))
        with torch.no_grad():
            logits = model(info.normalize()(torch.from_numpy(pixels.transpose(1, 2, 0))[None]))[0]
        for entry in told["prediction"]["ranking"]:
            assert entry["output"] == pytest.approx(float(logits[int(entry["class"])]), rel=1e-4, abs=1e-5)
            assert entry["share"] == pytest.approx(
                float(torch.softmax(logits, 0)[int(entry["class"])]), rel=1e-4, abs=1e-6
            )
        shares = [entry["share"] for entry in told["prediction"]["ranking"]]
        assert shares == sorted(shares, reverse=True)
    assert [level["key"] for level in told["levels"]][:2] == ["input", "conv1"]


def test_a_unit_can_be_recomputed_from_what_is_printed(seven: str, capfd: pytest.CaptureFixture[str]) -> None:
    unit = answer(capfd, seven, "--unit", "conv2:3:4:5")["unit"]
    assert [entry["map"] for entry in unit["inputs"]] == [3, 4, 5]
    total = unit["bias"]
    for entry in unit["inputs"]:
        products = np.array(entry["values"]) * np.array(entry["weights"])
        np.testing.assert_allclose(entry["products"], products, rtol=1e-12)
        total += products.sum()
    assert unit["sum"] == pytest.approx(total, abs=1e-9)
    assert unit["output"] == pytest.approx(1.7159 * np.tanh(2 * total / 3), abs=1e-9)
    assert unit["field"] == [8, 10, 22, 24]

    assert main(["look", seven, "--unit", "conv2:3:4:5"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert "conv2:3:4:5: Convolution 5×5; sees rows 8 to 21, columns 10 to 23 of the input." in lines
    table = [line.split("\t") for line in lines]
    cells = [row for row in table if row[0] == "pool1"]
    assert len(cells) == 3 * 25
    values = {row[0]: row[-1] for row in table}
    assert sum(float(row[-1]) for row in cells) + float(values["bias"]) == pytest.approx(
        float(values["sum"]), abs=1e-4
    )
    assert float(values["output"]) == pytest.approx(unit["output"], abs=1e-5)
    won = answer(capfd, seven, "--unit", "pool1:0:6:6")["unit"]
    assert won["winner"]["level"] == "conv1"
    assert max(map(max, won["inputs"][0]["values"])) == won["output"]


def test_as_drawn_leaves_the_digit_where_it_is(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    corner = paper(tmp_path, [(20, 20), (60, 20), (36, 64)])
    centred = answer(capfd, corner, "--unit", "input:0:29:29")
    assert "centred" in centred["done"]
    drawn = answer(capfd, corner, "--as-drawn", "--unit", "input:0:4:5")
    assert "resized to 28×28" in drawn["done"]
    assert "centred" not in drawn["done"]
    assert drawn["unit"]["output"] > 0  # bright where the ink is, two pixels of border further
    middle = answer(capfd, corner, "--unit", "input:0:4:5")
    assert middle["unit"]["output"] == pytest.approx(-1)


def test_an_empty_picture_is_said_to_be_empty_and_answered_all_the_same(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Image.new("L", (60, 40), 255).save(tmp_path / "empty.png")
    _, model, _ = shipped("harley-cnn")
    with torch.no_grad():
        black = model(torch.full((1, 1, 28, 28), -1.0))[0]
    for options in ([], ["--as-drawn"]):
        told = answer(capfd, str(tmp_path / "empty.png"), *options)
        assert told["empty"] is True
        assert told["done"].startswith("The picture is empty")
        first = told["prediction"]["ranking"][0]
        assert first["output"] == pytest.approx(float(black.max()), abs=1e-4)
        assert int(first["class"]) == int(black.argmax())


def make_run(name: str, state: State) -> RunFolder:
    """A run of the shapes that has not begun, in its folder alone."""
    network = preset("fully-connected", (1, 16, 16), 3)
    spec = RunSpec(
        run_id=f"run-{name}", name=name, dataset="shapes", network=network, settings=TrainingSettings(),
        created="2026-01-01T00:00:00+00:00", version="0",
    )  # fmt: skip
    folder = RunFolder(spec.run_id)
    folder.create(spec)
    folder.set_state(state)
    return folder


def test_runs_and_files_of_weights_can_be_looked_into(shapes: str, capfd: pytest.CaptureFixture[str]) -> None:
    make_run("waiting", "queued")
    # As while it trains: the state is not asked, only whether there are weights.
    folder = make_run("mine", "paused")
    network, data = folder.spec().network, load(shapes)
    save_weights(folder.weights_path, network.build(5), network, data, "per-channel")
    told = answer(capfd, "shapes:test:3", "--network", "mine", "--unit", "linear3:2")
    assert told["network"] == "mine"
    assert told["label"] in ("bars", "columns", "discs")
    assert told["done"] == f"Test image 3 of shapes, labelled “{told['label']}”, given as it is."
    assert {entry["class"] for entry in told["prediction"]["ranking"]} == {"bars", "columns", "discs"}
    again = answer(capfd, "shapes:3", "--network", str(folder.weights_path), "--unit", "linear3:2")
    assert again["prediction"] == told["prediction"]
    assert again["unit"] == told["unit"]

    image = (data.test_images[3].astype(np.float32) - normalizer(data, "per-channel")[0]) / normalizer(
        data, "per-channel"
    )[1]
    with torch.no_grad():
        logits = network.build(5)(torch.from_numpy(image)[None])[0]
    assert told["unit"]["output"] == pytest.approx(float(logits[2]), rel=1e-4, abs=1e-5)
    # A test image of another size goes the way of any picture.
    other = answer(capfd, "shapes:test:3", "--network", "harley-cnn")
    assert "16×16" in other["done"]
    assert other["input_shape"] == [1, 28, 28]

    assert main(["look", "shapes:3", "--network", "waiting"]) == 2
    assert "waiting has no weights yet; train it first." in capfd.readouterr().err
    assert main(["look", "shapes:36", "--network", "mine"]) == 2
    assert "shapes has no test image 36; they are numbered 0 to 35." in capfd.readouterr().err
    assert main(["look", "shapes:3", "--network", "nobody"]) == 2
    said = capfd.readouterr().err
    assert 'no network "nobody": it is no run, no file, and none of harley-cnn, harley-mlp' in said


def test_harleys_own_weights_can_be_looked_into(
    seven: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from convolab.activations.harley import SHAPES

    rng = np.random.default_rng(0)
    np.savez(tmp_path / "his.npz", **{name: rng.normal(0, 0.1, shape) for name, shape in SHAPES.items()})
    told = answer(capfd, seven, "--network", str(tmp_path / "his.npz"), "--unit", "input:0:0:0")
    assert told["network"] == "his.npz"
    assert told["unit"]["output"] == pytest.approx(-0.1)


def test_the_picture_of_all_activations(
    seven: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    plain, marked = tmp_path / "plain.png", tmp_path / "marked.png"
    told = answer(capfd, seven, "-o", str(plain))
    assert told["picture"] == str(plain)
    assert main(["look", seven, "-o", str(marked), "--unit", "conv1:0:9:9"]) == 0
    assert f"Wrote {marked}" in capfd.readouterr().out
    with Image.open(plain) as first, Image.open(marked) as second:
        assert first.format == "PNG"
        assert first.width == second.width == 1600


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["missing.png"], "There is no picture missing.png; give a file, or a test image such as"),
        (
            ["IMAGE", "--unit", "conv9:0:0:0"],
            'There is no layer "conv9"; this network has input, conv1, pool1',
        ),
        (["IMAGE", "--unit", "conv1:6:0:0"], "conv1 has 6 × 28 × 28 units; write conv1:MAP:ROW:COLUMN"),
        (["IMAGE", "--unit", "conv1"], "write conv1:MAP:ROW:COLUMN"),
        (["IMAGE", "--network", "gone.safetensors"], "There is no file gone.safetensors"),
        (["IMAGE", "--network", "IMAGE"], "it is no safetensors file, is damaged or was cut short"),
        (["IMAGE", "-o", "picture.jpg"], "is written as PNG; call it picture.png"),
        (["IMAGE", "-o", "/nowhere/at/all.png"], "cannot be written: No such file or directory."),
        (["nodata:test:3"], 'There is no data set "nodata".'),
        (["TEXT"], "cannot be used: it is not a picture of a kind that can be read."),
    ],
)
def test_what_cannot_be_is_one_sentence(
    home: Path,
    seven: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    arguments: list[str],
    sentence: str,
) -> None:
    (tmp_path / "text.png").write_text("no picture")
    places = {"IMAGE": seven, "TEXT": str(tmp_path / "text.png")}
    assert main(["look", *(places.get(word, word) for word in arguments)]) == 2
    said = capfd.readouterr().err.strip()
    assert sentence in said
    assert "\n" not in said
