"""The two halves of style transfer on their own, as in the first figure of Gatys, Ecker and Bethge (2015)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from convolab.style.features import FeatureNetwork
from convolab.style.pictures import Picture
from convolab.style.settings import DEFAULT_STYLE_LAYERS, TransferSettings
from convolab.style.transferring import Transfer

CONTENT_LAYERS = ("relu1_2", "relu2_2", "relu3_2", "relu4_2", "relu5_2")
"""The layers of the paper's figure: one after the other they forget more of the picture."""


def rebuild_content(
    image: Picture, layers: str | Sequence[str], settings: TransferSettings | None = None, **options: Any
) -> Transfer:
    """A picture painted from noise so that only its activations in ``layers`` are those of ``image``.

    What looks wrong in it is what these layers do not know. ``options`` go to `Transfer`.
    """
    # Without style layers: a network trained in the lab need not have those of VGG.
    changed = (settings or TransferSettings()).changed(
        weight=0.0,
        content_layer=layers,
        style_layers="",
        style_weights="",
        start="noise",
        preserve_color=False,
    )
    return Transfer(image, image, changed, **options)


def rebuild_style(
    image: Picture, layers: str | Sequence[str], settings: TransferSettings | None = None, **options: Any
) -> Transfer:
    """A texture painted from noise whose Gram matrices in ``layers`` are those of ``image``, and no more."""
    changed = (settings or TransferSettings()).changed(
        weight=1.0,
        content_layer="",
        style_layers=layers,
        style_weights="",
        start="noise",
        preserve_color=False,
    )
    return Transfer(image, image, changed, **options)


def content_series(
    image: Picture,
    layers: Sequence[str] = CONTENT_LAYERS,
    settings: TransferSettings | None = None,
    network: FeatureNetwork | None = None,
) -> Iterator[tuple[str, Transfer]]:
    """For each layer its name and a transfer that rebuilds the picture from it alone."""
    for layer in layers:
        yield layer, rebuild_content(image, layer, settings, network=network)


def style_series(
    image: Picture,
    layers: Sequence[str] = DEFAULT_STYLE_LAYERS,
    settings: TransferSettings | None = None,
    network: FeatureNetwork | None = None,
) -> Iterator[tuple[str, Transfer]]:
    """The first layer, the first two, … and a transfer that rebuilds the texture from them."""
    for count in range(1, len(layers) + 1):
        chosen = layers[:count]
        yield "+".join(chosen), rebuild_style(image, chosen, settings, network=network)
