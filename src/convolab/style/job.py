"""Transfers as jobs: made with their pictures in a folder, executed anywhere, steered through the folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from convolab.errors import SettingsError
from convolab.runs.control import change_wishes, read_wishes
from convolab.runs.files import now
from convolab.runs.perform import checkpoint_seconds, perform, take_up
from convolab.style.control import TransferCommands
from convolab.style.events import TransferEvent, TransferFinished, transfer_event_from_dict
from convolab.style.job_folder import Cell, Part, TransferFolder, TransferSpec
from convolab.style.job_recorder import TransferRecorder, TransferRecovered
from convolab.style.settings import TransferSettings
from convolab.style.vgg import VGGS

if TYPE_CHECKING:
    from convolab.style.features import FeatureNetwork
    from convolab.style.transferring import Transfer

NAME_LENGTH = 100


def create_transfer(
    content: Part,
    styles: Sequence[Part],
    settings: TransferSettings,
    *,
    masks: Sequence[Part] = (),
    start: Part | None = None,
    network: Part | None = None,
    name: str | None = None,
    cell: Cell | None = None,
) -> str:
    """Make a transfer, queued and ready for `execute_transfer` or `Queue.submit`; returns its id.

    ``start`` is the picture to begin from, where that is neither noise nor the content. ``network`` is a file
    of weights of a network trained in the lab; without it ``settings.network`` names VGG-16 or VGG-19. All
    files are copied. SettingsError if the parts do not fit together: what cannot be painted never becomes a
    transfer.
    """
    if not styles:
        raise SettingsError("A transfer needs at least one style picture.")
    if masks and len(masks) != len(styles):
        raise SettingsError(f"{len(styles)} style pictures need as many masks, not {len(masks)}.")
    try:
        settings.blend_for(len(styles))
    except ValueError as error:
        raise SettingsError(f"{str(error)[0].upper()}{str(error)[1:]}.") from None
    if network is None and settings.network not in VGGS:
        raise SettingsError(f'There is no feature network "{settings.network}"; choose VGG-16 or VGG-19.')
    parts = {"content": content, "start": start, "network": network}
    parts |= {f"style-{i}": style for i, style in enumerate(styles)}
    parts |= {f"mask-{i}": mask for i, mask in enumerate(masks)}
    folder = TransferFolder(TransferFolder.new_id())
    if start is not None:
        settings = settings.changed(start=start.name)
    spec = TransferSpec(
        run_id=folder.run_id,
        name=(name or _default_name(content, styles))[:NAME_LENGTH],
        settings=settings,
        content=content.name,
        styles=tuple(style.name for style in styles),
        keys={place: part.key for place, part in parts.items() if part is not None and part.key},
        masks=len(masks),
        cell=cell,
        created=now(),
        version=version("convolab"),
    )
    folder.create(spec, content, styles, masks, start, network)
    return folder.run_id


def execute_transfer(
    run_id: str, on_event: Callable[[TransferEvent], None] | None = None, *, keep_wishes: bool = False
) -> TransferFinished | None:
    """Paint a transfer to its end, from its last saved state if there is one; None if it is released.

    As `convolab.runs.execute` for runs, with the same errors.
    """
    folder = TransferFolder(run_id)
    folder.spec()
    with folder.lock():
        if folder.written_state().state == "finished" and (end := last_finish(folder)):
            return end
        before = take_up(folder, keep_wishes)
        return perform(_Work(folder), before, on_event or (lambda _: None))


def last_finish(folder: TransferFolder) -> TransferFinished | None:
    """The latest end of a transfer."""
    for entry in reversed(folder.entries()[0]):
        if entry.get("kind") == TransferFinished.kind:
            found = transfer_event_from_dict(entry)
            return found if isinstance(found, TransferFinished) else None
    return None


class FolderTransferControl:
    """A transfer's view of ``control.json``; a `convolab.style.control.TransferControl`.

    A look costs one ``stat``; the file is read only when it has changed.
    """

    def __init__(self, path: Path, make_room: Callable[[], None] = lambda: None) -> None:
        self._path = path
        self._make_room = make_room
        self._seen: tuple[int, int, int] | None = None
        self._commands = TransferCommands()

    def poll(self) -> TransferCommands:
        """What is wanted now."""
        try:
            found = self._path.stat()
        except OSError:
            return self._commands
        seen = (found.st_mtime_ns, found.st_ino, found.st_size)
        if seen != self._seen:
            self._seen = seen
            wishes = read_wishes(self._path)
            self._commands = TransferCommands(
                paused=wishes.paused,
                stop=wishes.stop,
                release=wishes.release,
                weight=wishes.weight,
                style_weights=wishes.style_weights,
                tv=wishes.tv,
            )
        return self._commands

    def hold(self) -> None:
        """Painting paused itself: stay paused until someone asks to resume, even if that cannot be noted."""
        self._make_room()
        try:
            change_wishes(self._path, paused=True)
        except OSError:
            self._commands = replace(self._commands, paused=True)


class _Work:
    """One execution of a transfer, for `perform`."""

    failed = "Painting failed unexpectedly"
    closed = "The lab was closed while it painted."

    def __init__(self, folder: TransferFolder) -> None:
        self.folder = folder
        self._control = FolderTransferControl(folder.control_path, folder.give_up_reserve)
        self.journal = TransferRecorder(folder, self._control)
        self._transfer: Transfer | None = None

    def prepare(self) -> None:
        """Load network and pictures, restore the saved state."""
        from convolab.style.transferring import Transfer

        watch = self.journal.watch

        class Watched(Transfer):
            """A transfer whose Gram matrices are listened to from the first step of each size on."""

            def prepare(self) -> None:
                super().prepare()
                watch.attend(self.objective)

        folder = self.folder
        spec = folder.spec()
        settings = spec.settings
        if folder.start_path.exists():
            settings = settings.changed(start=str(folder.start_path))
        self._transfer = Watched(
            folder.content_path,
            [folder.style_path(i) for i in range(len(spec.styles))],
            settings,
            masks=[folder.mask_path(i) for i in range(spec.masks)],
            network=_network(folder, settings),
            control=self._control,
            checkpoint_path=folder.checkpoint_path,
            checkpoint_every=checkpoint_seconds(),
        )
        self.journal.painting = self._transfer

    def recovered(self) -> TransferEvent:
        """From where painting goes on."""
        assert self._transfer is not None
        step = self._transfer.step
        where = f"from its saved state after {step:,} steps" if step else "from the beginning"
        message = f"The process that painted this picture died; it goes on by itself {where}."
        return TransferRecovered(step=step, message=message)

    def events(self) -> Iterator[TransferEvent]:
        """Paint."""
        assert self._transfer is not None
        return self._transfer.iterates()

    def record(self, event: TransferEvent) -> TransferEvent:
        """Write one event down."""
        return self.journal.record(event)

    def end(self, event: TransferEvent) -> TransferFinished | None:
        """The event itself, if it is the last one."""
        return event if isinstance(event, TransferFinished) else None


_newest: tuple[tuple[str, str, str], FeatureNetwork] | None = None
"""The feature network that this process used last: a grid of transfers loads it once."""


def _network(folder: TransferFolder, settings: TransferSettings) -> FeatureNetwork:
    global _newest
    from convolab.style.loading import load_network, trained

    if folder.network_path.exists():
        return trained(folder.network_path)
    key = (settings.network, settings.pooling, settings.padding)
    if _newest is None or _newest[0] != key:
        _newest = key, load_network(*key)
    return _newest[1]


def _default_name(content: Part, styles: Sequence[Part]) -> str:
    """``Harbour as Waves``, ``Harbour as Waves + Mosaic``."""
    return f"{content.name} as {' + '.join(style.name for style in styles)}"
