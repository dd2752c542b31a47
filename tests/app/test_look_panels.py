"""What the room's panels ask: exciting test images and confusing inputs, against plain computations."""

from __future__ import annotations

import base64
from dataclasses import replace

import numpy as np
import pytest

from convolab.app.look import confusing, exciting
from convolab.app.look.sources import Subject, subject
from convolab.errors import DataError, SettingsError, UnitError

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def mlp() -> Subject:
    return subject("harley-mlp")


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    from convolab.datasets import load

    return np.asarray(load("mnist").test_images)


def search(mlp: Subject, **asked: object) -> dict:
    for _ in range(200):
        answer = exciting.answer(mlp, asked)
        if answer["done"] == answer["total"]:
            return answer
        assert 0 < answer["done"] < answer["total"]
    raise AssertionError("The search does not end.")


def test_the_most_exciting_images_are_those_of_a_plain_search(mlp: Subject, images: np.ndarray):
    answer = search(mlp, level="linear1", index=[12])
    layer = mlp.model[1]
    inputs = mlp.normalize(images).reshape(len(images), -1)
    sums = inputs @ layer.weight[12].detach().numpy() + layer.bias[12].detach().numpy()
    values = 1.7159 * np.tanh(2 / 3 * sums.astype(np.float64))
    order = [found["image"] for found in answer["images"]]
    # The function saturates, so that several images can excite a unit equally to the last digit.
    assert len(set(order)) == 9
    assert values[order].min() >= np.sort(values)[-9] - 1e-5
    assert np.all(np.diff(values[order]) <= 1e-5)
    assert np.allclose([found["value"] for found in answer["images"]], values[order], atol=1e-4)
    first = answer["images"][0]
    assert np.array_equal(
        np.frombuffer(base64.b64decode(first["pixels"]), np.uint8).reshape(first["shape"]), images[order[0]]
    )
    assert first["box"] == [0, 0, 28, 28]


def test_a_search_goes_on_where_it_was(mlp: Subject, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(exciting, "PATIENCE", 0.0001)
    done = [exciting.answer(mlp, {"level": "linear2", "index": [3]})["done"] for _ in range(3)]
    assert done == [500, 1000, 1500]


def test_what_is_no_unit_is_said(mlp: Subject):
    with pytest.raises(UnitError, match="linear1"):
        exciting.answer(mlp, {"level": "linear1", "index": [999]})
    with pytest.raises(DataError, match="no unit"):
        exciting.answer(mlp, {"level": "linear1", "index": "4"})


def test_the_confusing_input_lies_between_both_labels(mlp: Subject, images: np.ndarray):
    looked = replace(mlp, pixels=images[0])
    answer = confusing.answer(looked, {"first": 7, "second": 3})
    assert answer["succeeded"]
    way = np.frombuffer(base64.b64decode(answer["pixels"]), np.uint8).reshape(
        answer["frames"], *answer["shape"]
    )
    assert np.array_equal(way[0], images[0])
    shares = np.array(answer["shares"])
    assert shares[0].argmax() == 7
    assert abs(shares[-1][7] - shares[-1][3]) < 0.011
    # The bytes on the page are what the shares are about.
    outputs = mlp.look(way[-1]).prediction.shares
    assert np.abs(outputs - shares[-1]).max() < 0.03


def test_questions_without_sense_are_answered_by_a_sentence(mlp: Subject, images: np.ndarray):
    with pytest.raises(DataError, match="picture"):
        confusing.answer(mlp, {"first": 7, "second": 3})
    looked = replace(mlp, pixels=images[0])
    with pytest.raises(SettingsError, match="two labels"):
        confusing.answer(looked, {"first": 7, "second": 7})
    with pytest.raises(SettingsError, match="two labels"):
        confusing.answer(looked, {"first": 7})
