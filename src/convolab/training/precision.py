"""The number format of the arithmetic: fp32, or bf16 where it is verified and faster on this machine.

bf16 doubles the speed of convolutions on processors with instructions for it; on others it is many times
slower, and some versions of the libraries underneath have been wrong. So a job's own convolutions are tried
in both, forward and backward, and bf16 is used only where it agrees with fp32 and pays.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import torch
from torch import Tensor, nn

from convolab.fused import fused
from convolab.training.device import choose_device, synchronize
from convolab.training.number_formats import Precision, decided_once

__all__ = ["Precision", "choose_device", "choose_precision", "make_forward"]

WORTH_IT = 1.2
"""How many times as fast bf16 must be."""
TOLERANCE = 0.02
"""Largest relative error (L2 norm) of outputs and gradients. bf16 has 8 bits: about 0.004 is normal."""
HOPELESS = 3.0
"""bf16 this many times slower on two images is not tried on a whole batch."""
TINY = 5_000_000
"""Multiply-adds per example under which the time goes elsewhere."""

_TRIED = 3
_ROUNDS = 5
_BATCH = 64


@dataclass(frozen=True)
class _Job:
    """A convolution of the network, the shape of one of its inputs, and its multiply-adds per example."""

    convolution: nn.Conv2d
    shape: tuple[int, ...]
    multiply_adds: int


def choose_precision(
    model: nn.Sequential,
    shape: tuple[int, ...],
    device: torch.device,
    wanted: Literal["auto", "fp32", "bf16"] = "auto",
) -> Precision:
    """fp32 or bf16 for training ``model`` on batches of ``shape`` (N, C, H, W) on ``device``.

    Takes well under a second the first time, then it is remembered; changes neither the model nor any random
    state.
    """
    if wanted != "auto":
        return Precision(wanted, "chosen in the settings")
    if device.type == "mps":
        return Precision("fp32", "bf16 is used on CPU and CUDA only")
    jobs = _jobs(model, shape, device)
    work = sum(job.multiply_adds for job in jobs)
    if work < TINY:
        return Precision("fp32", "this network is too small for bf16 to matter")
    largest = sorted(jobs, key=lambda job: -job.multiply_adds)[:_TRIED]
    batch = min(shape[0], _BATCH)
    kinds = "; ".join(f"{job.convolution} of {job.shape}" for job in largest)
    return decided_once(f"training on {batch} × {kinds}", device, lambda: _tried(largest, batch, device))


def _tried(jobs: list[_Job], batch: int, device: torch.device) -> Precision:
    """What a trial of these convolutions says."""
    if (ratio := _try(jobs, 2, 2, device)[0]) < 1 / HOPELESS:
        return Precision("fp32", f"bf16 is {1 / ratio:.0f} times slower than fp32 on this machine")
    ratio, error = _try(jobs, batch, _ROUNDS, device)
    if not error <= TOLERANCE:
        return Precision("fp32", f"bf16 gives wrong results on this machine (relative error {error:.2g})")
    if ratio < WORTH_IT:
        return Precision(
            "fp32", f"bf16 is only {ratio:.1f} times as fast on this network's convolutions here"
        )
    return Precision(
        "bf16", f"{ratio:.1f} times as fast as fp32 here, and verified to agree within {error:.1%}"
    )


def make_forward(
    model: nn.Sequential, precision: Literal["fp32", "bf16"], device: torch.device
) -> Callable[[Tensor], Tensor]:
    """The function that takes float32 (N, C, H, W) to float32 logits in the precision chosen.

    With bf16, the layers up to the first one with weights stay in fp32 (pixels need more than 8 bits), and so
    do the weights themselves, the logits and the loss. On CPUs layers between convolutions are then computed
    together while the network is trained (`convolab.fused`).
    """
    if precision == "fp32":
        return model
    first = _first_weights(model) + 1
    head, rest = model[:first], [*model][first:]
    parts = fused(rest) if device.type == "cpu" else rest

    def forward(images: Tensor) -> Tensor:
        hidden = head(images)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            for part in parts:
                hidden = part(hidden)
        return hidden.float()

    return forward


def _first_weights(model: nn.Sequential) -> int:
    """Index of the first layer that has weights; -1 if none has."""
    return next((i for i, layer in enumerate(model) if any(True for _ in layer.parameters())), -1)


def _jobs(model: nn.Sequential, shape: tuple[int, ...], device: torch.device) -> list[_Job]:
    """The convolutions that bf16 would be used for, with their input shapes (found by running one image)."""
    first = _first_weights(model) + 1
    trial = copy.deepcopy(model).to(device).eval()
    jobs: list[_Job] = []

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(layer, nn.Conv2d)
        jobs.append(_Job(layer, tuple(inputs[0].shape[1:]), output.numel() * layer.weight[0].numel()))

    inner = chain.from_iterable(part.modules() for part in list(trial)[first:])
    hooks = [layer.register_forward_hook(note) for layer in inner if isinstance(layer, nn.Conv2d)]
    with torch.no_grad():
        trial(torch.zeros((1, *shape[1:]), device=device))
    for hook in hooks:
        hook.remove()
    return jobs


def _try(jobs: list[_Job], batch: int, rounds: int, device: torch.device) -> tuple[float, float]:
    """How many times as fast as fp32 bf16 is on the jobs together, and its largest relative error."""
    generator = torch.Generator().manual_seed(0)
    seconds = {torch.float32: 0.0, torch.bfloat16: 0.0}
    error = 0.0
    for job in jobs:
        convolution = job.convolution
        images = torch.randn((batch, *job.shape), generator=generator).to(device)
        images = images.to(memory_format=torch.channels_last).requires_grad_()
        with torch.no_grad():
            size = convolution(images).shape
        slope = torch.randn(size, generator=generator).to(device)
        times: dict[torch.dtype, list[float]] = {dtype: [] for dtype in seconds}
        results: dict[torch.dtype, list[Tensor]] = {}
        for _ in range(rounds):
            for dtype in seconds:
                spent, results[dtype] = _once(convolution, images, slope, dtype, device)
                times[dtype].append(spent)
        for dtype in seconds:
            seconds[dtype] += min(times[dtype])
        for exact, found in zip(results[torch.float32], results[torch.bfloat16], strict=True):
            wrong = float((found.float() - exact).norm() / exact.norm().clamp_min(1e-12))
            error = wrong if wrong != wrong else max(error, wrong)
            if error != error:
                return 1.0, error
    return seconds[torch.float32] / max(seconds[torch.bfloat16], 1e-9), error


def _once(
    convolution: nn.Conv2d, images: Tensor, slope: Tensor, dtype: torch.dtype, device: torch.device
) -> tuple[float, list[Tensor]]:
    """One pass forward and backward: its seconds; the output and the gradients of input and weights."""
    synchronize(device)
    start = time.perf_counter()
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype is torch.bfloat16):
        output = convolution(images)
    gradients = torch.autograd.grad(output, (images, convolution.weight), slope.to(output.dtype))
    synchronize(device)
    return time.perf_counter() - start, [output.detach(), *gradients]
