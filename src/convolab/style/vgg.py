"""The VGG networks as lists of layers: names, channels, pooling; nothing of their weights."""

from __future__ import annotations

from dataclasses import dataclass

CHANNELS = (64, 128, 256, 512, 512)
"""Filters of the convolutions of each of the five blocks; a pooling layer ends each block."""
MEANS = (123.68, 116.779, 103.939)
"""Mean red, green and blue of the pictures they were trained on, taken off each pixel (0 … 255)."""


@dataclass(frozen=True)
class Vgg:
    """A network of Simonyan and Zisserman (2014) without its fully connected layers."""

    name: str
    title: str
    convolutions: tuple[int, int, int, int, int]
    """How many of them each block has, all 3×3 with padding 1."""

    @property
    def convolution_names(self) -> tuple[str, ...]:
        """``conv1_1`` … in order."""
        return tuple(
            f"conv{block}_{i}" for block, n in enumerate(self.convolutions, 1) for i in range(1, n + 1)
        )

    @property
    def layers(self) -> tuple[str, ...]:
        """All layers in order: ``conv1_1``, ``relu1_1``, ``conv1_2``, …, ``pool1``, …, ``pool5``."""
        names: list[str] = []
        for block, count in enumerate(self.convolutions, 1):
            for i in range(1, count + 1):
                names += [f"conv{block}_{i}", f"relu{block}_{i}"]
            names.append(f"pool{block}")
        return tuple(names)

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of all weights by name, ``conv1_1.weight`` being (outputs, inputs, 3, 3), in order."""
        shapes: dict[str, tuple[int, ...]] = {}
        inputs = 3
        for name in self.convolution_names:
            outputs = CHANNELS[int(name[4]) - 1]
            shapes[f"{name}.weight"] = (outputs, inputs, 3, 3)
            shapes[f"{name}.bias"] = (outputs,)
            inputs = outputs
        return shapes


VGGS = {
    item.name: item
    for item in (
        Vgg("vgg-16", "VGG-16", (2, 2, 3, 3, 3)),
        Vgg("vgg-19", "VGG-19", (2, 2, 4, 4, 4)),
    )
}
