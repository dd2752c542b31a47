"""The assignment's section 1.3: three variants of the CIFAR-10 network, each trained on 30,000 examples.

Every variant starts from the same seeds as the preset it is compared with, so leading layers that did not
change have the same initial weights, and all see the same examples in the same order.
"""

from __future__ import annotations

import argparse

import convolab
from convolab.networks import Network
from convolab.networks.layers import Conv2d, Flatten, Linear, MaxPool2d, ReLU
from convolab.training.events import Finished
from machine import report

EXAMPLES = 30_000


def block(filters: int, kernel: int = 5, stride: int = 1, padding: int = 2) -> tuple:
    """A Conv, ReLU, Max pool triple of the assignment."""
    return (
        Conv2d(out_channels=filters, kernel_size=kernel, stride=stride, padding=padding),
        ReLU(),
        MaxPool2d(kernel_size=2, stride=2),
    )


def variants(data: convolab.Dataset) -> dict[str, Network]:
    def network(*blocks: tuple) -> Network:
        layers = [layer for triple in blocks for layer in triple]
        return Network(
            input_shape=data.input_shape,
            layers=(*layers, Flatten(), Linear(out_features=len(data.classes))),
        )

    return {
        "preset: 16, 20, 20 filters of 5×5": network(block(16), block(20), block(20)),
        "one Conv, ReLU, Max pool triple removed": network(block(16), block(20)),
        "more filters: 32, 40, 40": network(block(32), block(40), block(40)),
        "kernel 3×3 (padding 1)": network(block(16, 3, 1, 1), block(20, 3, 1, 1), block(20, 3, 1, 1)),
        "first kernel 4×4 with stride 2 (padding 1)": network(block(16, 4, 2, 1), block(20), block(20)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="runs per variant")
    seeds = range(parser.parse_args().seeds)
    data = convolab.load("cifar10")
    rows = []
    for title, network in variants(data).items():
        ends = []
        for seed in seeds:
            settings = convolab.TrainingSettings(examples=EXAMPLES, seed=seed)
            ends.append([e for e in convolab.train(network, data, settings) if isinstance(e, Finished)][-1])
        accuracies = [end.test_accuracy or 0 for end in ends]
        rows.append(
            {
                "variant": title,
                "parameters": network.parameters,
                "multiply-adds": network.multiply_adds,
                "test accuracy": [round(value, 4) for value in accuracies],
                "mean": round(sum(accuracies) / len(accuracies), 4),
                "seconds": [round(end.seconds, 2) for end in ends],
            }
        )
    preset = rows[0]["mean"]
    for row in rows:
        row["against the preset"] = f"{100 * (row['mean'] - preset):+.1f} points"
    report("cifar10_variants", rows)


if __name__ == "__main__":
    main()
