"""What does the queue cost? 20 trials of 2 s each on one worker, against their own time.

Own time is what the same 20 trainings take one after the other in one process, without queue, run folders or
the record of runs: loading, training, evaluation. Through the queue each is a run: made, handed to a worker
in another process, recorded event by event with checkpoints, remembered by MLflow. The worker is ready when
the clock starts, as it is in a lab that serves. Both take turns, so that other work on the machine disturbs
them alike. Asked for is a factor of at most 1.15.
"""

from __future__ import annotations

import convolab  # before PyTorch, because it sets how threads wait

# isort: split
import argparse
import os
import tempfile
import time

from convolab.experiments import Executor, Recipe, open_executor, wait_for
from convolab.home import datasets_dir
from convolab.training.settings import TrainingSettings
from machine import report

LIMIT = 1.15


def own_time(recipe: Recipe, trials: int) -> float:
    """Seconds for all trials in this process."""
    begun = time.perf_counter()
    for _ in range(trials):
        for _ in convolab.train(recipe.network, convolab.load(recipe.dataset), recipe.settings):
            continue
    return time.perf_counter() - begun


def through_the_queue(queue: Executor, recipe: Recipe, trials: int) -> float:
    """Seconds for all trials as runs, from the first submission to the end of the last."""
    begun = time.perf_counter()
    runs = []
    for _ in range(trials):  # as an experiment does it: the first is trained while the others are made
        runs.append(recipe.create())
        queue.submit(runs[-1])
    wait_for(runs, every=0.05)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=2.0, help="of training in each trial")
    parser.add_argument("--turns", type=int, default=4, help="into how many turns the trials are divided (4)")
    options = parser.parse_args()
    data = convolab.load("mnist")
    network = convolab.preset("convolutional", data.input_shape, len(data.classes))
    recipe = Recipe("mnist", network, TrainingSettings()).for_seconds(options.seconds)
    each = max(1, options.trials // options.turns)
    own, queued = [], []
    with tempfile.TemporaryDirectory() as home:
        os.environ["CONVOLAB_DATA"] = str(datasets_dir())
        os.environ["CONVOLAB_HOME"] = home
        own_time(recipe.changed(budget=0.2), 1)
        with open_executor(workers=1) as queue:
            through_the_queue(queue, recipe.changed(budget=0.2), 1)
            for _ in range(options.turns):
                own.append(own_time(recipe, each))
                queued.append(through_the_queue(queue, recipe, each))
    factor = sum(queued) / sum(own)
    report(
        "queue_overhead",
        [
            {
                "trials": each * options.turns,
                "seconds of training each": options.seconds,
                "own time": round(sum(own), 2),
                "through the queue": round(sum(queued), 2),
                "factor": round(factor, 3),
                "limit": LIMIT,
                "kept": factor <= LIMIT,
            }
        ],
        factors_of_the_turns=[round(b / a, 3) for a, b in zip(own, queued, strict=True)],
    )


if __name__ == "__main__":
    main()
