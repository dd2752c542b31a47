"""From a description to a PyTorch network with its initial weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from convolab.networks.modules import TableConv2d

if TYPE_CHECKING:
    from convolab.networks.network import Initialization, Network


def build(network: Network, seed: int = 0) -> nn.Sequential:
    """One module per layer, in order, so that ``"0.weight"`` belongs to the first layer.

    Takes float32 (N, channels, height, width), gives (N, classes) before the softmax. The same description
    and ``seed`` (0 or more) give the same weights; PyTorch's global random state is left as it was.
    Raises ShapeError if a layer does not fit.
    """
    network.check()
    # Modules fill their weights on construction; that must not move the global random numbers.
    with torch.random.fork_rng(devices=[]):
        modules = [step.layer.build(step.input_shape or ()) for step in network.trace()]
    model = nn.Sequential(*modules)
    initialize(model, network.initialization, seed)
    return model


@torch.no_grad()
def initialize(model: nn.Module, how: Initialization, seed: int) -> None:
    """Fill convolutions and fully connected layers with initial weights.

    original: convolutions truncated normal with σ = 0.1, fully connected truncated normal with variance
    1/fan-in, both cut at 2σ, biases 0. pytorch: uniform within 1/√fan-in. dirac: as pytorch, but the first
    output maps of each convolution pass the input maps on (Zagoruyko and Komodakis: DiracNets, 2017).

    Each of these layers has random numbers of its own, made from the seed and its place among them: variants
    of a network that begin alike begin with the same weights.
    """
    weighted = [m for m in model.modules() if isinstance(m, nn.Conv2d | TableConv2d | nn.Linear)]
    for place, module in enumerate(weighted):
        generator = torch.Generator()
        generator.manual_seed(int(np.random.SeedSequence((seed, place)).generate_state(1, np.uint64)[0] >> 1))
        if how == "original":
            deviation = module.in_features**-0.5 if isinstance(module, nn.Linear) else 0.1
            truncated_normal_(module.weight, deviation, generator)
            if module.bias is not None:
                module.bias.zero_()
            continue
        bounds = _bounds(module)
        module.weight.uniform_(-1, 1, generator=generator).mul_(bounds[0])
        if module.bias is not None:
            module.bias.uniform_(-1, 1, generator=generator).mul_(bounds[1])
        if how == "dirac" and isinstance(module, nn.Conv2d):
            nn.init.dirac_(module.weight[: module.in_channels])
        elif how == "dirac" and isinstance(module, TableConv2d):
            _dirac_table_(module)


def truncated_normal_(weight: Tensor, deviation: float, generator: torch.Generator) -> None:
    """Normal values, those beyond two deviations drawn again, as TensorFlow's truncated normal does."""
    nn.init.trunc_normal_(weight, 0.0, deviation, -2 * deviation, 2 * deviation, generator=generator)


def _bounds(module: nn.Conv2d | TableConv2d | nn.Linear) -> tuple[Tensor, Tensor]:
    """1/√fan-in for weight and bias, in shapes that multiply them."""
    if isinstance(module, TableConv2d):
        fans = torch.tensor([len(inputs) * module.kernel_size**2 for inputs in module.connections])
        repeats = torch.tensor([len(inputs) for inputs in module.connections])
        return fans.repeat_interleave(repeats)[:, None, None] ** -0.5, fans**-0.5
    bound = torch.tensor(module.weight[0].numel() ** -0.5)
    return bound, bound


def _dirac_table_(module: TableConv2d) -> None:
    dense = module.dense_weight()
    nn.init.dirac_(dense[: module.in_channels])
    k = module.kernel_size
    module.weight.copy_(dense.view(-1, k, k)[module.pairs])
