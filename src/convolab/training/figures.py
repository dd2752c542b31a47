"""Loss and accuracy while training, added up on the device and read only when they are reported."""

from __future__ import annotations

from collections import deque

import torch
from torch import Tensor


class Figures:
    """Sums over the batches since the last report, and the right answers among the last epoch's examples.

    Reading a figure makes a GPU wait for all that was given to it before, so it is not done at every batch.
    """

    def __init__(self, train_size: int, device: torch.device) -> None:
        self._train_size = train_size
        self._loss = torch.zeros((), device=device)
        self._correct = torch.zeros((), dtype=torch.int64, device=device)
        self.count = 0
        self._recent: deque[list[int]] = deque()

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Count one batch; ``loss`` is its mean."""
        size = len(labels)
        self._loss.add_(loss.detach(), alpha=size)
        self._correct.add_((logits.argmax(1) == labels).sum())
        self.count += size

    def report(self) -> tuple[float, float]:
        """Mean loss and share of right answers since the last report; starts anew. Needs ``count`` > 0."""
        correct, loss = int(self._correct), float(self._loss) / self.count
        accuracy = correct / self.count
        self._note(self.count, correct)
        self._loss.zero_()
        self._correct.zero_()
        self.count = 0
        return loss, accuracy

    def _note(self, count: int, correct: int) -> None:
        # Chunks of a hundredth of an epoch at least, so that the list stays short however often is reported.
        if self._recent and self._recent[-1][0] < self._train_size // 100:
            self._recent[-1][0] += count
            self._recent[-1][1] += correct
        else:
            self._recent.append([count, correct])
        while sum(n for n, _ in self._recent) - self._recent[0][0] >= self._train_size:
            self._recent.popleft()

    @property
    def recent_accuracy(self) -> float | None:
        """Share of right answers among the examples reported last (about one epoch); None before any."""
        count = sum(n for n, _ in self._recent)
        return sum(right for _, right in self._recent) / count if count else None

    def state(self) -> list[list[int]]:
        """What `restore` needs, after a `report`."""
        return [list(chunk) for chunk in self._recent]

    def restore(self, state: list[list[int]]) -> None:
        """Go on from what `state` gave."""
        self._recent = deque([int(n), int(right)] for n, right in state)
