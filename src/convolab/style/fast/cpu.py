"""The network as fast as two cores can: the same result, with fewer ways through memory.

Between two convolutions PyTorch goes through the maps six times: means, variances, scaling, ReLU, padding.
Here it is twice, by loops that Numba compiles; maps are written where the next convolution reads them, into
memory that is used again for each picture. Wide residual blocks are convolved by Winograd's algorithm, or all
convolutions are done in bf16, with maps of half the size; then everything between them is still in fp32.
Without Numba, `usable` says no and the network itself does the work.
"""

from __future__ import annotations

import functools
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from convolab import winograd
from convolab.compiled import loops
from convolab.compiled.sharing import each, strips
from convolab.style.fast.network import (
    EPSILON,
    OVERSHOOT,
    Conv,
    Padding,
    Residual,
    Step,
    TransformNetwork,
    Up,
    inverse_colors,
    share_of,
)

_MODES = {"zeros": 0, "replicate": 1, "reflect": 2}
_NONE = {kind: np.zeros((0, 0, 0), kind) for kind in (np.float32, np.uint16)}
LEAST_WINOGRAD = 64
"""With fewer maps PyTorch's own convolution is as fast."""


def _kernels() -> Any:
    """The compiled loops, or None where Numba cannot be used."""
    return loops("convolab.style.fast.cpu_kernels")


@functools.cache
def _table() -> np.ndarray:
    """What `inverse_colors` gives, for colours from 0 to 1."""
    return inverse_colors(torch.linspace(0, 1, 4097)).numpy()


def usable(network: TransformNetwork) -> bool:
    """Whether a network can be computed here."""
    return network.device.type == "cpu" and _kernels() is not None


class CpuPass:
    """One network, ready to paint single pictures; not for two threads at once."""

    def __init__(self, network: TransformNetwork, precision: Literal["fp32", "bf16"] = "fp32") -> None:
        self.network = network
        # NumPy knows no bf16: its arrays hold the bits.
        self._kind: type[np.float32 | np.uint16] = np.uint16 if precision == "bf16" else np.float32
        self._dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self._memory: dict[str, np.ndarray] = {}
        self._weights: dict[Conv | Up, Tensor] = {}
        self._filters: dict[Conv | Up, Tensor] = {}
        for module in network.modules():
            if isinstance(module, Up):
                self._weights[module] = module.kernels().detach().to(self._dtype)
            elif isinstance(module, Conv):
                self._weights[module] = self._prepared(module.weight.detach())
        self._last_of_four = self._prepared(of_four_places(network.last.weight.detach()))
        for step in network.steps:
            if isinstance(step, Residual) and precision == "fp32":
                for conv in (step.first.conv, step.second.conv):
                    outputs, inputs = conv.weight.shape[:2]
                    if min(outputs, inputs) >= LEAST_WINOGRAD and winograd.usable(
                        inputs, outputs, network.device
                    ):
                        self._filters[conv] = winograd.transformed(conv.weight)

    def _prepared(self, weight: Tensor) -> Tensor:
        return weight.to(self._dtype).contiguous(memory_format=torch.channels_last)

    @torch.inference_mode()
    def __call__(self, photo: Tensor, strength: float = 1.0, padding: Padding = "reflect") -> Tensor:
        """As the network: (1, 3, H, W) to the same."""
        if strength <= 0:
            return photo
        kernels = _kernels()
        photo = photo.contiguous(memory_format=torch.channels_last)
        height, width = photo.shape[2:]
        modules = [*self.network.steps, self.network.last]
        x = self._room("photo", height, width, 3, wanted_border(modules[0]))
        border = wanted_border(modules[0])
        inner = photo[0].permute(1, 2, 0).numpy()
        each(lambda _, top, bottom: kernels.enter(inner, border, x, top, bottom), strips(height))
        kernels.frame(x, border, _MODES[padding])
        sizes: list[tuple[int, int]] = []
        for i, module in enumerate(modules[:-1]):
            follows = modules[i + 1]
            edge, after = wanted_border(module), wanted_border(follows)
            mode = border_mode(follows, padding)
            rows, columns = x.shape[0] - 2 * edge, x.shape[1] - 2 * edge
            if isinstance(module, Residual):
                y = self._convolve(module.first.conv, x)
                mid = self._norm(f"{i} first", module.first, y, (rows, columns), strength, 1)
                kernels.frame(mid, 1, _MODES[padding])
                y = self._convolve(module.second.conv, mid)
                x = self._norm(f"{i}", module.second, y, (rows, columns), strength, after, skip=x, edge=edge)
            else:
                assert isinstance(module, Step)
                y = self._convolve(module.conv, x)
                size = (y[0].shape[0], y[0].shape[1])
                if isinstance(module.conv, Up):
                    size = sizes.pop()
                elif module.conv.stride == 2:
                    sizes.append((rows, columns))
                x = self._norm(f"{i}", module, y, size, strength, after)
            kernels.frame(x, after, mode)
        if height % 2 or width % 2:
            return self._colors(inner, self._convolve(self.network.last, x)[0], 1, strength)
        four = functional.conv2d(self._tensor(x).permute(2, 0, 1)[None], self._last_of_four, None, 2)
        return self._colors(inner, self._array(four), 2, strength)

    def _colors(self, photo: np.ndarray, made: np.ndarray, lines: int, strength: float) -> Tensor:
        """As `TransformNetwork.painted`, of (rows, columns, 3); ``made`` holds so many lines in each."""
        height, width, _ = photo.shape
        through, shift = (np.tile(value.detach().numpy(), width) for value in self.network.colors(strength))
        out = np.empty((height, width, 3), np.float32)
        flat = [np.ascontiguousarray(part).reshape(height, 3 * width) for part in (photo, out)]
        share, overshoot = np.float32(share_of(strength)), np.float32(OVERSHOOT)
        each(
            lambda _, top, bottom: _kernels().colors(
                made, lines, flat[0], _table(), through, shift, share, overshoot, flat[1], top, bottom
            ),
            strips(height),
        )
        return torch.from_numpy(out).permute(2, 0, 1)[None]

    def _room(self, name: str, height: int, width: int, maps: int, border: int) -> np.ndarray:
        """Memory for a map with its border, kept for the next picture."""
        shape = height + 2 * border, width + 2 * border, maps
        found = self._memory.get(name)
        if found is None or found.shape != shape:
            found = self._memory[name] = np.empty(shape, self._kind)
        return found

    def _tensor(self, maps: np.ndarray) -> Tensor:
        return torch.from_numpy(maps).view(self._dtype)

    def _array(self, made: Tensor) -> np.ndarray:
        """(1, maps, rows, columns) as (rows, columns, maps)."""
        found = made[0].permute(1, 2, 0).contiguous()
        return (found if self._kind is np.float32 else found.view(torch.uint16)).numpy()

    def _convolve(self, conv: Conv | Up, x: np.ndarray) -> tuple[np.ndarray, int]:
        """Of a map with its border, without any other padding; how many rows and columns come before it."""
        maps = self._tensor(x)
        if conv in self._filters:
            # Winograd's pads with zeros: the outermost places are wrong, and are left out.
            return winograd.convolve(maps[None], self._filters[conv])[0].numpy(), 1
        stride = 1 if isinstance(conv, Up) else conv.stride
        made = functional.conv2d(maps.permute(2, 0, 1)[None], self._weights[conv], None, stride)
        return self._array(made), 0

    def _norm(
        self,
        name: str,
        step: Step,
        made: tuple[np.ndarray, int],
        size: tuple[int, int],
        strength: float,
        border: int,
        *,
        skip: np.ndarray | None = None,
        edge: int = 0,
    ) -> np.ndarray:
        """Normalise what a step's convolution made into its room; then ReLU, or add ``skip``."""
        kernels = _kernels()
        y, offset = made
        height, width = size
        maps = step.norm.scale.shape[0]
        # Of an enlarged map still the four parts: one line more than half of its lines, rounded up.
        four = isinstance(step.conv, Up)
        lines = y.shape[0] if four else height
        parts = strips(lines, lines * y.shape[1] * y.shape[2])
        totals = np.zeros((len(parts), 2, maps))

        def add_up(n: int, top: int, bottom: int) -> None:
            if four:
                kernels.sums_of_four(y, height, width, top, bottom, totals[n])
            else:
                kernels.sums(y, offset, width, top, bottom, totals[n])

        each(add_up, parts)
        mean, squares = totals.sum(0) / (height * width)
        scale, shift = (value.detach().numpy() for value in step.norm.at(strength))
        factor = scale / np.sqrt(np.maximum(squares - mean * mean, 0) + EPSILON)
        level = (shift - mean * factor).astype(np.float32)
        factor = factor.astype(np.float32)
        out = self._room(name, height, width, maps, border)
        other = _NONE[self._kind] if skip is None else skip

        def write(_: int, top: int, bottom: int) -> None:
            if four:
                kernels.normalise_four(y, height, width, factor, level, out, border, top, bottom)
            else:
                kernels.normalise(
                    y, offset, width, factor, level, skip is None, other, edge, out, border, top, bottom
                )

        each(write, parts)
        return out


def of_four_places(weight: Tensor) -> Tensor:
    """Filters (outputs, inputs, k, k) of stride 1 as (4 · outputs, inputs, k + 1, k + 1) of stride 2.

    They make four neighbouring places at once, (0, 0), (0, 1), (1, 0), (1, 1): with three outputs a vector of
    the processor would be nearly empty; with twelve it is not, which outweighs the added zeros.
    """
    outputs, inputs, side, _ = weight.shape
    made = weight.new_zeros(2, 2, outputs, inputs, side + 1, side + 1)
    for p in (0, 1):
        for q in (0, 1):
            made[p, q, :, :, p : p + side, q : q + side] = weight
    return made.flatten(0, 2)


def wanted_border(module: Any) -> int:
    """Places that a module wants around the map."""
    conv = (
        module.first.conv
        if isinstance(module, Residual)
        else module.conv
        if isinstance(module, Step)
        else module
    )
    return 1 if isinstance(conv, Up) else int(conv.border)


def border_mode(module: Any, padding: Padding) -> int:
    """How they are filled: reflecting an enlarged map by one place is repeating the small one."""
    up = isinstance(module, Step) and isinstance(module.conv, Up)
    return _MODES["replicate"] if up and padding == "reflect" else _MODES[padding]
