"""Style files and the library: what is written comes back, what is not ours is refused with a sentence."""

from __future__ import annotations

import base64
import importlib
import io
import json
import pickle
import struct
from pathlib import Path
from types import ModuleType

import pytest
import torch
from fast_kit import TINY, put, tiny_style
from PIL import Image
from style_kit import image
from torch import Tensor

from convolab.errors import NetworkError
from convolab.style.fast import library
from convolab.style.fast.files import KIND, Card, load_style, read_card, save_style, thumbnail
from convolab.style.fast.network import TransformNetwork
from convolab.style.fast.settings import LearnSettings
from convolab.training.files import write_tensors


def test_a_style_comes_back_as_it_was_but_for_half_precision(tmp_path: Path) -> None:
    style = tiny_style(4)
    card = Card(
        title="Waves", painter="Someone", year="1831", architecture=TINY, steps=7, total=0.5,
        settings={"weight": 0.7}, thumbnail=thumbnail(image(3, 400, 300)),
    )  # fmt: skip
    save_style(tmp_path / "a.safetensors", style.network, card)
    found = load_style(tmp_path / "a.safetensors")
    assert (found.name, found.card) == ("a", card)
    assert read_card(tmp_path / "a.safetensors") == card
    for name, weight in style.network.state_dict().items():
        assert torch.equal(found.network.state_dict()[name], weight.half().float())
    small = card.picture()
    assert small is not None
    assert small.size == (320, 240)
    numbers = sum(p.numel() for p in style.network.parameters())
    assert (tmp_path / "a.safetensors").stat().st_size < 2 * numbers + 36_000


def _benchmark(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module of the folder ``benchmarks``."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    return importlib.import_module(name)


def test_what_is_learned_on_from_its_own_weights_has_the_figures_of_all_learning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shipped_styles = _benchmark("shipped_styles", monkeypatch)
    old = Card(
        title="Wave", architecture="small", steps=400, examples=400, seconds=190.04, machine="A, 2 cores",
        started_with="starry-night-small", total=2.0, settings={"steps": 400, "start": "starry-night-small"},
    )  # fmt: skip
    new = Card(
        title="Wave", architecture="small", steps=500, examples=510, seconds=60.5, machine="A, 2 cores",
        started_with="great-wave-small", total=1.5, thumbnail="abc",
        settings={"architecture": "small", "steps": 500, "start": "great-wave-small", "weight": 0.7},
    )  # fmt: skip
    card = shipped_styles.continued(old, new)
    assert (card.steps, card.examples, card.seconds) == (900, 910, 250.5)
    assert (card.started_with, card.machine) == ("starry-night-small", "A, 2 cores")
    assert (card.total, card.thumbnail) == (1.5, "abc")
    whole = LearnSettings(architecture="small", steps=500, start="starry-night-small", weight=0.7)
    assert card.settings == whole.model_dump()
    third = shipped_styles.continued(card, new.model_copy(update={"machine": "B"}))
    assert (third.steps, third.machine) == (1400, "A, 2 cores / B")
    first = old.model_copy(update={"started_with": ""})
    assert shipped_styles.continued(first, new).settings["start"] == "none"
    mosaic = shipped_styles.PAINTINGS["mosaic"]
    picture = shipped_styles.pictured(new, mosaic).picture()
    assert picture is not None
    assert picture.size == (320, 320)


class _Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("/tmp/convolab-was-unpickled"),)  # type: ignore[return-value]


def _record(**changes: object) -> dict[str, str]:
    record = {"version": 1, "card": {"title": "T", "architecture": TINY}} | changes
    return {"kind": KIND, "record": json.dumps(record)}


def _weights(architecture: str = TINY) -> dict[str, Tensor]:
    return {name: tensor.half() for name, tensor in TransformNetwork(architecture).state_dict().items()}


def _no_numbers() -> dict[str, Tensor]:
    weights = _weights()
    weights["color"] = torch.full((3,), float("nan")).half()
    return weights


def _damaged(path: Path, what: str) -> None:
    whole = put(path.parent / "other", "whole").read_bytes()
    trap = pickle.dumps(_Trap())
    content = {
        "empty": b"",
        "text": b"not a style at all",
        "pickle": trap,
        "cut short": whole[: len(whole) // 2],
        "header cut short": whole[:40],
        "huge header": struct.pack("<Q", 2**60) + whole[8:],
        "a picture": thumbnail(image()).encode(),
    }
    made = {
        "another kind": (_weights(), {"kind": "convolab weights", "record": "{}"}),
        "no record": (_weights(), {"kind": KIND}),
        "newer": (_weights(), _record(version=99)),
        "no card": (_weights(), _record(card=[1])),
        "odd architecture": (_weights(), _record(card={"title": "T", "architecture": "c5s1-9"})),
        "larger than it is": (_weights(), _record(card={"title": "T", "architecture": "large"})),
        "other shapes": ({"a": torch.zeros(sum(w.numel() for w in _weights().values()))}, _record()),
        "no numbers": (_no_numbers(), _record()),
    }
    if what in content:
        path.write_bytes(content[what])
    else:
        write_tensors(path, *made[what])


@pytest.mark.parametrize(
    "what",
    [
        "empty",
        "text",
        "pickle",
        "cut short",
        "header cut short",
        "huge header",
        "a picture",
        "another kind",
        "no record",
        "newer",
        "no card",
        "odd architecture",
        "larger than it is",
        "other shapes",
        "no numbers",
    ],
)
def test_what_is_no_whole_style_is_refused_with_one_sentence(tmp_path: Path, what: str) -> None:
    path = tmp_path / "odd.safetensors"
    _damaged(path, what)
    with pytest.raises(NetworkError, match=r"^odd\.safetensors .*\.$"):
        load_style(path)
    assert not Path("/tmp/convolab-was-unpickled").exists()


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="There is no file"):
        load_style(tmp_path / "none.safetensors")


def test_a_thumbnail_that_is_none_is_none() -> None:
    huge = io.BytesIO()
    Image.new("RGB", (1100, 8)).save(huge, "JPEG")
    for text in ("", "%%%", base64.b64encode(b"abc").decode(), base64.b64encode(huge.getvalue()).decode()):
        assert Card(title="T", architecture=TINY, thumbnail=text).picture() is None


# ------------------------------------------------------------------ the library


@pytest.fixture
def shelf(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library with one style that came with the lab, and one of the user's."""
    monkeypatch.setattr(library, "SHIPPED", tmp_path / "shipped")
    put(tmp_path / "shipped", "wave", title="The Wave")
    put(home / "styles", "my-garden", 1, title="My garden")
    return home / "styles"


def test_styles_are_found_by_name_and_the_nearest_is_named(shelf: Path) -> None:
    assert [(entry.name, entry.shipped) for entry in library.styles()] == [
        ("wave", True),
        ("my-garden", False),
    ]
    assert library.get_style("wave").card.title == "The Wave"
    assert library.get_style("my-garden") is library.get_style("my-garden")  # loaded once
    with pytest.raises(NetworkError, match=r'no style "wvae".*Did you mean "wave"'):
        library.find_style("wvae")
    with pytest.raises(NetworkError, match="no style"):
        library.find_style("../../etc/passwd".replace("/", "-"))
    assert library.find_style(shelf / "my-garden.safetensors").card.title == "My garden"


def test_a_style_travels_as_one_file_and_never_replaces_another(shelf: Path, tmp_path: Path) -> None:
    path = library.export_style("my-garden", tmp_path)
    assert path == tmp_path / "my-garden.safetensors"
    assert library.import_style(path).name == "my-garden-2"
    assert library.import_style(path, "Wave").name == "wave-2"
    (tmp_path / "cut.safetensors").write_bytes(path.read_bytes()[:500])
    with pytest.raises(NetworkError, match="cut short"):
        library.import_style(tmp_path / "cut.safetensors")
    assert {entry.name for entry in library.styles()} == {"wave", "my-garden", "my-garden-2", "wave-2"}
    with pytest.raises(NetworkError, match="must end in"):
        library.export_style("wave", tmp_path / "wave.pkl")
    with pytest.raises(NetworkError, match="cannot be written"):
        library.export_style("wave", tmp_path / "nowhere" / "wave.safetensors")


def test_own_styles_can_be_renamed_and_removed_shipped_ones_cannot(shelf: Path) -> None:
    entry = library.rename_style("my-garden", "Été au jardin!")
    assert (entry.name, entry.card.title) == ("t-au-jardin", "Été au jardin!")
    assert [path.name for path in sorted(shelf.glob("*.safetensors"))] == ["t-au-jardin.safetensors"]
    for change in (lambda: library.rename_style("wave", "x"), lambda: library.remove_style("wave")):
        with pytest.raises(NetworkError, match="came with the lab"):
            change()
    library.remove_style("t-au-jardin")
    assert [entry.name for entry in library.styles()] == ["wave"]


def test_files_that_are_no_styles_do_not_break_the_list(shelf: Path) -> None:
    (shelf / "notes.txt").write_text("hello")
    (shelf / "odd.safetensors").write_bytes(b"odd")
    assert [entry.name for entry in library.styles()] == ["wave", "my-garden"]
