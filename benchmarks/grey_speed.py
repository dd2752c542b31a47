"""The recipes that were made for CIFAR-10, on MNIST and Fashion-MNIST: accuracy after a minute or more.

Aims: 99.5 % and 93 % on the whole test set. Beside them Model Builder's convolutional network with the usual
settings on the same clock, which counts training alone.

    python benchmarks/grey_speed.py [--minutes 1] [--seeds 3] [--only mnist fashion-mnist]
"""

from __future__ import annotations

import convolab  # noqa: F401 - before PyTorch, because it sets how threads wait

# isort: split
import argparse
import statistics
from typing import Any

from cifar10_speed import RECIPES, with_the_lab
from convolab.datasets import load
from convolab.training.device import use_all_cores
from machine import report

LEVELS = {"mnist": (0.98, 0.99, 0.995), "fashion-mnist": (0.88, 0.91, 0.93)}
"""The last one is the aim."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=int, nargs="+", default=[1], choices=list(RECIPES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=list(LEVELS), default=list(LEVELS))
    options = parser.parse_args()
    use_all_cores()
    rows: list[dict[str, Any]] = []
    for name in options.only:
        data, levels = load(name), LEVELS[name]
        for minutes in options.minutes:
            for network, seeds in ((RECIPES[minutes], options.seeds), ("convolutional", 1)):
                found = [
                    with_the_lab(data, network, [minutes], seed, levels)[minutes] for seed in range(seeds)
                ]
                mean = statistics.mean(one.accuracy for one in found)
                print(f"{name}, {minutes} min, {network}: {mean:.4f}", flush=True)
                rows.append({
                    "data": name,
                    "minutes": minutes,
                    "network": network,
                    "test accuracy": mean,
                    "aim": levels[-1],
                    "examples": round(statistics.mean(one.examples for one in found)),
                    "single runs": [round(one.accuracy, 4) for one in found],
                    "seconds to": [one.reached for one in found],
                })  # fmt: skip
                report("grey_speed", rows)


if __name__ == "__main__":
    main()
