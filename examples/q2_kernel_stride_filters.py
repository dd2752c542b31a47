"""Question 3.6.2: what do the kernel size ("field size"), the stride and the number of filters ("output") do?

They are varied in the first convolution, and the window of the first pooling layer beside them. Where another
kernel does not fit, the padding moves along; the table says so.
"""

import argparse

import convolab
from convolab.experiments import Recipe, vary
from convolab.experiments.results import markdown, rows

VALUES = {
    "layer1.kernel_size": (1, 3, 5, 7),
    "layer1.stride": (1, 2),
    "layer1.out_channels": (2, 4, 8, 16, 32),
    "layer3.kernel_size": (2, 3, 4),
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
            summary = vary(recipe, key, VALUES[key], examples=options.examples)
            print(f"\n### {data.title}: {key}\n")
            print(markdown(rows(summary)))
            print(f"\n{summary.words}")


if __name__ == "__main__":
    main()
