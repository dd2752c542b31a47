"""Question 3.6.4: how does adding convolutional layers relate to accuracy and speed? Where is the plateau?

A layer that is added is a copy of the last convolution with its activation; it pools only while 4 × 4 pixels
remain. Each number of layers is trained with several seeds, so that chance is not taken for a trend.
"""

import argparse

import convolab
from convolab.experiments import Recipe, vary
from convolab.experiments.results import markdown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("datasets", nargs="*", default=["mnist", "fashion-mnist", "cifar10"])
    parser.add_argument("--examples", type=int, default=30_000, help="for each run")
    parser.add_argument("--layers", type=int, nargs="*", default=[1, 2, 3, 4, 5, 6])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--network", default="convolutional", help="the preset to begin with")
    options = parser.parse_args()
    for name in options.datasets:
        data = convolab.load(name)
        network = convolab.preset(options.network, data.input_shape, len(data.classes))
        recipe = Recipe(name, network, convolab.TrainingSettings())
        summary = vary(recipe, "conv_blocks", options.layers, examples=options.examples, seeds=options.seeds)
        table = [["layers", "mean test accuracy", "single runs", "seconds", "examples/s", "parameters"]]
        for point in summary.points:
            table.append(
                [
                    str(point.value),
                    f"{100 * (point.accuracy or 0):.2f} %",
                    ", ".join(f"{100 * accuracy:.1f}" for accuracy in point.accuracies),
                    f"{point.seconds:.1f}",
                    f"{point.examples_per_second:,.0f}",
                    f"{point.parameters:,}",
                ]
            )
        print(f"\n### {data.title}\n\n{markdown(table)}\n\n{summary.words}")


if __name__ == "__main__":
    main()
