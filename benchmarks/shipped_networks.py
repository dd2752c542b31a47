"""How good are the trained networks that come with the lab, also on digits that are not in the middle?

Without options: measures the weights in the package on MNIST's test set as it is, and on the same images
shifted by up to 4 pixels at random (seeded, black comes in at the edges). With ``--train NAME``: trains that
network anew with its settings in `convolab.networks.shipped`, and puts weights and card into the package.
"""

from __future__ import annotations

import convolab  # before PyTorch, because it sets how threads wait

# isort: split
import argparse
import dataclasses
import json
import shlex
import time

import numpy as np

from convolab.networks.shipped import FOLDER, SHIPPED, Shipped, shipped
from convolab.training import Evaluated, Finished, Training, TrainingSettings, save_weights
from machine import machine, report

LIMITS = {"harley-cnn": (0.992, 0.97), "harley-mlp": (0.975, 0.92), "modern-cnn": (0.992, 0.97)}
FARTHEST = 4
SEED = 0


def shifted(data: convolab.Dataset) -> convolab.Dataset:
    """The data set with each test image moved by up to `FARTHEST` pixels each way."""
    moves = np.random.default_rng(SEED).integers(-FARTHEST, FARTHEST + 1, (len(data.test_images), 2))
    border = ((0, 0), (FARTHEST, FARTHEST), (FARTHEST, FARTHEST))
    images = np.empty_like(data.test_images)
    height, width = images.shape[2:]
    for target, image, (down, right) in zip(images, data.test_images, moves, strict=True):
        top, left = FARTHEST - down, FARTHEST - right
        target[...] = np.pad(image, border)[:, top : top + height, left : left + width]
    return dataclasses.replace(data, test_images=images)


def settings_of(options: str) -> TrainingSettings:
    words = iter(shlex.split(options))
    return TrainingSettings(**{word.removeprefix("--").replace("-", "_"): next(words) for word in words})


def train(entry: Shipped, data: convolab.Dataset, first: int = 1) -> None:
    """Train it, phase by phase; ``first`` > 1 goes on from the weights in the package."""
    network = convolab.preset(entry.name, data.input_shape, len(data.classes))
    weights = {k: v.float() for k, v in shipped(entry.name)[1].state_dict().items()} if first > 1 else None
    card = entry.card() if first > 1 else {"examples": 0, "seconds": 0}
    seen, seconds = card["examples"], card["seconds"]
    for options in entry.phases[first - 1 :]:
        settings = settings_of(options)
        training = Training(network, data, settings, initial_weights=weights)
        start = time.time()
        for event in training.events():
            if isinstance(event, Evaluated):
                print(
                    f"{time.time() - start:6.0f} s  {event.examples:9,}  {event.test_accuracy:.4f}",
                    flush=True,
                )
            if isinstance(event, Finished):
                print(event.message, flush=True)
                seen, seconds = seen + event.examples, seconds + round(event.seconds)
        before, weights = weights, training.model.state_dict()
        if entry.averaged and options == entry.phases[-1] and before is not None:
            # Two places in one valley of the loss: the middle is as low or lower.
            weights = {
                key: (value + before[key]) / 2 if value.is_floating_point() else value
                for key, value in weights.items()
            }
            training.model.load_state_dict(weights)
    FOLDER.mkdir(exist_ok=True)
    model = training.model.eval().half()
    save_weights(entry.path, model, network, data, settings.normalization, {"examples": seen})
    card = {
        "network": entry.title,
        "layers": [step.layer.title for step in network.trace()],
        "parameters": network.parameters,
        "trained on": "MNIST's 60,000 training images, each time changed at random",
        "commands": entry.commands,
        "weights": "mean of the last two phases" if entry.averaged else "of the last phase",
        "examples": seen,
        "seconds": seconds,
        "machine": {key: value for key, value in machine().items() if key != "load_before"},
    }
    entry.path.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")


def measure(entry: Shipped, data: convolab.Dataset, moved: convolab.Dataset) -> dict[str, object]:
    network, model, info = shipped(entry.name)
    plain, off = (
        convolab.evaluate(model, images, normalize=info.normalize()).accuracy for images in (data, moved)
    )
    card = entry.card()
    card["test accuracy"], card["test accuracy, shifted by up to 4 pixels"] = plain, off
    entry.path.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")
    least, least_off = LIMITS[entry.name]
    return {
        "network": entry.name,
        "parameters": network.parameters,
        "weights, kB": round(entry.path.stat().st_size / 1000),
        "test accuracy": plain,
        "must reach": least,
        "shifted": off,
        "shifted must reach": least_off,
        "holds": plain >= least and off >= least_off,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", metavar="NAME", choices=SHIPPED, help="train this one anew first")
    parser.add_argument("--phase", type=int, default=1, help="go on with this phase of its training (1)")
    options = parser.parse_args()
    data = convolab.load("mnist")
    if options.train:
        train(SHIPPED[options.train], data, options.phase)
    there = [entry for entry in SHIPPED.values() if entry.path.exists()]
    moved = shifted(data)
    note = f"Whole test set of MNIST; shifted: by up to {FARTHEST} pixels each way, seed {SEED}."
    report("shipped_networks", [measure(entry, data, moved) for entry in there], note=note)


if __name__ == "__main__":
    main()
