"""Templates for pages: the assignment's four write-ups, with its questions as prompts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Template:
    """A page to begin with."""

    title: str
    texts: tuple[str, ...]
    """Blocks of Markdown; prompts are quotations, to be replaced by answers."""


_LOOK = (
    "## Looking inside a network\n\n"
    "> Draw a digit, change it bit by bit, and follow what each layer does. What do the maps of the first "
    "convolution answer to? What is left of a position after the pooling?",
    "### Inputs that confuse it\n\n"
    "> Find drawings that look somewhat like a digit and make two or more labels light up. How close did "
    "yours come, and what is the smallest change that ties the two labels?",
)
_STYLE = (
    "## Style transfer\n\n"
    "> Pin your pictures: which content, which style, and which weight $W$ in "
    "$W\\cdot\\mathrm{StyleDiff} + (1-W)\\cdot\\mathrm{ContentDiff}$? What changes with the layers?",
    "## Fast style transfer\n\n"
    "> Pass a photo through the same filter several times. Does something build up, at the borders too?",
    "> Apply one filter, then another one. Is the result like the second filter on the original photo?",
    "> Other combinations and numbers of passes: what did you find?",
)
_EXPERIMENTS = (
    "## Building CNNs\n\n"
    "> Which architectures did you train on MNIST, Fashion-MNIST and CIFAR-10? Pin networks and curves.",
    "### Learning rate, batch size, number of batches\n\n> What did each of them change?",
    "### Kernel size, stride, number of filters\n\n> What did each of them change?",
    "### Why is CIFAR-10 so much harder?\n\n> Fashion-MNIST trains about as fast as MNIST; CIFAR-10 does not "
    "come near 90 %. What is your hypothesis, and which figures speak for it?",
    "### More convolutional layers\n\n> How do accuracy and speed change? Where is the plateau?",
    "### The challenge\n\n> 60 % on CIFAR-10 within one, five, ten minutes: how far did you get, and how?",
)
_STATISTICS = (
    "## Comparing models\n\n"
    "> Which statistic did you capture, beyond the share of right answers? Compare your models with it.",
    "### Code\n\n> Pin the code of your networks: the files are linked as text.",
)

TEMPLATES: dict[str, Template] = {
    "empty": Template("An empty page", ()),
    "assignment": Template("All four write-ups", (*_LOOK, *_STYLE, *_EXPERIMENTS, *_STATISTICS)),
    "look-inside": Template("Looking inside a network", _LOOK),
    "style": Template("Style transfer, slow and fast", _STYLE),
    "experiments": Template("Building CNNs", _EXPERIMENTS),
    "statistics": Template("Comparing models, with code", _STATISTICS),
}
"""Templates by name, in the order in which a menu should offer them."""
