"""The network column: the stack of layer cards from the input to the label, and what can be done with it."""

from __future__ import annotations

from typing import Any

from nicegui import ui
from nicegui.events import SortableEventArguments

from convolab.app.build.fields import Field
from convolab.app.build.layer_card import LayerCard, Problem, Wire
from convolab.app.state import BuildState, dataset_infos
from convolab.app.theme import box, button, dialog_box, text
from convolab.errors import ConvolabError
from convolab.networks import LAYERS, Fix, Network, make_layer
from convolab.networks.layers import Conv2d, Layer, Position, ReLU, Residual
from convolab.networks.layers.base import number
from convolab.networks.network import LayerTrace
from convolab.spec import knobs


def network_column(state: BuildState) -> None:
    """Create the column in the current slot."""
    NetworkColumn(state)


class NetworkColumn:
    """The stack follows `BuildState.network`: cards are drawn anew only when layers come, go or move."""

    def __init__(self, state: BuildState) -> None:
        self._state = state
        self._cards: list[LayerCard] = []
        self._built: Any = None
        self._lists: dict[int, Position] = {}
        self._positions: dict[int, Position] = {}
        self._adding: Position = ()
        self._dialog: ui.dialog | None = None
        self._place = box().style("display: none")
        with box("column-head"):
            text("Network", "grow", tag="h2")
            button("Layer", icon="o_add", kind="line", on_click=self._append, label="Add a layer at the end")
        with box("stack-of-layers"):
            self._input_card()
            self._stack = box("layers")
            self._label_card()
        self._totals = text("", "totals small muted")
        self._totals.props["aria-live"] = "polite"
        self._whole_network()
        state.subscribe(self._follow, "network", "dataset")
        self._follow()

    # What a card asks for (layer_card.Editor).

    def edit(self, position: Position, **settings: Any) -> None:
        """Change settings of a layer; raises ConvolabError or ValidationError."""
        network = self._state.network
        changed = network.replace(position, network.at(position).changed(**settings))
        self._state.change(network=changed, merge=f"{position} {' '.join(settings)}")

    def insert(self, position: Position) -> None:
        """Ask which layer to put in at a position."""
        self._adding = position
        if self._dialog is None:  # a quarter of the column's elements, and seldom needed
            with self._place:
                self._dialog = self._layer_dialog()
        self._dialog.open()

    def duplicate(self, position: Position) -> None:
        """Put a copy after a layer, and go to it."""
        self._state.change(network=self._state.network.duplicate(position))
        self._focus((*position[:-1], position[-1] + 1))

    def remove(self, position: Position) -> None:
        """Take a layer out, and go to the one that takes its place."""
        network = self._state.network.remove(position)
        self._state.change(network=network)
        left = _count(network, position[:-1])
        if left:
            self._focus((*position[:-1], min(position[-1], left - 1)))

    def mend(self, fix: Fix) -> None:
        """Apply a fix."""
        self._state.change(network=fix.apply(self._state.network))

    def press(self, position: Position, key: str) -> None:
        """A key was pressed on a card."""
        outside, index = position[:-1], position[-1]
        count = _count(self._state.network, outside)
        step = -1 if key.endswith("ArrowUp") else 1
        if key.startswith("Arrow"):
            order = _positions(self._state.network)
            place = order.index(position) + step
            if 0 <= place < len(order):
                self._focus(order[place])
        elif key.startswith("Alt"):
            if 0 <= index + step < count:
                target = (*outside, index + step)
                self._state.change(network=self._state.network.move(position, target))
                self._focus(target)
        elif key in ("Delete", "Backspace"):
            self.remove(position)
        elif key == "Insert":
            self.insert((*outside, index + 1))
        else:
            self.duplicate(position)

    def list_of(self, position: Position) -> ui.column:
        """Make a list of layers that can be dragged: of the network, or inside the block at ``position``."""
        made = ui.column().classes("layers")
        made.props.update(
            {"role": "list", "aria-label": f"Layers in block {number(position)}" if position else "Layers"}
        )
        made.make_sortable(handle=".grip", group="layers", ghost_class="ghost", on_end=self._dropped)
        self._lists[made.id] = position
        return made

    # Following the state.

    def _follow(self) -> None:
        network = self._state.network
        steps = network.trace()
        structure = (network.input_shape, _structure(network.layers))
        if structure != self._built:
            self._built = structure
            self._build(steps)
        else:
            for card, step in zip(self._cards, steps, strict=True):
                card.update(step)
        self._in_wire.show(network.input_shape, network.input_shape)
        info = dataset_infos().get(self._state.dataset)
        if info is None:  # removed in another tab; the data column takes another
            return
        classes = len(info.classes)
        self._input.set_text(f"images of {info.title}")
        error = network.problem(classes) if not any(step.error for step in steps) else None
        self._out_problem.show(error)
        self._label.set_text(f"{classes} classes")
        self._total(steps)
        self._floor.show(network.floor)
        self._initialization.show(network.initialization)

    def _build(self, steps: list[LayerTrace]) -> None:
        self._stack.clear()
        self._lists.clear()
        with self._stack, self.list_of(()):
            self._cards = [LayerCard(step, self, self._state.network.input_shape) for step in steps]
        self._positions = {}
        _remember(self._cards, self._positions)

    def _total(self, steps: list[LayerTrace]) -> None:
        if any(step.error for step in steps):
            self._totals.set_text("The totals are known when every layer fits.")
            return
        network = self._state.network
        parameters = sum(step.parameters for step in steps)
        work = sum(step.multiply_adds for step in steps)
        memory = network.memory_per_example
        self._totals.set_text(
            f"{parameters:,} parameters · {work:,} multiply-adds · {_bytes(memory)} activations per example"
        )

    # The parts that do not change.

    def _input_card(self) -> None:
        with box("layer end"), box("card"), box("head"):
            with box("title grow"):
                text("Input", "strong", tag="h3")
            self._input = text("", "figures")
        self._in_wire = Wire(lambda: self.insert((0,)), "height · width · channels")

    def _label_card(self) -> None:
        with box("layer end"), box("card"):
            with box("head"):
                with box("title grow"):
                    text("Softmax cross-entropy", "strong", tag="h3")
                    text("compared with the label", "muted small")
                self._label = text("", "figures")
            self._out_problem = Problem(self.mend)

    def _whole_network(self) -> None:
        by_name = {knob.name: knob for knob in knobs(Network)}

        def change(name: str) -> Any:
            return lambda value: self._state.change(
                network=self._state.network.changed(**{name: value}), preset=self._state.preset
            )

        titles = {"original": "Original (Model Builder)", "pytorch": "PyTorch", "dirac": "Dirac"}
        with box("fields whole-network"):
            self._initialization = Field(
                by_name["initialization"], "original", change("initialization"), options=titles.items()
            )
            self._floor = Field(by_name["floor"], False, change("floor"))
            self._floor.classes("at-foot")

    def _layer_dialog(self) -> ui.dialog:
        dialog, card = dialog_box("Add a layer", broad=True)
        with card, box("layer-menu"):
            for name, cls in LAYERS.items():
                with ui.element("button").classes("offer") as offer:
                    offer.props["type"] = "button"
                    offer.on("click", lambda name=name: self._add(name))
                    with box("row-x"):
                        text(cls.title, "strong")
                        text(name, "muted small mono")
                    text(cls.help, "small muted")
        return dialog

    def _append(self) -> None:
        self.insert((len(self._state.network.layers),))

    def _add(self, name: str) -> None:
        if self._dialog is not None:
            self._dialog.close()
        network = self._state.network.insert(self._adding, _first(name))
        self._state.change(network=network)
        self._focus(self._adding)

    def _dropped(self, event: SortableEventArguments) -> None:
        source = self._positions.get(event.item.id)
        outside = self._lists.get(event.target.id)
        if source is None or outside is None:
            return
        target = (*_after_removal(outside, source), event.new_index)
        self._built = None  # the browser has moved the card already, so the stack is drawn anew in any case
        try:
            network = self._state.network.move(source, target)
        except ConvolabError:
            network = self._state.network
        if network == self._state.network:
            self._follow()
        self._state.change(network=network, preset=self._state.preset if source == target else None)

    def _focus(self, position: Position) -> None:
        with self._place:  # the card that was pressed may be gone
            ui.run_javascript(f"labFocus('[data-layer=\"{number(position)}\"]')")


def _first(name: str) -> Layer:
    """A new layer, with settings that make sense at once rather than the smallest ones."""
    if name == "Residual":
        return Residual(layers=(Conv2d(out_channels=16, kernel_size=3, padding=1), ReLU()))
    layer: Layer = make_layer(name)
    return layer


def _structure(layers: tuple[Layer, ...]) -> tuple[Any, ...]:
    return tuple(
        (type(layer).__name__, _structure(layer.layers) if isinstance(layer, Residual) else ())
        for layer in layers
    )


def _positions(network: Network) -> list[Position]:
    """All layers in the order of the page."""

    def below(layers: tuple[Layer, ...], outside: Position) -> list[Position]:
        found = []
        for index, layer in enumerate(layers):
            found.append((*outside, index))
            if isinstance(layer, Residual):
                found += below(layer.layers, (*outside, index))
        return found

    return below(network.layers, ())


def _count(network: Network, outside: Position) -> int:
    layers = network.layers
    for index in outside:
        inner = layers[index]
        layers = inner.layers if isinstance(inner, Residual) else ()
    return len(layers)


def _after_removal(outside: Position, source: Position) -> Position:
    """Where a list stands once the layer at ``source`` has been taken out."""
    depth = len(source) - 1
    if len(outside) > depth and outside[:depth] == source[:-1] and outside[depth] > source[-1]:
        return (*outside[:depth], outside[depth] - 1, *outside[depth + 1 :])
    return outside


def _remember(cards: list[LayerCard], positions: dict[int, Position]) -> None:
    for card in cards:
        positions[card.item.id] = card.position
        _remember(card.inside, positions)


def _bytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"
