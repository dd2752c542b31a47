"""How fast is the lab's training loop, as a share of a bare PyTorch loop?

The bare loop below is what one would write by hand: no events, no figures, no evaluation, no commands, no
checkpoints and nothing of convolab in it. Both train the same network on the same images in memory, in
batches of the same sizes, in fp32 and in the same memory order, with the same number of threads. They take
turns (which one begins alternates), so that whatever else the machine does hits both. Speed is examples per
second of wall-clock time, from the first batch to the last; the lab's includes its progress reports, command
polling and periodic checkpoints.
"""

from __future__ import annotations

import convolab  # before PyTorch, because it sets how threads wait

# isort: split
import argparse
import dataclasses
import statistics
import tempfile
import time
from pathlib import Path

import torch
from torch.nn import functional

from convolab.training import Evaluated, Progress, Training, TrainingSettings, usable_cores
from machine import report

CASES = (("mnist", "convolutional"), ("cifar10", "convolutional"), ("cifar10", "resnet"))
LIMIT = 0.95
NEVER = 10**9


class Bare:
    """The loop to compare with, on tensors prepared beforehand."""

    def __init__(self, network: convolab.Network, data: convolab.Dataset, settings: TrainingSettings) -> None:
        self.network, self.settings = network, settings
        # Pixel by pixel in memory, so that a batch is copied image by image and comes out as channels_last.
        self.images = torch.tensor(data.train_images).permute(0, 2, 3, 1).contiguous()
        self.labels = torch.tensor(data.train_labels)

    def run(self, batches: int) -> float:
        """Examples per second over so many batches."""
        size = self.settings.batch_size
        model = self.network.build(0).to(memory_format=torch.channels_last)
        optimizer = torch.optim.SGD(
            model.parameters(), lr=self.settings.learning_rate, momentum=self.settings.momentum
        )
        model.train()
        with torch.no_grad():
            model(
                torch.zeros(500, *self.network.input_shape)
            )  # the lab's clock starts after a small evaluation
        start = time.perf_counter()
        order = torch.randperm(len(self.labels))
        for batch in range(batches):
            index = order[batch * size : (batch + 1) * size]
            images = ((self.images.index_select(0, index).float() - 127.5) / 127.5).permute(0, 3, 1, 2)
            loss = functional.cross_entropy(model(images), self.labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return batches * size / (time.perf_counter() - start)


class Lab:
    """The lab's loop as a run has it: with checkpoints, watched by someone who reads every event."""

    def __init__(self, network: convolab.Network, data: convolab.Dataset, settings: TrainingSettings) -> None:
        self.network, self.data, self.settings = network, data, settings

    def run(self, batches: int) -> float:
        """Examples per second over so many batches."""
        settings = self.settings.changed(batches=batches, evaluate_every=NEVER)
        with tempfile.TemporaryDirectory() as folder:
            training = Training(
                self.network, self.data, settings, checkpoint_path=Path(folder) / "checkpoint.safetensors"
            )
            start = end = 0.0
            for event in training.events():
                if isinstance(event, Evaluated) and event.examples == 0:
                    start = time.perf_counter()
                if isinstance(event, Progress):
                    end = time.perf_counter()
                    examples = event.examples
        return examples / (end - start)


def compare(dataset: str, preset: str, seconds: float, rounds: int) -> dict[str, object]:
    data = convolab.load(dataset)
    # Evaluation is outside of what is timed; a small test set keeps it from warming the machine in between.
    data = dataclasses.replace(data, test_images=data.test_images[:500], test_labels=data.test_labels[:500])
    network = convolab.preset(preset, data.input_shape, len(data.classes))
    settings = TrainingSettings(precision="fp32")
    loops = {"bare": Bare(network, data, settings), "lab": Lab(network, data, settings)}
    # Both are warmed up; a round lasts about so many seconds, and is no longer than an epoch.
    speed = max(loops["bare"].run(20) for _ in range(3))
    batches = max(10, int(speed * seconds / settings.batch_size))
    batches = min(batches, len(data.train_labels) // settings.batch_size)
    loops["lab"].run(20)
    speeds: dict[str, list[float]] = {"bare": [], "lab": []}
    for number in range(rounds):
        for name in ("bare", "lab") if number % 2 else ("lab", "bare"):
            speeds[name].append(loops[name].run(batches))
    shares = sorted(lab / bare for lab, bare in zip(speeds["lab"], speeds["bare"], strict=True))
    share = statistics.median(shares)
    return {
        "data set": dataset,
        "network": preset,
        "rounds": rounds,
        "batches per round": batches,
        "bare loop, examples/s": round(statistics.median(speeds["bare"]), 1),
        "lab, examples/s": round(statistics.median(speeds["lab"]), 1),
        "share": round(share, 4),
        "middle half of shares": [round(shares[rounds // 4], 3), round(shares[-1 - rounds // 4], 3)],
        "must reach": LIMIT,
        "holds": share >= LIMIT,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="rounds per network (9)")
    parser.add_argument("--seconds", type=float, default=4.0, help="about how long one round lasts (4)")
    options = parser.parse_args()
    torch.set_num_threads(usable_cores())
    rows = [compare(dataset, preset, options.seconds, options.rounds) for dataset, preset in CASES]
    report("training_overhead", rows, note="Medians over the rounds; share: lab / bare of the same round.")


if __name__ == "__main__":
    main()
