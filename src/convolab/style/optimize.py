"""The two optimizers of style transfer, one evaluation per step, with a state that can be saved."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

Evaluate = Callable[[Tensor], tuple[float, Tensor]]
"""The loss and its gradient (of the picture's shape) at a picture."""

FIRST_MOVE = 0.03
"""Root mean square change of the pixels (0 … 1) that the first step tries."""
DECREASE = 1e-4
"""Of the decrease that the slope promises, a step must bring so much (Armijo)."""
SHORTEST = 1e-4
"""After steps cut this short the curvature that was learned is forgotten."""


class Optimizer(ABC):
    """Improves a picture (1, 3, H, W). ``picture`` is the best so far, or the newest for Adam."""

    def __init__(self, picture: Tensor) -> None:
        self.picture = picture.detach().clone()
        self.loss = math.inf

    @abstractmethod
    def step(self, evaluate: Evaluate) -> float:
        """Evaluate once and move; returns the loss at the picture that was evaluated."""

    @abstractmethod
    def forget(self) -> None:
        """What is minimised has changed: drop what was learned about it."""

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """All that is needed to go on exactly as without an interruption."""

    @abstractmethod
    def restore(self, state: dict[str, Tensor]) -> None:
        """Take back what `state` gave."""


class Lbfgs(Optimizer):
    """L-BFGS (Liu and Nocedal, 1989) with steps of length 1, cut only where the loss does not fall enough.

    One evaluation is nearly always one accepted step. ``precondition`` is a symmetric positive definite guess
    of the inverse Hessian up to a factor; the factor is learned from the newest step. With ``bounds`` every
    picture stays within them: steps are projected, and pixels that are held at a bound take no part in the
    direction (Bertsekas, 1982). So what is minimised is the picture that can be saved, not one that is cut
    off at black and white afterwards.
    """

    def __init__(
        self,
        picture: Tensor,
        history: int = 20,
        precondition: Callable[[Tensor], Tensor] | None = None,
        bounds: tuple[float, float] | None = None,
    ) -> None:
        super().__init__(picture if bounds is None else picture.clamp(*bounds))
        self.history = history
        self.precondition = precondition or (lambda gradient: gradient)
        self.bounds = bounds
        self.gradient: Tensor | None = None
        self.direction: Tensor | None = None
        self.length = 1.0
        self.moves: list[Tensor] = []
        self.changes: list[Tensor] = []

    def forget(self) -> None:
        """Begin anew from the present picture."""
        self.gradient = self.direction = None
        self.moves, self.changes = [], []
        self.loss = math.inf

    def step(self, evaluate: Evaluate) -> float:
        """Evaluate at the next picture and take it if the loss fell."""
        if self.gradient is None or self.direction is None:
            self.loss, self.gradient = evaluate(self.picture)
            self._turn()
            return self.loss
        tried = self.picture + self.length * self.direction
        if self.bounds is not None:
            tried = tried.clamp(*self.bounds)
        loss, gradient = evaluate(tried)
        move = tried - self.picture
        promised = float((move * self.gradient).sum())
        if not loss <= self.loss + DECREASE * promised:
            self._shorten(loss, promised)
            return loss
        change = gradient - self.gradient
        self.picture, self.loss, self.gradient = tried, loss, gradient
        # A pair without positive curvature would make the direction point uphill.
        if float((move * change).sum()) > 1e-10 * float(change.square().sum()):
            self.moves.append(move)
            self.changes.append(change)
            if len(self.moves) > self.history:
                del self.moves[0], self.changes[0]
        self._turn()
        return loss

    def _shorten(self, loss: float, promised: float) -> None:
        """The minimum of the parabola through both losses and the slope, kept between a tenth and a half."""
        share = 0.5
        if math.isfinite(loss):
            bend = 2 * (loss - self.loss - promised)
            share = -promised / bend if bend > 0 else 0.5
        self.length *= min(max(share, 0.1), 0.5)
        if self.length < SHORTEST:
            self.moves, self.changes = [], []
            self._turn()

    def _turn(self) -> None:
        """The next direction, from the gradient and the curvature of the last steps."""
        assert self.gradient is not None
        free = self._free()
        direction = -self.gradient * free
        factors = []
        for move, change in zip(reversed(self.moves), reversed(self.changes), strict=True):
            rho = 1 / float((move * change).sum())
            alpha = rho * float((move * direction).sum())
            factors.append((rho, alpha))
            direction.sub_(change, alpha=alpha)
        direction = self.precondition(direction)
        if self.moves:
            change = self.changes[-1]
            curvature = float((change * self.precondition(change)).sum())
            direction = direction * (float((self.moves[-1] * change).sum()) / curvature)
        for (rho, alpha), move, change in zip(reversed(factors), self.moves, self.changes, strict=True):
            direction.add_(move, alpha=alpha - rho * float((change * direction).sum()))
        direction = direction * free
        if self.moves and float((direction * self.gradient).sum()) >= 0:
            # What was learned is about other pixels than those that are free now.
            self.moves, self.changes = [], []
            direction = self.precondition(-self.gradient * free) * free
        self.direction = direction
        self.length = 1.0
        if not self.moves:
            size = float(direction.square().mean().sqrt())
            self.length = FIRST_MOVE / size if size > 0 else 1.0

    def _free(self) -> Tensor:
        """1 for pixels that may move, 0 for those that are held at a bound by their slope."""
        assert self.gradient is not None
        if self.bounds is None:
            return torch.ones_like(self.gradient)
        low, high = self.bounds
        held = ((self.picture <= low) & (self.gradient > 0)) | ((self.picture >= high) & (self.gradient < 0))
        return (~held).to(self.gradient.dtype)

    def state(self) -> dict[str, Tensor]:
        """Picture, gradient, direction and history."""
        found = {"picture": self.picture}
        found["numbers"] = torch.tensor([self.loss, self.length], dtype=torch.float64)
        if self.gradient is not None and self.direction is not None:
            found |= {"gradient": self.gradient, "direction": self.direction}
        for i, (move, change) in enumerate(zip(self.moves, self.changes, strict=True)):
            found |= {f"move.{i}": move, f"change.{i}": change}
        return found

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take back what `state` gave."""
        self.picture = state["picture"]
        self.loss, self.length = state["numbers"].tolist()
        self.gradient, self.direction = state.get("gradient"), state.get("direction")
        count = sum(1 for name in state if name.startswith("move."))
        self.moves = [state[f"move.{i}"] for i in range(count)]
        self.changes = [state[f"change.{i}"] for i in range(count)]


class Smooth:
    """A preconditioner for pictures: slopes are weighted by 1 / (spatial frequency + a little).

    Large shapes then move first and fine grain follows, as in natural pictures, whose amplitudes fall like
    that. Against plain slopes L-BFGS needs about a fifth fewer steps (docs/LOG.md).
    """

    LEAST = 0.03
    """Cycles per pixel that are added: all frequencies below weigh about alike."""

    def __init__(self, height: int, width: int, device: torch.device) -> None:
        rows = torch.fft.fftfreq(height, device=device)[:, None]
        columns = torch.fft.rfftfreq(width, device=device)[None]
        self.weights = 0.3 / ((rows.square() + columns.square()).sqrt() + self.LEAST)

    def __call__(self, gradient: Tensor) -> Tensor:
        """The same shape, (1, 3, H, W)."""
        waves = torch.fft.rfft2(gradient) * self.weights
        return torch.fft.irfft2(waves, s=gradient.shape[2:])


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2014) on the pixels, kept within 0 … 1."""

    def __init__(
        self, picture: Tensor, learning_rate: float = 0.02, beta1: float = 0.9, beta2: float = 0.99
    ) -> None:
        super().__init__(picture)
        self.learning_rate, self.beta1, self.beta2 = learning_rate, beta1, beta2
        self.mean, self.square = torch.zeros_like(self.picture), torch.zeros_like(self.picture)
        self.count = 0

    def forget(self) -> None:
        """Its running means follow the new slopes by themselves."""
        self.loss = math.inf

    def step(self, evaluate: Evaluate) -> float:
        """Evaluate, then move."""
        self.loss, gradient = evaluate(self.picture)
        self.count += 1
        self.mean = self.beta1 * self.mean + (1 - self.beta1) * gradient
        self.square = self.beta2 * self.square + (1 - self.beta2) * gradient.square()
        mean = self.mean / (1 - self.beta1**self.count)
        square = self.square / (1 - self.beta2**self.count)
        move = self.learning_rate * mean / (square.sqrt() + 1e-12)
        self.picture = (self.picture - move).clamp(0, 1)
        return self.loss

    def state(self) -> dict[str, Tensor]:
        """Picture, running means and count."""
        numbers = torch.tensor([self.loss, self.count], dtype=torch.float64)
        return {"picture": self.picture, "mean": self.mean, "square": self.square, "numbers": numbers}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take back what `state` gave."""
        self.picture, self.mean, self.square = state["picture"], state["mean"], state["square"]
        self.loss = float(state["numbers"][0])
        self.count = int(state["numbers"][1])
