"""How well are ten examples per class enough, with features of VGG-16, and without?

CIFAR-10's ten classes as a user's own images: so many training images per class, drawn by a seed, tested on
the same 1,000 test images (100 per class). "Taught": features of VGG-16 at 224 pixels, a linear head, as
`convolab teach` does it. "From scratch": Model Builder's network trained on the same few images. Each is the
mean of several draws. Beside it, at ten examples: other classifiers, other sizes, and layers.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from convolab.datasets import Dataset, load
from convolab.evaluation import evaluate
from convolab.networks import preset
from convolab.teach.bases import open_base
from convolab.teach.caching import FeatureCache
from convolab.teach.examples import opened, tidy
from convolab.teach.measures import Labelled, accuracy
from convolab.teach.settings import TeachSettings
from convolab.training import Training, TrainingSettings
from machine import report

CACHE = Path(__file__).resolve().parent.parent / ".cache" / "features"
COUNTS = (1, 2, 5, 10, 20, 50, 100)
LAYER, SIZE, TEN = "relu5_3", 224, 10
LIMIT = 0.60
STEPS_FROM_SCRATCH = 1500


def pick(labels: np.ndarray, each: int, seed: int) -> np.ndarray:
    """Indices of ``each`` images per class; more images are the fewer ones and some more."""
    random = np.random.default_rng(seed)
    return np.concatenate([random.permutation(np.flatnonzero(labels == label))[:each] for label in range(10)])


def feature_set(cache: FeatureCache, images: np.ndarray, index: np.ndarray, prefix: str) -> list[str]:
    """Compute the features of some images; their names in the cache."""
    names = [f"{prefix}{i:05d}" for i in index]
    pictures = {
        name: (lambda i=i: opened(tidy(Image.fromarray(images[i].transpose(1, 2, 0)))))
        for name, i in zip(names, index, strict=True)
    }
    cache.compute_all(pictures, lambda now: print(f"\r{now.done}/{now.total} images", end="", flush=True))
    print()
    return names


def from_scratch(data: Dataset, index: np.ndarray, test: np.ndarray, seed: int) -> float:
    """Test accuracy of Model Builder's network trained on these images alone."""
    small = Dataset(
        "few", "Few", data.classes,
        data.train_images[index], data.train_labels[index], data.test_images[test], data.test_labels[test],
    )  # fmt: skip
    settings = TrainingSettings(
        batch_size=min(64, len(index)), batches=STEPS_FROM_SCRATCH, seed=seed, evaluate_every=10**9,
        device="cpu", precision="fp32",
    )  # fmt: skip
    training = Training(preset("convolutional", data.input_shape, 10), small, settings)
    for _ in training.events():
        pass
    return evaluate(training.model, small, settings).accuracy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--scratch-draws", type=int, default=2)
    parser.add_argument("--sizes", type=int, nargs="*", default=[160, 128])
    arguments = parser.parse_args()
    data = load("cifar10")
    test = pick(data.test_labels, 100, 12345)
    base = open_base("vgg-16")
    train_labels, test_labels = np.asarray(data.train_labels), np.asarray(data.test_labels)[test]
    draws = [pick(train_labels, max(COUNTS), seed) for seed in range(arguments.draws)]

    def score(
        cache: FeatureCache, tested: list[str], count: int, layer: str = LAYER, kind: str = "linear"
    ) -> list[float]:
        settings = TeachSettings(classifier=kind, size=cache.size, layer=layer)
        held = Labelled(cache.get(tested, layer), test_labels)
        found = []
        for seed, drawn in enumerate(draws):
            index = np.concatenate([drawn[100 * label : 100 * label + count] for label in range(10)])
            names = [f"train{i:05d}" for i in index]
            part = Labelled(cache.get(names, layer), train_labels[index].astype(np.int64))
            found.append(accuracy(part, held, data.classes, settings.changed(seed=seed), base, layer))
        return found

    rows: list[dict[str, Any]] = []

    def row(what: str, count: int, found: list[float], scratch: list[float] | None = None) -> None:
        rows.append(
            {
                "what": what,
                "examples per class": count,
                "taught": statistics.mean(found),
                "lowest": min(found),
                "highest": max(found),
                "from scratch": statistics.mean(scratch) if scratch else "",
            }
        )

    caches = {}
    seconds = {}
    for size in (SIZE, *arguments.sizes):
        cache = caches[size] = FeatureCache(base, size, CACHE)
        start = time.perf_counter()
        tested = feature_set(cache, data.test_images, test, "test")
        needed = (
            draws
            if size == SIZE
            else [np.concatenate([d[100 * c : 100 * c + TEN] for c in range(10)]) for d in draws]
        )
        feature_set(cache, data.train_images, np.unique(np.concatenate(needed)), "train")
        seconds[size] = time.perf_counter() - start
    cache = caches[SIZE]
    for count in COUNTS:
        scratch = []
        for seed, drawn in enumerate(draws[: arguments.scratch_draws]):
            index = np.concatenate([drawn[100 * label : 100 * label + count] for label in range(10)])
            scratch.append(from_scratch(data, index, test, seed))
        row(f"linear on {LAYER}, {SIZE} px", count, score(cache, tested, count), scratch)
        print(rows[-1])
    met = next(one["taught"] for one in rows if one["examples per class"] == TEN) >= LIMIT
    for kind in ("mlp", "knn"):
        row(f"{kind} on {LAYER}, {SIZE} px", TEN, score(cache, tested, TEN, kind=kind))
    for size in arguments.sizes:
        row(f"linear on {LAYER}, {size} px", TEN, score(caches[size], tested, TEN))
    for layer in ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_1", "pool5"):
        row(f"linear on {layer}, {SIZE} px", TEN, score(cache, tested, TEN, layer))
    report(
        "teach_accuracy",
        rows,
        draws=arguments.draws,
        test_images=len(test),
        limit=LIMIT,
        met=met,
        note=f"Ten examples per class, linear head: at least {LIMIT:.2f}: {'met' if met else 'MISSED'}.",
    )


if __name__ == "__main__":
    main()
