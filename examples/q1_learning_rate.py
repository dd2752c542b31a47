"""Question 3.6.1: what do the learning rate, the batch size and the number of batches do?

One is varied at a time; everything else, the initial weights and the order of the examples stay. At the
assigned size (30,000 examples, three data sets): `python examples/q1_learning_rate.py`.
"""

import argparse

import convolab
from convolab.experiments import Recipe, vary
from convolab.experiments.results import markdown, rows

VALUES = {
    "learning_rate": (0.001, 0.01, 0.1, 0.3, 1.0),
    "batch_size": (16, 64, 256),
    "batches": (100, 400, 1600),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("datasets", nargs="*", default=["mnist", "fashion-mnist", "cifar10"])
    parser.add_argument("--examples", type=int, default=30_000, help="for each run")
    parser.add_argument("--keys", nargs="*", default=list(VALUES), help="what to vary")
    options = parser.parse_args()
    for name in options.datasets:
        data = convolab.load(name)
        network = convolab.preset("convolutional", data.input_shape, len(data.classes))
        recipe = Recipe(name, network, convolab.TrainingSettings())
        for key in options.keys:
            # Each number of batches is a length of its own; it is scaled down with the examples.
            values = [max(1, v * options.examples // 30_000) if key == "batches" else v for v in VALUES[key]]
            summary = vary(recipe, key, values, examples=options.examples)
            print(f"\n### {data.title}: {key.replace('_', ' ')}\n")
            print(markdown(rows(summary)))
            print(f"\n{summary.words}")


if __name__ == "__main__":
    main()
