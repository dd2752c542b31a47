"""Style transfer on the command line, with a small network that was trained in the lab."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convolab.cli import main
from convolab.style.pictures import read_settings


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A photo, two styles, a mask, and a file of weights."""
    from convolab.datasets import Dataset
    from convolab.networks import preset
    from convolab.training import save_weights

    folder = tmp_path_factory.mktemp("style")
    random = np.random.default_rng(0)
    made = {}
    for name in ("photo", "style", "other"):
        coarse = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        coarse.resize((64, 48), Image.Resampling.BICUBIC).save(folder / f"{name}.png")
        made[name] = str(folder / f"{name}.png")
    half = Image.new("L", (64, 48), 0)
    half.paste(255, (0, 0, 32, 48))
    for name, mask in (("left", half), ("right", half.point(lambda value: 255 - value))):
        mask.save(folder / f"{name}.png")
        made[name] = str(folder / f"{name}.png")
    images = random.integers(0, 256, (8, 3, 32, 32), dtype=np.uint8)
    data = Dataset("tiny", "Tiny", ("a", "b"), images, np.arange(8) % 2, images, np.arange(8) % 2)
    network = preset("convolutional", data.input_shape, 2)
    save_weights(folder / "net.safetensors", network.build(1), network, data)
    made["network"] = str(folder / "net.safetensors")
    return made


def options(files: dict[str, str], **more: Any) -> list[str]:
    layers = {"content-layer": "relu2", "style-layers": "relu1,relu2"}
    given = {"network": files["network"], "size": 48, **layers, **more}
    return [part for name, value in given.items() for part in (f"--{name}", str(value))]


def last_object(text: str) -> dict[str, Any]:
    return json.loads(text.strip().splitlines()[-1])


def test_transfer_writes_a_picture_that_knows_how_it_was_made(
    files: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.png"
    arguments = [files["photo"], files["style"], files["other"], "-o", str(out), "--json"]
    arguments += ["--mask", files["left"], "--mask", files["right"], "--save-every", "4", "--preserve-color"]
    assert main(["transfer", *arguments, *options(files, steps=8, weight=0.7, seed=3)]) == 0
    figures = last_object(capfd.readouterr().out)
    assert set(figures) >= {
        "seconds", "steps", "size", "style_diff", "content_diff", "style_diff_by_layer", "precision",
        "peak_memory_mb",
    }  # fmt: skip
    assert (figures["steps"], figures["size"]) == (8, [48, 36])
    assert set(figures["style_diff_by_layer"]) == {"relu1", "relu2"}
    assert Image.open(out).size == (48, 36)
    settings, facts = read_settings(out)
    assert (settings.weight, settings.seed, settings.preserve_color) == (0.7, 3, True)
    assert facts["styles"] == ["style.png", "other.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out-00004.png", "out-00008.png", "out.png"]


def test_the_same_seed_gives_the_same_picture_and_a_state_goes_on(
    files: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "state.safetensors"
    for name, extra in (("a", []), ("b", []), ("c", ["--state", str(state)])):
        out = str(tmp_path / f"{name}.png")
        assert (
            main(["transfer", files["photo"], files["style"], "-o", out, *extra, *options(files, steps=6)])
            == 0
        )
    first, second = (np.asarray(Image.open(tmp_path / f"{name}.png")) for name in "ab")
    assert np.array_equal(first, second)
    assert "c.png: 48×36 after 6 steps" in capfd.readouterr().out
    out = str(tmp_path / "d.png")
    again = [files["photo"], files["style"], "-o", out, "--state", str(state)]
    assert main(["transfer", *again, *options(files, steps=6)]) == 0
    assert "resumed at step 6" in capfd.readouterr().out
    assert np.array_equal(first, np.asarray(Image.open(out)))


def test_style_diff_and_content_diff_print_the_assignments_measures(
    files: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    base = [files["photo"], files["style"], "--network", files["network"], "--size", "48"]
    assert main(["style-diff", *base, "--layers", "relu1,relu2", "--json"]) == 0
    style = last_object(capfd.readouterr().out)
    assert style["style_diff"] == pytest.approx(sum(style["style_diff_by_layer"].values()))
    assert style["style_diff"] > 0
    assert main(["style-diff", files["photo"], files["photo"], *base[2:], "--layers", "relu1", "--json"]) == 0
    assert last_object(capfd.readouterr().out)["style_diff"] == 0
    assert main(["content-diff", *base, "--layers", "relu2"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].split("\t") == ["layer", "content-diff", "relative to the first picture"]
    assert lines[1].startswith("relu2\t")

    # By hand, with PyTorch alone.
    import torch

    from convolab.style.loading import load_network

    network = load_network(files["network"])
    pixels = [
        torch.from_numpy(np.array(Image.open(files[name]).resize((48, 36), Image.Resampling.LANCZOS)))
        for name in ("photo", "style")
    ]
    one, two = (network(p.permute(2, 0, 1)[None].float() / 255, ["relu1", "relu2"]) for p in pixels)
    by_hand = 0.0
    for layer in ("relu1", "relu2"):
        a, b = (maps[layer][0].flatten(1).double().numpy() for maps in (one, two))
        by_hand += float(((a @ a.T - b @ b.T) ** 2).sum())
    assert style["style_diff"] == pytest.approx(by_hand, rel=1e-4)


def test_rebuild(files: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "r.png"
    base = [files["photo"], "-o", str(out), "--network", files["network"], "--size", "48", "--steps", "5"]
    assert main(["rebuild", *base, "--content", "conv1", "--json"]) == 0
    found = last_object(capfd.readouterr().out)
    assert found["content_diff"] < 1
    assert (found["style_diff"], found["style_diff_by_layer"]) == (0, {})
    assert (read_settings(out)[0].weight, read_settings(out)[0].style_layers) == (0, "")
    assert main(["rebuild", *base, "--style", "relu1,relu2", "--each"]) == 0
    assert (tmp_path / "r-relu1.png").exists()
    assert (tmp_path / "r-relu1+relu2.png").exists()
    assert main(["rebuild", *base]) == 2
    assert "either --content LAYER or --style LAYERS" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--weight", "1.5"], "weight must be less than or equal to 1, not 1.5."),
        (["--style-layers", "relu1,rely2"], 'There is no layer in'),
        (["--network", "vgg-17"], 'Did you mean "vgg-1'),
        (["--start", "nothing.png"], "nothing.png cannot be read: No such file"),
        (["--output", "out.jpg"], "out.jpg must end in .png"),
        (["--memory-mb", "200", "--size", "2048"], "2048×1536 pixels. Give it at least "),
        (["--memory-mb", "900", "--size", "4096"], "900 MB are too little"),
        (["--style-weights", "1,2,3"], "2 style layers need as many style weights"),
        (["--optimizer", "adm"], "optimizer"),
        (["--stroke-size", "9"], "stroke size must be less than or equal to 8"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence(
    files: dict[str, str],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    arguments: list[str],
    sentence: str,
) -> None:
    out = ["-o", str(tmp_path / "x.png")]
    assert main(["transfer", files["photo"], files["style"], *out, *options(files), *arguments]) == 2
    said = capfd.readouterr().err.strip()
    assert sentence in said
    assert said.count("\n") == 0
    assert not (tmp_path / "x.png").exists()


def test_too_little_memory_names_a_size_that_fits(
    files: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ["transfer", files["photo"], files["style"], "-o", str(tmp_path / "x.png")]
    arguments += ["--memory-mb", "900", "--steps", "1"]
    assert main([*arguments, *options(files, size=4096)]) == 2
    said = capfd.readouterr().err
    fits = re.search(r"A size of (\d+) pixels would fit, or give it at least [\d,]+ MB\.", said)
    assert fits
    assert main([*arguments, *options(files, size=int(fits[1]), start="content")]) == 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--optimizer", "adam", "--learning-rate", "0.05"], {"optimizer": "adam", "learning_rate": 0.05}),
        (["--stroke-size", "2"], {"stroke_size": 2.0}),
        (["--style-weights", "1,3"], {"style_weights": "1,3"}),
        (["--start", "content"], {"start": "content"}),
        (["--start", "OTHER"], {"start": "OTHER"}),
        (["--content-layer", "conv1,relu2"], {"content_layer": "conv1,relu2"}),
    ],
)
def test_each_option_changes_the_picture_and_is_noted(
    files: dict[str, str], tmp_path: Path, arguments: list[str], expected: dict[str, Any]
) -> None:
    given = [files["other"] if part == "OTHER" else part for part in arguments]
    pictures = []
    for name, extra in (("plain", []), ("changed", given)):
        out = tmp_path / f"{name}.png"
        base = [files["photo"], files["style"], "-o", str(out), *options(files, steps=4, precision="fp32")]
        assert main(["transfer", *base, *extra]) == 0
        pictures.append(np.asarray(Image.open(out)))
    noted = read_settings(out)[0]
    assert {name: getattr(noted, name) for name in expected} == {
        name: files["other"] if value == "OTHER" else value for name, value in expected.items()
    }
    assert not np.array_equal(*pictures)


@pytest.mark.parametrize("place", [0, 1])
def test_what_is_no_picture_is_refused_by_name(
    files: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str], place: int
) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    pair = [files["photo"], files["style"]]
    pair[place] = str(tmp_path / "notes.txt")
    assert main(["transfer", *pair, "-o", str(tmp_path / "x.png"), *options(files)]) == 2
    said = capfd.readouterr().err.strip()
    assert "notes.txt" in said
    assert "not a picture" in said
    assert "\n" not in said


def test_json_says_what_the_total_is_made_of(
    files: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    base = [files["photo"], files["style"], "-o", str(tmp_path / "x.png"), "--json"]
    assert main(["transfer", *base, *options(files, size=48, steps=4, weight=0.3, tv=0.5)]) == 0
    found = last_object(capfd.readouterr().out)
    parts = [found[f"{name}_factor"] * found[f"{name}_diff"] for name in ("style", "content", "tv")]
    assert found["style_factor"] == pytest.approx(6 * 0.3)
    assert min(parts) > 0
    assert found["total"] == pytest.approx(sum(parts), rel=1e-4)
    assert (found["coarse_share"], found["total_at_coarser_sizes"]) == (0, None)
    assert main(["transfer", *base, *options(files, size=256, steps=8)]) == 0
    found = last_object(capfd.readouterr().out)
    parts = [found[f"{name}_factor"] * found[f"{name}_diff"] for name in ("style", "content", "tv")]
    assert found["total_at_full_size"] == pytest.approx(sum(parts), rel=1e-4)
    coarse = found["total_at_coarser_sizes"]
    assert found["total"] == pytest.approx(0.7 * sum(parts) + 0.3 * coarse, rel=1e-4)
    assert found["total"] != pytest.approx(sum(parts), rel=1e-3)


def random_vgg(name: str, progress: object = None) -> dict[str, Any]:
    """Weights of VGG-16 as random numbers: what is asked of them here does not need trained ones."""
    import torch

    from convolab.style.vgg import VGGS

    generator = torch.Generator().manual_seed(0)
    return {
        key: torch.randn(shape, generator=generator)
        * (0.05 if len(shape) == 1 else (2 / (9 * shape[1])) ** 0.5)
        for key, shape in VGGS[name].weight_shapes().items()
    }


def test_relative_differences_are_those_that_painting_reports(
    files: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from convolab.style import weights

    monkeypatch.setattr(weights, "load_weights", random_vgg)
    out = str(tmp_path / "x.png")
    arguments = [files["photo"], files["style"], "-o", out, "--size", "64", "--steps", "6", "--json"]
    arguments += ["--style-layers", "relu1_1,relu2_1", "--content-layer", "relu2_2", "--precision", "fp32"]
    assert main(["transfer", *arguments]) == 0
    painted = last_object(capfd.readouterr().out)
    assert (
        main(["style-diff", files["style"], out, "--size", "64", "--layers", "relu1_1,relu2_1", "--json"])
        == 0
    )
    style = last_object(capfd.readouterr().out)
    assert style["relative"] == pytest.approx(painted["style_diff"], rel=0.02)
    assert style["relative_by_layer"] == pytest.approx(painted["style_diff_by_layer"], rel=0.02)
    assert main(["content-diff", files["photo"], out, "--size", "64", "--layers", "relu2_2", "--json"]) == 0
    content = last_object(capfd.readouterr().out)
    assert content["relative"] == pytest.approx(painted["content_diff"], rel=0.02)


@pytest.mark.parametrize("command", ["transfer", "rebuild", "style-diff"])
def test_without_weights_and_network_the_way_out_is_said(
    files: dict[str, str],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    from convolab.datasets.sources import Source, SourceFailed
    from convolab.style import weights

    class Asleep(Source):
        title, bytes, by_hand = "a sleeping source", 1000, "wake it"

        def fetch(self, folder: Path, meter: object) -> None:
            raise SourceFailed("it is asleep")

    monkeypatch.setenv("CONVOLAB_DATA", str(tmp_path / "data"))
    item = replace(weights.PRETRAINED["vgg-16"], sources=(Asleep(),))
    monkeypatch.setitem(weights.PRETRAINED, "vgg-16", item)
    out = ["-o", str(tmp_path / "x.png")]
    arguments = {
        "transfer": [files["photo"], files["style"], *out],
        "rebuild": [files["photo"], *out, "--content", "relu1_1"],
        "style-diff": [files["photo"], files["style"]],
    }
    assert main([command, *arguments[command]]) == 2
    said = capfd.readouterr().err
    assert "Traceback" not in said
    assert "it is asleep" in said
    assert "'convolab data fetch vgg-16'" in said
    assert "--network FILE" in said
    assert not (tmp_path / "x.png").exists()


def test_no_weights_is_a_sentence_with_what_to_do(
    files: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVOLAB_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["data", "fetch", "vgg-19"]) == 2
    said = capfd.readouterr().err
    assert "The weights of VGG-19 could not be fetched. Tried: https://" in said
    assert "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5 from" in said
    assert f"put the files into {tmp_path / 'data' / 'by-hand' / 'vgg-19'}" in said


def test_ctrl_c_finishes_with_the_picture_as_it_is(files: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    command = [sys.executable, "-m", "convolab", "transfer", files["photo"], files["style"], "-o", str(out)]
    process = subprocess.Popen(
        [*command, "--json", *options(files, budget="60s")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ),
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if "step " in line:
            break
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert last_object(said)["stopped_because"] == "user"
    assert Image.open(out).size == (48, 36)
