"""`convolab.look` in Python: what it takes, what it answers to the view, what can be read from it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convolab
from convolab.errors import ConvolabError, DataError, NetworkError
from convolab.networks import Network, preset
from convolab.networks.layers import Flatten, Linear, ScaledTanh
from convolab.widgets import bundle
from convolab.widgets.frames import unpack
from convolab.widgets.notebook import pixels_of

anywidget = pytest.importorskip("anywidget")

SMALL = Network(input_shape=(1, 8, 8), layers=(Flatten(), Linear(out_features=3), ScaledTanh()))


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, Any], list[bytes]]]:
    """Messages that Python sends to the view."""
    from convolab.widgets.notebook_view import LookView

    messages: list[tuple[dict[str, Any], list[bytes]]] = []
    monkeypatch.setattr(
        LookView, "send", lambda _, content, buffers=None: messages.append((content, buffers or []))
    )
    return messages


def hear(view: Any, content: dict[str, Any], *buffers: bytes) -> None:
    """As if the view had sent this message."""
    data = {"method": "custom", "content": content}
    view._handle_msg({"content": {"data": data}, "buffers": [memoryview(buffer) for buffer in buffers]})


def values(frame: bytes, view: Any) -> np.ndarray:
    header, content = unpack(frame)
    return np.frombuffer(content, "<f4", header["slots"][0]["units"])


def test_a_picture_is_computed_and_its_frame_is_sent(sent: list):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    view = convolab.look(SMALL, pixels)
    hear(view, {"do": "open", "id": 1})
    assert sent[-1][0]["id"] == 1
    assert [level["key"] for level in sent[-1][0]["layout"]["levels"]] == ["input", "linear1"]
    hear(view, {"do": "show", "kind": "given", "id": 2})
    content, (frame,) = sent[-1]
    assert content == {"frame": 2}
    shown = values(frame, view)
    normalized = pixels.astype(np.float32) / 127.5 - 1
    weight, bias = (p.detach().numpy() for p in SMALL.build(0).parameters())
    outputs = 1.7159 * np.tanh(2 / 3 * (weight @ normalized.ravel() + bias))
    assert np.allclose(shown[:64], normalized.ravel(), atol=1e-6)
    assert np.allclose(shown[64:], outputs, atol=1e-5)
    assert view.prediction["label"] == str(outputs.argmax())
    assert np.allclose(list(view.prediction["outputs"].values()), outputs, atol=1e-5)


def test_a_drawing_is_what_is_looked_at(sent: list):
    view = convolab.look("harley-mlp")
    drawn = np.zeros((140, 140), np.uint8)
    drawn[20:30, 30:110] = 255
    drawn[30:120, 95:108] = 255
    hear(
        view,
        {"do": "show", "kind": "drawing", "side": 140, "channels": 1, "centre": True, "id": 5},
        drawn.tobytes(),
    )
    header, _ = unpack(sent[-1][1][0])
    assert "centre" in header["done"]
    assert view.pixels.shape == (1, 28, 28)
    assert view.pixels[0, 14, 3] == 0
    assert view.pixels.max() > 200
    hear(view, {"do": "show", "kind": "drawing", "side": 140, "channels": 1, "id": 6}, bytes(140 * 140))
    header, _ = unpack(sent[-1][1][0])
    assert header["empty"]
    assert "Nothing is drawn" in header["done"]
    hear(view, {"do": "show", "kind": "drawing", "side": 140, "channels": 1, "id": 7}, bytes(3))
    assert sent[-1][0] == {"frame": 7, "error": "The drawing did not arrive as it was sent; draw on."}


def test_what_is_picked_can_be_read_set_and_observed(sent: list):
    view = convolab.look(SMALL, np.full((8, 8), 200, np.uint8))
    seen: list[Any] = []
    view.observe(lambda change: seen.append(change["new"]), "picked")
    view._handle_msg(
        {
            "content": {
                "data": {"method": "update", "state": {"picked": ["linear1", [2]]}, "buffer_paths": []}
            },
            "buffers": [],
        }
    )
    assert view.picked == ("linear1", (2,))
    assert seen == [("linear1", (2,))]
    assert abs(view.unit.output - view.activations.values("linear1")[2]) < 1e-5
    hear(view, {"do": "unit", "level": "linear1", "index": [2], "id": 3})
    assert sent[-1][0]["unit"] == json.loads(json.dumps(view.unit.to_json()))
    view.picked = None
    assert view.unit is None
    with pytest.raises(ConvolabError, match="linear1"):
        view.picked = ("linear1", (3,))
    with pytest.raises(ConvolabError, match="picked as"):
        view.picked = 7
    hear(view, {"do": "unit", "level": "conv7", "index": [0], "id": 4})
    assert sent[-1][0]["id"] == 4
    assert "conv7" in sent[-1][0]["error"]


def test_pictures_of_every_form(tmp_path: Path):
    from PIL import Image

    grey = np.random.default_rng(1).integers(0, 256, (8, 8), dtype=np.uint8)
    colour = np.random.default_rng(2).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    assert np.array_equal(pixels_of(grey, (1, 8, 8))[0][0], grey)
    assert np.array_equal(pixels_of(grey[None], (1, 8, 8))[0][0], grey)
    assert np.array_equal(pixels_of(grey[:, :, None], (1, 8, 8))[0][0], grey)
    assert np.array_equal(pixels_of(colour, (3, 8, 8))[0], colour.transpose(2, 0, 1))
    Image.fromarray(colour).save(tmp_path / "picture.png")
    for image in (tmp_path / "picture.png", Image.fromarray(colour)):
        pixels, done = pixels_of(image, (3, 8, 8))
        assert np.abs(pixels.astype(int) - colour.transpose(2, 0, 1)).max() <= 1
        assert done
    pixels, done = pixels_of(np.zeros((40, 20), np.uint8) + 9, (1, 8, 8))
    assert pixels.shape == (1, 8, 8)
    with pytest.raises(DataError, match="uint8"):
        pixels_of(grey / 255, (1, 8, 8))
    with pytest.raises(DataError, match="no picture"):
        pixels_of(np.zeros((2, 2, 2, 2), np.uint8), (1, 8, 8))
    with pytest.raises(DataError, match=r"nothing\.png"):
        pixels_of(tmp_path / "nothing.png", (1, 8, 8))


def test_networks_of_every_form(tmp_path: Path):
    from convolab.networks.shipped import shipped
    from convolab.widgets.notebook import looked

    network, model, info = shipped("harley-mlp")
    by_name, by_parts = looked("harley-mlp"), looked((network, model, info))
    assert by_name.trained
    assert by_parts.trained
    pixels = np.random.default_rng(0).integers(0, 256, (1, 28, 28), dtype=np.uint8)
    outputs = [one.inspector.run(one.normalize(pixels)).prediction.raw for one in (by_name, by_parts)]
    assert np.allclose(*outputs)
    untrained = looked(preset("lenet-5", (1, 28, 28), 10), classes=list("abcdefghij"))
    assert not untrained.trained
    assert untrained.inspector.classes[3] == "d"
    for wrong, said in (("harley-cmm", "harley-cnn"), (tmp_path / "none.safetensors", "none"), (7, "int")):
        with pytest.raises(NetworkError, match=said):
            looked(wrong)


def test_without_anywidget_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(ConvolabError, match=r"convolab\[notebook\]"):
        convolab.look(SMALL)


def test_importing_the_package_loads_neither_torch_nor_anywidget():
    heavy = ("torch", "anywidget", "nicegui")
    code = f"import sys, convolab; convolab.look; print([m for m in {heavy} if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )


def test_the_bundle_holds_every_module_after_those_it_imports():
    found = dict(bundle.modules("notebook.js"))
    assert list(found)[-1] == "notebook.js"
    assert {"node_link.js", "unit_card.js", "look.js"} <= set(found)
    for place, (name, text) in enumerate(found.items()):
        assert '"./' not in text.replace('"./"', ""), f"{name} still imports a file"
        for other in re.findall(r'"@@([\w.]+)@@"', text):
            assert other in list(found)[:place]
    style = bundle.style("cl-notebook", "unit_card.css")
    assert ":root" not in style
    assert ".cl-notebook.body--dark {" in style
