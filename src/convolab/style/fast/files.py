"""A style as one file: the network's weights in half precision, and a card that says what it is.

Safetensors with a JSON record; nothing in a file is run, and none that promises a network larger than itself,
or of another shape, is built.
"""

from __future__ import annotations

import base64
import io
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from torch import Tensor

from convolab.errors import NetworkError
from convolab.style.fast.architecture import Architecture, parse
from convolab.style.fast.network import TransformNetwork
from convolab.style.pictures import Picture, read_picture
from convolab.training.files import read_metadata, read_tensors, why_not_written, write_tensors

KIND = "convolab style"
VERSION = 1
ENDING = ".safetensors"
THUMBNAIL = 320
"""Pixels on the long side of the small picture of the painting."""


class Card(BaseModel):
    """What is known about a style; everything but the architecture may be empty."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    title: str
    """``The Starry Night``."""
    painter: str = ""
    year: str = ""
    architecture: str
    """As text: `convolab.style.fast.architecture`."""
    settings: dict[str, Any] = {}
    """`LearnSettings`, whole: defaults change. Older cards hold what differed from those of their version."""
    steps: int = 0
    examples: int = 0
    """Parts of photos that it was learned from."""
    seconds: float = 0.0
    """Of learning."""
    machine: str = ""
    photos: str = ""
    """Where the photos came from, and how many there were."""
    started_with: str = ""
    """The style whose weights it began with. Learning on from its own adds to the figures above."""
    together_with: tuple[str, ...] = ()
    """Styles that were learned at the same time at first, with convolutions in common."""
    style: float | None = None
    content: float | None = None
    total: float | None = None
    """The normalised differences on photos that were not learned from."""
    created: str = ""
    """UTC, ISO 8601."""
    version: str = ""
    """Of convolab."""
    thumbnail: str = ""
    """A small JPEG of the painting, base64."""

    @property
    def size(self) -> str:
        """``standard``, or the architecture itself where it has no name."""
        return parse(self.architecture).name

    def picture(self) -> Image.Image | None:
        """The small picture of the painting; None if there is none or it cannot be read."""
        try:
            with Image.open(io.BytesIO(base64.b64decode(self.thumbnail)), formats=["JPEG"]) as opened:
                if max(opened.size) > 1024:
                    return None
                return opened.convert("RGB")
        except (ValueError, OSError, SyntaxError):
            return None


@dataclass(frozen=True)
class Style:
    """A style that was learned: its name in the library, its card, and the network, in evaluation mode."""

    name: str
    card: Card
    network: TransformNetwork


def thumbnail(painting: Picture) -> str:
    """A small JPEG of a picture, base64."""
    picture = read_picture(painting)
    picture.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=82)
    return base64.b64encode(content.getvalue()).decode()


def save_style(path: str | Path, network: TransformNetwork, card: Card) -> None:
    """Write a style file; an older one is replaced only when the new one is whole. NetworkError."""
    tensors = {}
    for name, tensor in network.state_dict().items():
        half = tensor.detach().half()
        if not bool(torch.isfinite(half).all()):
            raise NetworkError(
                "The weights are not finite numbers of half precision, so they were not saved."
            )
        tensors[name] = half
    record = {"version": VERSION, "card": card.model_dump(exclude_defaults=True)}
    try:
        write_tensors(Path(path), tensors, {"kind": KIND, "record": json.dumps(record, ensure_ascii=False)})
    except OSError as error:
        raise NetworkError(f"The style could not be written to {path}: {why_not_written(error)}.") from error


def read_card(path: str | Path) -> Card:
    """The card alone, which takes a millisecond. NetworkError with one sentence if the file is no style."""
    return _read(Path(path))[0]


def load_style(path: str | Path, name: str = "") -> Style:
    """A style from its file, in float32 on the CPU.

    Safe with files from anywhere. NetworkError with one sentence if the file is not ours or not whole.
    """
    path = Path(path)
    card, architecture, shapes = _read(path)
    network = TransformNetwork(architecture)
    wanted = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    if wanted != shapes:
        raise NetworkError(f"{path.name} is damaged: its weights are not those of {architecture.text}.")
    try:
        weights = {key: tensor.float() for key, tensor in read_tensors(path).items()}
    except (OSError, SafetensorError) as error:
        raise NetworkError(f"{path.name} cannot be read: it is damaged or was cut short.") from error
    if not all(bool(torch.isfinite(tensor).all()) for tensor in weights.values()):
        raise NetworkError(f"{path.name} is damaged: some of its weights are no numbers.")
    network.load_state_dict(weights)
    return Style(name or path.stem, card, network.eval().requires_grad_(False))


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The weights alone, float32, to go on learning from. NetworkError."""
    return load_style(path).network.state_dict()


def _read(path: Path) -> tuple[Card, Architecture, dict[str, tuple[int, ...]]]:
    try:
        metadata, shapes = read_metadata(path)
        if metadata.get("kind") != KIND:
            raise NetworkError(f"{path.name} holds no style that was learned by convolab.")
        record = json.loads(metadata["record"])
        if record["version"] > VERSION:
            raise NetworkError(f"{path.name} was written by a newer convolab; update this one to open it.")
        card = Card.model_validate(record["card"])
    except FileNotFoundError:
        raise NetworkError(f"There is no file {path}.") from None
    except (OSError, SafetensorError, ValidationError, ValueError, KeyError, TypeError) as error:
        raise NetworkError(
            f"{path.name} cannot be read: it is no safetensors file, is damaged or was cut short."
        ) from error
    try:
        architecture = parse(card.architecture)
    except NetworkError as error:
        raise NetworkError(f"{path.name} is damaged: {error}") from None
    if architecture.parameters != sum(math.prod(shape) for shape in shapes.values()):
        raise NetworkError(f"{path.name} is damaged: it does not hold the weights of {architecture.text}.")
    return card, architecture, shapes
