"""What padding does: how much a picture's border stands out from its interior.

Lines of pixels parallel to an edge are compared with their neighbours. Paint changes from line to line
everywhere; an artefact of padding is a frame of lines that change more than lines in the interior do.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from convolab.errors import DataError

DEPTH = 8
"""Lines at each edge that are looked at."""
USUAL = 0.95
"""Share of the windows in the interior whose change is no more than what counts as usual there."""


def border_artefact(picture: Image.Image) -> float:
    """How much the border stands out: at most 1 where it changes no more than the interior does.

    For each edge: the largest mean change from one line to the next among its first `DEPTH` lines, over what
    only 5 % of equally deep windows in the interior exceed. The value is that of the worst edge. DataError
    for pictures of fewer than 64 pixels a side.
    """
    pixels = np.asarray(picture.convert("RGB"), np.float32)
    if min(pixels.shape[:2]) < 64:
        raise DataError("Borders can be measured in pictures of at least 64 pixels a side.")
    return max(value for lines in (pixels, pixels.swapaxes(0, 1)) for value in _edges(lines))


def _edges(pixels: np.ndarray) -> tuple[float, float]:
    """At the first and at the last lines, relative to the windows between them."""
    # Corners belong to the other edges.
    inner = pixels[:, DEPTH:-DEPTH]
    # The mean over a line first: paint goes up and down along it, a frame does not.
    tone = np.abs(np.diff(inner.mean(1), axis=0)).mean(1)
    grain = np.abs(np.diff(inner, axis=0)).mean((1, 2))
    found = [0.0, 0.0]
    for change in (tone, grain):
        windows = np.lib.stride_tricks.sliding_window_view(change, DEPTH).max(1)
        usual = float(np.quantile(windows[DEPTH:-DEPTH], USUAL))
        for i, place in enumerate((0, -1)):
            found[i] = max(found[i], float(windows[place]) / max(usual, 1e-3))
    return found[0], found[1]
