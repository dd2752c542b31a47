"""What a network is: layer specs, shapes, presets, files, PyTorch modules and exported code."""

from convolab.networks.layers import LAYERS, Fix, Layer, ShapeError, make_layer
from convolab.networks.network import LayerTrace, Network
from convolab.networks.presets import PRESETS, Preset, preset
from convolab.networks.receptive import ReceptiveField

__all__ = [
    "LAYERS",
    "PRESETS",
    "Fix",
    "Layer",
    "LayerTrace",
    "Network",
    "Preset",
    "ReceptiveField",
    "ShapeError",
    "make_layer",
    "preset",
]
