"""Image transformation networks in one line of text: ``c5s1-16,d32,d64,R64x5,U32,U16,c5s1-3``.

The notation is that of Johnson, Alahi and Fei-Fei (2016). ``c5s1-16``: a convolution of 16 filters of 5×5
with stride 1 · ``d32``: 32 filters of 3×3 with stride 2, which halve the picture · ``R64``: a residual block
of two convolutions of 64 filters of 3×3 (``R64x5``: five of them) · ``U32``: each pixel becomes four equal
ones, then 32 filters of 3×3. After each comes instance normalisation and ReLU, but not after the last, which
makes the colours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from convolab.errors import NetworkError, unknown

SIZES = {
    "small": "c5s1-8,d16,d32,R32x5,U16,U8,c5s1-3",
    "standard": "c5s1-16,d32,d64,R64x5,U32,U16,c5s1-3",
    "large": "c9s1-32,d64,d128,R128x5,U64,U32,c9s1-3",
}
"""The named sizes: for live video, for pictures, and for patience."""

MOST_FILTERS = 512
MOST_PARTS = 40
MOST_PARAMETERS = 20_000_000

Kind = Literal["convolution", "down", "residual", "up"]


@dataclass(frozen=True)
class Part:
    """One step of a network; a residual block has two convolutions."""

    kind: Kind
    filters: int
    kernel: int = 3
    stride: int = 1


@dataclass(frozen=True)
class Architecture:
    """A network as text and as parts; nothing of its weights."""

    text: str
    parts: tuple[Part, ...]

    @property
    def name(self) -> str:
        """``standard`` where it is one of the named sizes, else the text."""
        return next((name for name, text in SIZES.items() if parse(text).parts == self.parts), self.text)

    @property
    def stride(self) -> int:
        """How many pixels apart the places of the smallest maps are."""
        found = 1
        for part in self.parts:
            found *= part.stride
        return found

    @property
    def parameters(self) -> int:
        """All numbers that are learned."""
        return sum(count for count, _ in self._costs())

    def multiply_adds(self, height: int, width: int) -> int:
        """For one picture, with the work of enlarging done before it (see `network.Up`)."""
        return round(sum(each for _, each in self._costs()) * height * width)

    def _costs(self) -> list[tuple[int, float]]:
        """Parameters and multiply-adds per pixel of each part."""
        found: list[tuple[int, float]] = []
        inputs, area = 3, 1.0
        for i, part in enumerate(self.parts):
            weights = inputs * part.filters * part.kernel**2
            # Colours and what shows through of the photo come after the last convolution, norms after the
            # others.
            norms = 9 if i == len(self.parts) - 1 else 4 * part.filters
            if part.kind == "residual":
                found.append((2 * weights + 2 * norms, 2 * weights * area))
            elif part.kind == "up":
                # Of the 3×3 weights four sums are used at the small size, for each of four pixels.
                found.append((weights + norms, inputs * part.filters * 16 * area))
                area *= 4
            else:
                area /= part.stride**2
                found.append((weights + norms, weights * area))
            inputs = part.filters
        return found


_PART = re.compile(r"(?:c(\d+)s(\d+)-(\d+)|([dRU])(\d+)(?:x(\d+))?)")


def parse(text: str) -> Architecture:
    """A named size, or an architecture as text. NetworkError with one sentence that says what is wrong."""
    text = SIZES.get(text.strip().lower(), text).replace(" ", "")
    parts: list[Part] = []
    for word in text.split(","):
        parts += _parts(word, text)
        if len(parts) > MOST_PARTS:
            raise NetworkError(f"An architecture has at most {MOST_PARTS} parts.")
    found = Architecture(text, tuple(parts))
    _check(found)
    return found


def _parts(word: str, text: str) -> list[Part]:
    match = _PART.fullmatch(word)
    if match is None:
        if re.fullmatch(r"u\d+(x\d+)?", word):
            raise NetworkError(
                f"{word} would be a transposed convolution, which leaves a checkerboard; write "
                f"{word.upper()}."
            )
        if "-" not in text and "," not in text and not re.search(r"\d", text):
            raise NetworkError(unknown("size of network", text, SIZES))
        raise NetworkError(
            f'"{word}" is no part of an architecture; parts are like c5s1-16, d32, R64, R64x5 and U32, '
            "with commas between."
        )
    kernel, stride, filters, letter, count, times = match.groups()
    if letter is None:
        part = Part("convolution", int(filters), int(kernel), int(stride))
        if part.kernel % 2 == 0 or not 1 <= part.kernel <= 15 or part.stride not in (1, 2):
            raise NetworkError(f"{word}: kernels are odd and at most 15, strides 1 or 2.")
        found = [part]
    elif letter == "R":
        found = [Part("residual", int(count))] * min(int(times or 1), MOST_PARTS + 1)
    else:
        kind: Kind = "down" if letter == "d" else "up"
        if times:
            raise NetworkError(f"{word}: only residual blocks can be repeated so.")
        found = [Part(kind, int(count), 3, 2 if letter == "d" else 1)]
    if not all(1 <= part.filters <= MOST_FILTERS for part in found):
        raise NetworkError(f"{word}: filters are 1 to {MOST_FILTERS}.")
    return found


def _check(found: Architecture) -> None:
    parts = found.parts
    last = parts[-1]
    if last.kind != "convolution" or last.filters != 3 or last.stride != 1:
        raise NetworkError(
            f"{found.text} must end with a convolution of 3 filters, which makes red, green and blue: c5s1-3."
        )
    if len(parts) < 2:
        raise NetworkError(f"{found.text} has one convolution only, which cannot learn a style.")
    sizes, filters = 0, 3
    for part in parts:
        sizes += (part.stride == 2) - (part.kind == "up")
        if sizes < 0:
            raise NetworkError(f"{found.text} enlarges the picture before anything has made it small.")
        if part.kind == "residual" and part.filters != filters:
            raise NetworkError(f"{found.text}: a residual block has as many filters as go in, {filters}.")
        filters = part.filters
    if sizes:
        raise NetworkError(
            f"{found.text} makes the picture {2**sizes} times smaller; each d needs a U after it."
        )
    if found.parameters > MOST_PARAMETERS:
        raise NetworkError(f"{found.text} has more than {MOST_PARAMETERS // 1_000_000} million weights.")
