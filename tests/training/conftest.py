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
