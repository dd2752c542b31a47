"""Features of images, computed once for each and kept on the disk: all layers of a base at once."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import safetensors.numpy
from PIL import Image
from safetensors import SafetensorError

from convolab.datasets.progress import Meter, Report
from convolab.home import home
from convolab.teach.bases import Base, TrainedBase, features


def features_dir() -> Path:
    """Folder of the kept features; it may be deleted at any time, they are then computed anew."""
    return home() / "features"


class FeatureCache:
    """The features of one base for pictures of one size, by the ids of images."""

    def __init__(self, base: Base, size: int, folder: Path | None = None) -> None:
        """``folder`` is where bases have their folders; `features_dir` unless said otherwise."""
        self.base = base
        self.size = size
        sized = base.key if isinstance(base, TrainedBase) else f"{base.key}-{size}"
        self.folder = (folder or features_dir()) / sized
        self._memory: dict[str, dict[str, np.ndarray]] = {}
        self._looked_for: dict[str, bool] = {}
        """Whether features were on the disk when they were first asked for: asking the disk again for each of
        a thousand images after each of them took longer than computing them."""
        self._lock = threading.Lock()

    def known(self, example: str) -> bool:
        """Whether an image's features need not be computed any more."""
        if example in self._memory:
            return True
        found = self._looked_for.get(example)
        if found is None:
            found = self._looked_for[example] = self._path(example).exists()
        return found

    def missing(self, examples: Iterable[str]) -> list[str]:
        """Those whose features are not known yet."""
        return [example for example in examples if not self.known(example)]

    def compute(self, example: str, picture: Callable[[], Image.Image]) -> None:
        """Compute and keep the features of an image, unless they are known."""
        self._looked_for.pop(example, None)  # another process may have computed them meanwhile
        if self.known(example):
            return
        found = features(self.base, picture(), self.size, self.base.layers)
        with self._lock:
            self._memory[example] = found
        self._write(example, found)

    def compute_all(
        self, pictures: Mapping[str, Callable[[], Image.Image]], progress: Report | None = None
    ) -> int:
        """Compute what is missing of some images; returns how many that were. ``progress`` counts images."""
        missing = self.missing(pictures)
        if missing:
            what = f"Computing the features of {len(missing):,} image{'' if len(missing) == 1 else 's'}"
            meter = Meter(progress, what, len(missing))
            for example in missing:
                self.compute(example, pictures[example])
                meter.add(1)
        return len(missing)

    def get(self, examples: Sequence[str], layer: str) -> np.ndarray:
        """Features of images that were computed: float32 (N, features).

        KeyError if one was not; kept files that are damaged are then gone, to be computed anew.
        """
        found = [self._read(example) for example in examples]
        if any(one is None for one in found):
            raise KeyError("features")
        return np.stack([one[layer] for one in found if one is not None])

    def forget(self, example: str) -> None:
        """Let go of an image that was removed."""
        with self._lock:
            self._memory.pop(example, None)
            self._looked_for.pop(example, None)
        with contextlib.suppress(OSError):
            self._path(example).unlink()

    def _path(self, example: str) -> Path:
        return self.folder / example[:2] / f"{example}.safetensors"

    def _read(self, example: str) -> dict[str, np.ndarray] | None:
        found = self._memory.get(example)
        if found is None:
            path = self._path(example)
            try:
                found = safetensors.numpy.load_file(path)
                if not set(self.base.layers) <= set(found):
                    raise ValueError("of another base")
            except (OSError, SafetensorError, ValueError):
                with contextlib.suppress(OSError):
                    path.unlink()  # damaged: the next time it is computed anew
                self._looked_for.pop(example, None)
                return None
            with self._lock:
                self._memory[example] = found
        return found

    def _write(self, example: str, found: dict[str, np.ndarray]) -> None:
        path = self._path(example)
        part = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
        # A disk that is full costs time, not features: they stay in memory.
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(safetensors.numpy.save(found))
            part.replace(path)
