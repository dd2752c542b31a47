from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from convolab.app.build.weights import _keep, _start_from
from convolab.app.drafts import Start, nameless, start_of
from convolab.app.state import BuildState
from convolab.datasets import Dataset
from convolab.errors import NetworkError
from convolab.networks import Network, preset
from convolab.training.weights import save_weights


def saved(folder: Path, network: Network, classes: int = 10) -> Path:
    images = np.zeros((4, *network.input_shape), np.uint8)
    labels = np.zeros(4, np.int64)
    names = tuple(str(index) for index in range(classes))
    dataset = Dataset("somewhere-else", "Elsewhere", names, images, labels, images, labels)
    path = folder / "arrived.safetensors"
    save_weights(path, network.build(3), network, dataset)
    return path


def test_weights_that_come_in_are_kept_and_the_next_run_starts_from_them(home: Path, tmp_path: Path):
    given = preset("fully-connected", (1, 28, 28), 10)
    network, dataset, path = _keep(saved(tmp_path, given))
    state = BuildState()
    heard = []
    state.subscribe(lambda: heard.append(start_of(state)), "start")
    _start_from(state, network, dataset, Start(path, "mine.safetensors", nameless(network)))
    assert path.is_relative_to(home)
    assert state.dataset == "mnist"
    assert state.network.layers == given.layers
    assert heard[-1].path == path
    state.change(preset="lenet-5")
    assert start_of(state) is None


def test_weights_that_fit_no_data_set_change_nothing(home: Path, tmp_path: Path):
    given = preset("fully-connected", (1, 20, 20), 7)
    network, dataset, path = _keep(saved(tmp_path, given, classes=7))
    state = BuildState()
    before = state.model
    with pytest.raises(NetworkError, match=r'"somewhere-else", which is not here'):
        _start_from(state, network, dataset, Start(path, "mine.safetensors", nameless(network)))
    assert state.model == before
    assert start_of(state) is None


def test_a_file_that_is_no_weights_is_refused(home: Path, tmp_path: Path):
    wrong = tmp_path / "wrong.safetensors"
    wrong.write_bytes(b"\x00" * 100)
    with pytest.raises(NetworkError):
        _keep(wrong)
    assert not (home / "weights").exists()
