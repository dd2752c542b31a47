"""From settings to PyTorch's optimizers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from convolab.errors import SettingsError
from convolab.training.deferred_compiler import defer_compiler
from convolab.training.muon import Muon
from convolab.training.settings import TrainingSettings


def make_optimizer(
    model: nn.Module | Iterable[nn.Parameter], settings: TrainingSettings
) -> torch.optim.Optimizer:
    """PyTorch's optimizer for the settings, at their full learning rate; for a model or some parameters.

    ``gamma`` is PyTorch's ``alpha`` for rmsprop and its ``rho`` for adadelta. Weight decay adds
    ``weight_decay · weight`` to each gradient, except for adamw, which takes it off the weights themselves
    (Loshchilov & Hutter 2019), and for muon, which does so for matrices. All other hyper-parameters are
    PyTorch's defaults. Shifts of batch norms learn ``norm_rate`` times as fast, without weight decay where
    that is not 1. Weights that are fixed are left alone.
    """
    defer_compiler()
    everything = [*(model.parameters() if isinstance(model, nn.Module) else model)]
    shifts: list[nn.Parameter] = []
    if settings.norm_rate != 1 and isinstance(model, nn.Module):
        shifts = [m.bias for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    faster = {id(parameter) for parameter in shifts}
    rest = [p for p in everything if p.requires_grad and id(p) not in faster]
    if not rest and not shifts:
        rest = everything  # PyTorch's optimizers insist on having something; it gets no gradients
    if settings.optimizer == "muon":
        matrices = [p for p in rest if p.dim() > 1][:-1]  # the last ones make the classes
        kept = {id(p) for p in matrices}
        optimizer: torch.optim.Optimizer = Muon(
            matrices,
            [p for p in rest if id(p) not in kept],
            settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
        )
    else:
        optimizer = _pytorch(rest, settings)
    if shifts:
        optimizer.add_param_group(
            {"params": shifts, "rate_factor": settings.norm_rate, "weight_decay": 0.0, "matrix": False}
        )
    return optimizer


def _pytorch(parameters: list[nn.Parameter], settings: TrainingSettings) -> torch.optim.Optimizer:
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
        case _:
            raise SettingsError(f"There is no optimizer {s.optimizer}.")


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Use this learning rate from the next step on."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group.get("rate_factor", 1.0)
