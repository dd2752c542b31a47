"""Every unit's arithmetic against PyTorch's own forward pass."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from look_kit import EVERY_KIND, built, inspected, networks, outputs, picture, random_units
from torch import nn

from convolab.activations import Inspector
from convolab.networks import Network, preset
from convolab.networks.layers import Conv2d, Flatten, Linear, MaxPool2d, ReLU, ScaledTanh

NETWORKS = networks()


def close(value: float, expected: float) -> None:
    assert value == pytest.approx(float(expected), rel=1e-5, abs=1e-5)


def recomputed_sum(unit: dict[str, Any]) -> float:
    """The pre-activation by hand, from what is returned alone."""
    if unit["kind"] == "maxpool":
        (entry,) = unit["inputs"]
        padded = np.array(entry["padded"] or np.zeros_like(entry["values"]), bool)
        return max(np.array(entry["values"])[~padded])
    total = unit["bias"] or 0.0
    for entry in unit["inputs"]:
        part = np.array(entry["values"]) * np.array(entry["weights"])
        np.testing.assert_allclose(entry["products"], part, rtol=1e-12)
        close(entry["sum"], part.sum())
        total += part.sum()
    return total


def recomputed_output(unit: dict[str, Any], total: float) -> float:
    """The steps with PyTorch's functions."""
    functions = {"ReLU": nn.ReLU(), "Tanh": nn.Tanh(), "GELU": nn.GELU()}
    x = torch.tensor(total, dtype=torch.float64)
    for step in unit["steps"]:
        close(step["input"], x)
        if step["name"] == "BatchNorm2d":
            n = step["numbers"]
            x = (x - n["mean"]) / (n["variance"] + n["epsilon"]) ** 0.5 * n["scale"] + n["shift"]
        elif step["name"] == "Scale":
            x = step["numbers"]["factor"] * x
        elif step["name"] == "ScaledTanh":
            x = 1.7159 * torch.tanh(2 * x / 3)
        else:
            x = functions[step["name"]](x)
        close(step["output"], x)
    return float(x)


@pytest.mark.parametrize("name", NETWORKS)
def test_units_recompute_to_the_forward_pass(name: str) -> None:
    network = NETWORKS[name]
    inspector, model = inspected(network)
    image = picture(network)
    truth = outputs(model, image)
    activations = inspector.run(image)
    arrays = {level.key: activations.values(level.key) for level in inspector.levels}
    for level in inspector.levels:
        paths = [path for path in level.layers if not isinstance(model.get_submodule(path), nn.Dropout)]
        if level.kind in ("function", "norm") or not paths:
            expected_sums = arrays[level.below[0]].reshape(level.shape) if level.below else arrays[level.key]
        elif level.kind == "input":
            expected_sums = truth[paths[-1]]
        else:
            expected_sums = truth[paths[0]]
        np.testing.assert_allclose(activations.sums(level.key), expected_sums, rtol=1e-5, atol=1e-5)
        if paths:
            np.testing.assert_allclose(arrays[level.key], truth[paths[-1]], rtol=1e-5, atol=1e-5)
        for index in random_units(inspector, level.key, 6):
            unit = json.loads(json.dumps(activations.unit(level.key, index).to_json()))
            assert (unit["level"], tuple(unit["index"])) == (level.key, index)
            if level.kind == "input":
                assert unit["inputs"] == []
                close(unit["output"], arrays["input"][index])
                continue
            total = recomputed_sum(unit)
            close(unit["sum"], total)
            close(unit["sum"], expected_sums[index])
            close(recomputed_output(unit, total), arrays[level.key][index])
            close(unit["output"], arrays[level.key][index])
            for entry in unit["inputs"]:
                check_place(entry, arrays[entry["level"]])
    np.testing.assert_allclose(
        activations.prediction.raw, truth[str(len(network.layers) - 1)].reshape(-1), rtol=1e-5, atol=1e-5
    )


def check_place(entry: dict[str, Any], level: np.ndarray) -> None:
    """The values shown are those that stand at the place named, and 0 outside the map."""
    for i, row in enumerate(entry["values"]):
        for j, value in enumerate(row):
            y, x = entry["row"] + i, entry["column"] + j
            if entry["map"] is None:
                assert y == 0
                assert value == level[x]
                continue
            inside = 0 <= y < level.shape[1] and 0 <= x < level.shape[2]
            assert (entry["padded"] is not None and entry["padded"][i][j] == 1) == (not inside)
            assert value == (level[entry["map"], y, x] if inside else 0.0)


def test_every_kind_of_level_was_among_them() -> None:
    kinds = {level.kind for network in NETWORKS.values() for level in inspected(network)[0].levels}
    assert kinds == {
        "input", "conv", "linear", "maxpool", "avgpool", "globalavgpool", "pad", "add", "function", "norm",
    }  # fmt: skip


def test_the_winner_of_max_pooling_is_pytorchs() -> None:
    network = Network(
        input_shape=(3, 9, 9), floor=True, layers=(MaxPool2d(kernel_size=3, stride=2, padding=1), Flatten())
    )
    inspector = Inspector(network, network.build())
    rng = np.random.default_rng(0)
    image = rng.integers(-4, -1, (3, 9, 9)).astype(np.float32)  # negative, and with many equals
    values, places = nn.functional.max_pool2d(torch.from_numpy(image)[None], 3, 2, 1, return_indices=True)
    activations = inspector.run(image)
    for index in np.ndindex(3, 5, 5):
        unit = activations.unit("pool1", index).to_json()
        place = int(places[0][index])
        assert unit["winner"] == {"level": "input", "index": [index[0], place // 9, place % 9]}
        assert unit["sum"] == unit["output"] == float(values[0][index])
        assert unit["inputs"][0]["weights"] is None
        assert unit["inputs"][0]["products"] is None


def test_connections_and_layout_of_entries() -> None:
    network = preset("harley-cnn", (1, 28, 28), 10)
    inspector, model = inspected(network)
    activations = inspector.run(picture(network))
    table = network.at(4).connections  # type: ignore[attr-defined]
    for number in range(16):
        unit = activations.unit("conv2", (number, 2, 3)).to_json()
        assert [entry["map"] for entry in unit["inputs"]] == list(table[number])
        assert {(entry["row"], entry["column"]) for entry in unit["inputs"]} == {(2, 3)}
    unit = activations.unit("linear1", (5,)).to_json()
    assert [entry["map"] for entry in unit["inputs"]] == list(range(16))
    weights = np.array([entry["weights"] for entry in unit["inputs"]])
    np.testing.assert_array_equal(weights.reshape(-1), model[8].weight[5].detach().numpy().astype(float))
    unit = activations.unit("linear2", (5,)).to_json()
    assert [(entry["map"], np.shape(entry["values"])) for entry in unit["inputs"]] == [(None, (1, 120))]
    assert unit["steps"][0]["title"] == "Scaled tanh"
    assert unit["steps"][0]["formula"] == "1.7159·tanh(2x/3)"


def test_batch_norm_shows_its_numbers() -> None:
    inspector, model = inspected(EVERY_KIND)
    unit = inspector.run(picture(EVERY_KIND)).unit("conv1", (3, 1, 1)).to_json()
    norm = model[2]
    assert [step["kind"] for step in unit["steps"]] == ["norm", "function"]
    assert unit["steps"][0]["numbers"] == {
        "mean": float(norm.running_mean[3]), "variance": float(norm.running_var[3]), "epsilon": 1e-5,
        "scale": norm.weight[3].item(), "shift": norm.bias[3].item(),
    }  # fmt: skip


def test_a_border_cell_gets_its_value_from_nowhere() -> None:
    inspector, _ = inspected(EVERY_KIND)
    activations = inspector.run(picture(EVERY_KIND))
    border = activations.unit("pad1", (0, 0, 1)).to_json()
    assert (border["inputs"], border["bias"], border["output"]) == ([], 0.3, 0.3)
    assert border["field"] == [0, 0, 0, 0]
    inner = activations.unit("pad1", (0, 2, 3)).to_json()
    assert inner["bias"] is None
    assert (inner["inputs"][0]["row"], inner["inputs"][0]["column"]) == (0, 1)


def test_a_model_in_training_is_looked_at_as_in_evaluation_and_left_alone() -> None:
    model = built(EVERY_KIND)
    image = picture(EVERY_KIND)
    expected = outputs(model, image)["20"]
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    activations = Inspector(EVERY_KIND, model).run(image)
    np.testing.assert_allclose(activations.prediction.raw, expected, rtol=1e-5, atol=1e-5)
    assert all(module.training for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_new_weights_count_from_the_next_run() -> None:
    network = Network(input_shape=(1, 3, 3), layers=(Conv2d(kernel_size=3), ReLU(), Flatten()))
    inspector, model = inspected(network)
    image = np.ones((1, 3, 3), np.float32)
    with torch.no_grad():
        model[0].weight.fill_(2.0)
        model[0].bias.fill_(0.5)
    activations = inspector.run(image)
    assert activations.values("conv1").tolist() == [[[18.5]]]
    assert activations.unit("conv1", (0, 0, 0)).output == 18.5


def test_predictions_say_how_outputs_became_shares() -> None:
    layers = (Flatten(), Linear(out_features=3))
    network = Network(input_shape=(1, 2, 2), layers=layers)
    inspector, _ = inspected(network)
    prediction = inspector.run(picture(network)).prediction
    expected = torch.softmax(torch.tensor(prediction.raw, dtype=torch.float64), 0).numpy()
    np.testing.assert_allclose(prediction.shares, expected, rtol=1e-9)
    assert prediction.shares.sum() == pytest.approx(1)
    assert list(prediction.order) == sorted(range(3), key=lambda i: -prediction.raw[i])
    assert "softmax of the network's 3 outputs" in prediction.how
    bounded = Network(input_shape=(1, 2, 2), layers=(*layers, ScaledTanh()))
    said = Inspector(bounded, bounded.build()).run(picture(network)).prediction.how
    largest = torch.softmax(torch.tensor([1.7159, -1.7159, -1.7159]), 0)[0]
    assert f"at most {100 * float(largest):.0f} %" in said
