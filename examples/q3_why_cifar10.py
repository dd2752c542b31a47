"""Question 3.6.3: why is CIFAR-10 so much harder than Fashion-MNIST, and that hardly slower than MNIST?

Two kinds of figures: what the simplest classifiers make of the pixels, before any network; and for one kind
of network, how many examples and seconds it needs on each data set, and how fast it learns a single example.
"""

import argparse

import convolab
from convolab.experiments import Recipe
from convolab.experiments.difficulty import difficulty
from convolab.experiments.results import markdown
from convolab.runs import RunFolder, curves


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("datasets", nargs="*", default=["mnist", "fashion-mnist", "cifar10"])
    parser.add_argument("--examples", type=int, default=60_000, help="for each run")
    options = parser.parse_args()
    pixels = [["data set", "guessing", "nearest class mean", "nearest image", "variance between classes"]]
    learned = [["data set", "multiply-adds", "examples/s", "test accuracy", "50 % after", "80 % after"]]
    for name in options.datasets:
        data = convolab.load(name)
        found = difficulty(data)
        shares = (found.chance, found.nearest_mean, found.nearest_neighbour, found.between_classes)
        pixels.append([data.title, *(f"{100 * share:.1f} %" for share in shares)])
        network = convolab.preset("convolutional", data.input_shape, len(data.classes))
        run = Recipe(name, network, convolab.TrainingSettings()).for_examples(options.examples).create()
        convolab.execute(run)
        end = RunFolder(run).state().figures
        reached = [curves(run).reached(share) for share in (0.5, 0.8)]
        learned.append(
            [
                data.title,
                f"{network.multiply_adds:,}",
                f"{end.examples_per_second or 0:,.0f}",
                f"{100 * (end.test_accuracy or 0):.2f} %",
                *(f"{at[0]:,} examples, {at[1]:.1f} s" if at else "never" for at in reached),
            ]
        )
    print(f"{markdown(pixels)}\n\n{markdown(learned)}")


if __name__ == "__main__":
    main()
