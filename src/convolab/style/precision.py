"""The number format of a feature network: bf16 where whole evaluations are verified and faster with it."""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from convolab.style.features import FeatureNetwork
from convolab.training.device import synchronize
from convolab.training.number_formats import Precision, decided_once
from convolab.training.precision import TOLERANCE, WORTH_IT

_NAMES: tuple[Literal["fp32", "bf16"], ...] = ("fp32", "bf16")
_SIDE = 96
"""A picture this small takes a fraction of a second; its convolutions are the real ones."""
GRADIENT_TOLERANCE = 0.1
"""Largest relative error of the picture's gradient, through up to 13 layers of 8-bit mantissas."""


def choose(
    network: FeatureNetwork, layers: Sequence[str], wanted: Literal["auto", "fp32", "bf16"] = "auto"
) -> Precision:
    """fp32 or bf16 for features of ``layers`` and slopes. The first layer and all losses stay in fp32."""
    if wanted != "auto":
        return Precision(wanted, "chosen in the settings")
    device = network.device
    if device.type == "mps":
        return Precision("fp32", "bf16 is used on CPU and CUDA only")
    if device.type == "cpu" and not has_bf16():
        return Precision("fp32", "this processor has no instructions for bf16")
    job = f"features {','.join(layers)} of {_fingerprint(network, layers)}"
    return decided_once(job, device, lambda: _tried(network, layers))


def _tried(network: FeatureNetwork, layers: Sequence[str]) -> Precision:
    """What a trial on a small picture says."""
    device = network.device
    generator = torch.Generator().manual_seed(0)
    side = max(_SIDE, network.smallest(layers))
    picture = torch.rand((1, 3, side, side), generator=generator).to(device)
    before = network.precision
    seconds: dict[str, float] = {}
    results: dict[str, list[Tensor]] = {}
    try:
        for _ in range(3):
            for name in _NAMES:
                network.precision = name
                synchronize(device)
                start = time.perf_counter()
                results[name] = _try(network, layers, picture)
                synchronize(device)
                seconds[name] = min(seconds.get(name, 1e9), time.perf_counter() - start)
    finally:
        network.precision = before
    errors = [
        float((found - exact).norm() / exact.norm().clamp_min(1e-12))
        for exact, found in zip(results["fp32"], results["bf16"], strict=True)
    ]
    if not (max(errors[:-1]) <= 3 * TOLERANCE and errors[-1] <= GRADIENT_TOLERANCE):
        return Precision(
            "fp32", f"bf16 gives wrong results on this machine (relative error {max(errors):.2g})"
        )
    ratio = seconds["fp32"] / seconds["bf16"]
    if ratio < WORTH_IT:
        return Precision("fp32", f"bf16 is only {ratio:.1f} times as fast here")
    return Precision(
        "bf16", f"{ratio:.1f} times as fast as fp32 here, and verified to agree within {max(errors):.1%}"
    )


def _fingerprint(network: FeatureNetwork, layers: Sequence[str]) -> str:
    """The same text for the same network only: its steps, and what its first weights are."""
    steps = network.steps[: network.deepest(layers)]
    kinds = " ".join(f"{name}:{network.maps(name)}" for name, _ in steps)
    weights = next((tensor for _, module in steps for tensor in module.state_dict().values()), torch.empty(0))
    return f"{kinds} {zlib.crc32(weights.detach().cpu().contiguous().numpy().tobytes()):08x}"


def has_bf16() -> bool:
    """Without such instructions bf16 is many times slower; trying it would take longer than it is worth."""
    check = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    try:
        return bool(check()) if check is not None else False
    except RuntimeError:
        return False


def _try(network: FeatureNetwork, layers: Sequence[str], picture: Tensor) -> list[Tensor]:
    """The features of ``layers`` and, last, the gradient of the sum of their squares."""
    pixels = picture.clone().requires_grad_()
    features = network(pixels, layers)
    total = torch.stack([features[layer].float().square().mean() for layer in layers]).sum()
    (gradient,) = torch.autograd.grad(total, pixels)
    return [*(features[layer].detach().float() for layer in layers), gradient]
