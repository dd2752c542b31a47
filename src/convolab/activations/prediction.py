"""What a network says: its raw outputs, and how they become shares and a ranking."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from convolab.activations.levels import Level

_BOUNDS = {"ScaledTanh": 1.7159, "Tanh": 1.0}


@dataclass(frozen=True)
class Prediction:
    """The answer of a network to one image."""

    raw: np.ndarray
    """float32 (classes,): the network's outputs."""
    shares: np.ndarray
    """float64 (classes,), each 0 to 1, together 1."""
    order: tuple[int, ...]
    """Classes, the likeliest first; of equals the first."""
    how: str
    """How the raw outputs became shares and ranking, as a sentence."""

    @classmethod
    def of(cls, raw: np.ndarray, how: str) -> Prediction:
        """From raw outputs by softmax."""
        values = raw.tolist()
        if not all(map(math.isfinite, values)):
            return cls(raw, softmax(raw), tuple(int(i) for i in np.argsort(-raw, kind="stable")), how)
        order = sorted(range(len(values)), key=lambda i: -values[i])
        # As `softmax`; one by one a few classes take a tenth of the time.
        powers = [math.exp(value - values[order[0]]) for value in values]
        total = math.fsum(powers)
        return cls(raw, np.array([power / total for power in powers]), tuple(order), how)


def softmax(raw: np.ndarray) -> np.ndarray:
    """float64: exp(x) over the sum of all exp(x), along the last axis."""
    powers = np.exp(np.asarray(raw, np.float64) - np.max(raw, axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def explanation(last: Level) -> str:
    """How the outputs of the level ``last`` become shares."""
    classes = math.prod(last.shape)
    bound = _BOUNDS.get(last.function.split(", ")[-1])
    if bound is None:
        return f"The shares are the softmax of the network's {classes} outputs; the ranking follows them."
    largest = 1 / (1 + (classes - 1) * math.exp(-2 * bound))
    return (
        f"This network has no softmax: its {classes} outputs lie between −{bound:g} and {bound:g}, and the "
        "largest is the first guess. The shares are their softmax, which here "
        f"can be at most {100 * largest:.0f} %."
    )
