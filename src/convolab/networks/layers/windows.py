"""The rule of layers that slide a window over a map: how often it fits, and what to change."""

from __future__ import annotations

from convolab.networks.layers.base import Fix, Layer, Shape, ShapeError, first_fitting, needs_maps


def steps(size: int, kernel: int, stride: int, padding: int) -> int:
    """How often a window fits along an edge: (size − kernel + 2·padding) / stride + 1, rounded down."""
    return (size - kernel + 2 * padding) // stride + 1


def window_shape(
    layer: Layer, input_shape: Shape, kernel: int, stride: int, padding: int, channels: int, floor: bool
) -> Shape:
    """(channels, height, width) after sliding the window; ShapeError with fixes if it does not fit."""
    sizes = input_shape[1:]
    if min(sizes) + 2 * padding < kernel:
        raise ShapeError(
            f"{_edges(input_shape)} comes in, which with padding {padding} is smaller than "
            f"the kernel of {kernel} × {kernel}.",
            layer,
            input_shape,
            lambda: _fixes(layer, input_shape, kernel, stride, padding, floor, rounding=False),
        )
    for size in sizes:
        if not floor and (size - kernel + 2 * padding) % stride:
            result = (size - kernel + 2 * padding) / stride + 1
            raise ShapeError(
                f"{_edges(input_shape)} comes in; a kernel of {kernel} with stride {stride} "
                f"and padding {padding} does not divide it: "
                f"({size} − {kernel} + 2·{padding}) / {stride} + 1 = {result:.4g} must be a whole number.",
                layer,
                input_shape,
                lambda: _fixes(layer, input_shape, kernel, stride, padding, floor, rounding=True),
            )
    return (channels, *(steps(size, kernel, stride, padding) for size in sizes))


def _fixes(
    layer: Layer, input_shape: Shape, kernel: int, stride: int, padding: int, floor: bool, rounding: bool
) -> list[Fix]:
    tried = (
        # The smallest change first; a stride above the present one is the last resort, it loses detail.
        ("padding", sorted(range(kernel + 1), key=lambda value: abs(value - padding)), "Set padding to"),
        ("stride", [*range(stride - 1, 0, -1), *range(stride + 1, 2 * stride + 1)], "Set stride to"),
        ("kernel_size", sorted(range(1, 65), key=lambda value: abs(value - kernel)), "Set kernel size to"),
    )
    fixes = []
    for name, values, label in tried:
        changed = first_fitting(
            layer, input_shape, name, [v for v in values if v != getattr(layer, name)], floor
        )
        if changed is not None:
            fixes.append(Fix(f"{label} {getattr(changed, name)}", replacement=changed))
    if rounding:
        fixes.append(Fix("Let the network round down, as PyTorch does", floor=True))
    return fixes


def _edges(input_shape: Shape) -> str:
    return f"{input_shape[1]} × {input_shape[2]}"


__all__ = ["needs_maps", "steps", "window_shape"]
