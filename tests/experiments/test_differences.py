"""What differs between runs: settings first, networks layer by layer, fairness."""

from __future__ import annotations

from experiments_kit import conv_network, flat_network, recipe

from convolab.experiments import network_differences, setting_differences, unfair
from convolab.networks import preset
from convolab.networks.layers import BatchNorm2d, Conv2d


def test_settings_that_differ_come_first() -> None:
    rows = setting_differences([recipe(), recipe(learning_rate=0.2, optimizer="adam")])
    first = [row.name for row in rows if row.differs]
    assert first == ["optimizer", "learning_rate", "momentum", "beta1", "beta2"]
    assert [row.differs for row in rows] == sorted((row.differs for row in rows), reverse=True)
    by_name = {row.name: row.values for row in rows}
    assert by_name["learning_rate"] == (0.05, 0.2)
    assert by_name["momentum"] == (0.1, None)  # Adam has none
    assert by_name["beta1"] == (None, 0.9)
    assert by_name["dataset"] == ("shapes", "shapes")


def test_networks_of_different_size_differ_in_their_parameters() -> None:
    rows = {row.name: row for row in setting_differences([recipe(flat_network()), recipe(conv_network())])}
    assert rows["network"].values == ("flat", "two blocks")
    assert rows["parameters"].values == (771, conv_network().parameters)
    assert rows["parameters"].differs


def test_equal_networks_have_only_equal_layers() -> None:
    assert {one.kind for one in network_differences(conv_network(), conv_network())} == {"same"}


def test_a_changed_an_added_and_a_removed_layer_are_told_apart() -> None:
    first = conv_network()
    second = first.changed_layer(0, kernel_size=3, padding=1).insert(1, BatchNorm2d()).remove(5)
    found = network_differences(first, second)
    assert [one.kind for one in found] == [
        "changed",
        "added",
        "same",
        "same",
        "same",
        "removed",
        "same",
        "same",
        "same",
    ]
    changed = found[0]
    assert changed.fields == {"Kernel size": (5, 3), "Padding": (2, 1)}
    assert changed.words == "Convolution: Kernel size 5 → 3, Padding 2 → 1"
    assert (changed.first_shape, changed.second_shape) == ((4, 16, 16), (4, 16, 16))
    assert (changed.first_parameters, changed.second_parameters) == (4 * 25 + 4, 4 * 9 + 4)
    added = found[1]
    assert (added.first, added.first_number, added.second_number) == (None, "", "2")
    assert isinstance(added.second, BatchNorm2d)
    numbers = [one.first_number for one in found if one.first is not None]
    assert numbers == [str(n) for n in range(1, 9)]


def test_layers_inside_residual_blocks_are_compared() -> None:
    first = preset("resnet", (3, 32, 32), 10)
    second = first.changed_layer((3, 0), out_channels=16)
    found = [one for one in network_differences(first, second) if one.kind != "same"]
    assert len(found) == 1
    assert found[0].fields == {}
    inside = [one for one in found[0].inside if one.kind != "same"]
    assert [one.fields for one in inside] == [{"Output channels": (32, 16)}]
    assert isinstance(inside[0].first, Conv2d)
    assert inside[0].first_number == "4.1"


def test_what_makes_a_comparison_unfair() -> None:
    assert unfair([recipe(), recipe(learning_rate=0.5)]) == []
    reasons = unfair([recipe(), recipe(seed=1, examples=500)])
    assert len(reasons) == 2
    assert "different lengths" in reasons[0]
    assert "seeds differ" in reasons[1]
    assert unfair([recipe(examples=400), recipe(examples=None, batches=20)]) == []  # 20 batches of 20
