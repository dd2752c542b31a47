"""How a transfer is steered while it paints: a control is asked before each step what is wanted."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from convolab.errors import SettingsError


@dataclass(frozen=True)
class TransferCommands:
    """What is wanted of a transfer right now; all are standing wishes."""

    paused: bool = False
    """Save and wait until this is False again."""
    stop: bool = False
    """Finish with the picture as it is. Wins over everything else."""
    release: bool = False
    """Save and end without finishing: it stays paused, its worker is wanted elsewhere."""
    weight: float | None = None
    """W from the next step on; None leaves it."""
    style_weights: tuple[float, ...] | None = None
    """Weights of the style layers from the next step on."""
    tv: float | None = None
    """Weight of total variation from the next step on."""


@runtime_checkable
class TransferControl(Protocol):
    """What a transfer asks of whoever steers it."""

    def poll(self) -> TransferCommands:
        """The present wishes. Called before every step and 50 times a second while paused, so be quick."""
        ...


class MemoryTransferControl:
    """A control for transfers in this process; its methods may be called from any thread."""

    def __init__(self, *, paused: bool = False) -> None:
        self._lock = threading.Lock()
        self._commands = TransferCommands(paused=paused)

    def poll(self) -> TransferCommands:
        """The present wishes."""
        return self._commands

    def pause(self) -> None:
        """Pause after the step at hand."""
        self._set(paused=True)

    def resume(self) -> None:
        """Go on after a pause."""
        self._set(paused=False)

    def stop(self) -> None:
        """Finish with the picture as it is."""
        self._set(stop=True)

    def release(self) -> None:
        """Save and end without finishing."""
        self._set(release=True)

    def change(
        self,
        *,
        weight: float | None = None,
        style_weights: tuple[float, ...] | None = None,
        tv: float | None = None,
    ) -> None:
        """Other weights from the next step on; None leaves one as it is. SettingsError out of range."""
        given = {"weight": weight, "style_weights": style_weights, "tv": tv}
        checked_weights(weight, style_weights, tv)
        self._set(**{name: value for name, value in given.items() if value is not None})

    def _set(self, **values: object) -> None:
        with self._lock:
            self._commands = replace(self._commands, **values)  # type: ignore[arg-type]


def checked_weights(weight: float | None, style_weights: tuple[float, ...] | None, tv: float | None) -> None:
    """SettingsError unless W is in [0, 1] and the others are 0 or more."""
    if weight is not None and not 0 <= weight <= 1:
        raise SettingsError(f"W must be between 0 and 1, not {weight:g}.")
    if tv is not None and not 0 <= tv <= 100:
        raise SettingsError(f"Total variation must be between 0 and 100, not {tv:g}.")
    if style_weights is not None and not (
        all(0 <= part < float("inf") for part in style_weights) and sum(style_weights) > 0
    ):
        raise SettingsError("Weights of style layers must be 0 or more, and not all 0.")
