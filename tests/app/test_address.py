from __future__ import annotations

from urllib.parse import parse_qsl

import pytest

from convolab.app.address import from_query, layers_from_text, layers_text, to_query
from convolab.app.state import BuildState
from convolab.datasets import catalogue
from convolab.errors import ConvolabError
from convolab.networks import PRESETS, preset


def opened(query: str):
    return from_query(dict(parse_qsl(query, keep_blank_values=True)))


def test_the_default_address_is_short():
    assert to_query(BuildState()) == "data=mnist&net=convolutional"


def test_an_address_brings_back_the_same_model_and_settings():
    state = BuildState()
    state.change(dataset="cifar10", preset="resnet")
    state.change(network=state.network.changed(initialization="dirac", floor=True))
    state.change_settings(
        optimizer="adam",
        learning_rate=0.003,
        normalization="per-channel",
        flip=True,
        examples=None,
        epochs=2.5,
    )
    state.change(run_id="20260101-abc", overlays=["one", "two"])
    query = to_query(state)
    assert "learning_rate=0.003" in query
    understood = opened(query)
    assert understood.problems == ()
    assert understood.model == state.model
    assert understood.run_id == "20260101-abc"
    assert understood.overlays == ("one", "two")
    assert "run=" not in to_query(state, run=False)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("dataset", ["mnist", "cifar10"])
def test_every_preset_can_be_written_as_layers(name: str, dataset: str):
    info = next(info for info in catalogue() if info.name == dataset)
    layers = preset(name, info.input_shape, len(info.classes)).layers
    assert layers_from_text(layers_text(layers)) == layers


def test_layers_are_readable():
    layers = BuildState().network.layers[:3]
    assert layers_text(layers) == (
        "Conv2d(out_channels:8,kernel_size:5,padding:2),ReLU,MaxPool2d(kernel_size:2,stride:2)"
    )


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("data=mnits", "mnist"),
        ("net=convolutionel", "convolutional"),
        ("layers=Conf2d", "Conv2d"),
        ("layers=Conv2d(kernel_size:5", "bracket"),
        ("layers=Conv2d(kernel_size:1000000000)", "64"),
        ("layers=" + "Residual(" * 30 + ")" * 30, "layers in the link"),
        ("layers=Linear(out_features:[[[[", "layers in the link"),
        ("learning_rate=-1", "greater than 0"),
        ("learning_rate=nan", "finite"),
        ("batch_size=many", "batch size"),
        ("init=zeros", "original"),
        ("colour=red", "colour"),
        ("hide=everything", "everything"),
        ("data=mnist&x=" + "a" * 30_000, "too long"),
    ],
)
def test_a_bad_address_gives_defaults_and_a_sentence(query: str, said: str):
    understood = opened(query)
    assert understood.model.dataset == "mnist"
    assert understood.model.network.parameters == 11_274
    assert understood.model.settings.learning_rate == 0.1
    assert len(understood.problems) == 1
    assert said.lower() in understood.problems[0].lower()


def test_what_fits_is_kept_beside_what_does_not():
    understood = opened("learning_rate=0.5&momentum=7&schedule=cosine&seed=3&hide=data,nonsense")
    settings = understood.model.settings
    assert (settings.learning_rate, settings.momentum) == (0.5, 0.1)
    assert (settings.schedule, settings.seed) == ("cosine", 3)
    assert understood.hidden == {"data"}
    assert len(understood.problems) == 2


def test_a_run_cannot_name_a_path():
    assert opened("run=../../etc/passwd&with=a/b,c").run_id is None
    assert opened("with=a/b,c").overlays == ("c",)


def test_layers_refuse_foreign_settings():
    with pytest.raises(ConvolabError, match="colour"):
        layers_from_text("Conv2d(colour:red)")
