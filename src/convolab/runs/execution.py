"""Executing a run: from the beginning or from its last checkpoint, recorded, in whichever process this is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from convolab.runs.control import FolderControl
from convolab.runs.folder import RunFolder
from convolab.runs.perform import checkpoint_seconds, perform, take_up
from convolab.runs.recorder import Recorder
from convolab.training.events import Event, Finished, Recovered

if TYPE_CHECKING:
    from convolab.training import Training


def execute(
    run_id: str,
    on_event: Callable[[Event], None] | None = None,
    *,
    linger: float | None = None,
    keep_wishes: bool = False,
) -> Finished | None:
    """Train a run to its end, from its last checkpoint if there is one; ``on_event`` sees each event.

    A run that is finished already is left as it is, so calling this twice does no harm. While the run is
    paused this waits, at most ``linger`` seconds if that is given, and returns None when the run is to be
    released (``RunFolder.control(release=True)``): it can be executed again later.

    A pause or stop that was asked for in an earlier execution is forgotten, except with ``keep_wishes``.

    Raises RunError if another process executes the run, any ConvolabError that training ends with, and
    RunError for an error nobody foresaw, whose traceback is then in the folder's ``error.txt``.
    """
    folder = RunFolder(run_id)
    folder.spec()
    with folder.lock():
        if folder.written_state().state == "finished" and (end := last_finish(folder)):
            return end
        before = take_up(folder, keep_wishes)
        return perform(_Training(folder, linger), before, on_event or (lambda _: None))


def last_finish(folder: RunFolder) -> Finished | None:
    """The latest Finished event of a run."""
    found, _ = folder.events()
    return next((event for event in reversed(found) if isinstance(event, Finished)), None)


class _Training:
    """One execution of a run, for `perform`."""

    failed = "Training failed unexpectedly"
    closed = "The lab was closed while it trained."

    def __init__(self, folder: RunFolder, linger: float | None) -> None:
        self.folder = folder
        self._control = FolderControl(folder.control_path, folder.give_up_reserve, linger)
        self.journal = Recorder(folder, self._control)
        self._training: Training | None = None

    def prepare(self) -> None:
        """Load the images, build the network, restore the checkpoint."""
        from convolab.datasets import load
        from convolab.training import Training

        spec = self.folder.spec()
        initial = self.folder.initial_weights_path
        self._training = Training(
            spec.network,
            load(spec.dataset),
            spec.settings,
            control=self._control,
            checkpoint_path=self.folder.checkpoint_path,
            checkpoint_every=checkpoint_seconds(),
            initial_weights=initial if initial.exists() else None,
        )
        self.journal.save_weights = self._training.save_weights

    def recovered(self) -> Event:
        """From where training goes on."""
        assert self._training is not None
        examples = self._training.examples
        entries, _ = self.folder.entries()
        where = f"from its checkpoint at {examples:,} examples" if examples else "from the beginning"
        return Recovered(
            examples=entries[-1].get("examples", 0) if entries else 0,
            message=f"The process that trained this run died; it goes on by itself {where}.",
        )

    def events(self) -> Iterator[Event]:
        """Train."""
        assert self._training is not None
        return self._training.events()

    def record(self, event: Event) -> Event:
        """Write one event down."""
        return self.journal.record(event)

    def end(self, event: Event) -> Finished | None:
        """The event itself, if it is the last one."""
        return event if isinstance(event, Finished) else None
