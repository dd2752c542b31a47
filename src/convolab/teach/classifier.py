"""A classifier of the user's own classes: base, features, what tells them apart; picture in, shares out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from convolab.teach import neighbours
from convolab.teach.bases import Base, pooled
from convolab.teach.scaling import STEPS, Scaling
from convolab.teach.settings import KINDS, TeachSettings
from convolab.training.device import use_all_cores

if TYPE_CHECKING:
    from torch import Tensor, nn

    from convolab.networks import Network

_HALF = 127.5
"""Half the range of a pixel: heads take −1 … 1."""


@dataclass(frozen=True)
class Neighbour:
    """An example that an image is like."""

    id: str
    label: int
    similarity: float
    """Cosine of their features, −1 to 1."""


@dataclass(frozen=True, eq=False)
class Seen:
    """A picture as the classifier sees it."""

    feature: np.ndarray
    """float32 (features,)."""
    activations: np.ndarray
    """float32 (maps, rows, columns), or (units,) where the layer has no places."""
    shares: np.ndarray
    """float64 (classes,), sum 1."""

    @property
    def label(self) -> int:
        """The likeliest class."""
        return int(self.shares.argmax())


@dataclass(frozen=True, eq=False)
class Classifier:
    """What was learned: it predicts, and tells why. ``examples`` are those that were learned from."""

    base: Base
    layer: str
    settings: TeachSettings
    classes: tuple[str, ...]
    scaling: Scaling
    example_ids: tuple[str, ...]
    examples: np.ndarray
    """float32 (N, features) in deviations from the mean."""
    labels: np.ndarray
    """int64 (N,)."""
    network: Network | None = None
    """Of a head; None for nearest neighbours."""
    model: nn.Sequential | None = None
    """The same with its weights, in evaluation mode, on the CPU."""

    @property
    def title(self) -> str:
        """``Linear on relu5_3 of VGG-16``."""
        return f"{KINDS[self.settings.classifier]} on {self.layer} of {self.base.title}"

    # ---------------------------------------------------------------- predicting

    def look(self, picture: Image.Image) -> Seen:
        """What a picture is taken for; nothing deeper than the layer is computed."""
        use_all_cores()
        activations = self.base.activations(picture, self.settings.size, [self.layer])[self.layer]
        feature = pooled(activations).numpy()
        return Seen(feature, activations.numpy(), self.shares(feature[None])[0])

    def shares(self, features: np.ndarray) -> np.ndarray:
        """Shares of the classes, float64 (N, classes), for features, float32 (N, features)."""
        if self.model is None:
            return neighbours.vote(
                self.standard(features),
                self.examples,
                self.labels,
                len(self.classes),
                self.settings.neighbours,
            )
        with torch.no_grad():
            return torch.softmax(self.model(self._given(features)).double(), 1).numpy()

    def standard(self, features: np.ndarray) -> np.ndarray:
        """Features in deviations from the mean, rounded as a head is given them."""
        return self.scaling.standard(self.scaling.images(features))

    def nearest(self, feature: np.ndarray, count: int = 5) -> list[Neighbour]:
        """The examples most like a picture, by its feature, float32 (features,)."""
        order, found = neighbours.nearest(self.standard(feature[None]), self.examples, count)
        return [
            Neighbour(self.example_ids[i], int(self.labels[i]), float(cosine))
            for i, cosine in zip(order[0], found[0], strict=True)
        ]

    # ---------------------------------------------------------------- why

    def slope(self, feature: np.ndarray, label: int) -> np.ndarray:
        """How the evidence for a class grows with each feature, float32 (features,).

        Of a head: the gradient of the class's output less the mean of the others. Of nearest neighbours: the
        direction towards the class's nearest examples, away from the others'.
        """
        if self.model is None:
            direction = neighbours.towards(
                self.standard(feature[None])[0], self.examples, self.labels, label, self.settings.neighbours
            )
            return np.asarray(direction / self.scaling.deviation, np.float32)
        given = self._given(feature[None]).requires_grad_()
        with torch.enable_grad():
            outputs = self.model(given)[0]
            others = (outputs.sum() - outputs[label]) / max(1, len(outputs) - 1)
            (slopes,) = torch.autograd.grad(outputs[label] - others, given)
        flat = slopes.flatten()[: len(feature)].numpy()
        return np.asarray(flat * (STEPS / _HALF) / self.scaling.deviation, np.float32)

    def _given(self, features: np.ndarray) -> Tensor:
        """float32 (N, 1, rows, columns), −1 … 1, as in training."""
        images = torch.from_numpy(self.scaling.images(features))
        return (images.float() - _HALF) / _HALF


def index_of(ids: Sequence[str]) -> dict[str, int]:
    """Where each id stands."""
    return {example: place for place, example in enumerate(ids)}
