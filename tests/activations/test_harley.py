"""Harley's weights: what comes out is what his formulas give."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from convolab.activations import Inspector, load_harley
from convolab.activations.harley import SHAPES, harley_network
from convolab.errors import NetworkError


def arrays(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    made = {name: rng.normal(0, 0.15, shape).astype(np.float32) for name, shape in SHAPES.items()}
    made["keepers"] = (rng.random((6, 16)) < 0.5).astype(np.uint8)
    made["keepers"][0] |= made["keepers"].sum(0) == 0
    return made


def squash(x: np.ndarray) -> np.ndarray:
    return 1.7159 * np.tanh(2 * x / 3)


def pooled(maps: np.ndarray) -> np.ndarray:
    maps_count, rows, columns = maps.shape
    return maps.reshape(maps_count, rows // 2, 2, columns // 2, 2).max(axis=(2, 4))


def by_hand(w: dict[str, np.ndarray], image: np.ndarray) -> np.ndarray:
    """His network, unit by unit."""
    padded = np.full((32, 32), -0.1)
    padded[2:30, 2:30] = image / 255 * 1.275 - 0.1
    first = np.zeros((6, 28, 28))
    for m, y, x in np.ndindex(first.shape):
        first[m, y, x] = (padded[y : y + 5, x : x + 5] * w["conv1_weights"][:, :, m]).sum()
    first = pooled(squash(first + w["conv1_biases"][:, None, None]))
    second = np.zeros((16, 10, 10))
    for m, y, x in np.ndindex(second.shape):
        for k in range(6):
            if w["keepers"][k, m]:
                patch = first[k, y : y + 5, x : x + 5]
                second[m, y, x] += (patch * w["conv2_weights"][:, :, k, m]).sum()
    second = pooled(squash(second + w["conv2_biases"][:, None, None]))
    flat = np.concatenate([plane.flatten(order="F") for plane in second])
    for name in ("hidden1", "hidden2", "final"):
        flat = squash(w[f"{name}_weights"] @ flat + w[f"{name}_biases"])
    return flat


@pytest.mark.parametrize("suffix", ["npz", "json"])
def test_files_give_his_networks_outputs(tmp_path: Path, suffix: str) -> None:
    weights = arrays()
    path = tmp_path / f"harley.{suffix}"
    if suffix == "npz":
        np.savez(
            path, **{name: value[:, None] if value.ndim == 1 else value for name, value in weights.items()}
        )
    else:
        path.write_text(json.dumps({name: value.tolist() for name, value in weights.items()}))
    network, model, info = load_harley(path)
    assert network.parameters == sum(
        value.size for name, value in weights.items() if "conv2_w" not in name
    ) - (weights["keepers"].size) + 25 * int(weights["keepers"].sum())
    image = np.random.default_rng(1).integers(0, 256, (28, 28), dtype=np.uint8)
    normalized = info.normalize()(torch.from_numpy(image)[None, :, :, None])[0]
    np.testing.assert_allclose(normalized[0].numpy(), image / 255 * 1.275 - 0.1, atol=1e-6)
    activations = Inspector(network, model, info.classes).run(normalized)
    np.testing.assert_allclose(activations.prediction.raw, by_hand(weights, image), rtol=1e-4, atol=1e-5)
    assert activations.values("input")[0, 0, 0] == pytest.approx(-0.1)


def test_without_keepers_lenets_table_holds() -> None:
    weights = arrays()
    del weights["keepers"]
    network, _, _ = harley_network(weights)
    assert network.at(4).connections[0] == (0, 1, 2)  # type: ignore[attr-defined]
    # LeCun and others (1998): 60 connections of 25 weights and 16 biases.
    assert network.trace()[4].parameters == 1_516


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    good = {name: value.tolist() for name, value in arrays().items()}

    def said(content: str | bytes, name: str = "w.json") -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        with pytest.raises(NetworkError) as error:
            load_harley(path)
        return str(error.value)

    lacking = {name: value for name, value in good.items() if name != "final_biases"}
    assert "w.json lacks final_biases" in said(json.dumps(lacking))
    assert "conv1_biases must be 6 numbers, not 7" in said(json.dumps({**good, "conv1_biases": [0] * 7}))
    assert "not 100 × 10" in said(json.dumps({**good, "final_weights": np.zeros((100, 10)).tolist()}))
    assert "must be 10 numbers" in said(json.dumps({**good, "final_biases": ["a"] * 10}))
    assert "not finite" in said(json.dumps({**good, "final_biases": [float("nan")] * 10}))
    assert "keepers leaves output map 0 unconnected" in said(
        json.dumps({**good, "keepers": np.zeros((6, 16)).tolist()})
    )
    assert "cannot be read" in said("[1, 2")
    assert "cannot be read" in said("[1, 2]")
    assert "lacks conv1_weights" in said(b"PK\x05\x06" + b"\0" * 18, "w.npz")
    objects = tmp_path / "objects.npz"
    np.savez(objects, **{name: np.array([None]) for name in SHAPES})
    with pytest.raises(NetworkError, match="cannot be read"):
        load_harley(objects)
    with pytest.raises(NetworkError, match="There is no file"):
        load_harley(tmp_path / "nothing.npz")
