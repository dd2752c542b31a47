"""Several paintings learned at once, by networks that have their convolutions in common.

How a photo is seen and how paint is laid on is much the same for all paintings: scales and shifts of the
norms are enough to tell them apart (Dumoulin, Shlens and Kudlur: A learned representation for artistic style,
2017). So each step for one painting is a step for all of them. Afterwards each is a style of its own, which
can be learned on alone; the last convolution, which makes colours, is each one's own from the beginning.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from convolab.errors import SettingsError
from convolab.style.fast.learner import Learner
from convolab.style.fast.network import TransformNetwork
from convolab.style.fast.optimizers import make_muon
from convolab.style.objective import Differences


class Together:
    """Learners in turns. SettingsError if there is none, or their networks or learning rates differ.

    They should have begun already; common convolutions begin as the mean of all.
    """

    def __init__(self, learners: Sequence[Learner]) -> None:
        kinds = {(one.model.architecture.parts, one.settings.learning_rate) for one in learners}
        if len(kinds) != 1:
            raise SettingsError("Styles that learn together need the same network and learning rate.")
        self.learners = tuple(learners)
        _share([one.model for one in learners])
        _share([one.average for one in learners])
        first, *others = learners
        optimizer = make_muon(first.model, first.settings.learning_rate)
        own = optimizer.param_groups[-1]["params"]
        for one in others:
            own += [p for name, p in one.model.named_parameters() if not common(name, p)]
        for one in learners:
            one.optimizer = optimizer

    @property
    def step(self) -> int:
        """Steps that were made, for all paintings together."""
        return sum(one.step for one in self.learners)

    def learn(self, part: Tensor, fraction: float) -> tuple[Learner, Differences]:
        """One step for the painting whose turn it is; as `Learner.learn`."""
        one = self.learners[self.step % len(self.learners)]
        return one, one.learn([part], fraction)


def common(name: str, parameter: Tensor) -> bool:
    """Whether a weight is one that all have in common."""
    return parameter.dim() == 4 and name != "last.weight"


def _share(networks: Sequence[TransformNetwork]) -> None:
    """Make their convolutions the same tensors: the mean of what they were."""
    for name, parameter in list(networks[0].named_parameters()):
        if not common(name, parameter):
            continue
        with torch.no_grad():
            parameter.copy_(torch.stack([dict(one.named_parameters())[name] for one in networks]).mean(0))
        module, _, attribute = name.rpartition(".")
        for other in networks[1:]:
            place: nn.Module = other.get_submodule(module)
            setattr(place, attribute, parameter)
