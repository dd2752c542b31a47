"""Painting with styles that were learned: chains, mixtures, bands, borders, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numba
import numpy as np
import pytest
import torch
from fast_kit import put, tiny_style
from PIL import Image
from style_kit import image, picture

from convolab.compiled import sharing
from convolab.compiled.bf16 import narrow, wide
from convolab.errors import DataError, NetworkError, SettingsError
from convolab.style.fast import bands, library, painter
from convolab.style.fast.bands import paint_in_bands, plan
from convolab.style.fast.border import border_artefact
from convolab.style.fast.cpu import CpuPass
from convolab.style.fast.flicker import Flicker
from convolab.style.fast.network import PADDINGS, Padding, TransformNetwork
from convolab.style.fast.painter import Painter, parse_mix
from convolab.style.fast.stylizing import save_picture, stylize, stylize_steps
from convolab.style.pictures import to_image, to_tensor, with_colors_of
from convolab.training import number_formats


@pytest.fixture(autouse=True)
def _shelf(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "SHIPPED", tmp_path / "shipped")
    # Compared with networks in fp32, to the last bits of a colour.
    monkeypatch.setattr(painter, "has_bf16", lambda: False)
    for seed, name in enumerate(("wave", "scream", "mosaic")):
        put(home / "styles", name, seed, title=name)


def pixels(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture).astype(int)


def test_a_picture_is_painted_by_the_network_of_its_style() -> None:
    photo = image(5, 60, 44)
    network = library.get_style("scream").network
    with torch.no_grad():
        expected = to_image(network(to_tensor(photo, 60, 44), 0.6).clamp(0, 1))
    assert np.abs(pixels(stylize(photo, "scream", 0.6)) - pixels(expected)).max() <= 1
    assert np.array_equal(pixels(stylize(photo, "scream", 0)), pixels(photo))
    assert stylize(photo, "wave", size=32).size == (32, 23)


def test_a_chain_is_what_one_gets_by_saving_and_opening(tmp_path: Path) -> None:
    photo = image(5, 60, 44)
    steps = stylize_steps(photo, "wave", repeat=2, then=["scream"])
    assert [step.filter for step in steps] == ["", "wave", "wave", "scream"]
    by_hand = photo
    for i, name in enumerate(("wave", "wave", "scream"), 1):
        save_picture(tmp_path / "on the way.png", stylize(by_hand, name))
        by_hand = Image.open(tmp_path / "on the way.png")
        assert np.array_equal(pixels(steps[i].picture), pixels(by_hand))
    other = stylize_steps(photo, "scream", then=["wave"])[-1].picture
    assert not np.array_equal(pixels(other), pixels(stylize(photo, "wave", then=["scream"])))


def test_mixed_styles_are_the_mean_of_their_paintings_by_their_shares() -> None:
    photo = image(5, 60, 44)
    one, other = pixels(stylize(photo, "wave")), pixels(stylize(photo, "mosaic"))
    for mix in ("wave:1,mosaic:3", {"wave": 0.25, "mosaic": 0.75, "scream": 0.0}):
        found = pixels(stylize(photo, mix))
        assert np.abs(found - (0.25 * one + 0.75 * other)).max() <= 1.01


def test_colours_of_the_photo_can_be_kept() -> None:
    photo = image(5, 60, 44)
    painted = to_tensor(stylize(photo, "wave"), 60, 44)
    expected = to_image(with_colors_of(painted, to_tensor(photo, 60, 44)))
    assert np.abs(pixels(stylize(photo, "wave", preserve_color=True)) - pixels(expected)).max() <= 2


def test_frames_are_painted_as_pictures_are() -> None:
    photo = image(5, 60, 44)
    painter = Painter("wave")
    assert np.abs(painter.frame(np.asarray(photo)).astype(int) - pixels(stylize(photo, "wave"))).max() <= 1
    assert painter.warm_up(32, 32) > 0


@pytest.mark.parametrize(
    ("text", "shares"),
    [
        ("wave", {"wave": 1.0}),
        ("wave, scream", {"wave": 0.5, "scream": 0.5}),
        ("wave:3,scream:1,mosaic:0", {"wave": 0.75, "scream": 0.25}),
    ],
)
def test_shares_are_read_and_sum_to_1(text: str, shares: dict[str, float]) -> None:
    assert parse_mix(text) == shares


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"style": "wvae"}, NetworkError, 'Did you mean "wave"'),
        ({"style": "wave:x"}, SettingsError, "is no share"),
        ({"style": "wave:-1"}, SettingsError, "0 or more"),
        ({"style": "wave:0"}, SettingsError, "not all 0"),
        ({"style": ",".join(f"wave-{i}" for i in range(9))}, SettingsError, "At most 8"),
        ({"style": "wave", "strength": 1.5}, SettingsError, "between 0 and 1"),
        ({"style": "wave", "size": 8}, SettingsError, "at least 16"),
        ({"style": "wave", "size": 19_000}, SettingsError, "million pixels"),
        ({"style": "wave", "repeat": 0}, SettingsError, "1 to 100"),
        ({"style": "wave", "padding": "mirror"}, SettingsError, "none of reflect"),
        ({"style": "wave", "then": ["scraem"]}, NetworkError, 'Did you mean "scream"'),
    ],
)
def test_what_cannot_be_painted_is_a_sentence(options: dict[str, object], error: type, said: str) -> None:
    with pytest.raises(error, match=r"\.$") as found:
        stylize(image(), **options)  # type: ignore[arg-type]
    assert said in str(found.value)


def test_pictures_that_are_none_or_bombs_are_refused(tmp_path: Path) -> None:
    (tmp_path / "odd.jpg").write_bytes(b"odd")
    with pytest.raises(DataError, match=r"odd\.jpg cannot be used"):
        stylize(tmp_path / "odd.jpg", "wave")
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    with pytest.raises(DataError, match="million pixels"):
        stylize(tmp_path / "bomb.png", "wave")
    with pytest.raises(DataError, match="must end in"):
        save_picture(tmp_path / "x.tiff", image())


# ------------------------------------------------------------------ bands


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("rows", [4, 12, 40])
def test_bands_give_the_whole_picture(padding: Padding, rows: int) -> None:
    network = TransformNetwork("c5s1-4,d6,d8,R8,U6,U4,c5s1-3", 3).eval()
    network.last.weight.data.mul_(10)
    photo = picture(2, 75, 41)
    with torch.no_grad():
        whole = network(photo, 0.8, padding)
    assert torch.allclose(paint_in_bands(network, photo, 0.8, padding, rows), whole, atol=2e-4)


def test_bands_are_planned_by_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    network = TransformNetwork("standard")
    assert plan(network, 512, 512, 2000) is None
    rows = plan(network, 3000, 4000, 2000)
    assert rows is not None
    assert 0 < rows < 3000
    with pytest.raises(SettingsError, match=r"450 MB are too little for a picture of 4000×3000.*would fit"):
        plan(network, 3000, 4000, 450)
    used = []
    monkeypatch.setattr(bands, "_BASE_MB", 449.0)
    painter = Painter(tiny_style(1, architecture="c3s1-4,d8,R8,U4,c3s1-3"), memory_mb=450)
    original = paint_in_bands
    monkeypatch.setattr(
        "convolab.style.fast.painter.paint_in_bands",
        lambda *given: used.append(given[-1]) or original(*given),
    )
    photo = picture(2, 96, 100)
    banded = painter(photo)
    assert used
    assert torch.allclose(banded, Painter(painter.styles[0][1])(photo), atol=2e-4)


def test_too_little_memory_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Painter(tiny_style(1))

    def fails(*_: object) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr(made, "_paint", fails)
    with pytest.raises(SettingsError, match=r"^cpu has too little memory .* 60×44; choose a smaller size\.$"):
        made(picture(2, 44, 60))


# ------------------------------------------------------------------ borders and flicker


def test_borders_are_measured_against_the_interior() -> None:
    random = np.random.default_rng(0)
    paint = random.integers(0, 256, (120, 150, 3)).astype(np.uint8)
    assert border_artefact(Image.fromarray(paint)) < 1.3
    framed = paint.copy()
    framed[:3] = 0
    assert border_artefact(Image.fromarray(framed)) > 2
    assert border_artefact(Image.fromarray(framed.transpose(1, 0, 2))) > 2
    with pytest.raises(DataError, match="at least 64"):
        border_artefact(image(0, 60, 60))


def test_zeros_frame_what_is_painted_again_and_again_reflection_does_not() -> None:
    style = tiny_style(5, architecture="c5s1-6,d8,R8,U6,c5s1-3")
    photo = image(7, 160, 120)
    after = {mode: stylize(photo, style, repeat=4, padding=mode) for mode in PADDINGS}
    assert border_artefact(after["zeros"]) > 1.5 * border_artefact(after["reflect"])


def test_flicker_is_the_change_of_paintings_where_the_film_stands_still() -> None:
    still = np.full((20, 30, 3), 100, np.uint8)
    moving = still.copy()
    moving[:, 15:] = 180
    flicker = Flicker()
    assert flicker.value is None
    flicker.add(still, still)
    flicker.add(moving, still + 6)  # the left half stands still and changes by 6
    assert flicker.value == 6
    flicker.add(moving + 1, still + 6)  # all stands still, the film itself changes by 1, the painting not
    assert flicker.value == pytest.approx((6 * 300 - 1 * 600) / 900)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(
    "architecture", ["c5s1-8,d16,d64,R64x2,U16,U8,c5s1-3", "c3s2-4,d8,R8,c3s1-9,U8,U4,c9s1-3"]
)
def test_the_quick_way_gives_what_the_network_gives(architecture: str, padding: Padding) -> None:
    network = tiny_style(3, architecture=architecture).network
    quick = CpuPass(network)
    low = CpuPass(network, "bf16")
    for height, width, strength in (
        (75, 98, 1.0),
        (75, 98, 0.4),
        (76, 102, 0.7),
        (62, 99, 1.0),
        (64, 50, 0.0),
    ):
        photo = picture(height, height, width)
        with torch.no_grad():
            expected = network(photo, strength, padding)
        assert torch.allclose(quick(photo, strength, padding), expected, atol=2e-4)
        error = (low(photo, strength, padding) - expected).norm() / expected.norm()
        assert error < 0.02


def test_the_quick_way_shares_large_maps_among_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    network = tiny_style(3, architecture="c5s1-8,d16,R16,U8,c5s1-3").network
    photo = picture(1, 75, 98)
    alone = CpuPass(network)(photo)
    monkeypatch.setattr(sharing, "usable_cores", lambda: 3)
    monkeypatch.setattr(sharing, "LEAST_SHARED", 0)
    assert torch.allclose(CpuPass(network)(photo), alone, atol=1e-5)


def test_bf16_is_painted_with_where_it_agrees_and_is_faster(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(painter, "has_bf16", lambda: True)
    chosen = {}
    for ratio in (1.0, 2.0):
        (home / number_formats.FILE).unlink(missing_ok=True)
        times = iter([0.0, ratio, 10.0, 11.0] * 3)
        monkeypatch.setattr(painter.time, "perf_counter", lambda times=times: next(times))
        chosen[ratio] = Painter("wave")
    assert {ratio: one.precision.name for ratio, one in chosen.items()} == {1.0: "fp32", 2.0: "bf16"}
    frame = np.asarray(image(5, 60, 44))
    change = chosen[2.0].frame(frame).astype(int) - chosen[1.0].frame(frame)
    assert 0 < np.abs(change).max() <= 8
    monkeypatch.setattr(painter, "TOLERANCE", 1e-6)
    assert Painter("wave").precision.name == "fp32"


def test_bf16_in_compiled_loops_is_that_of_pytorch() -> None:
    values = torch.randn(4096, generator=torch.Generator().manual_seed(0)) * 100
    ties = torch.tensor([0x3F808000, 0x3F818000, 0x3F807FFF, 0x0, -0x40808000], dtype=torch.int32)
    numbers = torch.cat((values, ties.view(torch.float32)))

    @numba.njit
    def both(numbers: np.ndarray, bits: np.ndarray, again: np.ndarray) -> None:
        for i in range(len(numbers)):
            bits[i] = narrow(numbers[i], bits.dtype)
            again[i] = wide(bits[i])

    bits, again = np.empty(len(numbers), np.uint16), np.empty(len(numbers), np.float32)
    both(numbers.numpy(), bits, again)
    expected = numbers.to(torch.bfloat16)
    assert torch.equal(torch.from_numpy(bits).view(torch.bfloat16), expected)
    assert torch.equal(torch.from_numpy(again), expected.float())
