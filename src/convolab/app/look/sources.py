"""What can be looked into: the networks that come with the lab, and all runs, also while they train.

A source is named by a short text: ``harley-cnn``, ``run:ID``, and with ``@start`` after it the same network
with the weights that its training begins with.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from convolab.app.figures import percent
from convolab.errors import ConvolabError, DataError, NetworkError, RunError, unknown
from convolab.networks import Network
from convolab.networks.shipped import SHIPPED, shipped
from convolab.runs.folder import RunFolder

if TYPE_CHECKING:
    from torch import nn

    from convolab.activations import Activations, Inspector
    from convolab.training.weights import WeightsInfo

START = "@start"
DEFAULT = "harley-cnn"
UNDER_WAY = ("queued", "running", "paused")
_KEPT = 12


@dataclass(frozen=True)
class Subject:
    """A network with its weights, ready to be looked into."""

    source: str
    title: str
    note: str
    """How good it is, or that it is not trained."""
    trained: bool
    live: bool
    """Whether its weights may change: it is a run, which may go on, and not its beginning."""
    version: str
    network: Network
    model: nn.Module
    inspector: Inspector
    classes: tuple[str, ...]
    dataset: str
    mean: np.ndarray
    std: np.ndarray
    """Of the normalisation, float32 (C, 1, 1) on the scale 0 … 255."""
    pixels: np.ndarray | None = None
    """The picture that is looked at just now, uint8 (C, H, W)."""
    activations: Activations | None = None
    """What it does to this picture."""

    def normalize(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 (C, H, W) → float32 (C, H, W) as in training."""
        values: np.ndarray = (pixels.astype(np.float32) - self.mean) / self.std
        return values

    def look(self, pixels: np.ndarray) -> Activations:
        """All activations for a picture, uint8 (C, H, W)."""
        return self.inspector.run(self.normalize(pixels))

    def facts(self) -> dict[str, Any]:
        """What the page is told about it beside its levels."""
        return {
            "source": self.source,
            "title": self.title,
            "note": self.note,
            "trained": self.trained,
            "live": self.live,
            "version": self.version,
            "dataset": self.dataset,
            "classes": list(self.classes),
            "input": list(self.network.input_shape),
            "centre": self.dataset == "mnist",
        }


class NotHere(DataError):
    """A data set that has to be fetched first."""

    def __init__(self, dataset: str, sentence: str) -> None:
        super().__init__(sentence)
        self.dataset = dataset


def split(source: str) -> tuple[str, bool]:
    """The source without ``@start``, and whether that was there."""
    plain = source.removesuffix(START)
    return plain, plain != source


def choices() -> list[tuple[str, str]]:
    """All sources with their titles: the shipped networks, then the runs that have weights, newest first."""
    from convolab.runs.store import runs_here

    found = [(name, entry.title) for name, entry in SHIPPED.items()]
    for info in runs_here():
        folder = RunFolder(info.run_id)
        if info.state in ("running", "paused", "queued") or folder.weights_path.exists():
            standing = {"running": " · training", "paused": " · paused", "queued": " · waiting"}
            found.append((f"run:{info.run_id}", info.name + standing.get(info.state, "")))
    return found


def companions(source: str) -> list[tuple[str, str]]:
    """What can be set beside a source: itself before training, and networks for the same pictures."""
    plain, start = split(source)
    shape = _shape(plain)
    before = (plain, "The same, trained") if start else (plain + START, "The same, before training")
    others = [(key, title) for key, title in choices() if key != plain and _shape(key) == shape]
    return [before, *others]


def check(source: str) -> str:
    """The source, if it is one. Raises ConvolabError with a sentence if not."""
    plain, _ = split(source)
    if plain.startswith("run:"):
        RunFolder(plain.removeprefix("run:"))
    elif plain not in SHIPPED:
        raise NetworkError(unknown("network", plain[:80], SHIPPED))
    return source


def version(source: str) -> str:
    """Changes when the weights do, or how the run stands; costs a look at two files."""
    plain, start = split(source)
    if start or not plain.startswith("run:"):
        return "0"
    folder = RunFolder(plain.removeprefix("run:"))
    try:
        found = folder.weights_path.stat()
    except OSError:
        return f"0-{folder.state().state}" if folder.exists else "0"
    return f"{found.st_mtime_ns:x}{found.st_ino & 0xFFFF:x}-{folder.state().state}"


def subject(source: str) -> Subject:
    """A source with its newest weights; kept until they change. Takes a moment: off the event loop.

    Raises ConvolabError with one sentence: unknown source, weights missing or unreadable, data set not here.
    """
    key = (check(source), version(source))
    with _lock:
        if key in _subjects:
            _subjects.move_to_end(key)
            return _subjects[key]
    made = _open(source, key[1])
    with _lock:
        for old in [kept for kept in _subjects if kept[0] == source]:
            del _subjects[old]
        _subjects[key] = made
        while len(_subjects) > _KEPT:
            _subjects.popitem(last=False)
    return made


_subjects: OrderedDict[tuple[str, str], Subject] = OrderedDict()
_lock = threading.Lock()


def _open(source: str, stamp: str) -> Subject:
    plain, start = split(source)
    if plain.startswith("run:"):
        return _of_run(source, plain.removeprefix("run:"), start, stamp)
    return _of_shipped(source, plain, start)


def _of_shipped(source: str, name: str, start: bool) -> Subject:
    network, model, info = shipped(name)
    note = _accuracy(SHIPPED[name].card().get("test accuracy"), info.dataset)
    if start:
        settings = info.figures.get("settings", {})
        model = network.build(int(settings.get("weights_seed") or settings.get("seed") or 0)).eval()
        note = "before training"
    return _subject(source, SHIPPED[name].title, note, not start, False, "0", network, model, info)


def _of_run(source: str, run_id: str, start: bool, stamp: str) -> Subject:
    from convolab.runs.store import load_network

    folder = RunFolder(run_id)
    if not folder.exists:
        if start:
            raise RunError("The run is not in this lab's home, so its initial weights are not known here.")
        network, model, info = load_network(run_id)
        note = _accuracy(info.figures.get("test_accuracy"), info.dataset)
        return _subject(source, f"Run {run_id[:8]}", note, True, False, stamp, network, model, info)
    spec = folder.spec()
    state = folder.state()
    under_way = state.state in UNDER_WAY
    trained = folder.weights_path.exists()
    if start or (not trained and under_way):
        return _before_training(source, folder, under_way and not start, stamp)
    if not trained:
        raise RunError(
            f"{spec.name} has no weights: it {_why_not(state.state)}. Train it anew, or look at another."
        )
    network, model, info = load_network(run_id)
    figures = state.figures
    note = _accuracy(figures.test_accuracy, spec.dataset)
    if under_way:
        note = f"{'paused' if state.state == 'paused' else 'training'}, {figures.examples:,} examples so far"
    return _subject(source, spec.name, note, True, True, stamp, network, model, info)


def _before_training(source: str, folder: RunFolder, live: bool, stamp: str) -> Subject:
    from convolab.app.pictures import dataset
    from convolab.datasets import info, normalizer
    from convolab.training.weights import WeightsInfo, read_weights

    spec = folder.spec()
    about = info(spec.dataset)
    if not about.present:
        raise NotHere(spec.dataset, f"{about.title} is not here yet; this network needs it.")
    settings = spec.settings
    seed = settings.seed if settings.weights_seed is None else settings.weights_seed
    model = spec.network.build(seed).eval()
    if folder.initial_weights_path.exists():
        model.load_state_dict(read_weights(folder.initial_weights_path))
    mean, std = normalizer(dataset(spec.dataset), settings.normalization)
    made = WeightsInfo(
        spec.dataset,
        about.classes,
        settings.normalization,
        tuple(map(float, mean)),
        tuple(map(float, std)),
        {},
    )
    note = "not trained yet" if live else "before training"
    return _subject(source, spec.name, note, False, live, stamp, spec.network, model, made)


def _subject(
    source: str,
    title: str,
    note: str,
    trained: bool,
    live: bool,
    stamp: str,
    network: Network,
    model: nn.Module,
    info: WeightsInfo,
) -> Subject:
    from convolab.activations import Inspector

    return Subject(
        source=source,
        title=title,
        note=note,
        trained=trained,
        live=live,
        version=stamp,
        network=network,
        model=model,
        inspector=Inspector(network, model, info.classes),
        classes=tuple(info.classes),
        dataset=info.dataset,
        mean=np.array(info.mean, np.float32).reshape(-1, 1, 1),
        std=np.array(info.std, np.float32).reshape(-1, 1, 1),
    )


def _shape(plain: str) -> tuple[int, ...] | None:
    """Of the pictures that a source takes; None if that cannot be read."""
    if not plain.startswith("run:"):
        return (1, 28, 28)
    with _lock:
        known = _shapes.get(plain)
    if known is None:
        try:
            known = RunFolder(plain.removeprefix("run:")).spec().network.input_shape
        except ConvolabError:
            return None
        with _lock:
            _shapes[plain] = known
    return known


_shapes: dict[str, tuple[int, ...]] = {}


def _accuracy(share: float | None, dataset: str) -> str:
    """On the whole test set, in words."""
    from convolab.datasets import info

    if share is None:
        return "trained"
    shown = percent(share, 2 if share > 0.99 else 1)
    try:
        return f"{shown} of {info(dataset).test_size:,} test images"
    except ConvolabError:  # a data set of one's own that is gone
        return f"{shown} of its test images"


def _why_not(state: str) -> str:
    return {"failed": "failed before the first were saved", "interrupted": "was interrupted too early"}.get(
        state, "ended before any were saved"
    )
