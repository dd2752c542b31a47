"""What does each trick of the recipe `cifar10/1-minute` buy? Each is left out alone, on the same clock.

As many trainings side by side as there are cores, one core each, each with the whole budget; accuracy on the
whole test set, single view, mean of the seeds. What is not learned in the same time counts against a trick:
one that costs speed has to earn it. "worth" is what the whole recipe has more than the recipe without it; a
difference below the error of both means (stated) says nothing.

    python benchmarks/cifar10_ablation.py [--seconds 60] [--seeds 3] [--only NAME …]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from machine import report

RECIPE = "cifar10/1-minute"
Layers = list[dict[str, Any]]


def each(kind: str, **changes: Any) -> Callable[[Layers], Layers]:
    """Every layer of a kind changed."""

    def change(layers: Layers) -> Layers:
        return [layer | changes if layer["type"] == kind else layer for layer in layers]

    return change


def without(kind: str) -> Callable[[Layers], Layers]:
    """Every layer of a kind left out."""
    return lambda layers: [layer for layer in layers if layer["type"] != kind]


def relu(layers: Layers) -> Layers:
    """ReLU instead of GELU."""
    return [{"type": "ReLU"} if layer["type"] == "GELU" else layer for layer in layers]


TRICKS: dict[str, tuple[dict[str, Any], Callable[[Layers], Layers] | None]] = {
    "the whole recipe": ({}, None),
    "whitened first layer": ({"whitening_until": 1.0}, each("Conv2d", whitening=False)),
    "batch norm": ({"norm_rate": 1.0}, without("BatchNorm2d")),
    "fixed scale of batch norm": ({}, each("BatchNorm2d", scale=True)),
    "fast shifts of batch norm": ({"norm_rate": 1.0}, None),
    "dirac initial weights": ({"initialization": "pytorch"}, None),
    "GELU instead of ReLU": ({}, relu),
    "scaled logits": ({}, without("Scale")),
    "Muon": ({"optimizer": "nesterov", "learning_rate": 0.3, "momentum": 0.85, "norm_rate": 16.0}, None),
    "one-cycle schedule": ({"schedule": "constant"}, None),
    "label smoothing": ({"label_smoothing": 0.0}, None),
    "mirrored images": ({"flip": False, "alternate_flip": False}, None),
    "mirrored in turns": ({"alternate_flip": False}, None),
    "shifted images": ({"shift": 0}, None),
    "small pictures first": ({"start_size": 1.0}, None),
    "whitening bias fixed": ({"whitening_until": 1.0}, None),
    "weight decay": ({"weight_decay": 0.0}, None),
    "Winograd's convolutions": ({"winograd": False}, None),
}
"""For each trick what the recipe is without it: settings, and layers. SGD has the settings that suited it."""


def train(name: str, seconds: float, seed: int) -> dict[str, Any]:
    """One training in this process."""
    from convolab.datasets import load
    from convolab.networks import PRESETS, Network, preset
    from convolab.training import Training, TrainingSettings
    from convolab.winograd import layer

    changes, change_layers = TRICKS[name]
    changes = dict(changes)
    if not changes.pop("winograd", True):
        layer.LEAST_PAIRS = 10**9
    data = load("cifar10")
    description = preset(RECIPE, data.input_shape, 10).model_dump(mode="json")
    description["initialization"] = changes.pop("initialization", description["initialization"])
    if change_layers:
        description["layers"] = change_layers(description["layers"])
    settings = {**PRESETS[RECIPE].settings, **changes, "budget": seconds, "seed": seed, "device": "cpu"}
    settings["evaluate_every"] = 10**9  # at the end only
    training = Training(Network.model_validate(description), data, TrainingSettings(**settings))
    for _ in training.events():
        pass
    assert training.finished is not None
    return {"accuracy": training.finished.test_accuracy, "examples": training.finished.examples}


def trained(name: str, seconds: float, seed: int) -> dict[str, Any]:
    """One training in a process of its own, on one core."""
    job = json.dumps([name, seconds, seed])
    environment = os.environ | {"CONVOLAB_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, __file__, "--job", job],
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"{name}, seed {seed}: {result}", flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=list(TRICKS))
    parser.add_argument("--job", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        print(json.dumps(train(*json.loads(options.job))))
        return
    from convolab.training.device import usable_cores

    names = ["the whole recipe", *(n for n in options.only or TRICKS if n != "the whole recipe")]
    # Seed by seed, so that a slow quarter of an hour hits all alike.
    jobs = [(name, options.seconds, seed) for seed in range(options.seeds) for name in names]
    with ThreadPoolExecutor(usable_cores()) as pool:
        results = list(pool.map(lambda job: trained(*job), jobs))
    found = {n: [r for job, r in zip(jobs, results, strict=True) if job[0] == n] for n in names}
    means = {n: statistics.mean(r["accuracy"] for r in rs) for n, rs in found.items()}
    whole = means["the whole recipe"]

    def error(name: str) -> float:
        accuracies = [r["accuracy"] for r in found[name]]
        return statistics.stdev(accuracies) / len(accuracies) ** 0.5 if len(accuracies) > 1 else 0.0

    rows = [
        {
            "without": name if name != "the whole recipe" else "(the whole recipe)",
            "test accuracy": means[name],
            "worth": whole - means[name],
            "error of the difference": (error(name) ** 2 + error("the whole recipe") ** 2) ** 0.5,
            "examples": round(statistics.mean(r["examples"] for r in found[name])),
            "single runs": [round(r["accuracy"], 4) for r in found[name]],
        }
        for name in sorted(names, key=lambda n: (n != "the whole recipe", means[n]))
    ]
    report("cifar10_ablation", rows, seconds=options.seconds, recipe=RECIPE, cores_each=1)


if __name__ == "__main__":
    main()
