"""Painting with styles that were learned: one pass for a picture of any size, as fast as this machine can.

A `Painter` is made once for a style, or for several with their shares, and then used for many pictures: it
has chosen the number format, holds the weights where they are used, and says how it is to be warmed up.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from convolab.errors import SettingsError
from convolab.style.fast.bands import paint_in_bands, plan
from convolab.style.fast.cpu import CpuPass, usable
from convolab.style.fast.files import Style
from convolab.style.fast.library import get_style
from convolab.style.fast.network import PADDINGS, Padding, TransformNetwork
from convolab.style.precision import has_bf16
from convolab.training.device import choose_device, is_out_of_memory, synchronize, use_all_cores
from convolab.training.number_formats import Precision, decided_once
from convolab.training.precision import TOLERANCE, WORTH_IT

Styles = str | Path | Style | Mapping[str, float]
"""A style by name, file or itself, or several names with their shares; as text ``wave:0.3,scream:0.7``."""

MOST_STYLES = 8
LEAST_SIDE = 32
"""Smaller pictures are left to the network itself: their padding has exceptions."""
_TRIED = 256
"""Side of the picture that is painted in both number formats."""


def parse_mix(text: str) -> dict[str, float]:
    """``wave:0.3,scream:0.7`` as shares that sum to 1; one name alone has all. SettingsError."""
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, colon, number = part.strip().rpartition(":")
        if not colon or "/" in number or "\\" in number:
            name, number = part.strip(), "1"
        try:
            share = float(number)
        except ValueError:
            raise SettingsError(f'"{number}" is no share of a style; write for example {name}:0.5.') from None
        if not name or not 0 <= share < float("inf"):
            raise SettingsError(f'"{part.strip()}" is no style with a share of 0 or more.')
        shares[name] = shares.get(name, 0.0) + share
    return checked_shares(shares)


def checked_shares(shares: Mapping[str, float]) -> dict[str, float]:
    """Shares that sum to 1, without those of 0. SettingsError."""
    kept = {name: float(share) for name, share in shares.items() if share > 0}
    if not kept or not all(0 <= share < float("inf") for share in shares.values()):
        raise SettingsError("The shares of styles must be 0 or more, and not all 0.")
    if len(kept) > MOST_STYLES:
        raise SettingsError(f"At most {MOST_STYLES} styles can be mixed, not {len(kept)}.")
    total = sum(kept.values())
    return {name: share / total for name, share in kept.items()}


def mixed(styles: Styles) -> list[tuple[float, Style]]:
    """Styles with their shares. NetworkError if there is none of a name, SettingsError for odd shares."""
    if isinstance(styles, Style):
        return [(1.0, styles)]
    if isinstance(styles, Path):
        return [(1.0, get_style(styles))]
    shares = parse_mix(styles) if isinstance(styles, str) else checked_shares(styles)
    return [(share, get_style(name)) for name, share in shares.items()]


class Painter:
    """Paints in one style, or in several at once: then the picture is the mean of theirs, by their shares.

    ``memory_mb`` bounds the process: larger pictures are computed in bands, with the same result.
    """

    def __init__(
        self,
        styles: Styles,
        *,
        padding: Padding = "reflect",
        precision: Literal["auto", "fp32", "bf16"] = "auto",
        memory_mb: int | None = None,
    ) -> None:
        if padding not in PADDINGS:
            raise SettingsError(f'The padding "{padding}" is none of {", ".join(PADDINGS)}.')
        self.styles = mixed(styles)
        self.padding, self.memory_mb = padding, memory_mb
        self.device = choose_device("auto")
        for _, style in self.styles:
            style.network.to(self.device)
        use_all_cores()
        self.precision = choose(self.styles[0][1].network, precision)
        self._passes: dict[TransformNetwork, CpuPass] = {}
        self._lock = threading.Lock()

    @property
    def title(self) -> str:
        """``The Great Wave``, ``The Scream + The Great Wave``."""
        return " + ".join(style.card.title for _, style in self.styles)

    @torch.inference_mode()
    def __call__(self, photo: Tensor, strength: float = 1.0) -> Tensor:
        """float32 (1, 3, H, W), 0 … 1, of the photo's shape. SettingsError for a strength out of 0 … 1."""
        if not 0 <= strength <= 1:
            raise SettingsError(f"The strength must be between 0 and 1, not {strength:g}.")
        use_all_cores()
        photo = photo.to(self.device)
        result: Tensor | None = None
        for share, style in self.styles:
            with _enough_memory(photo):
                painted = self._paint(style.network, photo, strength).clamp(0, 1)
            if len(self.styles) == 1:
                return painted
            result = painted * share if result is None else result.add_(painted, alpha=share)
        assert result is not None
        return result

    @torch.inference_mode()
    def frame(self, pixels: np.ndarray, strength: float = 1.0) -> np.ndarray:
        """uint8 (H, W, 3) to the same: a frame of a video or a camera."""
        photo = torch.from_numpy(np.array(pixels, np.float32)).permute(2, 0, 1)[None].div_(255)
        painted = self(photo, strength)
        done = painted.mul_(255).add_(0.5).to(torch.uint8)[0].permute(1, 2, 0)
        return np.ascontiguousarray(done.cpu().numpy())

    def warm_up(self, height: int, width: int) -> float:
        """Paint a grey picture twice, so that the first real one is quick; seconds for the second one."""
        grey = torch.full((1, 3, height, width), 0.5)
        self(grey)
        tick = time.perf_counter()
        self(grey)
        return time.perf_counter() - tick

    def _paint(self, network: TransformNetwork, photo: Tensor, strength: float) -> Tensor:
        height, width = photo.shape[2:]
        rows = plan(network, height, width, self.memory_mb) if self.device.type == "cpu" else None
        if rows is not None:
            return paint_in_bands(network, photo, strength, self.padding, rows)
        if min(height, width) >= LEAST_SIDE and usable(network):
            with self._lock:
                if network not in self._passes:
                    self._passes[network] = CpuPass(network, self.precision.name)
                return self._passes[network](photo, strength, self.padding)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision.name == "bf16"):
            return network(photo, strength, self.padding).float()


@contextlib.contextmanager
def _enough_memory(photo: Tensor) -> Iterator[None]:
    """A lack of memory as SettingsError. On a processor bands are planned by it; a GPU just refuses."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        height, width = photo.shape[2:]
        raise SettingsError(
            f"{photo.device} has too little memory for a picture of {width}×{height}; choose a smaller size."
        ) from error


@torch.inference_mode()
def choose(network: TransformNetwork, wanted: Literal["auto", "fp32", "bf16"] = "auto") -> Precision:
    """fp32, or bf16 where it is verified and faster; the norms and the colours stay in fp32."""
    if wanted != "auto":
        return Precision(wanted, "chosen by the caller")
    device = network.device
    if device.type == "mps" or (device.type == "cpu" and not has_bf16()):
        return Precision("fp32", "this processor has no instructions for bf16")
    picture = torch.rand((1, 3, _TRIED, _TRIED), generator=torch.Generator().manual_seed(0)).to(device)
    passes = [CpuPass(network, name) for name in ("fp32", "bf16")] if usable(network) else None

    def painted(low: int) -> Tensor:
        if passes is not None:
            return passes[low](picture)
        with torch.autocast(device.type, torch.bfloat16, enabled=bool(low)):
            return network(picture).float()

    made = painted(0), painted(1)
    error = float((made[1] - made[0]).norm() / made[0].norm())
    if not error <= TOLERANCE:
        return Precision("fp32", f"bf16 gives wrong results on this machine (relative error {error:.2g})")
    # By architecture: all styles of one should be painted in the same format.
    job = f"painting by {network.architecture.text}"
    faster = decided_once(job, device, lambda: _faster(painted, device))
    if faster.name == "fp32":
        return faster
    return Precision("bf16", f"{faster.reason}, and verified to agree within {error:.1%}")


def _faster(painted: Callable[[int], Tensor], device: torch.device) -> Precision:
    """Which of fp32, 0, and bf16, 1, is worth it."""
    seconds = [math.inf, math.inf]
    for low in (0, 1) * 3:
        synchronize(device)
        tick = time.perf_counter()
        painted(low)
        synchronize(device)
        seconds[low] = min(seconds[low], time.perf_counter() - tick)
    if (ratio := seconds[0] / seconds[1]) < WORTH_IT:
        return Precision("fp32", f"bf16 is only {ratio:.1f} times as fast here")
    return Precision("bf16", f"{ratio:.1f} times as fast as fp32 here")


def share_text(shares: Sequence[tuple[float, Style]]) -> str:
    """``wave`` or ``wave:0.3,scream:0.7``."""
    if len(shares) == 1:
        return shares[0][1].name
    return ",".join(f"{style.name}:{share:.2g}" for share, style in shares)
