"""The filter laboratory without a browser: repetitions, orders, paddings, and what is measured."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fast_kit import put, tiny_style
from PIL import Image
from restyle_kit import file_of, noise

from convolab.app.restyle import filters, measures
from convolab.app.restyle.routes import order_of
from convolab.errors import DataError, NetworkError, SettingsError
from convolab.home import styles_dir
from convolab.style.fast.stylizing import stylize_steps


@pytest.fixture
def without_vgg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "network_is_here", lambda: False)


def study(photo: str, **wanted: Any) -> filters.Study:
    begun = filters.begin({"photo": photo, "size": 80, **wanted}, order_of)
    found = filters.waited(begun["study"])
    assert found.finished
    assert not found.error
    return found


@pytest.mark.usefixtures("without_vgg")
def test_the_same_filter_again_and_again_with_each_padding(photo: str) -> None:
    found = study(photo, question="repeat", style="waves", times=3, padding="replicate")
    assert len(found.cells) == found.total == 10
    for padding in ("reflect", "zeros"):
        expected = stylize_steps(noise(), "waves", 1.0, 80, repeat=3, padding=padding)
        for times in (1, 2, 3):
            cell = found.cells[f"{padding}-0-{times}"]
            assert np.array_equal(np.asarray(cell.picture), np.asarray(expected[times].picture))
            before = np.asarray(expected[times - 1].picture, int)
            change = np.abs(np.asarray(cell.picture, int) - before).mean()
            assert cell.figures["change"] == pytest.approx(change, abs=0.006)
    news, more = filters.news(f"{found.key}~")
    assert news is not None
    assert not more
    json.dumps(news)
    assert news["notes"] == ["vgg"]
    assert filters.news(f"{found.key}~{news['cursor']}") == (None, False)
    apart = found.file("replicate-0-1", "difference.png")
    with Image.open(io.BytesIO(apart.content)) as drawn:
        first = np.asarray(found.cells["replicate-0-1"].picture, int)
        expected_ = np.minimum(
            measures.GAIN * np.abs(first - np.asarray(found.cells["photo"].picture, int)), 255
        )
        assert np.array_equal(np.asarray(drawn), expected_)
    with pytest.raises(DataError):
        found.file("photo", "difference.png")


@pytest.mark.usefixtures("without_vgg")
def test_kept_colours_are_those_of_the_photo_after_any_filter(photo: str) -> None:
    found = study(photo, question="chain", chain=["waves", "stripes", "waves"], keep=True)
    expected = stylize_steps(noise(), "waves", 1.0, 80, then=["stripes", "waves"], preserve_color=True)
    for number, step in enumerate(expected[1:], 1):
        cell = found.cells[f"reflect-0-{number}"]
        assert np.array_equal(np.asarray(cell.picture), np.asarray(step.picture))


@pytest.mark.usefixtures("without_vgg")
def test_two_filters_in_either_order_are_compared(photo: str) -> None:
    found = study(photo, question="order", style="waves", then="stripes")
    ends = [
        stylize_steps(noise(), names[0], 1.0, 80, then=names[1:])[-1].picture
        for names in (["waves", "stripes"], ["stripes", "waves"], ["waves"], ["stripes"])
    ]
    for row in found.distances:
        a, b = (np.asarray(ends[i], int) for i in row["pair"])
        assert row["pixels"] == pytest.approx(np.abs(a - b).mean(), abs=0.006)
    assert [row["pair"] for row in found.distances] == [[0, 3], [1, 2], [0, 1], [2, 3]]


def test_style_and_content_are_measured_where_the_network_is(
    photo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from style_kit import tiny_network

    card = tiny_style(1).card
    thumbnail = file_of(noise(64, 48, 5), "JPEG")
    import base64

    from convolab.style.fast.files import save_style

    network = tiny_style(5).network
    about = {
        "thumbnail": base64.b64encode(thumbnail).decode(),
        "settings": {"style_layers": "relu1_1,relu2_1"},
    }
    save_style(
        styles_dir() / "pictured.safetensors", network, card.model_copy(update={"title": "Pictured", **about})
    )
    monkeypatch.setattr(measures, "network_is_here", lambda: True)
    monkeypatch.setattr(measures, "_features", tiny_network)
    found = study(photo, question="chain", chain=["pictured", "stripes"])
    small = measures.painting_of("pictured", 80)
    assert small is not None
    assert (small.size, small.layers, small.whole) == (64, ("relu1_1", "relu2_1"), False)
    measured = found.cells["reflect-0-1"].figures["style"]["pictured"]
    assert measured == measures.style_diff(small, found.cells["reflect-0-1"].picture)
    assert measured["relative"] > 0
    assert measures.style_diff(small, small.picture)["relative"] == pytest.approx(0, abs=1e-6)
    assert found.notes == ["small painting:pictured:64", "no painting:stripes"]
    again = study(photo, question="repeat", style="pictured", times=2, padding="replicate")
    for padding in ("reflect", "replicate", "zeros"):
        for times in (1, 2):
            cell = again.cells[f"{padding}-0-{times}"]
            assert cell.figures["style"]["pictured"] == measures.style_diff(small, cell.picture)
    (styles_dir() / "pictured.safetensors").unlink()


def test_of_the_labs_own_paintings_the_painting_itself_is_compared(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from convolab.style.painted import paint

    monkeypatch.setattr("convolab.style.fast.library.SHIPPED", tmp_path)
    for name in ("mosaic", "mosaic-small", "scream"):
        put(tmp_path, name, 1, title="A title")
    for name in ("mosaic", "mosaic-small"):
        found = measures.painting_of(name, 512)
        assert found is not None
        assert (found.size, found.whole) == (512, True)
        assert np.array_equal(np.asarray(found.picture), np.asarray(paint("mosaic", 640)))
    assert measures.painting_of("scream", 512) is None  # this one carries no picture


def test_what_cannot_be_studied_is_said(photo: str) -> None:
    for wanted, said in (
        ({"question": "why"}, "one of the three questions"),
        ({"question": "repeat", "style": "waves", "times": 99}, "1 to 12 times"),
        ({"question": "order", "style": "waves", "then": "waves"}, "the same style"),
        ({"question": "chain", "chain": []}, "drag styles"),
        ({"question": "chain", "chain": ["wavs"]}, 'Did you mean "waves"'),
        ({"question": "chain", "chain": ["waves"], "size": 2000}, "at most 768"),
    ):
        with pytest.raises((SettingsError, NetworkError), match=said):
            filters.begin({"photo": photo, "size": 80, **wanted}, order_of)
    gone = filters.begin({"photo": "gone", "size": 80, "question": "chain", "chain": ["waves"]}, order_of)
    assert "no longer in the lab" in filters.waited(gone["study"]).error
    assert filters.news("none~")[0] == {
        "study": "none",
        "cursor": "gone",
        "gone": "This study is no longer kept; it is made again.",
    }
