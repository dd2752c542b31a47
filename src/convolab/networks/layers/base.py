"""What every layer is: a frozen spec that knows its shapes, sizes, PyTorch module and code."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ValidationError

from convolab.errors import NetworkError
from convolab.networks.receptive import ReceptiveField
from convolab.spec import Spec

if TYPE_CHECKING:
    from torch import nn

    from convolab.networks.network import Network

Shape = tuple[int, ...]
"""Shape of one example: (channels, height, width) of a stack of maps, or (units,) of a flat list."""

Position = tuple[int, ...]
"""Where a layer stands: (2,) is the third layer, (2, 0) the first layer inside that one. Counted from 0."""


class Layer(Spec):
    """One kind of layer. Subclasses add settings (made by `knob`) and a ``type`` that names them in JSON."""

    type: str
    title: ClassVar[str]
    """What a person calls it."""
    assignment_name: ClassVar[str] = ""
    """The assignment's Model Builder's word for it; empty where it had no such layer."""
    help: ClassVar[str]
    """One sentence: what the layer does."""

    def output_shape(self, input_shape: Shape, *, floor: bool = False) -> Shape:
        """Shape of one example after the layer; raises ShapeError if the layer cannot take ``input_shape``.

        ``floor`` allows windows that leave a remainder at the edge, as PyTorch does.
        """
        return input_shape

    def parameters(self, input_shape: Shape) -> int:
        """How many numbers are learned."""
        return 0

    def multiply_adds(self, input_shape: Shape) -> int:
        """Multiplications with a weight, per example; layers without weights to multiply by count 0."""
        return 0

    def activations(self, input_shape: Shape) -> int:
        """How many numbers the layer puts out per example (with those inside it, for a block)."""
        return math.prod(self.output_shape(input_shape, floor=True))

    def receptive_field(self, field: ReceptiveField, input_shape: Shape) -> ReceptiveField:
        """What a unit of this layer sees of the picture, given what a unit of its input sees."""
        return field

    def build(self, input_shape: Shape) -> nn.Module:
        """The PyTorch module; takes float (N, \\*input_shape), gives (N, \\*output_shape)."""
        raise NotImplementedError

    def code(self, input_shape: Shape) -> str:
        """The expression that makes the same module in an exported script."""
        raise NotImplementedError

    @property
    def summary(self) -> str:
        """The settings in a few words: ``8 maps, kernel 5, padding 2``; empty where there are none."""
        return ""


@dataclass(frozen=True)
class Fix:
    """A change of the network that mends an error, ready to be applied by a click.

    One of these is done: the layer at ``position`` is replaced by ``replacement``; or ``added`` layers are
    put in before it; or it is moved to ``target``, or removed; or all windows may round down (``floor``).
    """

    label: str
    position: Position = ()
    replacement: Layer | None = None
    added: tuple[Layer, ...] = ()
    target: Position | None = None
    remove: bool = False
    floor: bool = False

    def apply(self, network: Network) -> Network:
        """The network with the change made. Raises NetworkError if it no longer has that layer."""
        if self.floor:
            return network.changed(floor=True)
        if self.target is not None:
            return network.move(self.position, self.target)
        if self.remove:
            return network.remove(self.position)
        if self.replacement is not None:
            network = network.replace(self.position, self.replacement)
        for layer in reversed(self.added):
            network = network.insert(self.position, layer)
        return network

    def inside(self, index: int) -> Fix:
        """The same fix seen from outside the block that is layer ``index``."""
        target = None if self.target is None else (index, *self.target)
        return replace(self, position=(index, *self.position), target=target)


class ShapeError(NetworkError):
    """A layer cannot take what comes in. The text names the layer, what came in, what it needs, what to do.

    Attributes: ``message`` (without the layer's name), ``layer``, ``position``, ``input_shape``, ``fixes``.
    """

    def __init__(
        self,
        message: str,
        layer: Layer | None = None,
        input_shape: Shape | None = None,
        fixes: Iterable[Fix] | Callable[[], Iterable[Fix]] = (),
        position: Position = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.layer = layer
        self.input_shape = input_shape
        self.position = position
        self._fixes = fixes

    @property
    def fixes(self) -> tuple[Fix, ...]:
        """Changes that mend it, the best first."""
        if not isinstance(self._fixes, tuple):
            # Found only when somebody asks: the search tries other settings, which raise errors of their own.
            self._fixes = tuple(self._fixes() if callable(self._fixes) else self._fixes)
        return self._fixes

    def __reduce__(self) -> tuple[Any, ...]:
        return ShapeError, (self.message, self.layer, self.input_shape, self.fixes, self.position)

    def __str__(self) -> str:
        where = f"Layer {number(self.position)}" if self.position else "Layer"
        name = f"{where} ({self.layer.title})" if self.layer else where
        hints = [fix.label[0].lower() + fix.label[1:] for fix in self.fixes[:3]]
        hint = f" To mend it: {_either(hints)}." if hints else ""
        return f"{name}: {self.message}{hint}"

    def inside(self, index: int) -> ShapeError:
        """The same error seen from outside the block, or network, in which it is in layer ``index``."""
        fixes = [fix.inside(index) for fix in self.fixes]
        return ShapeError(self.message, self.layer, self.input_shape, fixes, (index, *self.position))

    def with_fixes(self, fixes: Iterable[Fix]) -> ShapeError:
        """The same error with other fixes."""
        return ShapeError(self.message, self.layer, self.input_shape, fixes, self.position)


def number(position: Position) -> str:
    """A position as people count: ``3``, or ``3.1`` for the first layer inside the third."""
    return ".".join(str(index + 1) for index in position)


def shape_text(shape: Shape) -> str:
    """``8 × 28 × 28`` or ``10``."""
    return " × ".join(str(size) for size in shape)


def described(shape: Shape, verb: str = "come in") -> str:
    """``8 maps of 28 × 28 come in`` or ``a flat list of 10 comes in``."""
    first, _, rest = verb.partition(" ")
    if len(shape) == 3 and shape[0] != 1:
        return f"{shape[0]} maps of {shape[1]} × {shape[2]} {verb}"
    what = f"1 map of {shape[1]} × {shape[2]}" if len(shape) == 3 else f"a flat list of {shape_text(shape)}"
    return f"{what} {first}s {rest}"


def first_fitting(
    layer: Layer, input_shape: Shape, name: str, values: Iterable[int], floor: bool
) -> Layer | None:
    """The layer with setting ``name`` at the first of ``values`` that takes ``input_shape``, or None."""
    for value in values:
        try:
            candidate = layer.changed(**{name: value})
            candidate.output_shape(input_shape, floor=floor)
        except (ValidationError, ShapeError):
            continue
        return candidate
    return None


def largest_fitting(layer: Layer, name: str, fits: Callable[[Any], bool]) -> Layer | None:
    """The layer with the largest value of setting ``name``, below its present one, for which ``fits``."""
    low, high = 0, getattr(layer, name)
    while high - low > 1:
        middle = (low + high) // 2
        if fits(layer.changed(**{name: middle})):
            low = middle
        else:
            high = middle
    return layer.changed(**{name: low}) if low else None


def _either(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def needs_maps(layer: Layer, input_shape: Shape) -> None:
    """ShapeError unless ``input_shape`` is (channels, height, width)."""
    if len(input_shape) == 3:
        return
    from convolab.networks.layers.shape import Reshape

    fixes = []
    units = math.prod(input_shape)
    side = math.isqrt(units)
    for shape in ((1, side, side), (units, 1, 1)):
        if math.prod(shape) != units or max(shape) > Reshape.LARGEST:
            continue
        try:
            layer.output_shape(shape)
        except ShapeError:
            continue
        fixes.append(Fix(f"Insert Reshape to {shape_text(shape)} before it", added=(Reshape(shape=shape),)))
        break
    fixes.append(Fix("Remove this layer", remove=True))
    raise ShapeError(
        f"{described(input_shape)}, but this layer needs maps (channels × height × width).",
        layer,
        input_shape,
        fixes,
    )
