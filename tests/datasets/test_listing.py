from __future__ import annotations

import subprocess
import sys

import pytest

from convolab import datasets
from convolab.datasets import catalogue, folder_size, info, load, remove, verify
from convolab.errors import DataError


def test_the_built_in_data_sets_are_listed_with_what_they_hold(cache):
    entries = {entry.name: entry for entry in catalogue()}
    assert list(entries) == ["mnist", "fashion-mnist", "cifar10"]
    assert [entry.input_shape for entry in entries.values()] == [(1, 28, 28), (1, 28, 28), (3, 32, 32)]
    assert [entry.train_size for entry in entries.values()] == [60_000, 60_000, 50_000]
    assert {entry.test_size for entry in entries.values()} == {10_000}
    assert entries["mnist"].classes == tuple("0123456789")
    assert entries["fashion-mnist"].classes[0] == "T-shirt/top"
    assert entries["cifar10"].classes[-1] == "truck"
    for entry in entries.values():
        assert (entry.present, entry.own, entry.bytes) == (False, False, 0)
        assert entry.download_bytes > 10_000_000
    assert not cache.exists(), "looking makes no folders"


def test_listing_loads_neither_numpy_nor_torch():
    code = (
        "import sys; from convolab.datasets import catalogue, info; catalogue(); info('mnist');"
        "print([name for name in ('torch', 'numpy', 'PIL', 'httpx', 'filelock') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there_and_is_not_a_module():
    assert datasets.__all__ == sorted(datasets.__all__)
    for name in datasets.__all__:
        assert callable(getattr(datasets, name)), name
    with pytest.raises(AttributeError):
        datasets.nothing  # noqa: B018


@pytest.mark.parametrize("call", [load, info, verify, remove])
@pytest.mark.parametrize("name", ["mnits", "", "../mnist", "/etc", ".", "by-hand"])
def test_unknown_names_get_the_nearest_one(cache, call, name):
    with pytest.raises(DataError, match=f'There is no data set "{name}"') as caught:
        call(name)
    if name == "mnits":
        assert 'Did you mean "mnist"?' in str(caught.value)


def test_verifying_what_is_not_here_says_how_to_get_it(cache):
    with pytest.raises(DataError, match="convolab data fetch mnist"):
        verify("mnist")


def test_removing(cache, web, offer):
    offer(web.site())
    remove("tiny")
    load("tiny")
    assert info("tiny").bytes == folder_size(cache / "tiny") > 0
    remove("tiny")
    assert not info("tiny").present
    assert folder_size(cache / "tiny") == 0
