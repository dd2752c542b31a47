from __future__ import annotations

import pytest

from convolab.app.state import DEFAULT_SETTINGS, BuildState
from convolab.errors import SettingsError
from convolab.networks import Network


def narrower(state: BuildState, maps: int = 3) -> Network:
    return state.network.changed_layer(0, out_channels=maps)


def test_begins_with_mnist_convolutional_and_an_end():
    state = BuildState()
    assert (state.dataset, state.preset, state.settings.examples) == ("mnist", "convolutional", 60_000)
    assert state.network.parameters == 11_274


def test_undo_and_redo_go_through_everything_that_would_be_trained():
    state = BuildState()
    first = state.model
    state.change(network=narrower(state))
    state.change_settings(learning_rate=0.5)
    state.change(dataset="cifar10")
    last = state.model
    for _ in range(3):
        state.undo()
    assert state.model == first
    assert not state.can_undo
    for _ in range(3):
        state.redo()
    assert state.model == last
    assert not state.can_redo
    state.undo()
    state.change_settings(seed=7)
    assert not state.can_redo


def test_typing_into_one_field_is_one_step():
    state = BuildState()
    for maps in (1, 12, 128):
        state.change(network=narrower(state, maps), merge="maps of layer 0")
    state.undo()
    assert state.network.at(0).out_channels == 8
    assert not state.can_undo


def test_a_recipe_brings_its_settings_and_takes_them_away_again():
    state = BuildState()
    state.change(dataset="cifar10", preset="cifar10/1-minute")
    assert (state.settings.budget, state.settings.flip) == (60, True)
    # Digits are not mirrored.
    state.change(dataset="mnist")
    assert (state.preset, state.settings.budget, state.settings.flip) == ("cifar10/1-minute", 60, False)
    state.change(dataset="cifar10")
    assert state.settings.flip
    state.change_settings(flip=False, shift=1)
    state.change(dataset="fashion-mnist")
    assert (state.settings.flip, state.settings.shift) == (False, 1)
    state.change(preset="convolutional")
    assert state.settings == DEFAULT_SETTINGS


def test_an_edited_preset_becomes_custom_and_loses_its_name():
    state = BuildState()
    state.change(network=narrower(state))
    assert state.preset is None
    assert state.network.name == ""


def test_each_data_set_keeps_its_custom_network_even_in_another_tab():
    memory: dict = {}
    state = BuildState(memory)
    state.change(network=narrower(state))
    mine = state.network
    state.change(dataset="cifar10")
    assert state.network.input_shape == (3, 32, 32)
    state.change(network=state.network.changed_layer(0, out_channels=5))
    state.change(dataset="mnist")
    assert state.network == mine
    state.change(preset="lenet-5")
    state.change(preset=None)
    assert state.network == mine
    elsewhere = BuildState(memory)
    elsewhere.change(preset=None)
    assert elsewhere.network == mine


def test_subscribers_hear_only_what_they_asked_for():
    state, heard = BuildState(), []
    end = state.subscribe(lambda: heard.append("settings"), "settings")
    state.subscribe(lambda: heard.append("any"))
    state.change_settings(seed=1)
    state.change(run_id="r1")
    end()
    state.change_settings(seed=2)
    assert heard == ["settings", "any", "any", "any"]


def test_nothing_changes_for_bad_values():
    state = BuildState()
    before = state.model
    with pytest.raises(SettingsError, match=r'"mnits".*Did you mean "mnist"'):
        state.change(dataset="mnits")
    with pytest.raises(SettingsError):
        state.change_settings(learning_rate=float("nan"))
    with pytest.raises(SettingsError, match="Schedule cosine needs to know"):
        state.change_settings(schedule="cosine", examples=None)
    assert state.model == before
    assert state.settings == DEFAULT_SETTINGS
    assert not state.can_undo


def test_a_broken_memory_is_ignored():
    state = BuildState({"custom_networks": {"mnist": "{broken"}})
    state.change(preset=None)
    assert state.network.parameters == 11_274
