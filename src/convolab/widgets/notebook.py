"""`convolab.look(network, image)`: look inside a network in a notebook; Python reads what was picked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from convolab.errors import ConvolabError, DataError, NetworkError, unknown
from convolab.networks import PRESETS, Network, preset

if TYPE_CHECKING:
    from torch import nn

    from convolab.activations import Inspector
    from convolab.training.weights import WeightsInfo
    from convolab.widgets.notebook_view import LookView

HEIGHT = 720
"""Pixels of the view on the page."""
_RUN = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Looked:
    """A network that is looked into, with what is needed to give it pictures."""

    inspector: Inspector
    title: str
    note: str
    trained: bool
    dataset: str
    mean: np.ndarray
    std: np.ndarray
    """float32 (C, 1, 1), on the scale 0 … 255."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of a picture."""
        return self.inspector.network.input_shape

    def normalize(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 (C, H, W) → float32 (C, H, W) as in training."""
        values: np.ndarray = (pixels.astype(np.float32) - self.mean) / self.std
        return values


def look(
    network: Any,
    image: Any = None,
    *,
    model: nn.Module | None = None,
    classes: Sequence[str] | None = None,
    height: int = HEIGHT,
) -> LookView:
    """Show every unit of a network for a picture, in Jupyter, VS Code or marimo; to be drawn on and clicked.

    ``network`` is the name of a network that comes with convolab (``"harley-cnn"``), a file of weights, the
    id of a run, what `convolab.load_weights` or `convolab.load_network` gives, or a `Network`, with its
    trained ``model`` if there is one (pixels are then scaled to −1 … 1). ``image`` is a file, a PIL image,
    or uint8 pixels (H, W), (C, H, W) or (H, W, C); without one the pad is empty.

    The widget's ``picked`` is the unit marked in the view, (level, index), to be read, set and observed;
    ``prediction`` is what the network says. Raises ConvolabError with one sentence if the extra ``notebook``
    is not installed, the network is unknown, or the picture cannot be read.
    """
    try:
        import anywidget  # noqa: F401
    except ImportError:
        raise ConvolabError(
            "The view in notebooks needs anywidget; install it with: pip install 'convolab[notebook]'"
        ) from None
    from convolab.widgets.notebook_view import LookView

    view = LookView(looked(network, model, classes), height=height)
    view.show(image)
    return view


def looked(network: Any, model: nn.Module | None = None, classes: Sequence[str] | None = None) -> Looked:
    """Whatever `look` takes as a network, opened. Raises ConvolabError with one sentence."""
    info: WeightsInfo | None = None
    title = ""
    if isinstance(network, str | Path):
        network, model, info, title = _named(network)
    elif isinstance(network, tuple) and len(network) in (2, 3):
        network, model, *rest = network
        info = rest[0] if rest else None
    if not isinstance(network, Network):
        raise NetworkError(
            f"A {type(network).__name__} cannot be looked into; give the name of a network, a file of "
            "weights, or a convolab.Network."
        )
    return _looked(network, model, info, title or "Network", classes)


def pixels_of(image: Any, shape: tuple[int, int, int]) -> tuple[np.ndarray, str]:
    """Whatever `look` takes as a picture as uint8 (C, H, W), and a sentence that says what was done to it.

    Raises DataError if it cannot be read as one.
    """
    from convolab.datasets import picture_to_input

    if not isinstance(image, np.ndarray) and hasattr(image, "__array__") and not hasattr(image, "convert"):
        image = np.asarray(image)
    if not isinstance(image, np.ndarray):
        return picture_to_input(image, shape)
    if image.dtype != np.uint8:
        raise DataError(f"Pixels are bytes from 0 to 255 (uint8), not {image.dtype}; convert them first.")
    if image.shape == shape:
        return np.ascontiguousarray(image), "Given as it is."
    if image.ndim == 2 and shape == (1, *image.shape):
        return np.ascontiguousarray(image[None]), "Given as it is."
    if image.ndim == 3 and (image.shape[2], *image.shape[:2]) == shape:
        return np.ascontiguousarray(image.transpose(2, 0, 1)), "Given as it is."
    from PIL import Image

    if image.ndim == 3 and image.shape[0] in (1, 3) and image.shape[2] not in (1, 3):
        image = image.transpose(1, 2, 0)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        sizes = " × ".join(map(str, image.shape))
        raise DataError(f"Pixels of {sizes} are no picture; give (H, W), (C, H, W) or (H, W, C).")
    return picture_to_input(Image.fromarray(image), shape)


# -------------------------------------------------------------------- within


def _named(name: str | Path) -> tuple[Network, nn.Module | None, WeightsInfo | None, str]:
    from convolab.networks.shipped import SHIPPED, shipped
    from convolab.training import load_weights

    path = Path(name)
    if path.suffix == ".safetensors" or path.is_file():
        return *load_weights(path), path.stem
    name = str(name)
    if name in SHIPPED:
        return *shipped(name), SHIPPED[name].title
    if name in PRESETS:
        return preset(name, (1, 28, 28), 10), None, None, PRESETS[name].title
    if _RUN.fullmatch(name):
        from convolab.runs import load_network

        return *load_network(name), f"Run {name[:8]}"
    raise NetworkError(unknown("network", name, dict.fromkeys([*SHIPPED, *PRESETS])))


def _looked(
    network: Network,
    model: nn.Module | None,
    info: WeightsInfo | None,
    title: str,
    classes: Sequence[str] | None,
) -> Looked:
    from convolab.activations import Inspector

    trained = model is not None
    note = "trained" if trained else "not trained"
    if info is not None and info.figures.get("test_accuracy") is not None:
        note = f"{100 * float(info.figures['test_accuracy']):.1f} % of the test images right"
    middle = (127.5,) * network.input_shape[0]
    mean, std = (info.mean, info.std) if info is not None else (middle, middle)
    names = tuple(classes) if classes is not None else (info.classes if info is not None else None)
    return Looked(
        inspector=Inspector(network, model if model is not None else network.build(0).eval(), names),
        title=title,
        note=note,
        trained=trained,
        dataset=info.dataset if info is not None else "",
        mean=np.asarray(mean, np.float32).reshape(-1, 1, 1),
        std=np.asarray(std, np.float32).reshape(-1, 1, 1),
    )
