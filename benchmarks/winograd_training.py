"""How fast are the lab's convolutions, forward and backward, beside PyTorch's on the same maps?

Batches of 256 as networks for CIFAR-10 have them, fp32, channels_last, in turns; the median of many rounds.
GFLOP/s count the multiplications and additions of a direct convolution for both, so that above the
processor's peak means: fewer are done. The lab takes Winograd's algorithm from 2,048 pairs of maps on (at
least 32 on either side); there it must be at least as fast.

    python benchmarks/winograd_training.py [--rounds 9]
"""

from __future__ import annotations

import convolab  # noqa: F401 - before PyTorch, because it sets how threads wait

# isort: split
import argparse
import time
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from convolab.training.device import use_all_cores
from convolab.winograd import layer
from machine import report

BATCH = 256
SHAPES = (
    (24, 32, 32), (32, 32, 16), (32, 64, 16), (64, 64, 16), (64, 64, 8), (64, 128, 8), (128, 128, 8),
    (128, 128, 4), (128, 256, 8), (256, 256, 8), (256, 256, 4),
)  # fmt: skip
"""Maps that come in and go out, and their side."""


class Forced(layer.WinogradConv2d):
    """By Winograd's algorithm, whatever the lab would take."""

    def takes(self, x: Tensor) -> bool:
        """Always."""
        return True


def seconds(module: nn.Module, x: Tensor, slope: Tensor) -> tuple[float, float]:
    """Forward, backward."""
    start = time.perf_counter()
    y = module(x)
    between = time.perf_counter()
    torch.autograd.grad(y, [x, *module.parameters()], slope)
    return between - start, time.perf_counter() - between


def compare(inputs: int, outputs: int, side: int, rounds: int) -> dict[str, Any]:
    """One row of the table."""
    taken = layer.suits(inputs, outputs)
    x = torch.randn(BATCH, inputs, side, side).to(memory_format=torch.channels_last).requires_grad_()
    slope = torch.randn(BATCH, outputs, side, side).to(memory_format=torch.channels_last)
    winograd = Forced(inputs, outputs, 3, padding=1, bias=False)
    direct = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    times: dict[nn.Module, list[tuple[float, float]]] = {winograd: [], direct: []}
    for _ in range(rounds + 2):
        for module, found in times.items():
            found.append(seconds(module.to(memory_format=torch.channels_last), x, slope))  # type: ignore[call-overload]
    gflop = 2 * BATCH * inputs * outputs * 9 * side**2 / 1e9
    forward, backward = ({m: median(t[i] for t in found[2:]) for m, found in times.items()} for i in (0, 1))
    ratio = (forward[direct] + backward[direct]) / (forward[winograd] + backward[winograd])
    return {
        "maps": f"{inputs} → {outputs}, {side}×{side}",
        "ours forward": gflop / forward[winograd],
        "PyTorch's forward": gflop / forward[direct],
        "ours backward": 2 * gflop / backward[winograd],
        "PyTorch's backward": 2 * gflop / backward[direct],
        "times as fast": ratio,
        "taken by the lab": taken,
        "holds": ratio >= 1 if taken else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    use_all_cores()
    torch.manual_seed(0)
    report("winograd_training", [compare(*shape, rounds) for shape in SHAPES], rounds=rounds, unit="GFLOP/s")


if __name__ == "__main__":
    main()
