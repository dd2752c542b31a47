"""Checkpoints: all that training needs to go on as if it had never been interrupted, in one safetensors file.

Tensors: ``model.…`` (weights and running statistics), ``optimizer.<parameter>.<quantity>``,
``random.<device>`` (state of the random generators). A JSON record in the file's metadata holds everything
else: network, settings, position.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from convolab.errors import TrainingError
from convolab.training.files import read_metadata, read_tensors, why_not_written, write_tensors

KIND = "convolab checkpoint"
VERSION = 1


class CheckpointError(TrainingError):
    """A checkpoint cannot be written or read; one sentence."""


def write_checkpoint(path: Path, tensors: dict[str, Tensor], record: dict[str, Any]) -> None:
    """Write a checkpoint, replacing the one at ``path`` only when the new one is whole.

    CheckpointError if the disk is full or the like; an older checkpoint is then as it was.
    """
    metadata = {"kind": KIND, "record": json.dumps({**record, "version": VERSION})}
    try:
        write_tensors(path, tensors, metadata)
    except OSError as error:
        reason = why_not_written(error)
        raise CheckpointError(
            f"{reason[0].upper()}{reason[1:]}: the checkpoint could not be written to {path.parent}."
        ) from error


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and record of a checkpoint. CheckpointError if it is missing, not ours or not whole."""
    try:
        metadata, _ = read_metadata(path)
        if metadata.get("kind") != KIND:
            raise CheckpointError(f"{path} is not a checkpoint of convolab.")
        record = json.loads(metadata["record"])
        if record["version"] > VERSION:
            raise CheckpointError(
                f"{path} was written by a newer convolab; update this one to go on with it."
            )
        return read_tensors(path), record
    except FileNotFoundError:
        raise CheckpointError(f"There is no checkpoint at {path}.") from None
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"The checkpoint {path} cannot be read: it is damaged or cut short.") from error


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's running quantities: ``optimizer.<index of the parameter>.<quantity>``."""
    state = optimizer.state_dict()["state"]
    return {
        f"optimizer.{index}.{name}": torch.as_tensor(value)
        for index, values in state.items()
        for name, value in values.items()
        if value is not None
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` gave. The hyper-parameters stay those of ``optimizer``."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if not key.startswith("optimizer."):
            continue
        _, index, name = key.split(".", 2)
        parameter = parameters[int(index)]
        if value.shape == parameter.shape:
            # In the memory order of its parameter, as it was: some kernels walk through both side by side.
            value = torch.empty_like(parameter).copy_(value)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def all_finite(tensors: Iterable[Tensor]) -> bool:
    """Whether no tensor holds an infinity or a NaN."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)


def load_weights_into(model: nn.Module, weights: dict[str, Tensor], what: str) -> None:
    """Copy ``weights`` into ``model``. TrainingError if they do not fit; ``what`` names their origin."""
    own = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    given = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if own != given:
        name = next(n for n in (*own, *given) if own.get(n) != given.get(n))
        has = f"has shape {given[name]} there" if name in given else "is missing there"
        needs = f"has shape {own[name]} in this network" if name in own else "is not in this network"
        raise TrainingError(f'{what} belong to another network: "{name}" {has} and {needs}.')
    model.load_state_dict(weights)


class PrivateRandomness:
    """PyTorch's global random state, as one run alone sees it.

    Dropout draws from the process's global generator. Inside ``with``, that is this run's own; outside,
    everyone else's. So nothing that is done between two events changes a run, and a run changes nothing for
    others.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self.device = device
        kinds = ["cpu"] if device.type == "cpu" else ["cpu", device.type]
        self.states = {kind: torch.Generator(kind).manual_seed(seed).get_state() for kind in kinds}
        self._outer: dict[str, Tensor] = {}

    def __enter__(self) -> PrivateRandomness:
        self._outer = {kind: _get_state(kind) for kind in self.states}
        for kind, state in self.states.items():
            _set_state(kind, state)
        return self

    def __exit__(self, *_: object) -> None:
        self.states = self.now()
        for kind, state in self._outer.items():
            _set_state(kind, state)
        self._outer = {}

    def now(self) -> dict[str, Tensor]:
        """The states of this run's generators, inside ``with`` or outside."""
        return {kind: _get_state(kind) for kind in self.states} if self._outer else self.states


def _get_state(kind: str) -> Tensor:
    if kind == "cuda":
        return torch.cuda.get_rng_state()
    return torch.mps.get_rng_state() if kind == "mps" else torch.get_rng_state()


def _set_state(kind: str, state: Tensor) -> None:
    if kind == "cuda":
        torch.cuda.set_rng_state(state)
    elif kind == "mps":
        torch.mps.set_rng_state(state)
    else:
        torch.set_rng_state(state)
