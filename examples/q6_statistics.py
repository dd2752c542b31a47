"""Question 3.6.6: capture statistics of a testing run, beyond the share of right answers, and compare models.

Three networks are trained on the same examples. The statistics take the probabilities into account (log
loss, Brier score, calibration), and McNemar's test says which differences are more than chance.
"""

import argparse
import itertools

import convolab
from convolab.evaluation import compare, outputs, statistics
from convolab.experiments import Recipe
from convolab.experiments.results import markdown

NETWORKS = ("fully-connected", "convolutional", "modern-cnn")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("datasets", nargs="*", default=["mnist", "fashion-mnist", "cifar10"])
    parser.add_argument("--examples", type=int, default=30_000, help="for each run")
    options = parser.parse_args()
    for name in options.datasets:
        data = convolab.load(name)
        table = [
            ["network", "accuracy (95 %)", "top 2", "log loss", "Brier", "calibration error", "worst class"]
        ]
        answers = {}
        for kind in NETWORKS:
            network = convolab.preset(kind, data.input_shape, len(data.classes))
            run = Recipe(name, network, convolab.TrainingSettings()).for_examples(options.examples).create()
            convolab.execute(run)
            _, model, about = convolab.load_network(run)
            answers[kind] = outputs(model, data, normalize=about.normalize())
            found = statistics(answers[kind])
            low, high = found.interval
            worst = min(found.per_class, key=lambda entry: entry.recall)
            table.append(
                [
                    kind,
                    f"{100 * found.accuracy:.2f} % ({100 * low:.1f} to {100 * high:.1f})",
                    f"{100 * found.top2:.1f} %",
                    f"{found.log_loss:.3f}",
                    f"{found.brier:.3f}",
                    f"{100 * found.calibration_error:.1f} %",
                    f"{worst.name}, {100 * worst.recall:.0f} %",
                ]
            )
        print(f"\n### {data.title}\n\n{markdown(table)}\n")
        for first, second in itertools.pairwise(NETWORKS):
            words = compare(answers[second], answers[first]).words
            print(f"- *{second}* (first) and *{first}* (second): {words}")


if __name__ == "__main__":
    main()
