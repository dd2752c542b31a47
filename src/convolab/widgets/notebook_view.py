"""The widget behind `convolab.look`: answers the view's questions, keeps what was picked and predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anywidget
import numpy as np
import traitlets

from convolab.errors import ConvolabError, DataError
from convolab.widgets.bundle import script, style
from convolab.widgets.frames import encode_frame, layout
from convolab.widgets.notebook import Looked, pixels_of

if TYPE_CHECKING:
    from convolab.activations import Activations, Unit

EMPTY = "Nothing is drawn: this is how the network responds to an empty picture."
_LARGEST_PAD = 1024


class LookView(anywidget.AnyWidget):
    """A network and a picture, shown in a notebook. Made by `convolab.look`."""

    _esm = script("notebook.js")
    _css = style("cl-notebook", "live.css", "node_link.css", "unit_card.css", "notebook.css")

    picked = traitlets.Any(None, allow_none=True, help="The marked unit: (level, index), or None.").tag(
        sync=True
    )
    height = traitlets.Int(720, min=240, max=4000, help="Pixels of the view on the page.").tag(sync=True)
    prediction = traitlets.Dict(
        help="What the network says: label, share, shares and outputs by label, and how shares were made."
    )

    def __init__(self, looked: Looked, **traits: Any) -> None:
        self.looked = looked
        self.pixels = np.zeros(looked.shape, np.uint8)
        self._given = self.pixels, EMPTY
        self._activations: Activations | None = None
        super().__init__(**traits)
        self.on_msg(self._heard)

    # ---------------------------------------------------------------- for Python

    def show(self, image: Any = None) -> None:
        """Look at another picture: whatever `convolab.look` takes; None clears the pad."""
        if image is None:
            self._given = np.zeros(self.looked.shape, np.uint8), EMPTY
        else:
            self._given = pixels_of(image, self.looked.shape)
        self._look(*self._given)
        if self.comm is not None:
            self._send_frame(0)

    @property
    def activations(self) -> Activations:
        """Of the picture that is shown: ``values(level)``, ``sums(level)``, ``unit(level, index)``."""
        if self._activations is None:
            raise ConvolabError("There is no picture yet; give one to show().")
        return self._activations

    @property
    def unit(self) -> Unit | None:
        """The picked unit with its whole calculation for the picture that is shown."""
        return None if self.picked is None else self.activations.unit(*self.picked)

    @traitlets.validate("picked")
    def _check(self, proposal: Any) -> tuple[str, tuple[int, ...]] | None:
        value = proposal["value"]
        if value is None:
            return None
        try:
            level, index = value
            return str(level), self.looked.inspector.check(str(level), index)
        except ConvolabError:
            raise
        except (TypeError, ValueError):
            raise ConvolabError('A unit is picked as (level, index), like ("conv1", (0, 3, 4)).') from None

    # ---------------------------------------------------------------- messages

    def _heard(self, _: Any, content: dict[str, Any], buffers: list[memoryview]) -> None:
        what, number = content.get("do"), content.get("id", 0)
        try:
            if what == "show":
                self._picture(content, buffers)
                self._send_frame(number)
            elif what == "open":
                self.send({"id": number, "layout": self._layout()})
            elif what == "unit":
                unit = self.activations.unit(str(content.get("level")), content.get("index") or ())
                self.send({"id": number, "unit": unit.to_json()})
            else:
                raise ConvolabError("The notebook cannot answer that.")
        except ConvolabError as error:
            self.send({"frame" if what == "show" else "id": number, "error": str(error)})

    def _layout(self) -> dict[str, Any]:
        looked = self.looked
        return layout(
            looked.inspector,
            slot="a",
            title=looked.title,
            note=looked.note,
            trained=looked.trained,
            classes=list(looked.inspector.classes),
            input=list(looked.shape),
            centre=looked.dataset in ("", "mnist"),
        )

    def _picture(self, header: dict[str, Any], buffers: list[memoryview]) -> None:
        if header.get("kind") == "given":
            return self._look(*self._given)
        side, channels = int(header.get("side", 0)), int(header.get("channels", 0))
        content = bytes(buffers[0]) if buffers else b""
        if not 1 <= side <= _LARGEST_PAD or channels not in (1, 3) or len(content) != side * side * channels:
            raise DataError("The drawing did not arrive as it was sent; draw on.")
        drawn = np.frombuffer(content, np.uint8).reshape(side, side, channels)
        if channels == 1 and not drawn.any():
            return self._look(np.zeros(self.looked.shape, np.uint8), EMPTY)
        from PIL import Image

        from convolab.datasets import picture_to_input

        picture = Image.fromarray(drawn[:, :, 0] if channels == 1 else drawn)
        # The pad is dark; only a picture that was brought to it may be ink on paper.
        invert = None if header.get("brought") or channels == 3 else False
        pixels, done = picture_to_input(
            picture, self.looked.shape, centre=bool(header.get("centre", True)), invert=invert
        )
        return self._look(pixels, done.replace("The picture", "The drawing"))

    def _look(self, pixels: np.ndarray, done: str) -> None:
        self.pixels, self._done = pixels, done
        self._activations = self.looked.inspector.run(self.looked.normalize(pixels))
        found = self._activations.prediction
        classes = self.looked.inspector.classes
        best = found.order[0]
        self.prediction = {
            "label": classes[best],
            "share": float(found.shares[best]),
            "shares": dict(zip(classes, map(float, found.shares), strict=True)),
            "outputs": dict(zip(classes, map(float, found.raw), strict=True)),
            "how": found.how,
        }

    def _send_frame(self, number: int) -> None:
        frame = encode_frame(
            {"a": (self.looked.inspector, self.activations)},
            self.pixels,
            frame=number,
            done=self._done,
            empty=not self.pixels.any(),
        )
        self.send({"frame": number}, [frame])
