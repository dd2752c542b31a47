"""What a network costs: weights, arithmetic, and time for an image."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from convolab.networks import Network

_ROUNDS = 7


@dataclass(frozen=True)
class Cost:
    """What a network costs for one image."""

    parameters: int
    multiply_adds: int
    milliseconds: float
    """For one image on its own, on this machine: median of some rounds."""
    milliseconds_in_batch: float
    """For each image of a batch of 250."""


@torch.inference_mode()
def cost(network: Network, model: nn.Module) -> Cost:
    """Count and measure; takes about a second. The model is left in the mode it was in."""
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    training = model.training
    model.eval()
    try:
        times = []
        for count in (1, 250):
            images = torch.zeros(count, *network.input_shape, device=device)
            images = images.to(memory_format=torch.channels_last)
            model(images)
            rounds = []
            for _ in range(_ROUNDS):
                start = time.perf_counter()
                model(images)
                if device.type == "cuda":
                    torch.cuda.synchronize()
                rounds.append(time.perf_counter() - start)
            times.append(1000 * statistics.median(rounds) / count)
    finally:
        model.train(training)
    return Cost(network.parameters, network.multiply_adds, *times)
