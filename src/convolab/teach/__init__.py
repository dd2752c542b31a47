"""Teach it your own classes: transfer learning from a handful of examples.

A base network that was trained on something else turns a picture into features; a small classifier learns new
classes from them. Names are imported when they are first used.
"""

from __future__ import annotations

from convolab.lazy import lazily

_HOME_OF = {
    "Classifier": "classifier",
    "Examples": "examples",
    "FeatureCache": "caching",
    "Saved": "files",
    "Taught": "teaching",
    "TeachSettings": "settings",
    "compare_layers": "measures",
    "evidence": "explaining",
    "feature_map": "measures",
    "fill_from": "examples",
    "learning_curve": "measures",
    "open_base": "bases",
    "pack": "files",
    "read": "files",
    "save": "files",
    "teach": "teaching",
    "to_script": "script",
}

__all__ = [*_HOME_OF]

__getattr__, __dir__ = lazily(__name__, _HOME_OF)
