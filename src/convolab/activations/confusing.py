"""Confusing inputs: the smallest change of an image that makes two labels equally likely.

Looked for is the change δ of least length for which the two outputs are equal, no other is larger, and all
pixels stay in their range. From the gradients the outputs are taken as linear around the present image, the
best change under that assumption is found exactly, a step is made towards it, and so on: sequential quadratic
programming, of which DeepFool (Moosavi-Dezfooli and others, 2016) is the case without bounds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from convolab.activations.forward import device_of
from convolab.activations.inspector import Inspector
from convolab.activations.prediction import softmax
from convolab.errors import DataError, SettingsError, unknown

EQUAL = 0.01
"""Two labels count as equally likely if their shares differ by at most this much."""
_RIVALS = 10
_STEPS = 60
_PATIENCE = 6
"""Steps without progress after which the search for a shorter change ends."""
_MEETING = 20


@dataclass(frozen=True)
class Confusion:
    """An image between two labels, and the way there."""

    first: int
    second: int
    image: np.ndarray
    """float32 (C, H, W), normalised as the original."""
    path: np.ndarray
    """float32 (frames, C, H, W): from the original in equal steps to ``image``."""
    shares: np.ndarray
    """float64 (frames, classes): what the network takes each of them for."""
    distance: float
    """Length (L2) of the change, where 1 is one pixel from the darkest to the brightest."""
    mean_change: float
    """Mean absolute change of a value, as a share of its range: 0 to 1."""
    largest_change: float
    """Of a single value, as a share of its range: 0 to 1."""
    succeeded: bool
    """Whether the two labels are equally likely (within `EQUAL`) and no other is likelier."""
    steps: int
    message: str
    """What was found, as a sentence."""


def confuse(
    inspector: Inspector,
    image: np.ndarray | Tensor,
    first: int | str,
    second: int | str,
    *,
    low: float | np.ndarray = -1.0,
    high: float | np.ndarray = 1.0,
    frames: int = 12,
    steps: int = _STEPS,
) -> Confusion:
    """Change ``image`` as little as possible, so that ``first`` and ``second`` become equally likely.

    ``image`` is float32 (C, H, W), normalised as in training; it may be of either label or of none of them.
    ``low`` and ``high`` are what the darkest and the brightest pixel are normalised to, as numbers or arrays
    of shape (C, 1, 1): (0 − mean)/std and (255 − mean)/std. ``frames`` images make up the path (at least 2),
    at most ``steps`` steps are made. Raises SettingsError for labels that are unknown or the same, DataError
    for an image of another shape or beyond its range.
    """
    classes = inspector.classes
    a, b = (_label(classes, label) for label in (first, second))
    if a == b:
        raise SettingsError(f"An image cannot be between {classes[a]} and itself; choose two labels.")
    original = np.asarray(image, np.float64)
    if original.shape != inspector.network.input_shape:
        inspector.run(torch.as_tensor(np.asarray(image)))  # says what shape it should have
    bottom, scale = _ranges(original, low, high)
    start = (original - bottom) / scale
    if start.min() < -1e-3 or start.max() > 1 + 1e-3:
        raise DataError("The image has pixels beyond its range; low and high must be what 0 and 255 become.")
    search = _Search(inspector, np.clip(start, 0, 1), bottom, scale, a, b)
    taken = search.run(steps)
    share = np.linspace(0, 1, max(2, frames)).reshape(-1, 1, 1, 1)
    path = (original + share * (search.change * scale)).astype(np.float32)
    shares = search.shares(path)
    apart = abs(shares[-1, a] - shares[-1, b])
    succeeded = bool(apart <= EQUAL and shares[-1].max() <= max(shares[-1, a], shares[-1, b]) + EQUAL)
    return Confusion(
        first=a,
        second=b,
        image=path[-1],
        path=path,
        shares=shares,
        distance=float(np.linalg.norm(search.change)),
        mean_change=float(np.abs(search.change).mean()),
        largest_change=float(np.abs(search.change).max()),
        succeeded=succeeded,
        steps=taken,
        message=_sentence(classes, a, b, shares[-1], succeeded),
    )


class _Search:
    """The search in units of the pixels' range, in which every pixel is 0 to 1."""

    def __init__(
        self, inspector: Inspector, start: np.ndarray, bottom: np.ndarray, scale: np.ndarray, a: int, b: int
    ) -> None:
        self.inspector = inspector
        self.start, self.bottom, self.scale = start, bottom, scale
        self.low, self.high = -start.ravel(), 1 - start.ravel()
        self.a, self.b = a, b
        self.change = np.zeros_like(start)
        self.device = device_of(inspector.model)
        # Bounded outputs hardly move where they are nearly −1 or 1; their sums, in the same order, do.
        last = inspector.levels[-1].function
        self.which = 0 if last in ("Tanh", "ScaledTanh") else 1

    def run(self, steps: int) -> int:
        """Find ``change``; the number of steps made."""
        change, taken = self._shorten(np.zeros(self.start.size), steps)
        change, more = self._meet(change)
        self.change = change.reshape(self.start.shape)
        return taken + more

    def _shorten(self, change: np.ndarray, steps: int) -> tuple[np.ndarray, int]:
        """Towards the shortest change, each step within a radius in which the linear picture proved true."""
        radius = max(1.0, 0.1 * float(np.sqrt(self.start.size)))
        outputs, slopes = self._outputs(change)
        taken, idle = 0, 0
        while taken < steps and idle < _PATIENCE:
            taken += 1
            rows, targets, equal = self._constraints(outputs, slopes)
            wanted, weights = least_change(rows, targets + rows @ change, equal, self.low, self.high)
            move = wanted - change
            length = float(np.linalg.norm(move))
            candidate = change + move * min(1.0, radius / max(length, 1e-12))
            new_outputs, new_slopes = self._outputs(candidate)
            # How much a violated constraint weighs against a longer change, so that both shrink together.
            price = 2 * float(np.abs(weights).max(initial=0.0)) + 1e-3
            before = 0.5 * change @ change + price * self._violation(outputs)
            after = 0.5 * candidate @ candidate + price * self._violation(new_outputs)
            idle = idle + 1 if after > 0.998 * before else 0
            if after < before:
                change, outputs, slopes = candidate, new_outputs, new_slopes
                radius *= 1.5
            else:
                radius = 0.4 * min(radius, length)
        return change, taken

    def _meet(self, change: np.ndarray) -> tuple[np.ndarray, int]:
        """The nearest change for which the two are equal and above the others: Newton's method."""
        best, least = change, np.inf
        for taken in range(_MEETING + 1):
            outputs, slopes = self._outputs(change)
            violation = self._violation(outputs)
            if violation < least:
                best, least = change, violation
            if violation < 1e-4:
                return best, taken
            rows, targets, equal = self._constraints(outputs, slopes)
            move, _ = least_change(rows, targets, equal, self.low - change, self.high - change)
            change = np.clip(change + move, self.low, self.high)
        return best, _MEETING

    def shares(self, images: np.ndarray) -> np.ndarray:
        """float64 (N, classes) of normalised images."""
        with torch.inference_mode():
            results = self.inspector.forward(torch.from_numpy(images).to(self.device))
        return softmax(results[-1][1].reshape(len(images), -1).float().cpu().numpy())

    def _outputs(self, change: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Outputs (classes,), and the slopes (classes, pixels) of the two labels and the nearest rivals."""
        shape = self.start.shape
        image = self.bottom + (self.start + change.reshape(shape)) * self.scale
        pixels = torch.from_numpy(image.astype(np.float32)).to(self.device)
        with torch.inference_mode():
            outputs = self._last(pixels[None])[0].double().cpu().numpy()
        asked = self._rivals(outputs)
        batch = pixels.expand(len(asked), *shape).clone().requires_grad_()
        chosen = self._last(batch)[torch.arange(len(asked)), torch.tensor(asked)].sum()
        (gradients,) = torch.autograd.grad(chosen, batch)
        slopes = np.zeros((len(outputs), self.start.size))
        slopes[asked] = (gradients.double().cpu().numpy() * self.scale).reshape(len(asked), -1)
        return outputs, slopes

    def _last(self, images: Tensor) -> Tensor:
        return self.inspector.forward(images)[-1][self.which].reshape(len(images), -1)

    def _rivals(self, outputs: np.ndarray) -> list[int]:
        """The two labels, then the likeliest others."""
        others = [int(k) for k in np.argsort(-outputs) if k not in (self.a, self.b)]
        return [self.a, self.b, *others[:_RIVALS]]

    def _constraints(
        self, outputs: np.ndarray, slopes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For a further move m: rows·m = targets (the first), ≤ targets (the others: no rival on top)."""
        a, b, *others = self._rivals(outputs)
        pairs = [(a, b), *((k, a) for k in others)]
        rows = np.stack([slopes[i] - slopes[j] for i, j in pairs])
        targets = np.array([outputs[j] - outputs[i] for i, j in pairs])
        return rows, targets, np.array([True, *[False] * len(others)])

    def _violation(self, outputs: np.ndarray) -> float:
        """How far the two are apart, and how far above them the largest other is."""
        a, b = outputs[self.a], outputs[self.b]
        above = max((x - min(a, b) for k, x in enumerate(outputs) if k not in (self.a, self.b)), default=0.0)
        return float(abs(a - b) + max(0.0, above))


def least_change(
    rows: np.ndarray,
    targets: np.ndarray,
    equal: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    sweeps: int = 20,
) -> tuple[np.ndarray, np.ndarray]:
    """The shortest δ with ``rows·δ = targets`` where ``equal``, else ≤, and low ≤ δ ≤ high.

    float64: rows (constraints, n), low ≤ 0 ≤ high (n,). Also gives each constraint's multiplier. Where the
    constraints cannot all be met, the nearest attempt. (Hildreth's method: one multiplier after the other.)
    """
    multipliers = np.zeros(len(rows))
    total = np.zeros(rows.shape[1])
    for _ in range(sweeps):
        largest = 0.0
        for i, row in enumerate(rows):
            if not equal[i] and not multipliers[i] and row @ np.clip(total, low, high) <= targets[i]:
                continue
            rest = total - multipliers[i] * row
            new = _multiplier(row, rest, float(targets[i]), low, high, multipliers[i])
            if not equal[i]:
                new = min(0.0, new)
            largest = max(largest, abs(new - multipliers[i]) * float(np.abs(row).max()))
            multipliers[i], total = new, rest + new * row
        if largest < 1e-7:
            break
    return np.clip(total, low, high), multipliers


def _multiplier(
    row: np.ndarray, rest: np.ndarray, target: float, low: np.ndarray, high: np.ndarray, guess: float
) -> float:
    """x with row·clip(rest + x·row) = target: Newton's method on a line with bends, which ends exactly."""
    x = guess
    for _ in range(25):
        moved = rest + x * row
        missing = target - float(row @ np.clip(moved, low, high))
        slope = float((row * row)[(moved > low) & (moved < high)].sum())
        if abs(missing) < 1e-9 or slope < 1e-12:
            break
        x += missing / slope
    return x


def _label(classes: tuple[str, ...], label: int | str) -> int:
    if isinstance(label, str) and label in classes:
        return classes.index(label)
    if isinstance(label, int) and 0 <= label < len(classes):
        return label
    raise SettingsError(unknown("label", str(label), classes))


def _ranges(
    image: np.ndarray, low: float | np.ndarray, high: float | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    bottom, top = (np.broadcast_to(np.asarray(edge, np.float64), image.shape) for edge in (low, high))
    if not (top > bottom).all():
        raise SettingsError("The range of pixels is empty: low must be below high.")
    return bottom, top - bottom


def _sentence(classes: tuple[str, ...], a: int, b: int, shares: np.ndarray, succeeded: bool) -> str:
    both = f"{classes[a]} with {100 * shares[a]:.1f} % and {classes[b]} with {100 * shares[b]:.1f} %"
    if succeeded:
        return f"The network takes it for {both}."
    return f"No image was found between the two: this one is {both}; begin with another."
