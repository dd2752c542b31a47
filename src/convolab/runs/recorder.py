"""Recording a run: each event goes to its folder at once, to MLflow about once a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from convolab.errors import ConvolabError, RunError
from convolab.runs.control import FolderControl
from convolab.runs.feeding import push
from convolab.runs.folder import Figures, RunFolder, State
from convolab.runs.journal import Journal
from convolab.training import events
from convolab.training.events import Event

WEIGHTS_SECONDS = 1.0
WEIGHTS_SHARE = 0.03
"""At most this share of the time goes into writing live weights."""
PUSH_SECONDS = 1.0
CLOSING_SECONDS = 30.0
"""How long the end of a run waits for MLflow before it leaves the rest to `sync`."""


class Recorder(Journal):
    """Writes a run's events, state and live weights; where the disk is full, it makes the run pause."""

    def __init__(
        self, folder: RunFolder, control: FolderControl, save_weights: Callable[[Path], None] | None = None
    ) -> None:
        super().__init__(folder, control)
        self.folder = folder
        self.save_weights = save_weights
        self._weights_at = -1e9
        self._weights_cost = 0.0
        self._tracker = Tracker(folder)

    def record(self, event: Event) -> Event:
        """Write one event; returns it, with the reason filled in if the recorder caused a pause."""
        if note := self._tracker.take_note():
            self.append(events.Note(examples=event.examples, message=note).to_dict())
        if isinstance(event, events.Paused) and self.trouble and not event.reason:
            event = replace(event, reason=self.trouble)
        if isinstance(event, events.Resumed):
            self.trouble = ""
            self.reserve()
        self.append(event.to_dict())
        before = (self.state, self.reason)
        self.figures = _figures_after(self.figures, event)
        self._take_state(event)
        if isinstance(event, events.Progress | events.Evaluated | events.Paused | events.Finished):
            self._write_weights(at_once=isinstance(event, events.Finished))
        # After a pause nothing may come for long, so what is written then has to be the newest.
        changed = (self.state, self.reason) != before or isinstance(event, events.Paused)
        if changed or self.state_is_due():
            self.write_state()
        return event

    def close(self) -> None:
        """Bring MLflow up to date, if it answers, and close the files."""
        super().close()
        self._tracker.close()

    def _take_state(self, event: Event) -> None:
        match event:
            case events.Started() | events.Resumed():
                if not self.trouble:
                    self.state, self.reason = "running", ""
            case events.Paused():
                self.state, self.reason = "paused", event.reason
            case events.Finished():
                ends: dict[str, State] = {"user": "stopped", "not finite": "failed"}
                self.state = ends.get(event.stopped_because, "finished")
                self.reason = event.message

    # ---------------------------------------------------------------- weights

    def _write_weights(self, *, at_once: bool) -> None:
        """Refresh the weights that others look at; they are a view, so a failure here stops nothing."""
        if self.save_weights is None:
            return
        wait = max(WEIGHTS_SECONDS, self._weights_cost / WEIGHTS_SHARE)
        begun = time.monotonic()
        if not at_once and begun - self._weights_at < wait:
            return
        try:
            self.save_weights(self.folder.weights_path)
        except ConvolabError as error:
            if at_once and self.state != "failed":
                self.reason = f"{self.reason} {error}".strip()
        self._weights_at = time.monotonic()
        self._weights_cost = self._weights_at - begun


def _figures_after(figures: Figures, event: Event) -> Figures:
    values: dict[str, object] = {}
    match event:
        case events.Started():
            values = {
                "examples": event.examples,
                "parameters": event.parameters,
                "device": event.device,
                "precision": event.precision,
                "stopped_because": None,
            }
        case events.Progress():
            values = {
                "examples": event.examples,
                "batches": event.batches,
                "seconds": event.seconds,
                "fraction": event.fraction,
                "seconds_left": event.seconds_left,
                "examples_per_second": event.examples_per_second,
                "train_accuracy": event.train_accuracy,
                "train_loss": event.loss,
            }
        case events.Evaluated():
            values = {"test_accuracy": event.test_accuracy, "test_loss": event.test_loss}
        case events.Finished():
            values = {
                "examples": event.examples,
                "batches": event.batches,
                "seconds": event.seconds,
                "examples_per_second": event.examples_per_second,
                "train_accuracy": event.train_accuracy,
                "test_accuracy": event.test_accuracy,
                "test_loss": event.test_loss,
                "seconds_left": None,
                "stopped_because": event.stopped_because,
            }
            if event.stopped_because not in ("user", "not finite"):
                values["fraction"] = 1.0
    return figures.model_copy(update=values) if values else figures


class Tracker:
    """A thread that brings a run's folder to MLflow about once a second; no failure reaches training."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._end = threading.Event()
        self._note = ""
        self._failed = False
        self._thread = threading.Thread(target=self._work, name=f"mlflow {folder.run_id[:8]}", daemon=True)
        self._thread.start()

    def take_note(self) -> str:
        """What should be said once to whoever watches; then empty."""
        note, self._note = self._note, ""
        return note

    def close(self) -> None:
        """Push the rest; leaves it to `sync` if that takes too long."""
        self._end.set()
        self._thread.join(CLOSING_SECONDS)

    def _work(self) -> None:
        wait = PUSH_SECONDS
        while True:
            ending = self._end.wait(wait)
            try:
                push(self._folder, wait=CLOSING_SECONDS if ending else 0)
                wait = PUSH_SECONDS
            except (RunError, OSError) as error:
                wait = min(60.0, 5 * wait)
                if not self._failed:
                    self._failed = True
                    self._note = f"{error} Training goes on; the record of runs catches up later."
            if ending:
                return
