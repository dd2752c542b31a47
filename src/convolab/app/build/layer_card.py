"""One layer as a card: what it does, its settings, its error with the mending, and what comes out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from nicegui import ui

from convolab.app.build.fields import Field
from convolab.app.build.volume import volume
from convolab.app.theme import box, button, text
from convolab.errors import ConvolabError
from convolab.networks import Fix, ShapeError
from convolab.networks.layers import Layer, Position, Residual
from convolab.networks.layers.base import number
from convolab.networks.network import LayerTrace
from convolab.spec import Knob, knobs
from convolab.words import shape_text

# Keys of a card that has the focus itself, not one of its fields; the browser must not scroll with them.
_KEYS = """(event) => {
  if (event.target !== event.currentTarget) return;
  const key = (event.altKey ? "Alt+" : "") + event.key;
  const keys = /^(Alt\\+)?Arrow(Up|Down)$|^(Delete|Backspace|Insert|d|D)$/;
  if (!keys.test(key)) return;
  if (event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  event.stopPropagation();
  emit(key);
}"""


class Editor(Protocol):
    """What a card asks of the column it stands in."""

    def edit(self, position: Position, **settings: Any) -> None:
        """Change settings of a layer; raises ConvolabError or ValidationError."""

    def insert(self, position: Position) -> None:
        """Ask which layer to put in at a position."""

    def duplicate(self, position: Position) -> None:
        """Put a copy after a layer."""

    def remove(self, position: Position) -> None:
        """Take a layer out."""

    def mend(self, fix: Fix) -> None:
        """Apply a fix."""

    def press(self, position: Position, key: str) -> None:
        """A key was pressed on a card."""

    def list_of(self, position: Position) -> ui.column:
        """Make the list for the layers inside the block at ``position``, () for the network itself."""


class LayerCard:
    """A card of the stack, and under it the wire with its output shape. `update` follows the network."""

    def __init__(self, step: LayerTrace, editor: Editor, picture: tuple[int, ...]) -> None:
        self.position = step.position
        self._editor = editor
        self._picture = picture
        self._fields: dict[str, Field] = {}
        self.inside: list[LayerCard] = []
        cls = type(step.layer)
        with box("layer") as self.item:
            self.item.props["role"] = "listitem"
            with box("card") as self._card:
                self._card.props.update(
                    {
                        "tabindex": 0,
                        "role": "group",
                        "data-layer": number(step.position),
                        "data-type": cls.__name__,
                    }
                )
                self._card.on(
                    "keydown", lambda event: editor.press(self.position, event.args), js_handler=_KEYS
                )
                self._head(cls)
                self._form(step.layer)
                if isinstance(step.layer, Residual):
                    self._block(step)
                self._problem = Problem(editor.mend)
                if self._fields or isinstance(step.layer, Residual):
                    self._figures = text("", "figures")
            self._wire = Wire(lambda: editor.insert((*self.position[:-1], self.position[-1] + 1)))
        self.update(step)

    def update(self, step: LayerTrace) -> None:
        """Show what is known of the layer now; only what differs is sent."""
        layer = step.layer
        title = f"Layer {number(step.position)}: {layer.title}"
        label = f"{title}, {shape_text(step.input_shape)} to {shape_text(step.output_shape)}"
        if self._card.props.get("aria-label") != label:
            self._card.props["aria-label"] = label
        for name, field in self._fields.items():
            field.show(getattr(layer, name))
        error = step.error
        own = error is not None and error.position == step.position
        self._problem.show(error if own else None)
        self._card.classes(add="bad") if own else self._card.classes(remove="bad")
        self._figures.set_text(figures(step))
        self._figures.set_visibility(bool(self._figures.text))
        self._wire.show(step.output_shape, self._picture)
        for card, inner in zip(self.inside, step.inside, strict=True):
            card.update(inner)

    def _head(self, cls: type[Layer]) -> None:
        where = number(self.position)
        with box("head"):
            grip = ui.icon("o_drag_indicator").classes("grip")
            grip.props["aria-hidden"] = "true"
            with box("title grow"):
                name = text(cls.title, "strong", tag="h3")
                name.props["data-tip"] = cls.help
                if cls.__name__.lower() != cls.title.lower().replace(" ", ""):
                    text(cls.__name__, "muted small mono")
            if not knobs(cls):
                self._figures = text("", "figures")
            with box("tools on-hover") as self._tools:
                button(
                    icon="o_content_copy",
                    label=f"Duplicate layer {where}",
                    kind="quiet",
                    on_click=lambda: self._editor.duplicate(self.position),
                )
                button(
                    icon="o_delete",
                    label=f"Remove layer {where}",
                    kind="quiet",
                    on_click=lambda: self._editor.remove(self.position),
                )

    def _form(self, layer: Layer) -> None:
        shown = [knob for knob in knobs(type(layer)) if knob.name != "layers"]
        if not shown:
            return
        rare = [knob for knob in shown if knob.kind == "bool" or knob.name == "connections"]
        with box("knobs"):
            for knob in shown:
                if knob not in rare:
                    self._field(knob, layer)
        if rare:
            with box("rare") as drawer:
                for knob in rare:
                    self._field(knob, layer)
            drawer.set_visibility(any(getattr(layer, knob.name) != knob.default for knob in rare))
            with self._tools:
                more = button(
                    icon="o_tune",
                    label=f"More settings of layer {number(self.position)}",
                    kind="quiet",
                    on_click=lambda: drawer.set_visibility(not drawer.visible),
                )
                more.move(target_index=0)

    def _field(self, knob: Knob, layer: Layer) -> None:
        def edit(value: Any) -> None:
            self._editor.edit(self.position, **{knob.name: value})

        placeholder = "all" if knob.name == "connections" else ""
        self._fields[knob.name] = Field(knob, getattr(layer, knob.name), edit, placeholder=placeholder)

    def _block(self, step: LayerTrace) -> None:
        with box("residual"):
            inner = Wire(lambda: self._editor.insert((*self.position, 0)))
            inner.show(step.input_shape, self._picture)
            with self._editor.list_of(self.position):
                self.inside = [LayerCard(child, self._editor, self._picture) for child in step.inside]
            text("+ input of the block", "small muted skip")


class Wire:
    """Between two cards: the shape that goes from one to the next, and a button to put a layer in."""

    def __init__(self, on_insert: Callable[[], None], note: str = "") -> None:
        self._shown: tuple[int, ...] | str | None = ""
        with box("wire"):
            self._picture = ui.html("", sanitize=False).classes("volume")
            self._text = text("", "num shape")
            if note:
                text(note)
            self._button = button(
                icon="o_add", label="Insert a layer here", kind="quiet", on_click=on_insert
            ).classes("insert on-hover")

    def show(self, shape: tuple[int, ...] | None, picture: tuple[int, ...]) -> None:
        """Show a shape, None where it is not known."""
        if shape == self._shown:
            return
        self._shown = shape
        self._text.set_text(shape_text(shape))
        self._picture.set_content(volume(shape, picture))


class Problem:
    """An error in red, with one button for each way to mend it."""

    def __init__(self, mend: Callable[[Fix], None]) -> None:
        self._mend = mend
        self._shown: tuple[str, tuple[str, ...]] = ("", ())
        self._box = box("note bad problem")
        self._box.props["role"] = "alert"
        self._box.set_visibility(False)

    def show(self, error: ShapeError | None) -> None:
        """Show an error; None removes it."""
        now = (error.message, tuple(fix.label for fix in error.fixes)) if error else ("", ())
        if now == self._shown:
            return
        self._shown = now
        self._box.clear()
        self._box.set_visibility(error is not None)
        if error is None:
            return
        with self._box:
            text(error.message[0].upper() + error.message[1:])
            with box("row-x wrap"):
                for fix in error.fixes:
                    button(fix.label, kind="mend", on_click=lambda fix=fix: self._try(fix))

    def _try(self, fix: Fix) -> None:
        try:
            self._mend(fix)
        except ConvolabError as error:
            with self._box:
                text(str(error))


def figures(step: LayerTrace) -> str:
    """``208 parameters · 156,800 multiply-adds · sees 5 × 5``."""
    if step.output_shape is None:
        return ""
    parts = []
    if step.parameters:
        parts.append(f"{step.parameters:,} {'parameter' if step.parameters == 1 else 'parameters'}")
    if step.multiply_adds:
        parts.append(f"{step.multiply_adds:,} multiply-adds")
    if step.receptive_field and step.receptive_field.size != (1, 1):
        parts.append(f"sees {step.receptive_field.text} pixels")
    return " · ".join(parts)
