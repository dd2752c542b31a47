"""Looking inside: every unit of every layer for one image, with its inputs, weights, products and sum."""

from __future__ import annotations

from convolab.lazy import lazily

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

__getattr__, __dir__ = lazily(__name__, _HOME_OF)
