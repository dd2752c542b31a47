"""What a run does when somebody steers it: pauses, steps, stops, checkpoints, another learning rate."""

from __future__ import annotations

import contextlib
import time
from abc import abstractmethod
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from torch import Tensor

from convolab.errors import SettingsError
from convolab.training.checkpoints import CheckpointError
from convolab.training.control import Commands, Control, MemoryControl, checked_learning_rate
from convolab.training.events import Checkpointed, Event, LearningRateChanged, Paused, Resumed
from convolab.training.state import TrainingState

if TYPE_CHECKING:
    from convolab.datasets import Dataset
    from convolab.networks import Network
    from convolab.training.settings import TrainingSettings

POLL_SECONDS = 0.02
"""How often the control is asked while paused."""

Verdict = Literal["go on", "stop", "release"]


class SteeredState(TrainingState):
    """The state of a run and the control it obeys between two batches."""

    def __init__(
        self,
        network: Network,
        dataset: Dataset,
        settings: TrainingSettings,
        initial_weights: Mapping[str, Tensor] | str | Path | None,
        control: Control | None,
        checkpoint_path: str | Path | None,
    ) -> None:
        super().__init__(network, dataset, settings, initial_weights)
        self.control: Control = control or MemoryControl()
        self.checkpoint_path = Path(checkpoint_path) if checkpoint_path else None
        self._steps = 0
        """Batches that were asked for while paused."""

    @abstractmethod
    def _progress(self) -> Iterator[Event]:
        """Report the batches since the last report, if any."""

    def _obey(self, commands: Commands) -> Generator[Event, None, Verdict]:
        """Do what the control wants; called between two batches."""
        yield from self._change_learning_rate(commands)
        if commands.stop:
            return "stop"
        if commands.release:
            self._steps = 0
            return (yield from self._pause())
        if not commands.paused:
            self._steps = 0
            return "go on"
        self._steps += commands.steps
        if not self._steps:
            verdict = yield from self._pause()
            if verdict != "go on":
                return verdict
        self._steps = max(0, self._steps - 1)
        return "go on"

    def _pause(self) -> Generator[Event, None, Verdict]:
        yield from self._progress()
        if self.checkpoint_path:
            return (yield from self._checkpoint(pausing=True))
        return (yield from self._wait(""))

    def _checkpoint(
        self, *, pausing: bool = False, stopping: bool = False
    ) -> Generator[Event, None, Verdict]:
        """Save; where that fails, pause with the reason, and try again when training is resumed.

        Someone who has asked to stop is not kept waiting: "stop" then says that it failed.
        """
        assert self.checkpoint_path is not None
        while True:
            reason = ""
            if self.checkpointed_at != self.examples:
                try:
                    self.save(self.checkpoint_path)
                    self.checkpointed_at = self.examples
                    yield Checkpointed(examples=self.examples, path=str(self.checkpoint_path))
                except CheckpointError as error:
                    if stopping:
                        return "stop"
                    reason = f"{error} {self._kept()} Make room and press Resume."
                    self.control.hold()
            if not (reason or pausing):
                return "go on"
            verdict = yield from self._wait(reason)
            if not reason or verdict != "go on" or self._steps:
                return verdict
            pausing = False

    def _kept(self) -> str:
        if self.checkpointed_at is None:
            return "There is no earlier checkpoint."
        return f"The previous one, from {self.checkpointed_at:,} examples, is kept."

    def _wait(self, reason: str) -> Generator[Event, None, Verdict]:
        """Paused: ask the control until it wants something."""
        yield Paused(examples=self.examples, reason=reason)
        while True:
            commands = self.control.poll()
            yield from self._change_learning_rate(commands)
            if commands.stop:
                return "stop"
            if commands.release:
                return "release"
            if commands.steps:
                self._steps += commands.steps
                break
            if not commands.paused:
                yield Resumed(examples=self.examples)
                break
            time.sleep(POLL_SECONDS)
            self._tick = time.perf_counter()
        return "go on"

    def _change_learning_rate(self, commands: Commands) -> Iterator[Event]:
        if commands.learning_rate is None or commands.learning_rate == self.learning_rate:
            return
        with contextlib.suppress(SettingsError):  # a control that lets nonsense through does not end the run
            self.learning_rate = checked_learning_rate(commands.learning_rate)
            yield LearningRateChanged(examples=self.examples, learning_rate=self.learning_rate)
