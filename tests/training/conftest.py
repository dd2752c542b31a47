from __future__ import annotations

import pytest
from training_kit import make_dataset, make_network

from convolab.datasets import Dataset
from convolab.networks import Network


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    return make_dataset()


@pytest.fixture(scope="session")
def network() -> Network:
    return make_network()


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    # These networks are far too small for more, and threads that wait for each other crawl on a busy machine.
    monkeypatch.setenv("CONVOLAB_THREADS", "1")
