"""How fast this machine computes: the measured speed of its own convolutions, and what it is."""

from __future__ import annotations

import os
import platform
import statistics
import time
from pathlib import Path
from typing import Literal

from convolab.experiments.scores import Machine
from convolab.runs.feeding import versions

_BATCH, _MAPS, _SIDE, _KERNEL = 64, 64, 16, 3
OPERATIONS = 2 * _BATCH * _MAPS * _MAPS * _SIDE**2 * _KERNEL**2 * 3
"""Of one round: a convolution forwards, and the gradients of its input and its weights; a multiplication and
an addition each."""
SECONDS = 1.0
_ROUNDS = 5


def convolution_speed(
    device: str = "auto", seconds: float = SECONDS, precision: Literal["fp32", "bf16"] = "fp32"
) -> float:
    """GFLOP/s of a 3 × 3 convolution as it is trained: 64 images of 64 maps of 16 × 16, all cores.

    The median of some rounds that take about ``seconds`` together. Other work on the machine lowers it.
    """
    import torch
    from torch.nn import functional

    from convolab.training.device import choose_device, synchronize, use_all_cores

    chosen = choose_device(device)  # type: ignore[arg-type]
    use_all_cores()
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(_BATCH, _MAPS, _SIDE, _SIDE, generator=generator).to(
        chosen, memory_format=torch.channels_last
    )
    weights = torch.randn(_MAPS, _MAPS, _KERNEL, _KERNEL, generator=generator).to(
        chosen, memory_format=torch.channels_last
    )
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    images, weights = (tensor.to(kind).requires_grad_() for tensor in (images, weights))

    def once(count: int) -> float:
        begun = time.perf_counter()
        for _ in range(count):
            functional.conv2d(images, weights, padding=1).sum().backward()
        synchronize(chosen)
        return time.perf_counter() - begun

    once(1)  # the first one chooses how to compute
    count = max(1, round(seconds / _ROUNDS / max(once(1), 1e-6)))
    return OPERATIONS * count / statistics.median(once(count) for _ in range(_ROUNDS)) / 1e9


def this_machine(
    device: str = "", precision: str = "", cores: int = 0, *, gflops: float | None = None
) -> Machine:
    """What this machine is, measured anew unless ``gflops`` is given."""
    from importlib.metadata import version

    from convolab.training.device import usable_cores

    return Machine(
        processor=processor(),
        cores=cores or usable_cores(),
        device=device,
        precision=precision,
        gflops=round(convolution_speed(device or "auto") if gflops is None else gflops, 1),
        system=f"{platform.system()} {platform.machine()}",
        versions=versions(version("convolab")),
    )


def processor() -> str:
    """The processor's own name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else f"{platform.machine()}, {os.cpu_count() or 1} cores"
