"""What can be varied of a run: every proposed value makes a network that really fits."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from experiments_kit import conv_network, flat_network, recipe

from convolab.errors import ExperimentError, NetworkError, SettingsError
from convolab.experiments import Recipe, proposal, proposals
from convolab.networks import Network, preset
from convolab.networks.layers import Conv2d, MaxPool2d
from convolab.training.settings import TrainingSettings


def for_preset(name: str, dataset: str) -> Recipe:
    shape, classes = {"mnist": ((1, 28, 28), 10), "cifar10": ((3, 32, 32), 10)}[dataset]
    return Recipe(dataset, preset(name, shape, classes), TrainingSettings())


@pytest.mark.parametrize("name", ["convolutional", "lenet-5", "resnet"])
def test_every_value_makes_a_network_that_fits(name: str) -> None:
    """Checked by PyTorch itself: a picture goes in, one number per class comes out."""
    start = for_preset(name, "mnist")
    for found in proposals(start):
        assert len(found.values) > 1
        assert found.current is None or found.current in found.values
        for value in found.values:
            made = found.make(value)
            assert replace(start, network=made.network).check() is None
            if found.key in ("conv_blocks", "layer1.kernel_size", "layer1.stride"):
                with torch.no_grad():
                    assert made.network.build(0).eval()(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


def test_what_can_be_varied_of_the_assignments_network() -> None:
    found = {one.key: one for one in proposals(for_preset("convolutional", "cifar10"))}
    assert list(found)[:5] == ["learning_rate", "batch_size", "batches", "optimizer", "conv_blocks"]
    assert found["learning_rate"].values == (0.001, 0.01, 0.03, 0.1, 0.3)
    assert found["batch_size"].values == (16, 32, 64, 128, 256)
    assert found["layer1.out_channels"].values == (4, 8, 16, 32, 64)
    assert found["layer1.out_channels"].title == "Filters of layer 1 (convolution)"
    assert found["layer3.kernel_size"].title == "Window of layer 3 (max pool)"
    assert found["conv_blocks"].values == (1, 2, 3, 4, 5, 6)
    assert "layer11.out_features" not in found  # the classes


def test_another_kernel_keeps_the_size_of_the_maps() -> None:
    start = recipe(conv_network())
    for value in (1, 3, 7, 9):
        made = proposal(start, "layer1.kernel_size").make(value)
        layer = made.network.at(0)
        assert isinstance(layer, Conv2d)
        assert (layer.kernel_size, layer.padding) == (value, value // 2)
        assert made.network.walk()[0].output_shape == (4, 16, 16)
        assert made.label == f"layer 1: kernel {value} (padding {value // 2})"
    assert proposal(start, "layer1.kernel_size").make(5).label == "layer 1: kernel 5"


def test_where_no_padding_fits_windows_round_down_and_the_label_says_so() -> None:
    made = proposal(recipe(conv_network()), "layer1.stride").make(2)
    assert made.network.floor
    assert made.label == "layer 1: stride 2 (rounded down)"
    assert made.network.walk()[0].output_shape == (4, 8, 8)


def test_fewer_blocks_leave_out_the_last_ones() -> None:
    one = proposal(recipe(conv_network()), "conv_blocks").make(1).network
    assert [layer.type for layer in one.layers] == ["Conv2d", "ReLU", "MaxPool2d", "Flatten", "Linear"]
    assert one.at(0) == conv_network().at(0)


def test_more_blocks_repeat_the_last_one_and_pool_while_there_is_something_to_pool() -> None:
    three = proposal(recipe(conv_network()), "conv_blocks").make(3).network
    four_by_four = [step.output_shape for step in three.walk()][-3]
    # 2 × 2 would be left after a third pooling, so the third block keeps 4 × 4.
    assert four_by_four == (6, 4, 4)
    assert sum(isinstance(layer, Conv2d) for layer in three.layers) == 3
    assert sum(isinstance(layer, MaxPool2d) for layer in three.layers) == 2
    shallow = Network.model_validate(conv_network().model_dump() | {"layers": conv_network().layers[:3]})
    shallow = shallow.insert(3, conv_network().at(6)).insert(4, conv_network().at(7))
    two = proposal(recipe(shallow), "conv_blocks").make(2).network
    assert sum(isinstance(layer, MaxPool2d) for layer in two.layers) == 2  # 8 × 8 → 4 × 4 is still pooled


def test_a_connection_table_goes_when_the_number_of_filters_changes() -> None:
    start = for_preset("lenet-5", "mnist")
    position = next(i for i, layer in enumerate(start.network.layers) if getattr(layer, "connections", None))
    made = proposal(start, f"layer{position + 1}.out_channels").make(8)
    layer = made.network.at(position)
    assert isinstance(layer, Conv2d)
    assert layer.connections is None
    assert "every filter sees all maps" in made.label
    same = proposal(start, f"layer{position + 1}.out_channels").make(16)
    assert same.network == start.network


def test_the_number_of_batches_is_a_length_of_its_own() -> None:
    start = recipe(examples=400)
    made = proposal(start, "batches").make(7)
    assert (made.settings.batches, made.settings.examples, made.settings.budget) == (7, None, None)


def test_batches_larger_than_the_data_set_are_not_proposed() -> None:
    assert proposal(recipe(batch_size=64), "batch_size").values == (16, 32, 64, 128)  # of 144 images


@pytest.mark.parametrize(
    ("key", "value", "error", "sentence"),
    [
        ("learning_rate", -1.0, SettingsError, "learning rate must be greater than 0"),
        ("layer1.kernel_size", 70, NetworkError, "Layer 1"),
        ("layer1.out_channels", 0, NetworkError, "Layer 1"),
        ("layer1.stride", 1.5, SettingsError, "whole number"),
        ("conv_blocks", 0, NetworkError, "At least one"),
        ("conv_blocks", "many", SettingsError, "whole number"),
    ],
)
def test_values_that_do_not_fit_get_a_sentence(key: str, value: object, error: type, sentence: str) -> None:
    with pytest.raises(error, match=sentence) as caught:
        proposal(recipe(conv_network()), key).make(value)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_unknown_things_to_vary_name_the_nearest() -> None:
    with pytest.raises(ExperimentError, match='Did you mean "learning_rate"'):
        proposal(recipe(), "learning_rat")
    with pytest.raises(ExperimentError, match="thing to vary"):
        proposal(recipe(flat_network()), "conv_blocks")
    assert proposal(recipe(), "label-smoothing").make(0.1).settings.label_smoothing == 0.1


def test_values_are_read_as_they_are_typed() -> None:
    start = recipe(conv_network())
    assert proposal(start, "learning_rate").parse(" 1e-3 ") == 0.001
    assert proposal(start, "batch_size").parse("1_000") == 1000
    assert proposal(start, "flip").parse("yes") is True
    assert proposal(start, "optimizer").parse("adam") == "adam"
    with pytest.raises(SettingsError, match="takes a whole number"):
        proposal(start, "batch_size").parse("many")
