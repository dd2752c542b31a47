"""`convolab styles`, `stylize` and `learn-style`."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convolab.cli import main
from convolab.style.fast import library
from convolab.style.fast.files import Card, Style
from convolab.style.fast.network import TransformNetwork
from convolab.style.fast.settings import LearnSettings

TINY = "c3s1-4,d8,R8,U4,c3s1-3"


@pytest.fixture(autouse=True)
def _shelf(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "SHIPPED", tmp_path / "shipped")
    for seed, title in enumerate(("Wave", "Scream")):
        network = TransformNetwork(TINY, seed).eval().requires_grad_(False)
        network.last.weight.data.mul_(10)
        library.add_style(Style("", Card(title=title, painter="Someone", architecture=TINY), network))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((96, 64), Image.Resampling.BICUBIC).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def last_object(text: str) -> dict[str, Any]:
    return json.loads(text.strip().splitlines()[-1])


def test_styles_are_listed_added_renamed_and_removed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["styles"]) == 0
    out = capfd.readouterr().out
    assert "wave" in out
    assert "Someone" in out
    assert main(["styles", "--export", "wave", "-o", str(tmp_path)]) == 0
    assert main(["styles", "--add", str(tmp_path / "wave.safetensors"), "--rename", "scream", "Shout"]) == 0
    capfd.readouterr()
    assert main(["styles", "--remove", "wave", "--json"]) == 0
    listed = last_object(capfd.readouterr().out)["styles"]
    assert [(style["name"], style["title"], style["size"]) for style in listed] == [
        ("shout", "Shout", TINY),
        ("wave-2", "Wave", TINY),
    ]
    assert main(["styles", "--remove", "wavy"]) == 2
    assert 'Did you mean "wave-2"' in capfd.readouterr().err


def test_a_picture_is_painted_and_every_one_on_the_way_is_kept(
    photo: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.png"
    options = [
        "--style",
        "wave",
        "--repeat",
        "2",
        "--then",
        "scream",
        "--each",
        "--padding",
        "zeros",
        "--json",
    ]
    assert main(["stylize", str(photo), "-o", str(out), *options]) == 0
    (figures,) = last_object(capfd.readouterr().out)["outputs"]
    assert figures["filters"] == ["wave", "wave", "scream"]
    assert (figures["size"], figures["output"]) == ([96, 64], str(out))
    assert figures["border"] > 0
    assert [Path(path).name for path in figures["each"]] == ["out-1.png", "out-2.png", "out-3.png"]
    assert Image.open(tmp_path / "out-3.png").tobytes() == Image.open(out).tobytes()
    assert (
        main(["stylize", str(photo), "-o", str(out), "--style", "wave:0.2,scream:0.8", "--size", "48"]) == 0
    )
    assert Image.open(out).size == (48, 32)
    assert "48×32" in capfd.readouterr().out


def test_folders_become_folders_and_one_odd_file_stops_nothing(
    photo: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "album"
    (folder / "deep").mkdir(parents=True)
    for name in ("a.png", "deep/b.jpg", "c.bmp"):
        Image.open(photo).save(folder / name)
    (folder / "odd.jpg").write_bytes(b"odd")
    target = folder / "painted"
    for _ in range(2):  # what was painted before is not painted again
        assert main(["stylize", str(folder), "-s", "wave", "-o", str(target), "--json"]) == 2
        said = capfd.readouterr()
        found = last_object(said.out)
        assert found["failed"] == 1
        assert "odd.jpg cannot be used" in said.err
        names = sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file())
        assert names == ["a.png", "c.png", "deep/b.jpg"]


@pytest.mark.parametrize(
    ("inputs", "options"),
    [
        (["photo.png"], ["-o", "."]),
        (["photo.png"], ["-o", "photo.png"]),
        (["photo.png", "x/a.png"], ["-o", "x"]),
        (["x"], ["-o", "x"]),
        (["x/a.png", "x/a-1.png"], ["-o", "x/a.png"]),
        (["y/a.png", "x/a-1.png"], ["-o", "x", "--each"]),
        (["x/a-1.png"], ["-o", "x/a.png", "--each"]),
    ],
)
def test_originals_are_never_written_over(
    photo: Path,
    tmp_path: Path,
    inputs: list[str],
    options: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("x/a.png", "x/a-1.png", "y/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.open(photo).save(tmp_path / name)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.png")}
    assert main(["stylize", *inputs, "-s", "wave", *options]) == 2
    said = capfd.readouterr().err
    assert "would be written over the original" in said or "several pictures need a folder" in said
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.png")} == before


def test_results_are_never_written_over_each_other(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("x/a.png", "y/a.png", "y/a.bmp", "y/a-1.png", "y/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.open(photo).save(tmp_path / name)
    for inputs, options in (
        (["x/a.png", "y/a.png"], []),
        (["y"], []),
        (["y/a.png", "y/a-1.png"], ["--each"]),
    ):
        assert main(["stylize", *inputs, "-s", "wave", "-o", "out", *options]) == 2
        assert "would both become out/a" in capfd.readouterr().err
        assert not (tmp_path / "out").exists()
    # The same file twice is one, and what an earlier call made is made anew.
    for _ in range(2):
        assert main(["stylize", "y/b.png", "y/b.png", "-s", "wave", "-o", "out", "--json"]) == 0
        assert len(last_object(capfd.readouterr().out)["outputs"]) == 1


def test_several_filters_kept_colours_and_half_a_strength_are_those_of_the_library(
    photo: Path, tmp_path: Path
) -> None:
    from convolab.style.fast.stylizing import stylize

    out = tmp_path / "out.png"
    options = ["--then", "scream", "--then", "wave", "--preserve-color", "--strength", "0.5"]
    assert main(["stylize", str(photo), "-s", "wave", "-o", str(out), *options]) == 0
    same = stylize(photo, "wave", 0.5, then=["scream", "wave"], preserve_color=True)
    assert Image.open(out).tobytes() == same.tobytes()
    for other in (options[:-2], options[2:], [*options[:4], *options[5:]]):  # each of them counts
        assert main(["stylize", str(photo), "-s", "wave", "-o", str(out), *other]) == 0
        assert Image.open(out).tobytes() != same.tobytes()


def film(path: Path, frames: int = 6) -> Path:
    import av

    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8), format="rgb24")
        for packet in [*(one for _ in range(frames) for one in stream.encode(picture)), *stream.encode()]:
            out.mux(packet)
    return path


def test_a_video_is_painted_from_the_command_line(
    tmp_path: Path, photo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source, out = film(tmp_path / "film.avi"), tmp_path / "out"
    assert main(["stylize", str(source), str(photo), "-s", "wave", "-o", str(out), "--json"]) == 0
    figures = last_object(capfd.readouterr().out)["outputs"]
    assert [Path(one["output"]).name for one in figures] == ["film.mp4", "photo.png"]
    assert (figures[0]["frames"], figures[0]["size"], figures[0]["rate"]) == (6, [64, 48], 10)
    assert figures[0]["sound"] == "The video has no sound."
    assert figures[0]["flicker"] is not None
    assert main(["stylize", str(source), "-s", "wave", "-o", str(tmp_path / "x.mov"), "--size", "32"]) == 0
    assert "6 frames of 32×24" in capfd.readouterr().out


def test_every_picture_on_the_way_is_for_pictures_in_files(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    source = film(tmp_path / "film.avi")
    assert main(["stylize", str(source), str(photo), "-s", "wave", "-o", str(tmp_path / "o"), "--each"]) == 2
    assert "--each is for pictures; paint the video film.avi without it." in capfd.readouterr().err
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(photo.read_bytes())))
    assert main(["stylize", "-", "-s", "wave", "-o", str(tmp_path / "x.png"), "--each"]) == 2
    assert "--each needs names to number" in capfd.readouterr().err


def test_standard_input_to_a_file_with_figures(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(photo.read_bytes())))
    target = tmp_path / "out.png"
    assert main(["stylize", "-", "-s", "wave", "-o", str(target), "--size", "48", "--json"]) == 0
    (figures,) = last_object(capfd.readouterr().out)["outputs"]
    assert (figures["input"], figures["output"], figures["size"]) == ("-", str(target), [48, 32])
    assert figures["seconds"] > 0
    assert Image.open(target).size == (48, 32)
    assert main(["stylize", "-", "-s", "wave", "-o", "-", "--json"]) == 2
    assert "choose a file for one of them" in capfd.readouterr().err


def test_standard_input_to_standard_output(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(photo.read_bytes())))
    assert main(["stylize", "-", "-s", "wave", "-o", "-"]) == 0
    painted = Image.open(io.BytesIO(capfdbinary.readouterr().out))
    assert main(["stylize", str(photo), "-s", "wave", "-o", str(tmp_path / "same.png")]) == 0
    assert painted.tobytes() == Image.open(tmp_path / "same.png").tobytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{photo}", "-s", "wvae", "-o", "{folder}/x.png"], 'Did you mean "wave"'),
        (["{folder}/none.png", "-s", "wave", "-o", "{folder}/x.png"], "There is no file"),
        (["{photo}", "-s", "wave", "-o", "{folder}/none/x.png"], "There is no folder"),
        (["{photo}", "-s", "wave", "-o", "{folder}/x.gif"], "must end in"),
        (["{photo}", "{photo}", "-s", "wave", "-o", "{photo}"], "several pictures need a folder"),
        (["{photo}", "-s", "wave", "-o", "-"], "from standard input"),
        (
            ["{photo}", "-s", "wave", "-o", "{folder}/x.png", "--padding", "mirror"],
            "reflect, replicate, zeros",
        ),
        (["-", "{photo}", "-s", "wave", "-o", "-"], "no other inputs"),
        (["{photo}", "-s", "wave", "-o", "{folder}/x.png", "--strength", "2"], "strength"),
    ],
)
def test_what_cannot_be_painted_is_one_sentence(
    photo: Path, tmp_path: Path, arguments: list[str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    given = [part.format(photo=photo, folder=tmp_path) for part in arguments]
    assert main(["stylize", *given]) == 2
    assert said in capfd.readouterr().err


# ------------------------------------------------------------------ learning


@pytest.fixture
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """A feature network of a few maps in place of VGG-16, and small pictures in place of photos."""
    import torch
    from torch import nn

    from convolab.style import weights
    from convolab.style.fast import learner, photo_sources
    from convolab.style.features import Convolution, FeatureNetwork

    generator = torch.Generator().manual_seed(1)
    steps: list[tuple[str, nn.Module]] = []
    for i, (inputs, outputs) in enumerate(((3, 6), (6, 8)), 1):
        weight = torch.randn(outputs, inputs, 3, 3, generator=generator) * (2 / (9 * inputs)) ** 0.5
        steps += [(f"conv1_{i}", Convolution(weight, torch.zeros(outputs))), (f"relu1_{i}", nn.ReLU())]
    network = FeatureNetwork("tiny", steps, factors=(1 / 64,) * 3, means=(124.0, 117.0, 104.0))
    random = np.random.default_rng(0)
    pictures = [Image.fromarray(random.integers(0, 256, (40, 48, 3), dtype=np.uint8)) for _ in range(9)]
    monkeypatch.setattr(learner, "load_network", lambda *_: network)
    monkeypatch.setattr(weights, "fetch_weights", lambda *_: None)
    found = photo_sources.Gathered(tuple(pictures), "a test")
    own = photo_sources.gather
    monkeypatch.setattr(photo_sources, "gather", lambda folder=None, *_: own(folder) if folder else found)


@pytest.mark.usefixtures("_tiny")
def test_a_style_is_learned_and_painted_with(
    photo: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    options = [
        "--architecture",
        TINY,
        "--content-layer",
        "relu1_2",
        "--style-layers",
        "relu1_1",
        "--crop",
        "32",
    ]
    command = ["learn-style", str(photo), "--steps", "3", "--name", "My photo", "--year", "1999", *options]
    assert main([*command, "--json"]) == 0
    found = last_object(capfd.readouterr().out)
    assert (found["name"], found["step"], found["stopped_because"]) == ("my-photo", 3, "steps")
    card = library.find_style("my-photo").card
    assert (card.title, card.year, card.steps) == ("My photo", "1999", 3)
    assert main(["stylize", str(photo), "-s", "my-photo", "-o", str(tmp_path / "x.png")]) == 0
    assert (
        main(["learn-style", "--resume", found["job"][:9]]) == 0
    )  # it is finished: nothing is learned again
    assert library.find_style("my-photo").card == card


@pytest.mark.usefixtures("_tiny")
def test_a_named_size_is_learned_from_a_folder_and_few_photos_are_said(
    photo: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    album = tmp_path / "album"
    (album / "deep").mkdir(parents=True)
    for seed in range(5):
        pixels = np.random.default_rng(seed).integers(0, 256, (8, 9, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((72, 64)).save(album / "deep" / f"{seed}.jpg")
    options = ["--architecture", "small", "--content-layer", "relu1_2", "--style-layers", "relu1_1"]
    options += ["--crop", "32", "--steps", "2", "--photos", str(album), "--precision", "fp32"]
    assert main(["learn-style", str(photo), *options]) == 0
    said = " ".join(capfd.readouterr().out.split())
    assert f"4 photos ({album}; more photos make it better: --photos FOLDER)" in said
    card = library.find_style("photo").card
    assert (card.size, card.steps, card.photos) == ("small", 2, f"4 of {album}")
    assert card.settings["learning_rate"] == LearnSettings().learning_rate  # whole, not the changes alone


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Say which painting"),
        (["--resume", "abc"], 'no style being learned "abc"'),
        (["{photo}", "--architecture", "hugge"], 'Did you mean "large"|no size of network'),
        (["{photo}", "--weight", "3"], "W|weight"),
        (["{photo}", "--budget", "soon"], "time budget"),
        (["{folder}/none.png", "--steps", "1"], "cannot be read"),
        (["{photo}", "--photos", "{folder}/none", "--steps", "1"], "no folder"),
    ],
)
@pytest.mark.usefixtures("_tiny")
def test_what_cannot_be_learned_is_one_sentence(
    photo: Path, tmp_path: Path, arguments: list[str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    given = [part.format(photo=photo, folder=tmp_path) for part in arguments]
    assert main(["learn-style", *given]) == 2
    error = capfd.readouterr().err
    assert any(words in error for words in said.split("|"))
    assert error.count("\n") == 1
