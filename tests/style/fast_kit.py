"""What the tests of fast style transfer share: tiny styles with random weights, quick settings."""

from __future__ import annotations

from pathlib import Path

from style_kit import image, stripes, tiny_network

from convolab.style.fast.files import Card, Style, save_style
from convolab.style.fast.learning import Learning
from convolab.style.fast.network import TransformNetwork
from convolab.style.fast.photo_sources import Gathered
from convolab.style.fast.settings import LearnSettings

TINY = "c3s1-4,d8,R8,U4,c3s1-3"
SETTINGS = LearnSettings(
    architecture=TINY,
    content_layer="relu2_1",
    style_layers="relu1_1,relu2_1",
    crop=32,
    steps=12,
    start="none",
    precision="fp32",
)


def photos(count: int = 9) -> Gathered:
    """Small smooth pictures in place of photos."""
    return Gathered(tuple(image(seed, 60, 48) for seed in range(count)), "a test")


def tiny_learning(settings: LearnSettings = SETTINGS, **options: object) -> Learning:
    """Learns stripes with networks that take no time."""
    options = {"photos": photos(), "network": tiny_network(), "title": "Stripes", **options}
    return Learning(stripes(), settings, **options)  # type: ignore[arg-type]


def tiny_style(seed: int = 0, title: str = "Tiny", architecture: str = TINY) -> Style:
    """A style that was never learned, whose paintings differ clearly from photos."""
    network = TransformNetwork(architecture, seed)
    network.last.weight.data.mul_(10)
    return Style(
        title.lower(), Card(title=title, architecture=architecture), network.eval().requires_grad_(False)
    )


def put(folder: Path, name: str, seed: int = 0, **about: str) -> Path:
    """A style file."""
    style = tiny_style(seed, **about)
    path = folder / f"{name}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    save_style(path, style.network, style.card)
    return path
