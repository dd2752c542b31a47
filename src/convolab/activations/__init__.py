"""Looking inside: every unit of every layer for one image, with its inputs, weights, products and sum."""

from __future__ import annotations

import importlib
from typing import Any

# Names are imported when first used: levels have to be there without PyTorch.
_HOME_OF = {
    "Activations": "inspector",
    "Confusion": "confusing",
    "Exciting": "excitation",
    "Inspector": "inspector",
    "Level": "levels",
    "Prediction": "prediction",
    "Unit": "units",
    "UnitInput": "units",
    "confuse": "confusing",
    "exciting": "excitation",
    "harley_network": "harley",
    "load_harley": "harley",
    "parse_unit": "inspector",
}

__all__ = [*_HOME_OF]


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(importlib.import_module(f"convolab.activations.{_HOME_OF[name]}"), name)
    raise AttributeError(f"module 'convolab.activations' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
