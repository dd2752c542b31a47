"""Style transfer: the feature network, its losses, and painting by optimisation.

Names are imported when they are first used: settings and events have to be there without PyTorch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from convolab.lazy import lazily

if TYPE_CHECKING:
    from convolab.style.compare import Measured, measure_content, measure_style
    from convolab.style.control import MemoryTransferControl, TransferCommands, TransferControl
    from convolab.style.events import (
        Iterate,
        TransferEvent,
        TransferFinished,
        TransferPaused,
        TransferResumed,
        TransferSaved,
        TransferStarted,
        WeightsChanged,
        transfer_event_from_dict,
    )
    from convolab.style.features import FeatureNetwork
    from convolab.style.loading import load_network
    from convolab.style.losses import content_diff, gram_matrix, style_diff, style_diff_by_layer
    from convolab.style.pictures import read_settings, save_png
    from convolab.style.rebuild import content_series, rebuild_content, rebuild_style, style_series
    from convolab.style.settings import TransferSettings
    from convolab.style.transferring import Transfer, transfer
    from convolab.style.weights import fetch_weights

_HOME_OF = {
    "FeatureNetwork": "features",
    "Iterate": "events",
    "Measured": "compare",
    "MemoryTransferControl": "control",
    "Transfer": "transferring",
    "TransferCommands": "control",
    "TransferControl": "control",
    "TransferEvent": "events",
    "TransferFinished": "events",
    "TransferPaused": "events",
    "TransferResumed": "events",
    "TransferSaved": "events",
    "TransferSettings": "settings",
    "TransferStarted": "events",
    "WeightsChanged": "events",
    "content_diff": "losses",
    "content_series": "rebuild",
    "fetch_weights": "weights",
    "gram_matrix": "losses",
    "load_network": "loading",
    "measure_content": "compare",
    "measure_style": "compare",
    "read_settings": "pictures",
    "rebuild_content": "rebuild",
    "rebuild_style": "rebuild",
    "save_png": "pictures",
    "style_diff": "losses",
    "style_diff_by_layer": "losses",
    "style_series": "rebuild",
    "transfer": "transferring",
    "transfer_event_from_dict": "events",
}

__all__ = [
    "FeatureNetwork",
    "Iterate",
    "Measured",
    "MemoryTransferControl",
    "Transfer",
    "TransferCommands",
    "TransferControl",
    "TransferEvent",
    "TransferFinished",
    "TransferPaused",
    "TransferResumed",
    "TransferSaved",
    "TransferSettings",
    "TransferStarted",
    "WeightsChanged",
    "content_diff",
    "content_series",
    "fetch_weights",
    "gram_matrix",
    "load_network",
    "measure_content",
    "measure_style",
    "read_settings",
    "rebuild_content",
    "rebuild_style",
    "save_png",
    "style_diff",
    "style_diff_by_layer",
    "style_series",
    "transfer",
    "transfer_event_from_dict",
]

__getattr__, __dir__ = lazily(__name__, _HOME_OF)
