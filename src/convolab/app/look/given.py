"""What is looked at: a drawing, a picture from outside, a test image; and what a network is given of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from convolab.app.look.sources import NotHere, Subject
from convolab.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

NOTHING = (
    "Nothing is drawn: this is how the network responds to an empty picture, "
    "by its biases and the ground alone."
)
PICTURE_LIMIT = 30_000_000
"""Bytes of a picture from outside."""
PAD_LIMIT = 1024
"""Pixels of a pad's side."""


@dataclass(frozen=True)
class Given:
    """One input of a network, and a sentence that says what was done to get it."""

    pixels: np.ndarray
    """uint8 (C, H, W)."""
    done: str
    empty: bool = False


class Drawing:
    """What is on the pad, uint8 (height, width, channels): bright on dark, or in colours."""

    def __init__(self, pixels: np.ndarray) -> None:
        self._pixels = pixels

    @classmethod
    def read(cls, header: dict[str, Any], content: memoryview) -> Drawing:
        """From a message of the page. Raises DataError if it is not what it says."""
        side, channels = int(header.get("side", 0)), int(header.get("channels", 0))
        if not 1 <= side <= PAD_LIMIT or channels not in (1, 3) or len(content) != side * side * channels:
            raise DataError("The drawing did not arrive as it was sent; draw on.")
        return cls(np.frombuffer(content, np.uint8).reshape(side, side, channels))

    def given(self, shape: tuple[int, int, int], centre: bool) -> Given:
        """The drawing as the input of a network for pictures of this shape."""
        from PIL import Image

        from convolab.datasets import picture_to_input

        grey = self._pixels.shape[2] == 1
        if grey and not self._pixels.any():
            return Given(np.zeros(shape, np.uint8), NOTHING, empty=True)
        picture = Image.fromarray(self._pixels[:, :, 0] if grey else self._pixels)
        invert = False if grey else None  # the pad is dark; only paper needs to be inverted
        pixels, sentence = picture_to_input(picture, shape, centre=centre, invert=invert)
        if not pixels.any() and shape[0] == 1:
            return Given(pixels, NOTHING, empty=True)
        return Given(pixels, sentence.replace("The picture", "The drawing"))


class Upload:
    """A picture from outside: a file that was chosen, dropped or pasted."""

    def __init__(self, content: bytes) -> None:
        from convolab.datasets import open_picture

        if len(content) > PICTURE_LIMIT:
            raise DataError(
                f"The picture has more than {PICTURE_LIMIT // 1_000_000} MB; choose a smaller one."
            )
        self._picture: Image.Image = open_picture(content)

    def given(self, shape: tuple[int, int, int], centre: bool) -> Given:
        """The picture as the input of a network for pictures of this shape."""
        from convolab.datasets import picture_to_input

        pixels, sentence = picture_to_input(self._picture, shape, centre=centre)
        size = f"{self._picture.width}×{self._picture.height}"
        return Given(pixels, f"{sentence} It was {size}.", empty=not pixels.any())


class Pixels:
    """A picture that is of the right shape already, and given as it is."""

    def __init__(self, pixels: np.ndarray, said: str) -> None:
        self._pixels = pixels
        self._said = said

    @classmethod
    def read(cls, header: dict[str, Any], content: memoryview) -> Pixels:
        """From a message of the page. Raises DataError if it is not what it says."""
        shape = tuple(int(size) for size in header.get("shape", ()))
        if len(shape) != 3 or min(shape) < 1 or int(np.prod(shape)) != len(content):
            raise DataError("The picture did not arrive as it was sent; try again.")
        said = str(header.get("caption", ""))[:200] or "This picture"
        return cls(np.frombuffer(content, np.uint8).reshape(shape), said)

    def given(self, shape: tuple[int, int, int], centre: bool) -> Given:
        """The picture itself. DataError if the network takes pictures of another shape."""
        if self._pixels.shape != tuple(shape):
            raise DataError(
                f"{self._said} is {_size(self._pixels.shape)}, but this network takes {_size(shape)}; "
                "choose another picture."
            )
        return Given(self._pixels, f"{self._said}, given as it is.")


def sample(subject: Subject, asked: dict[str, Any]) -> tuple[Pixels, dict[str, Any]]:
    """A test image of the subject's data set: number ``test``, else one at random, of class ``label``.

    Also tells the page its number, its label and its pixels. NotHere if the data set is not fetched.
    """
    from convolab.app.pictures import dataset
    from convolab.datasets import info

    about = info(subject.dataset)
    if not about.present:
        raise NotHere(subject.dataset, f"The test images of {about.title} are not here yet.")
    data = dataset(subject.dataset)
    labels = np.asarray(data.test_labels)
    if asked.get("test") is not None:
        index = _number(asked["test"])
        if not 0 <= index < len(labels):
            raise DataError(f"There is no test image {index}; they are numbered 0 to {len(labels) - 1:,}.")
    else:
        wanted = np.arange(len(labels))
        if asked.get("label") not in (None, ""):
            wanted = np.flatnonzero(labels == _number(asked["label"]))
        if not len(wanted):
            raise DataError("There are no test images of this class.")
        index = int(wanted[0] if asked.get("first") else np.random.default_rng().choice(wanted))
    label = int(labels[index])
    pixels = np.array(data.test_images[index])
    said = f"Test image {index:,} of {about.title}, labelled “{data.classes[label]}”"
    facts = {
        "test": index,
        "label": label,
        "name": data.classes[label],
        "said": said,
        "shape": list(pixels.shape),
        "pixels": pixels.ravel().tolist(),
    }
    return Pixels(pixels, said), facts


def _number(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise DataError(f'"{str(value)[:40]}" is no number of a test image.') from None


def _size(shape: tuple[int, ...]) -> str:
    channels, height, width = shape
    return f"{width}×{height} {'grey' if channels == 1 else 'in colours'}"
