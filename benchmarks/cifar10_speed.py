"""How accurate on CIFAR-10 after one, five and ten minutes of training on this machine's processor?

Ours: the recipes `cifar10/1-minute`, `5-minutes`, `10-minutes` as any user gets them. Beside them, on the
same clock (training alone; evaluation does not count): the convolutional network of Model Builder with the
usual settings, the network and settings of PyTorch's CIFAR-10 tutorial, and airbench94's network and recipe
(Jordan, 2024), written down here in plain PyTorch, fp32, NCHW. Accuracy on the whole test set, single view;
beside it the mean over the picture and its mirror image. Where the learning rate stays as it is, one training
is looked at after each of the budgets.

    python benchmarks/cifar10_speed.py [--minutes 1 5 10] [--seeds 3] [--peer-seeds 1] [--only ours …]

Each budget's rows replace those of an earlier call, so that budgets can be measured on different evenings.
"""

from __future__ import annotations

import convolab  # before PyTorch, because it sets how threads wait

# isort: split
import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convolab.datasets import Dataset, load
from convolab.experiments.speed import convolution_speed
from convolab.networks import PRESETS, preset
from convolab.networks.modules import whiten
from convolab.training import Normalize, Training, TrainingSettings
from convolab.training.data import images_tensor, labels_tensor
from convolab.training.device import use_all_cores
from machine import earlier_rows, report, where_and_when
from work import Work, operations

MUST = {1: 0.87, 5: 0.92, 10: 0.93}
RECIPES = {1: "cifar10/1-minute", 5: "cifar10/5-minutes", 10: "cifar10/10-minutes"}
LEVELS = (0.6, 0.8, 0.9)
SEEN_ON_THE_WAY = 2000
"""Test images on which the plain PyTorch peers are measured between two budgets: all would take longer than
the training does."""


@dataclass
class Outcome:
    """One training."""

    accuracy: float
    mirrored: float
    """Averaged over the picture and its mirror image."""
    examples: int
    seconds: float
    reached: dict[str, float | None]
    """Seconds of training until test accuracies were first seen."""
    gflops: float
    """Of its convolutions and matrices, forward and backward, per second of training."""
    precision: Literal["fp32", "bf16"] = "fp32"


Outcomes = dict[int, Outcome]
"""By minutes."""


@torch.no_grad()
def tested(model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float]:
    """Test accuracy of a single view, and averaged over the mirror image too."""
    model.eval()
    single = both = 0
    for part in range(0, len(labels), 500):
        batch, truth = images[part : part + 500], labels[part : part + 500]
        logits = model(batch)
        single += int((logits.argmax(1) == truth).sum())
        both += int(((logits + model(batch.flip(3))).argmax(1) == truth).sum())
    model.train()
    return single / len(labels), both / len(labels)


def test_set(data: Dataset, normalization: str) -> tuple[Tensor, Tensor]:
    """Normalised test images and their labels."""
    normalize = Normalize.of(data, normalization)  # type: ignore[arg-type]
    return normalize(images_tensor(data.test_images)), labels_tensor(data.test_labels)


def with_the_lab(
    data: Dataset, name: str, minutes: Sequence[int], seed: int, levels: Sequence[float] = LEVELS
) -> Outcomes:
    """The lab's own training of a preset with its settings, for the longest of these times; looked at on the
    way after the others, which says what they are worth only where the learning rate stays as it is."""
    usual = PRESETS[name].settings_for(data.input_shape)
    settings = TrainingSettings(**{**usual, "budget": 60 * max(minutes), "seed": seed, "device": "cpu"})
    assert len(minutes) == 1 or settings.schedule == "constant"
    network = preset(name, data.input_shape, 10)
    training = Training(network, data, settings)
    test = test_set(data, settings.normalization)
    reached: dict[str, float | None] = {percent(level): None for level in levels}
    found: Outcomes = {}
    work = Work(network, settings)

    def look(mark: int) -> None:
        position, precision = training.position, training.precision
        assert precision is not None
        speed = work.operations / position.seconds / 1e9
        accuracies = tested(training.model, *test)
        found[mark] = Outcome(
            *accuracies, position.examples, position.seconds, dict(reached), speed, precision.name
        )

    on_the_way = sorted(minutes)[:-1]
    for event in training.events():
        work.note(event)
        if event.kind == "evaluated":
            note(reached, event.test_accuracy, event.seconds)
        while on_the_way and training.position.seconds >= 60 * on_the_way[0]:
            look(on_the_way.pop(0))
    look(max(minutes))
    return found


def note(reached: dict[str, float | None], accuracy: float, seconds: float) -> None:
    """Write down which levels were reached for the first time."""
    for level, known in reached.items():
        if known is None and accuracy >= float(level.rstrip("%")) / 100:
            reached[level] = round(seconds, 1)


def percent(share: float) -> str:
    """``80%``, ``99.5%``."""
    return f"{100 * share:g}%"


# ---------------------------------------------------------------- PyTorch's tutorial


class TutorialNet(nn.Module):
    """The network of PyTorch's tutorial "Training a classifier"."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 32, 32) to (N, 10)."""
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc2(F.relu(self.fc1(x.flatten(1)))))
        return self.fc3(x)


def tutorial(data: Dataset, minutes: Sequence[int], seed: int) -> Outcomes:
    """Batches of 4, SGD with learning rate 0.001 and momentum 0.9, pixels from -1 to 1."""
    torch.manual_seed(seed)
    model = TutorialNet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    images = torch.tensor(data.train_images[:]).float().div_(127.5).sub_(1)
    labels = labels_tensor(data.train_labels)
    test = torch.tensor(data.test_images[:]).float().div_(127.5).sub_(1), labels_tensor(data.test_labels)

    def batches() -> Any:
        while True:
            yield from torch.randperm(len(labels)).split(4)

    stream = batches()

    def step(_: float) -> int:
        index = next(stream)
        optimizer.zero_grad()
        F.cross_entropy(model(images[index]), labels[index]).backward()
        optimizer.step()
        return len(index)

    layers = [6 * 75 * 28**2, 16 * 150 * 10**2, 400 * 120, 120 * 84, 84 * 10]
    return timed(model, step, minutes, test, operations((adds, True, True) for adds in layers))


# ---------------------------------------------------------------- airbench94


class AirNet(nn.Module):
    """airbench94's network: whitening, three blocks of 64, 256 and 256 maps, GELU, maximum at the end."""

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        network = convolab.Network.model_validate({
            "input_shape": (3, 32, 32),
            "layers": [{"type": "Conv2d", "out_channels": 24, "kernel_size": 2, "whitening": True}],
        })  # fmt: skip
        first = network.build(0)
        whiten(first, images)
        self.whitening = nn.Conv2d(3, 24, 2)
        with torch.no_grad():
            self.whitening.weight.copy_(first[0].weight)
            self.whitening.bias.zero_()
        self.whitening.weight.requires_grad_(False)
        self.blocks = nn.ModuleList(
            nn.ModuleDict({
                "conv1": nn.Conv2d(a, b, 3, padding=1, bias=False),
                "norm1": nn.BatchNorm2d(b, momentum=0.4, eps=1e-12),
                "conv2": nn.Conv2d(b, b, 3, padding=1, bias=False),
                "norm2": nn.BatchNorm2d(b, momentum=0.4, eps=1e-12),
            })
            for a, b in ((24, 64), (64, 256), (256, 256))
        )  # fmt: skip
        for block in self.blocks:
            for number in ("1", "2"):
                nn.init.dirac_(block[f"conv{number}"].weight[: block[f"conv{number}"].in_channels])
                block[f"norm{number}"].weight.requires_grad_(False)
        self.head = nn.Linear(256, 10, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 32, 32) to (N, 10)."""
        x = F.gelu(self.whitening(x))
        for block in self.blocks:
            x = F.gelu(block["norm1"](F.max_pool2d(block["conv1"](x), 2)))
            x = F.gelu(block["norm2"](block["conv2"](x)))
        return self.head(F.max_pool2d(x, 3).flatten(1)) / 9


def airbench(data: Dataset, minutes: int, seed: int) -> Outcomes:
    """Batches of 1024, Nesterov, triangular schedule, alternating flip, shifts by 2, label smoothing 0.2."""
    torch.manual_seed(seed)
    mean = torch.tensor((0.4914, 0.4822, 0.4465)).view(1, 3, 1, 1)
    deviation = torch.tensor((0.2470, 0.2435, 0.2616)).view(1, 3, 1, 1)
    images = (torch.tensor(data.train_images[:]).float() / 255 - mean) / deviation
    test = (torch.tensor(data.test_images[:]).float() / 255 - mean) / deviation
    labels = labels_tensor(data.train_labels)
    model = AirNet(images[:5000])
    momentum, size = 0.85, 1024
    kilostep = 1024 * (1 + 1 / (1 - momentum))
    rate = 11.5 / kilostep * size  # of the mean over a batch, where airbench adds up
    decay = 0.0153 * size / kilostep / rate
    shifts = [module.bias for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    known = {id(p) for p in shifts}
    rest = [p for p in model.parameters() if p.requires_grad and id(p) not in known]
    optimizer = torch.optim.SGD(
        [
            {"params": shifts, "factor": 64.0, "weight_decay": decay / 64},
            {"params": rest, "factor": 1.0, "weight_decay": decay},
        ],
        lr=rate, momentum=momentum, nesterov=True,
    )  # fmt: skip
    mirrored = images.clone()
    coins = torch.rand(len(images)) < 0.5
    mirrored[coins] = images[coins].flip(3)

    def batches() -> Any:
        epoch = 0
        while True:
            seen = mirrored if epoch % 2 == 0 else mirrored.flip(3)
            padded = F.pad(seen, (2, 2, 2, 2), mode="reflect")
            for index in torch.randperm(len(labels)).split(size):
                moves = torch.randint(0, 5, (len(index), 2)).tolist()
                yield (
                    torch.stack([
                        padded[i, :, y : y + 32, x : x + 32]
                        for i, (y, x) in zip(index.tolist(), moves, strict=True)
                    ]),
                    labels[index],
                )  # fmt: skip
            epoch += 1

    stream = batches()

    def step(done: float) -> int:
        batch, truth = next(stream)
        factor = 0.2 + 0.8 * done / 0.23 if done < 0.23 else 1 - 0.93 * (done - 0.23) / 0.77
        for group in optimizer.param_groups:
            group["lr"] = rate * factor * group["factor"]
        optimizer.zero_grad()
        F.cross_entropy(model(batch), truth, label_smoothing=0.2).backward()
        optimizer.step()
        return len(truth)

    layers = [64 * 24 * 9 * 31**2, 64 * 64 * 9 * 15**2, 256 * 64 * 9 * 15**2, 256 * 256 * 9 * 7**2]
    layers += [256 * 256 * 9 * 7**2, 256 * 256 * 9 * 3**2, 256 * 10]
    # Of the first layer only the biases learn.
    work = operations([(24 * 12 * 31**2, False, True), *((adds, True, True) for adds in layers)])
    return timed(model, step, [minutes], (test, labels_tensor(data.test_labels)), work)


def timed(
    model: nn.Module,
    step: Callable[[float], int],
    minutes: Sequence[int],
    test: tuple[Tensor, Tensor],
    work: int,
) -> Outcomes:
    """Steps until the time is over, measured now and then and after each budget, beside the clock.

    ``work``: operations per example.
    """
    budget, seconds, examples, due = 60 * max(minutes), 0.0, 0, 3.0
    reached: dict[str, float | None] = {percent(level): None for level in LEVELS}
    found: Outcomes = {}
    while seconds < budget:
        tick = time.perf_counter()
        examples += step(seconds / budget)
        seconds += time.perf_counter() - tick
        if seconds >= due:
            due = seconds * 1.25 + 2
            part = test[0][:SEEN_ON_THE_WAY], test[1][:SEEN_ON_THE_WAY]
            note(reached, tested(model, *part)[0], seconds)
        for mark in minutes:
            if mark not in found and seconds >= 60 * mark:
                single, both = tested(model, *test)
                note(reached, single, seconds)
                speed = work * examples / seconds / 1e9
                found[mark] = Outcome(single, both, examples, seconds, dict(reached), speed)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, nargs="+", default=[1, 5, 10], choices=[1, 5, 10])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--peer-seeds", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=["ours", "preset", "tutorial", "airbench"])
    options = parser.parse_args()
    use_all_cores()
    data = load("cifar10")
    peaks = {kind: convolution_speed("cpu", 3.0, kind) for kind in ("fp32", "bf16")}
    minutes: list[int] = options.minutes

    entries: dict[str, Callable[[int], Outcomes]] = {
        "ours": lambda seed: {m: with_the_lab(data, RECIPES[m], [m], seed)[m] for m in minutes},
        "preset": lambda seed: with_the_lab(data, "convolutional", minutes, seed),
        "tutorial": lambda seed: tutorial(data, minutes, seed),
        "airbench": lambda seed: {m: airbench(data, m, seed)[m] for m in minutes},
    }
    names = {
        "ours": "ours",
        "preset": "Model Builder's convolutional, default settings",
        "tutorial": "PyTorch's tutorial",
        "airbench": "airbench94's network and recipe, plain fp32",
    }
    rows = earlier_rows("cifar10_speed")
    on = where_and_when()
    for key in options.only or entries:
        found: list[Outcomes] = []
        for seed in range(options.seeds if key == "ours" else options.peer_seeds):
            found.append(entries[key](seed))
            for budget, one in found[-1].items():
                print(f"{budget} min, {names[key]}, seed {seed}: {one}", flush=True)
        for budget in minutes:
            ones = [outcomes[budget] for outcomes in found]
            precision = ones[0].precision
            what = f"ours: {RECIPES[budget]}" if key == "ours" else names[key]
            rows = [row for row in rows if (row["minutes"], row["what"]) != (budget, what)]
            mean = statistics.mean(one.accuracy for one in ones)
            speed = statistics.mean(one.gflops for one in ones)
            rows.append(
                {
                    "minutes": budget,
                    "what": what,
                    "test accuracy": mean,
                    "must": MUST[budget] if key == "ours" else None,
                    "holds": mean >= MUST[budget] if key == "ours" else None,
                    "with mirror image": statistics.mean(one.mirrored for one in ones),
                    "precision": precision,
                    "GFLOP/s": speed,
                    "share of peak": speed / peaks[precision],
                    "examples": round(statistics.mean(one.examples for one in ones)),
                    "single runs": [round(one.accuracy, 4) for one in ones],
                    "seconds to": [one.reached for one in ones],
                    "on": on,
                }
            )
        rows.sort(key=lambda row: (row["minutes"], -row["test accuracy"]))
        report("cifar10_speed", rows, peak_gflops={kind: round(peak, 1) for kind, peak in peaks.items()})


if __name__ == "__main__":
    main()
