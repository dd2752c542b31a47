"""Search spaces: read, checked, carried out."""

from __future__ import annotations

import optuna
import pytest
from experiments_kit import conv_network, recipe

from convolab.errors import ExperimentError, NetworkError
from convolab.experiments import SPACES, Dimension, parse_dimension
from convolab.experiments.sweep_space import architecture, check_space, present_values, recipe_for, suggest
from convolab.networks.layers import BatchNorm2d, Conv2d, GlobalAvgPool2d


def test_ranges_and_lists_are_read() -> None:
    start = recipe(conv_network())
    assert parse_dimension("learning-rate=0.001..1:log", start) == Dimension(
        name="learning_rate", kind="float", low=0.001, high=1, log=True
    )
    assert parse_dimension("batch_size=16..64", start).kind == "int"
    assert parse_dimension("optimizer=adam, sgd", start).choices == ("adam", "sgd")
    assert parse_dimension("kernel=3,5", start).choices == (3, 5)
    assert parse_dimension("norm=none,batch norm", start).choices == ("none", "batch norm")
    assert parse_dimension("layer1.out_channels=2..8", start).kind == "int"
    for text in ("learning_rate=0.001..1:log", "optimizer=adam,sgd"):
        assert parse_dimension(text, start).text == text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("learning_rate", "like learning_rate=0.001"),
        ("learning_rat=1..2", 'Did you mean "learning_rate"'),
        ("examples=1..2", "thing to search"),
        ("learning_rate=2..1", "range from a smaller to a larger"),
        ("learning_rate=0..1:log", "begin above 0"),
        ("learning_rate=one..two", "neither a range nor a list"),
        ("optimizer=adam", "at least two values"),
    ],
)
def test_nonsense_gets_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ExperimentError, match=sentence) as caught:
        parse_dimension(text, recipe(conv_network()))
    assert "\n" not in str(caught.value)


def test_a_space_is_whole_or_refused() -> None:
    start = recipe(conv_network())
    rate = parse_dimension("learning_rate=0.01..1", start)
    with pytest.raises(ExperimentError, match="named twice"):
        check_space([rate, rate], start)
    with pytest.raises(ExperimentError, match="something to search"):
        check_space([], start)
    with pytest.raises(ExperimentError, match="one or the other"):
        check_space([parse_dimension(t, start) for t in ("layer1.stride=1..2", "blocks=1..2")], start)
    for space in SPACES.values():
        check_space(space, start)


def test_every_trial_of_the_spaces_makes_a_run_that_fits_or_says_why_not() -> None:
    start = recipe(conv_network())
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for space in SPACES.values():
        for _ in range(15):
            values = suggest(space, study.ask(), start)
            made = recipe_for({**values, "batch_size": 20}, start)
            made.check()
            for name in ("learning_rate", "optimizer"):
                assert getattr(made.settings, name) == values[name]


def test_settings_that_do_not_apply_are_not_asked_for() -> None:
    start = recipe()
    space = [parse_dimension(text, start) for text in ("momentum=0..0.9", "optimizer=adam,momentum")]
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    found = [suggest(space, study.ask(), start) for _ in range(20)]
    assert {one["optimizer"] for one in found} == {"adam", "momentum"}
    assert all(("momentum" in one) == (one["optimizer"] == "momentum") for one in found)
    alone = [parse_dimension("momentum=0..0.9", start)]
    assert suggest(alone, study.ask(), recipe(optimizer="adam")) == {}


def test_an_architecture_is_what_its_values_say() -> None:
    made = architecture(
        (3, 32, 32), 10, blocks=3, filters=8, growth=2.0, kernel=5, norm="batch norm", dropout=0.2
    )
    convs = [layer for layer in made.layers if isinstance(layer, Conv2d)]
    assert [(conv.out_channels, conv.kernel_size, conv.padding, conv.bias) for conv in convs] == [
        (8, 5, 2, False),
        (16, 5, 2, False),
        (32, 5, 2, False),
    ]
    assert sum(isinstance(layer, BatchNorm2d) for layer in made.layers) == 3
    assert made.output_shape == (10,)
    other = architecture((1, 28, 28), 10, head="global average")
    assert isinstance(other.layers[-2], GlobalAvgPool2d)
    with pytest.raises(NetworkError, match="norm is one of"):
        architecture((1, 28, 28), 10, norm="nothing")
    with pytest.raises(NetworkError):
        architecture((1, 28, 28), 10, filters=0)


def test_the_first_trial_is_where_one_stands() -> None:
    start = recipe(conv_network(), learning_rate=0.05, batch_size=20)
    texts = ("learning_rate=0.01..0.1", "batch_size=32,64", "layer1.out_channels=2..8", "kernel=3,5")
    space = [parse_dimension(text, start) for text in texts]
    assert present_values(space, start) == {"learning_rate": 0.05, "layer1.out_channels": 4, "kernel": 3}


def test_layers_of_the_network_are_searched() -> None:
    start = recipe(conv_network())
    made = recipe_for({"layer1.out_channels": 7, "conv_blocks": 1}, start)
    assert made.network.at(0).out_channels == 7  # type: ignore[attr-defined]
    assert sum(isinstance(layer, Conv2d) for layer in made.network.layers) == 1
