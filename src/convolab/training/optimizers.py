"""From settings to PyTorch's optimizers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from convolab.training.settings import TrainingSettings


def make_optimizer(parameters: Iterable[nn.Parameter], settings: TrainingSettings) -> torch.optim.Optimizer:
    """PyTorch's optimizer for the settings, at their full learning rate.

    ``gamma`` is PyTorch's ``alpha`` for rmsprop and its ``rho`` for adadelta. Weight decay adds
    ``weight_decay · weight`` to each gradient, except for adamw, which takes it off the weights themselves
    (Loshchilov & Hutter 2019). All other hyper-parameters are PyTorch's defaults.
    """
    s = settings
    common: dict[str, Any] = {"lr": s.learning_rate, "weight_decay": s.weight_decay}
    betas = (s.beta1, s.beta2)
    optim = torch.optim
    match s.optimizer:
        case "sgd":
            return optim.SGD(parameters, **common)
        case "momentum":
            return optim.SGD(parameters, **common, momentum=s.momentum)
        case "nesterov":
            # PyTorch refuses Nesterov without momentum, where the two are plain descent.
            return optim.SGD(parameters, **common, momentum=s.momentum, nesterov=s.momentum > 0)
        case "rmsprop":
            return optim.RMSprop(parameters, **common, alpha=s.gamma, momentum=s.momentum)
        case "adagrad":
            return optim.Adagrad(parameters, **common)
        case "adadelta":
            return optim.Adadelta(parameters, **common, rho=s.gamma)
        case "adam":
            return optim.Adam(parameters, **common, betas=betas)
        case "adamax":
            return optim.Adamax(parameters, **common, betas=betas)
        case "adamw":
            return optim.AdamW(parameters, **common, betas=betas)


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Use this learning rate from the next step on."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
