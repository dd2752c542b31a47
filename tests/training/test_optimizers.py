"""Every optimizer against its formula, written out in NumPy."""

import numpy as np
import pytest
import torch

from convolab.training import TrainingSettings, make_optimizer

RATE, MOMENTUM, GAMMA, BETA1, BETA2, DECAY = 0.05, 0.7, 0.8, 0.85, 0.95, 0.01
EPS = 1e-8


class Reference:
    """One array of weights, moved by the textbook formulas."""

    def __init__(self, name: str, weights: np.ndarray) -> None:
        self.rule = getattr(self, name)
        self.w = weights.astype(np.float64)
        self.m = np.zeros_like(self.w)
        self.v = np.zeros_like(self.w)
        self.t = 0

    def step(self, gradient: np.ndarray) -> None:
        self.t += 1
        self.rule(gradient.astype(np.float64))

    def sgd(self, g):
        self.w -= RATE * (g + DECAY * self.w)

    def momentum(self, g):
        self.m = MOMENTUM * self.m + g + DECAY * self.w
        self.w -= RATE * self.m

    def nesterov(self, g):
        g = g + DECAY * self.w
        self.m = MOMENTUM * self.m + g
        self.w -= RATE * (g + MOMENTUM * self.m)

    def rmsprop(self, g):
        g = g + DECAY * self.w
        self.v = GAMMA * self.v + (1 - GAMMA) * g**2
        self.m = MOMENTUM * self.m + g / (np.sqrt(self.v) + EPS)
        self.w -= RATE * self.m

    def adagrad(self, g):
        g = g + DECAY * self.w
        self.v += g**2
        self.w -= RATE * g / (np.sqrt(self.v) + 1e-10)

    def adadelta(self, g):
        g = g + DECAY * self.w
        self.v = GAMMA * self.v + (1 - GAMMA) * g**2
        move = np.sqrt(self.m + 1e-6) / np.sqrt(self.v + 1e-6) * g
        self.m = GAMMA * self.m + (1 - GAMMA) * move**2
        self.w -= RATE * move

    def adam(self, g, decoupled=False):
        if not decoupled:
            g = g + DECAY * self.w
        self.m = BETA1 * self.m + (1 - BETA1) * g
        self.v = BETA2 * self.v + (1 - BETA2) * g**2
        first, second = self.m / (1 - BETA1**self.t), self.v / (1 - BETA2**self.t)
        if decoupled:
            self.w *= 1 - RATE * DECAY
        self.w -= RATE * first / (np.sqrt(second) + EPS)

    def adamw(self, g):
        self.adam(g, decoupled=True)

    def adamax(self, g):
        g = g + DECAY * self.w
        self.m = BETA1 * self.m + (1 - BETA1) * g
        self.v = np.maximum(BETA2 * self.v, np.abs(g) + EPS)
        self.w -= RATE / (1 - BETA1**self.t) * self.m / self.v


@pytest.mark.parametrize(
    "name", ["sgd", "momentum", "nesterov", "rmsprop", "adagrad", "adadelta", "adam", "adamax", "adamw"]
)
def test_steps_follow_the_formula(name):
    random = np.random.default_rng(0)
    weights = random.normal(size=(4, 3)).astype(np.float32)
    parameter = torch.nn.Parameter(torch.tensor(weights))
    settings = TrainingSettings(
        optimizer=name,
        learning_rate=RATE,
        momentum=MOMENTUM,
        gamma=GAMMA,
        beta1=BETA1,
        beta2=BETA2,
        weight_decay=DECAY,
    )
    optimizer, reference = make_optimizer([parameter], settings), Reference(name, weights)
    for _ in range(6):
        gradient = random.normal(size=(4, 3)).astype(np.float32)
        parameter.grad = torch.tensor(gradient)
        optimizer.step()
        reference.step(gradient)
    np.testing.assert_allclose(parameter.detach().numpy(), reference.w, rtol=1e-4, atol=1e-6)


def test_nesterov_without_momentum_is_plain_descent():
    parameter = torch.nn.Parameter(torch.ones(2))
    optimizer = make_optimizer(
        [parameter], TrainingSettings(optimizer="nesterov", momentum=0, learning_rate=0.5)
    )
    parameter.grad = torch.ones(2)
    optimizer.step()
    assert parameter.tolist() == [0.5, 0.5]
