"""The lab's own use of a network: predictions, filters and mistakes of a run, while it trains.

All of it runs on one thread of low priority, so that it never holds up the page and hardly the training; what
was computed for one browser tab is kept for the others until the weights change.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from convolab.errors import ConvolabError, DataError
from convolab.networks import Network
from convolab.training.settings import TrainingSettings

if TYPE_CHECKING:
    from torch import Tensor, nn

    from convolab.datasets import Dataset
    from convolab.training.data import Normalize

SHOWN = 15
"""Test images whose predictions are shown at once, as in the assignment's Model Builder."""
FILTERS_PER_PAGE = 32
UNITS_PER_PAGE = 12
"""Pictures of first-layer weights sent at once: small filters, and units that look at the whole input."""
_BATCH = 250
_KEPT = 32

T = TypeVar("T")


def _quietly() -> None:
    """Set up the thread: one core, and below everything else that wants it."""
    import torch

    torch.set_num_threads(1)
    if sys.platform == "linux":
        # On Linux a thread has a priority of its own; elsewhere this would slow down the whole lab.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


_THREAD = ThreadPoolExecutor(1, "convolab-inference", initializer=_quietly)


def warm_up() -> None:
    """Load PyTorch, which takes seconds, before the first prediction is asked for."""
    _THREAD.submit(_load)


def _load() -> None:
    import convolab.training.data
    import convolab.training.weights  # noqa: F401


async def compute(function: Callable[..., T], *arguments: Any) -> T:
    """``function(*arguments)`` on the thread for inference; whoever awaits it leaves the event loop free."""
    return await asyncio.get_running_loop().run_in_executor(_THREAD, function, *arguments)


class Predictor:
    """A network with the newest of its weights, and its data set.

    ``weights`` is a file that may appear and change while training goes on; until it is there, the network
    has its initial weights: those of ``initial``, else those of the seed in ``settings``. All methods but
    `version` are for the thread of `compute`. They raise ConvolabError with one sentence if the data set is
    not there, the network does not fit it, or the weights cannot be read.
    """

    def __init__(
        self,
        dataset: str,
        network: Network,
        settings: TrainingSettings,
        weights: Path | None = None,
        initial: Path | None = None,
    ) -> None:
        self.dataset_name = dataset
        self.network = network
        self.settings = settings
        self._weights = weights
        self._initial = initial
        self._model: nn.Sequential | None = None
        self._model_version = ""
        self._dataset: Dataset | None = None
        self._normalize: Normalize | None = None
        self._cache: OrderedDict[tuple[Any, ...], Any] = OrderedDict()

    @property
    def trained(self) -> bool:
        """Whether there are weights from training or from a file."""
        return self.version() != "0" or self._initial is not None

    def version(self) -> str:
        """Changes when the weights do; ``0`` for the initial ones. Costs one look at the file."""
        if self._weights is None:
            return "0"
        try:
            found = self._weights.stat()
        except OSError:
            return "0"
        return f"{found.st_mtime_ns:x}{found.st_ino & 0xFFFF:x}"

    def dataset(self) -> Dataset:
        """The data set, if it has been fetched. DataError if not: fetching is not done on the way."""
        if self._dataset is None:
            from convolab.datasets import info, load

            if not info(self.dataset_name).present:
                raise DataError("Predictions appear here as soon as the data set is fetched.")
            self._dataset = load(self.dataset_name)
        return self._dataset

    def predict(self, sample: str) -> dict[str, Any]:
        """The three likeliest classes of `SHOWN` test images, with the version of the weights.

        ``sample`` says which: ``r7`` is drawn with seed 7, ``i3.14.15`` names them.
        """
        return self._versioned("predict", sample, lambda: self._predict(sample))

    def classify(self, pixels: np.ndarray) -> list[float]:
        """Shares of all classes for one picture, uint8 (C, H, W)."""
        return [round(float(share), 6) for share in self._shares(pixels[None])[0]]

    def filters(self, page: int = 0) -> dict[str, Any]:
        """The weights of the first layer that has any, as pictures; see `first_layer`."""
        return self._versioned("filters", page, lambda: self._filters(page))

    def mistakes(self, seed: int, wanted: int = SHOWN) -> tuple[list[int], int]:
        """Up to ``wanted`` test images that the newest weights get wrong, and how many were tried."""
        dataset = self.dataset()
        order = np.random.default_rng(seed).permutation(len(dataset.test_labels))
        found: list[int] = []
        for start in range(0, len(order), _BATCH):
            index = np.sort(order[start : start + _BATCH])
            wrong = index[self._guesses(index) != dataset.test_labels[index]]
            found += [int(i) for i in wrong]
            if len(found) >= wanted:
                return found[:wanted], start + len(index)
        return found, len(order)

    def cell(self, true: int, predicted: int, limit: int = 60) -> tuple[list[int], int]:
        """Test images of class ``true`` taken for ``predicted`` by the newest weights, and how many."""

        def look() -> tuple[list[int], int]:
            dataset = self.dataset()
            index = np.flatnonzero(np.asarray(dataset.test_labels) == true)
            guesses = np.concatenate(
                [self._guesses(index[i : i + _BATCH]) for i in range(0, len(index), _BATCH)] or [index]
            )
            found = index[guesses == predicted]
            return [int(i) for i in found[:limit]], len(found)

        return self._kept(("cell", true, predicted, limit), look)

    # ---------------------------------------------------------------- within

    def _kept(self, key: tuple[Any, ...], make: Callable[[], T]) -> T:
        key = (self.version(), *key)
        if key not in self._cache:
            self._cache[key] = make()
            while len(self._cache) > _KEPT:
                self._cache.popitem(last=False)
        self._cache.move_to_end(key)
        result: T = self._cache[key]
        return result

    def _versioned(self, kind: str, what: Any, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        version = self.version()
        return self._kept((kind, what), lambda: {**make(), "version": version})

    def _predict(self, sample: str) -> dict[str, Any]:
        dataset = self.dataset()
        index = self._sample(sample)
        pixels = np.asarray(dataset.test_images[index])
        self._ready()  # loading the weights is not inference
        start = time.perf_counter()
        shares = self._shares(pixels)
        seconds = time.perf_counter() - start
        best = np.argsort(-shares, axis=1, kind="stable")[:, :3]
        return {
            "key": f"{dataset.name}~{sample}",
            "dataset": dataset.name,
            "classes": list(dataset.classes),
            "indices": index.tolist(),
            "labels": [int(label) for label in dataset.test_labels[index]],
            "rows": [
                [[int(k), round(float(row[k]), 5)] for k in order]
                for row, order in zip(shares, best, strict=True)
            ],
            "per_second": _about(len(index) / max(seconds, 1e-6)),
            "untrained": not self.trained,
        }

    def _sample(self, sample: str) -> np.ndarray:
        count = len(self.dataset().test_labels)
        try:
            if sample.startswith("r"):
                size = min(SHOWN, count)
                return np.random.default_rng(int(sample[1:])).choice(count, size, replace=False)
            index = np.array([int(part) for part in sample[1:].split(".")][:SHOWN], dtype=np.int64)
        except ValueError:
            raise DataError(f'"{sample[:40]}" names no test images.') from None
        if not len(index) or index.min() < 0 or index.max() >= count:
            raise DataError(f"There are only {count:,} test images.")
        return index

    def _guesses(self, index: np.ndarray) -> np.ndarray:
        return self._shares(np.asarray(self.dataset().test_images[index])).argmax(1)

    def _shares(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 (N, C, H, W) → softmax over the classes, float32 (N, classes)."""
        import torch

        model, normalize = self._ready()
        images = torch.from_numpy(np.array(pixels.transpose(0, 2, 3, 1)))
        with torch.inference_mode():
            return torch.softmax(model(normalize(images)).float(), 1).numpy()

    def _ready(self) -> tuple[nn.Sequential, Normalize]:
        from convolab.training.data import Normalize

        if self._normalize is None:
            self._normalize = Normalize.of(self.dataset(), self.settings.normalization)
        version = self.version()
        if self._model is None:
            self.network.check(len(self.dataset().classes), self.dataset().input_shape)
            seed = self.settings.seed if self.settings.weights_seed is None else self.settings.weights_seed
            self._model = self.network.build(seed).eval()
            if self._initial is not None:
                self._model.load_state_dict(_read(self._initial))
            self._model_version = "0"
        if version != self._model_version and self._weights is not None:
            # Read before it counts as loaded: a file that is replaced meanwhile is read again next time.
            self._model.load_state_dict(_read(self._weights))
            self._model_version = version
        return self._model, self._normalize

    def _filters(self, page: int) -> dict[str, Any]:
        model, _ = self._ready()
        found = first_layer(self.network, model)
        if found is None:
            return {"data": None, "message": "This network has no weights in its first layers to show."}
        weights, unit, title = found
        per_page = FILTERS_PER_PAGE if weights[0].size <= 400 else UNITS_PER_PAGE
        first = max(0, min(page, (len(weights) - 1) // per_page)) * per_page
        shown = weights[first : first + per_page]
        largest = float(np.abs(weights).max()) or 1.0
        steps = np.round(shown / largest * 32767).astype("<i2")
        return {
            "data": base64.b64encode(steps.tobytes()).decode(),
            "shape": list(shown.shape),
            "first": first,
            "total": len(weights),
            "largest": largest,
            "unit": unit,
            "note": title + ("" if self.trained else " · not trained yet"),
        }


def first_layer(network: Network, model: nn.Module) -> tuple[np.ndarray, str, str] | None:
    """The weights next to the input as pictures: float32 (N, channels, height, width), what each is, a title.

    A convolution's filters as they are; a fully connected layer's weights laid out as its input is. None if
    there is no such layer, or its input is no picture.
    """
    from torch import nn

    from convolab.networks.modules import TableConv2d

    shape: tuple[int, ...] = network.input_shape
    for step, module in zip(network.trace(), model.children(), strict=True):
        for part in module.modules():
            if isinstance(part, TableConv2d):
                weights = part.dense_weight()
            elif isinstance(part, nn.Conv2d):
                weights = part.weight
            elif isinstance(part, nn.Linear) and int(np.prod(shape)) == part.in_features:
                weights = part.weight.reshape(-1, *shape)
                return _plain(weights), "unit", f"{len(weights)} units of the first {step.layer.title} layer"
            else:
                continue
            return (
                _plain(weights),
                "filter",
                f"{len(weights)} filters, {weights.shape[2]} × {weights.shape[3]}",
            )
        if step.output_shape is not None and len(step.output_shape) == 3:
            shape = step.output_shape
    return None


def _plain(weights: Tensor) -> np.ndarray:
    return np.nan_to_num(weights.detach().float().numpy())


def _about(value: float) -> int:
    """Two figures: more would pretend that the next measurement gives the same."""
    return int(float(f"{value:.2g}"))


def _read(path: Path) -> dict[str, Tensor]:
    from convolab.training.weights import read_weights

    return read_weights(path)


def error_of(action: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What ``action()`` gives, or ``{"error": sentence}``."""
    try:
        return action()
    except ConvolabError as error:
        return {"error": str(error)}


def parse_indices(text: str, limit: int = 100) -> Sequence[int]:
    """``3.14.15`` → indices. DataError if it is anything else."""
    try:
        return [int(part) for part in text.split(".")][:limit]
    except ValueError:
        raise DataError(f'"{text[:40]}" names no images.') from None
