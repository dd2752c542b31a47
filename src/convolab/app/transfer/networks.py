"""The feature networks that the room offers: VGG, and networks trained in the lab; their layers."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from convolab.app.longwork import LongWork
from convolab.errors import ConvolabError, NetworkError
from convolab.runs.folder import RunFolder
from convolab.style.job_folder import Part
from convolab.style.settings import DEFAULT_STYLE_LAYERS, TransferSettings
from convolab.style.vgg import CHANNELS, VGGS

RUN = "run:"
"""A feature network of the lab is named by this and the id of its run."""
_fetches: dict[str, LongWork] = {}
_lock = threading.Lock()


@dataclass(frozen=True)
class LayerInfo:
    """One layer that can be chosen."""

    name: str
    maps: int
    stride: int
    """Pixels between neighbouring units."""
    block: int
    """Layers of one block have maps of the same size."""


def choices() -> list[tuple[str, str]]:
    """Names and titles: VGG first, then runs with weights, newest first."""
    from convolab.runs.store import runs_here

    found = [(name, network.title) for name, network in VGGS.items()]
    for info in runs_here():
        if RunFolder(info.run_id).weights_path.exists():
            found.append((RUN + info.run_id, info.name))
    return found


def title(network: str) -> str:
    """What a network is called."""
    if network in VGGS:
        return VGGS[network].title
    try:
        return RunFolder(network.removeprefix(RUN)).name
    except ConvolabError:
        return "a network that is no longer in the lab"


def layers(network: str) -> list[LayerInfo]:
    """The layers to choose from: of VGG those after a ReLU, of others all that are spatial.

    Off the event loop for runs: their weights are read. NetworkError, RunError if there is no such network.
    """
    if network in VGGS:
        return [
            LayerInfo(name, CHANNELS[int(name[4]) - 1], 2 ** (int(name[4]) - 1), int(name[4]))
            for name in VGGS[network].layers
            if name.startswith("relu")
        ]
    folder = _run(network)
    if not folder.weights_path.exists():
        raise NetworkError(f"{folder.name} has no weights yet; train it first, or choose VGG-16.")
    return list(_of_run(folder.run_id, folder.weights_path.stat().st_mtime_ns))


@lru_cache(maxsize=16)
def _of_run(run_id: str, stamp: int) -> tuple[LayerInfo, ...]:
    from convolab.style.loading import trained

    network = trained(RunFolder(run_id).weights_path)
    found: list[LayerInfo] = []
    block, before = 1, 1
    for name in network.layers:
        stride = network.stride(name)
        block += stride != before
        before = stride
        found.append(LayerInfo(name, network.maps(name), stride, block))
    return tuple(found)


def fitting(network: str, settings: TransferSettings) -> TransferSettings:
    """The settings with this network, and with layers that it has."""
    names = [layer.name for layer in layers(network)]
    content = [name for name in settings.content_names if name in names]
    style = [name for name in settings.style_names if name in names]
    if not content:
        content = ["relu4_2"] if network in VGGS else [names[-1]]
    changes: dict[str, Any] = {"network": network, "content_layer": content}
    if not style:
        nonlinear = [name for name in names if name.startswith(("relu", "tanh", "elu", "gelu"))] or names
        style = list(DEFAULT_STYLE_LAYERS) if network in VGGS else nonlinear[:5]
    if tuple(style) != settings.style_names:
        changes |= {"style_layers": style, "style_weights": ""}
    return settings.changed(**changes)


def weights_part(network: str) -> Part | None:
    """The file of a lab network's weights as a part of a transfer; None for VGG."""
    if network in VGGS:
        return None
    folder = _run(network)
    return Part(folder.weights_path, f"{folder.name}.safetensors", network)


def is_here(network: str) -> bool:
    """Whether nothing has to be fetched before painting with it."""
    if network not in VGGS:
        return True
    from convolab.style.weights import is_here as weights_are_here

    return weights_are_here(network)


def fetch(network: str) -> LongWork:
    """Fetch VGG's weights, or join those who wait for them; after an error it is tried again."""
    from convolab.style.weights import fetch_weights

    with _lock:
        work = _fetches.get(network)
        if work is None or work.finished:
            work = _fetches[network] = LongWork(fetch_weights, network)
        return work


def megabytes(network: str) -> float:
    """How much has to be fetched, about."""
    from convolab.style.weights import PRETRAINED

    return PRETRAINED[network].bytes / 1e6 if network in PRETRAINED else 0.0


def _run(network: str) -> RunFolder:
    if not network.startswith(RUN):
        raise NetworkError(
            "There is no such feature network; choose VGG-16, or a network trained in the lab."
        )
    folder = RunFolder(network.removeprefix(RUN))
    folder.check()
    return folder
