"""Teaching: from examples to a classifier that was tested on images it never saw."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from convolab.datasets import Dataset
from convolab.datasets.progress import Report
from convolab.evaluation.answers import Outputs
from convolab.teach.bases import Base, layer_of, open_base
from convolab.teach.caching import FeatureCache
from convolab.teach.classifier import Classifier
from convolab.teach.examples import Examples, Item, opened
from convolab.teach.heads import fit, fit_as_run, head_network, head_settings
from convolab.teach.scaling import Scaling, as_dataset, publish
from convolab.teach.settings import TeachSettings

if TYPE_CHECKING:
    from torch import nn

    from convolab.networks import Network
    from convolab.training.events import Event


@dataclass(frozen=True, eq=False)
class Tested:
    """What a classifier says of the held-out images."""

    ids: tuple[str, ...]
    labels: np.ndarray
    """int64 (N,)."""
    shares: np.ndarray
    """float64 (N, classes)."""
    standard: np.ndarray
    """float32 (N, features): their features in deviations from the mean."""

    @property
    def predicted(self) -> np.ndarray:
        """int64 (N,)."""
        return np.asarray(self.shares.argmax(1))

    @property
    def correct(self) -> int:
        """How many are right."""
        return int((self.predicted == self.labels).sum())

    @property
    def accuracy(self) -> float:
        """Share of right answers, 0 to 1."""
        return self.correct / len(self.labels)

    def confusion(self, classes: int) -> np.ndarray:
        """int64 (classes, classes): ``[true, predicted]``, counts of images."""
        table = np.bincount(self.labels * classes + self.predicted, minlength=classes * classes)
        return table.reshape(classes, classes)

    def outputs(self, classes: Sequence[str], dataset: str) -> Outputs:
        """For `convolab.evaluation.statistics`."""
        return Outputs(self.shares, self.labels, tuple(classes), dataset)


@dataclass(frozen=True, eq=False)
class Taught:
    """What came of teaching."""

    classifier: Classifier
    items: tuple[Item, ...]
    """All images that took part, with their part."""
    tested: Tested
    run_id: str | None = None
    """The run in which the head was trained; None for nearest neighbours, or if it was not recorded."""
    dataset: str = ""
    """The data set of features of that run."""
    seconds: float = 0.0
    """From known features to the tested classifier."""
    feature_seconds: float = 0.0
    """Of computing features that were not known."""


def teach(
    examples: Examples,
    settings: TeachSettings | None = None,
    *,
    title: str = "My classes",
    base: Base | None = None,
    cache: FeatureCache | None = None,
    record: bool = True,
    progress: Report | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> Taught:
    """Learn the classes of ``examples`` from their features, and test on those held out.

    ``base`` and ``cache`` are used if they are at hand. With ``record`` a head is trained as an ordinary run.
    ``progress`` is told what is done, ``on_event`` each event of training. Raises DataError if there are too
    few examples, and whatever opening the base raises.
    """
    settings = settings or TeachSettings()
    examples.check()
    base = base or open_base(settings.base, progress)
    layer = layer_of(base, settings.layer)
    cache = cache or FeatureCache(base, settings.size)
    items = examples.items(settings.held_out, settings.seed)
    start = time.perf_counter()
    known = known_features(cache, examples, items, progress)
    computed = time.perf_counter()
    train, test = split(items)
    found = learn(
        known(train, layer), labels_of(train), known(test, layer), labels_of(test), examples.names,
        settings, base, layer, title, [item.id for item in train], record, on_event,
    )  # fmt: skip
    classifier, run_id, dataset = found
    tested = test_on(classifier, test, known(test, layer))
    return Taught(
        classifier,
        tuple(items),
        tested,
        run_id,
        dataset,
        time.perf_counter() - computed,
        computed - start,
    )


def known_features(
    cache: FeatureCache, examples: Examples, items: Sequence[Item], progress: Report | None = None
) -> Callable[[Sequence[Item], str], np.ndarray]:
    """Compute what is missing; gives a function of items and layer → float32 (N, features)."""
    pictures = {item.id: partial(_open, examples, item.id) for item in items}
    cache.compute_all(pictures, progress)

    def get(wanted: Sequence[Item], layer: str) -> np.ndarray:
        ids = [item.id for item in wanted]
        try:
            return cache.get(ids, layer)
        except KeyError:  # a kept file was damaged, and is gone now
            cache.compute_all(pictures, progress)
            return cache.get(ids, layer)

    return get


def _open(examples: Examples, example: str) -> Image.Image:
    return opened(examples.content[example])


def split(items: Sequence[Item]) -> tuple[list[Item], list[Item]]:
    """Those to learn from and those to test on."""
    return [item for item in items if item.part == "train"], [item for item in items if item.part == "test"]


def labels_of(items: Sequence[Item]) -> np.ndarray:
    """int64 (N,)."""
    return np.array([item.label for item in items], np.int64)


def learn(
    features: np.ndarray,
    labels: np.ndarray,
    test_features: np.ndarray,
    test_labels: np.ndarray,
    classes: Sequence[str],
    settings: TeachSettings,
    base: Base,
    layer: str,
    title: str = "My classes",
    ids: Sequence[str] = (),
    record: bool = False,
    on_event: Callable[[Event], None] | None = None,
) -> tuple[Classifier, str | None, str]:
    """A classifier of features, float32 (N, features); the id of its run and its data set, if recorded."""
    scaling = Scaling.of(features)
    dataset = as_dataset(
        "features", f"{title} {layer}", classes, scaling, (features, labels), (test_features, test_labels)
    )
    network, model, run_id = None, None, None
    if settings.classifier != "knn":
        network = head_network(settings.classifier, scaling.grid, len(classes), settings.hidden)
        if record:
            dataset = publish(dataset, f"{layer} of {base.title}")
        model, run_id = _trained(dataset, network, settings, title, record, on_event)
    classifier = Classifier(
        base,
        layer,
        settings,
        tuple(classes),
        scaling,
        tuple(ids) or tuple(map(str, range(len(labels)))),
        scaling.standard(scaling.images(features)),
        labels,
        network,
        model,
    )
    return classifier, run_id, dataset.name if run_id else ""


def _trained(
    dataset: Dataset,
    network: Network,
    settings: TeachSettings,
    title: str,
    record: bool,
    on_event: Callable[[Event], None] | None,
) -> tuple[nn.Sequential, str | None]:
    how = head_settings(len(dataset.train_labels), settings.seed)
    if not record:
        return fit(dataset, network, how, only_end=True), None
    tags = {"teach": title[:100]}
    run_id, model = fit_as_run(dataset, network, how, f"{title} {network.name}"[:100], tags, on_event)
    return model, run_id


def test_on(classifier: Classifier, items: Sequence[Item], features: np.ndarray) -> Tested:
    """What a classifier says of images with these features."""
    return Tested(
        tuple(item.id for item in items),
        labels_of(items),
        classifier.shares(features),
        classifier.standard(features),
    )
