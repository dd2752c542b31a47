"""How a run is steered while it trains: a control is asked before each batch what is wanted."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from convolab.errors import SettingsError


@dataclass(frozen=True)
class Commands:
    """What is wanted of a run right now.

    All but ``steps`` are standing wishes: they stay as they are until they are changed.
    """

    paused: bool = False
    """Checkpoint and wait until this is False again."""
    stop: bool = False
    """Checkpoint, evaluate and finish. Wins over everything else."""
    steps: int = 0
    """Batches to run although paused. Handed out once: only those asked for since the last poll."""
    learning_rate: float | None = None
    """The learning rate to use from the next batch on (the schedule still scales it); None leaves it."""
    release: bool = False
    """Checkpoint and end the loop without finishing: the run stays paused, its worker is wanted elsewhere."""


@runtime_checkable
class Control(Protocol):
    """What the training loop asks of whoever steers it."""

    def poll(self) -> Commands:
        """The present wishes. Called before every batch and 50 times a second while paused, so be quick."""
        ...

    def hold(self) -> None:
        """Training paused itself (disk full): ``poll`` must say ``paused`` until resume is asked for."""
        ...


class MemoryControl:
    """A control for loops in this process; its methods may be called from any thread."""

    def __init__(self, *, paused: bool = False) -> None:
        self._lock = threading.Lock()
        self._commands = Commands(paused=paused)

    def poll(self) -> Commands:
        """The present wishes; steps are handed out once."""
        commands = self._commands
        if not commands.steps:
            return commands
        with self._lock:
            commands = self._commands
            self._commands = replace(commands, steps=0)
        return commands

    def hold(self) -> None:
        """Stay paused until `resume` is called."""
        self._change(paused=True)

    def pause(self) -> None:
        """Pause after the batch at hand."""
        self._change(paused=True)

    def resume(self) -> None:
        """Go on after a pause."""
        self._change(paused=False, steps=0)

    def step(self, batches: int = 1) -> None:
        """Pause if running, run exactly ``batches`` more batches, then pause again."""
        if batches < 1:
            raise SettingsError(f"A step is at least 1 batch, not {batches}.")
        with self._lock:
            self._commands = replace(self._commands, paused=True, steps=self._commands.steps + batches)

    def stop(self) -> None:
        """Stop: checkpoint, evaluate, finish."""
        self._change(stop=True)

    def release(self) -> None:
        """Checkpoint and end the loop with the run paused."""
        self._change(release=True)

    def set_learning_rate(self, learning_rate: float) -> None:
        """Use another learning rate from the next batch on. SettingsError unless it is above 0 and finite."""
        self._change(learning_rate=checked_learning_rate(learning_rate))

    def _change(self, **values: object) -> None:
        with self._lock:
            self._commands = replace(self._commands, **values)  # type: ignore[arg-type]


def checked_learning_rate(value: float) -> float:
    """``value`` as a float if it can be a learning rate. SettingsError otherwise."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise SettingsError(f"The learning rate must be a number, not {value!r}.") from None
    if not (math.isfinite(number) and 0 < number <= 100):
        raise SettingsError(f"The learning rate must be above 0 and at most 100, not {number:g}.")
    return number
