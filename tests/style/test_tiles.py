"""Computing in tiles changes nothing but the memory."""

from __future__ import annotations

import pytest
import torch
from style_kit import LAYERS, picture, tiny_network

from convolab.errors import SettingsError
from convolab.style import tiles
from convolab.style.features import FeatureNetwork, Padding, Pooling
from convolab.style.objective import Objective, StyleTarget, Weights, style_target
from convolab.style.settings import Measure
from convolab.style.tiles import Tiling


def objective(
    network: FeatureNetwork,
    height: int,
    width: int,
    tiling: Tiling | None,
    measure: Measure = "gram",
    masked: bool = False,
) -> Objective:
    styles = [style_target(network, picture(seed, 44, 52).double(), LAYERS, measure, None) for seed in (7, 8)]
    masks = [
        torch.linspace(0, 1, width).double().expand(height, width),
        torch.linspace(1, 0, width).double().expand(height, width),
    ]
    return Objective(
        network,
        picture(1, height, width).double(),
        styles,
        Weights(0.4, (0.5, 0.3, 0.2), 0.1),
        content_layers=("relu2_2",),
        style_layers=LAYERS,
        measure=measure,
        masks=masks if masked else (),
        tiling=tiling,
    )


@pytest.mark.parametrize(
    ("size", "padding", "measure", "masked", "pooling"),
    [
        ((64, 64), "zero", "gram", False, "average"),
        ((71, 90), "replicate", "gram", False, "average"),
        ((47, 101), "zero", "wasserstein", False, "average"),
        ((66, 70), "replicate", "gram", True, "average"),
        ((71, 90), "replicate", "gram", False, "max"),
        ((65, 67), "zero", "wasserstein", True, "max"),
    ],
)
def test_tiled_is_untiled(
    size: tuple[int, int], padding: Padding, measure: Measure, masked: bool, pooling: Pooling
) -> None:
    network = tiny_network(padding=padding, double=True, pooling=pooling)
    tiling = Tiling(side=24, border=16)
    assert network.reach("relu3_1") <= tiling.border
    x = picture(2, *size).double()
    whole = objective(network, *size, None, measure, masked)(x)
    parts = objective(network, *size, tiling, measure, masked)(x)
    assert sum(1 for _ in tiles.tiles(*size, tiling)) > 3
    assert parts[0].total == pytest.approx(whole[0].total, rel=1e-6)
    assert parts[0].style_by_layer == pytest.approx(whole[0].style_by_layer, rel=1e-6)
    error = (parts[1] - whole[1]).norm() / whole[1].norm()
    assert float(error) < 1e-6


def test_too_narrow_a_border_would_be_noticed() -> None:
    network = tiny_network(double=True)
    x = picture(2, 64, 64).double()
    whole = objective(network, 64, 64, None)(x)[1]
    parts = objective(network, 64, 64, Tiling(24, 4))(x)[1]
    assert float((parts - whole).norm() / whole.norm()) > 1e-4


def test_a_style_learned_in_tiles_is_the_same() -> None:
    network = tiny_network()
    x = picture(4, 70, 90)
    whole = style_target(network, x, LAYERS, "wasserstein")
    parts = style_target(network, x, LAYERS, "wasserstein", Tiling(32, 16))
    assert isinstance(parts, StyleTarget)
    for layer in LAYERS:
        assert torch.allclose(whole.moments[layer], parts.moments[layer], rtol=1e-4, atol=1e-5)


def test_tiles_cover_every_pixel_once() -> None:
    for height, width in ((64, 64), (25, 130), (99, 41)):
        covered = torch.zeros(height, width)
        for tile in tiles.tiles(height, width, Tiling(32, 16)):
            top, left, bottom, right = tile.own
            covered[top:bottom, left:right] += 1
            assert tile.cut[0] <= top < bottom <= tile.cut[2]
        assert torch.equal(covered, torch.ones(height, width))


def test_memory_decides_about_tiles() -> None:
    network = tiny_network(maps=64)
    assert tiles.plan(network, LAYERS, 64, 64, 2000) is None
    assert tiles.plan(network, LAYERS, 64, 64, None) is None
    cut = tiles.plan(network, LAYERS, 2000, 1500, 1500)
    assert cut is not None
    assert cut.side % 4 == cut.border % 4 == 0
    assert cut.border >= network.reach("relu3_1")
    each = tiles.bytes_per_pixel(network, LAYERS)
    assert each * (cut.side + 2 * cut.border) ** 2 <= (1500 - tiles._BASE_MB) * 1e6
    with pytest.raises(SettingsError, match=r"200 MB are too little.*2000×1500.*\. Give") as refused:
        tiles.plan(network, LAYERS, 2000, 1500, 200, extra_per_pixel=100)
    assert "Close other programs" not in str(refused.value)
    needed = megabytes_in(str(refused.value))
    assert tiles.plan(network, LAYERS, 2000, 1500, needed, extra_per_pixel=100) is not None
    with pytest.raises(SettingsError) as refused:
        tiles.plan(network, LAYERS, 8000, 6000, 3000, extra_per_pixel=600)
    size = int(str(refused.value).split("A size of ")[1].split(" ")[0])
    assert tiles.plan(network, LAYERS, size, size * 3 // 4, 3000, extra_per_pixel=600) is not None
    assert size > 2000
    needed = megabytes_in(str(refused.value))
    assert tiles.plan(network, LAYERS, 8000, 6000, needed, extra_per_pixel=600) is not None
    with pytest.raises(SettingsError):  # it is not much more than what is needed
        tiles.plan(network, LAYERS, 8000, 6000, needed - 200, extra_per_pixel=600)


def megabytes_in(said: str) -> int:
    return int(said.lower().split("give it at least ")[1].split(" mb")[0].replace(",", ""))


def test_too_little_free_memory_says_how_much_would_do(monkeypatch: pytest.MonkeyPatch) -> None:
    class Free:
        available = 50e6

    monkeypatch.setattr(tiles.psutil, "virtual_memory", Free)
    network = tiny_network(maps=64)
    with pytest.raises(SettingsError, match=r"memory of 50 MB is too little.*[Cc]lose other") as no:
        tiles.plan(network, LAYERS, 2000, 1500, None, extra_per_pixel=100)
    Free.available = 1e6 * int(str(no.value).split("needs ")[1].split(" MB")[0].replace(",", ""))
    assert tiles.plan(network, LAYERS, 2000, 1500, None, extra_per_pixel=100) is not None


def test_a_network_that_cannot_be_tiled_says_how_much_the_whole_needs() -> None:
    network = tiny_network(maps=64)
    steps = [*network.steps, ("pool4", torch.nn.MaxPool2d(3, 2))]  # its windows overlap
    network = FeatureNetwork("overlapping", steps)
    with pytest.raises(SettingsError) as refused:
        tiles.plan(network, ["pool4"], 2000, 1500, 800)
    needed = megabytes_in(str(refused.value))
    assert tiles.plan(network, ["pool4"], 2000, 1500, needed) is None
