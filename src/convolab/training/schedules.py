"""Learning-rate schedules: the share of training that is done → the factor on the learning rate."""

from __future__ import annotations

import math

from convolab.training.settings import TrainingSettings


def schedule_factor(settings: TrainingSettings, fraction: float | None) -> float:
    """What the learning rate is multiplied by when ``fraction`` (0 to 1) of training is done.

    - constant: 1
    - step: 1, ``step_factor`` from one half on, its square from three quarters on
    - cosine: half a cosine from 1 to 0
    - one-cycle: a straight rise to 1 over the share ``warmup``, then half a cosine to 0 (after Smith 2018)
    - linear: a straight fall from 1 to 0

    ``fraction`` None (training has no planned end) counts as 0; values are cut to 0 … 1.
    """
    t = min(1.0, max(0.0, fraction or 0.0))
    match settings.schedule:
        case "constant":
            return 1.0
        case "step":
            return settings.step_factor ** ((t >= 0.5) + (t >= 0.75))
        case "cosine":
            return _half_cosine(t)
        case "linear":
            return 1.0 - t
        case "one-cycle":
            rise = settings.warmup
            if t < rise:
                # Not from 0: the very first batch should already teach something.
                return 0.04 + 0.96 * t / rise
            return _half_cosine((t - rise) / (1.0 - rise))


def _half_cosine(t: float) -> float:
    return 0.5 * (1.0 + math.cos(math.pi * t))
