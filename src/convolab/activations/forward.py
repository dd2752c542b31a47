"""A network computed level by level, so that everything on the way can be kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from convolab.activations.levels import Node
from convolab.errors import NetworkError

Operation = Callable[[Tensor], Tensor]


class Forward:
    """The modules of a network in the order of its levels.

    It computes what the network gives in evaluation mode (batch norm with its running statistics, no
    dropout), whichever mode the modules are in, and leaves that as it is.
    """

    def __init__(self, nodes: Sequence[Node], model: nn.Module) -> None:
        self._nodes = nodes
        try:
            self._mixing = [self._operations(node, model) for node in nodes]
            self._steps = [
                [_evaluating(model.get_submodule(step.path)) for step in node.steps] for node in nodes
            ]
        except AttributeError as error:
            raise NetworkError(
                "The model does not belong to this network, it lacks a layer; make it with network.build()."
            ) from error

    def __call__(self, images: Tensor, last: int | None = None) -> list[tuple[Tensor, Tensor]]:
        """(weighted sums, outputs after the elementwise layers) of each level, for float32 (N, C, H, W).

        Ends with the level at place ``last``. Differentiable.
        """
        count = len(images)
        results: list[tuple[Tensor, Tensor]] = []
        for place, node in enumerate(self._nodes[: None if last is None else last + 1]):
            if not node.below:
                x = images
            else:
                x = results[node.below[0]][1].reshape(count, *node.input_shape)
                if node.level.kind == "add":
                    x = x + results[node.below[1]][1].reshape(count, *node.input_shape)
            for operation in self._mixing[place]:
                x = operation(x)
            sums = x
            for step in self._steps[place]:
                x = step(x)
            results.append((sums, x))
        return results

    @staticmethod
    def _operations(node: Node, model: nn.Module) -> list[Operation]:
        paths = node.pads if node.level.kind == "input" else ((node.path,) if node.path else ())
        return [_evaluating(model.get_submodule(path)) for path in paths]


def _evaluating(module: nn.Module) -> Operation:
    """What a module computes in evaluation mode, without the way through ``nn.Module``'s hooks.

    For a drawing that moves, a small network takes as long to be called as to compute.
    """
    if isinstance(module, nn.BatchNorm2d):

        def normalized(x: Tensor) -> Tensor:
            return functional.batch_norm(
                x, module.running_mean, module.running_var, module.weight, module.bias, False, 0.0, module.eps
            )

        return normalized
    if isinstance(module, nn.MaxPool2d) and not module.ceil_mode:
        kernel, stride, padding = module.kernel_size, module.stride, module.padding
        return lambda x: torch.max_pool2d(x, kernel, stride, padding)
    forward: Operation = module.forward
    return forward


def device_of(model: nn.Module) -> torch.device:
    """Where the weights are; the CPU if there are none."""
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
