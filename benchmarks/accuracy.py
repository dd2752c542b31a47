"""Do Model Builder's presets, with the original's default settings, reach the assignment's accuracies?

Each line is a real run on the real data set, tested on the whole test set, against the figure that must hold.
"""

from __future__ import annotations

import convolab
from convolab.training.events import Finished
from machine import report

CASES = (
    # data set, training examples, seeds, the accuracy that their mean must reach
    ("mnist", 10_000, (0, 1, 2), 0.95),
    ("mnist", 60_000, (0, 1, 2), 0.975),
    ("fashion-mnist", 60_000, (0, 1, 2), 0.83),
    ("cifar10", 40_000, (0, 1, 2), 0.47),
)


def main() -> None:
    rows = []
    for dataset, examples, seeds, limit in CASES:
        data = convolab.load(dataset)
        network = convolab.preset("convolutional", data.input_shape, len(data.classes))
        ends = []
        for seed in seeds:
            settings = convolab.TrainingSettings(examples=examples, seed=seed)
            ends.append([e for e in convolab.train(network, data, settings) if isinstance(e, Finished)][-1])
        accuracies = [end.test_accuracy or 0 for end in ends]
        mean = sum(accuracies) / len(accuracies)
        rows.append(
            {
                "data set": dataset,
                "examples": examples,
                "seeds": list(seeds),
                "test accuracy": [round(value, 4) for value in accuracies],
                "mean": round(mean, 4),
                "must reach": limit,
                "holds": mean >= limit,
                "seconds": [round(end.seconds, 2) for end in ends],
            }
        )
    report("accuracy", rows)


if __name__ == "__main__":
    main()
