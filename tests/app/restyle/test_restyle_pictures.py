"""The room Fast style without a browser: addresses, pictures, styles in and out."""

from __future__ import annotations

import io
from urllib.parse import parse_qsl

import numpy as np
import pytest
from fast_kit import put
from PIL import Image
from restyle_kit import file_of, noise

from convolab.app.restyle import shelf
from convolab.app.restyle.painting import Order, painted
from convolab.app.restyle.routes import order_of
from convolab.app.restyle.state import Shown, from_query, opened, to_query
from convolab.errors import DataError, NetworkError, SettingsError
from convolab.home import styles_dir
from convolab.style.fast.files import load_style
from convolab.style.fast.stylizing import stylize_steps

# ---------------------------------------------------------------- what is shown


def test_an_address_says_all_that_is_shown(photo: str) -> None:
    shown = Shown().changed(
        {
            "view": "filters",
            "photo": photo,
            "style": "waves:0.25,stripes:0.75",
            "strength": 0.4,
            "size": 320,
            "padding": "zeros",
            "keep": True,
            "mirror": False,
            "question": "chain",
            "then": "stripes",
            "times": 3,
            "chain": ["waves", "waves", "stripes"],
            "job": "style-abc",
            "video": "0123456789ab",
        }
    )
    assert from_query(dict(parse_qsl(to_query(shown)))) == (shown, [])
    assert to_query(opened(Shown())) == ""
    assert from_query({})[0] == opened(Shown())


def test_of_a_bad_address_what_can_be_understood_is_kept(photo: str) -> None:
    query = {
        "view": "film",
        "style": "wavs:0.5,stripes:0.5",
        "photo": "gone",
        "strength": "much",
        "job": "transfer-1",
        "color": "red",
        "size": "320",
    }
    shown, problems = from_query(query)
    assert (shown.view, shown.style, shown.size, shown.strength) == ("picture", "stripes:0.5", 320, 1.0)
    said = " ".join(problems)
    for part in (
        '"film"',
        'Did you mean "waves"',
        "no longer in the lab",
        "strength=much",
        "transfer-1",
        "color",
    ):
        assert part in said
    assert (
        Shown().changed({"style": "../secret", "size": True, "chain": ["a/b"], "strength": "nan"}) == Shown()
    )


# ---------------------------------------------------------------- painting


def test_what_the_page_shows_is_what_the_library_paints(photo: str) -> None:
    expected = stylize_steps(noise(), "waves", 0.7, 64, padding="zeros")[-1].picture
    file = painted(Order(photo, "waves", 0.7, 64, "zeros"), "png")
    with Image.open(io.BytesIO(file.content)) as opened_:
        assert np.array_equal(np.asarray(opened_), np.asarray(expected))
    assert (file.width, file.height) == expected.size == (64, 53)
    for wanted, said in (
        ({"style": ""}, "Choose a style"),
        ({"style": "wavs"}, 'Did you mean "waves"'),
        ({"style": "../waves"}, "no name of a style"),
        ({"style": "waves", "padding": "mirror"}, "The padding is one of"),
        ({"style": "waves", "size": 9000}, "The size must be"),
        ({"style": "waves", "strength": "2"}, "between 0 and 1"),
        ({"style": "waves", "photo": "gone"}, "no longer in the lab"),
    ):
        with pytest.raises((SettingsError, NetworkError, DataError), match=said):
            painted(order_of({"photo": photo, "size": 64, **wanted}), "jpg")


def test_a_style_that_was_made_anew_is_painted_anew(photo: str) -> None:
    path = put(styles_dir(), "changing", 3, title="Changing")
    order = Order(photo, "changing", size=64)
    before = painted(order, "png").content
    path.unlink()
    put(styles_dir(), "changing", 4, title="Changing")
    assert painted(order, "png").content != before
    path.unlink()


# ---------------------------------------------------------------- styles in and out


def test_a_style_goes_out_as_a_file_and_comes_in_again() -> None:
    content = shelf.file_of("waves").read_bytes()
    assert shelf.take_in(content, "C:\\My Waves.safetensors") == {"name": "my-waves"}
    there = load_style(styles_dir() / "my-waves.safetensors").network.state_dict()
    for name, tensor in load_style(styles_dir() / "waves.safetensors").network.state_dict().items():
        assert np.array_equal(there[name].numpy(), tensor.numpy())
    renamed = shelf.rename("my-waves", "The North Sea")["name"]
    assert renamed == "the-north-sea"
    listed = {style["name"]: style for style in shelf.listed()}
    assert listed[renamed]["title"] == "The North Sea"
    assert listed[renamed]["own"]
    assert shelf.names() == sorted(listed)
    with Image.open(io.BytesIO(shelf.thumbnail(renamed))) as small:
        assert small.format == "JPEG"
    shelf.remove(renamed)
    assert renamed not in shelf.names()


def test_files_that_are_no_styles_are_refused() -> None:
    whole = shelf.file_of("waves").read_bytes()
    before = shelf.names()
    for content, said in (
        (b"", "cannot be read"),
        (b"\x80\x04not a pickle", "cannot be read"),
        (whole[: len(whole) // 2], "cut short"),
        (file_of(noise()), "cannot be read"),
    ):
        with pytest.raises(NetworkError, match=rf"holiday\.safetensors.*{said}"):
            shelf.take_in(content, "../../holiday.safetensors")
    assert shelf.names() == before
    assert not [path for path in styles_dir().iterdir() if path.is_dir()]
    for action in (shelf.file_of, shelf.remove, lambda name: shelf.rename(name, "x")):
        with pytest.raises(NetworkError, match="no name of a style"):
            action("../waves")
