"""Training: settings, the loop as a generator of typed events, controls, checkpoints, weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convolab.lazy import lazily

if TYPE_CHECKING:
    from convolab.training.checkpoints import CheckpointError
    from convolab.training.control import Commands, Control, MemoryControl
    from convolab.training.data import Normalize
    from convolab.training.device import choose_device, usable_cores
    from convolab.training.events import (
        Checkpointed,
        Evaluated,
        Event,
        Finished,
        LearningRateChanged,
        Paused,
        Progress,
        Resumed,
        Started,
        event_from_dict,
    )
    from convolab.training.loop import Training, train
    from convolab.training.optimizers import make_optimizer
    from convolab.training.precision import Precision, choose_precision
    from convolab.training.schedules import schedule_factor
    from convolab.training.settings import TrainingSettings
    from convolab.training.weights import WeightsInfo, load_weights, save_weights

# Names are imported when first used: the settings and events have to be there without PyTorch.
_HOME_OF = {
    "CheckpointError": "checkpoints",
    "Checkpointed": "events",
    "Commands": "control",
    "Control": "control",
    "Evaluated": "events",
    "Event": "events",
    "Finished": "events",
    "LearningRateChanged": "events",
    "MemoryControl": "control",
    "Normalize": "data",
    "Paused": "events",
    "Precision": "precision",
    "Progress": "events",
    "Resumed": "events",
    "Started": "events",
    "Training": "loop",
    "TrainingSettings": "settings",
    "WeightsInfo": "weights",
    "choose_device": "device",
    "choose_precision": "precision",
    "event_from_dict": "events",
    "load_weights": "weights",
    "make_optimizer": "optimizers",
    "save_weights": "weights",
    "schedule_factor": "schedules",
    "train": "loop",
    "usable_cores": "device",
}

__all__ = [
    "CheckpointError",
    "Checkpointed",
    "Commands",
    "Control",
    "Evaluated",
    "Event",
    "Finished",
    "LearningRateChanged",
    "MemoryControl",
    "Normalize",
    "Paused",
    "Precision",
    "Progress",
    "Resumed",
    "Started",
    "Training",
    "TrainingSettings",
    "WeightsInfo",
    "choose_device",
    "choose_precision",
    "event_from_dict",
    "load_weights",
    "make_optimizer",
    "save_weights",
    "schedule_factor",
    "train",
    "usable_cores",
]

__getattr__, __dir__ = lazily(__name__, _HOME_OF)
