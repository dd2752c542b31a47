"""What is shown before anything was trained: the chosen network with its initial weights."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

from convolab.app.inference import Predictor
from convolab.app.live import VIEWS
from convolab.app.news import DRAFT
from convolab.app.state import BuildState
from convolab.networks import Network


@dataclass(frozen=True)
class Start:
    """Weights from a file, to start from; they fit one network."""

    path: Path
    name: str
    """Of the file, as the user knows it."""
    network: Network
    """Without its name, which makes no difference to the weights."""


_starts: WeakKeyDictionary[BuildState, Start] = WeakKeyDictionary()


def set_start(state: BuildState, start: Start | None) -> None:
    """Start the next run of a tab from these weights; None goes back to those of the seed."""
    if start is None:
        _starts.pop(state, None)
    else:
        _starts[state] = start


def start_of(state: BuildState) -> Start | None:
    """The weights that the next run of a tab starts from, while they fit its network."""
    start = _starts.get(state)
    return start if start and start.network == nameless(state.network) else None


def nameless(network: Network) -> Network:
    """The network itself, whatever it is called."""
    return network.changed(name="")


def source(state: BuildState) -> str:
    """What a tab shows: the id of its run, else the key of the network as it stands, untrained."""
    if state.run_id is not None:
        return state.run_id
    start = start_of(state)
    seed = state.settings.seed if state.settings.weights_seed is None else state.settings.weights_seed
    said = (
        state.dataset,
        nameless(state.network).model_dump_json(),
        str(seed),
        state.settings.normalization,
        str(start.path if start else ""),
    )
    key = DRAFT + hashlib.sha256("\n".join(said).encode()).hexdigest()[:20]
    if VIEWS.draft(key) is None:
        initial = start.path if start else None
        VIEWS.add_draft(key, Predictor(state.dataset, state.network, state.settings, initial=initial))
    return key
