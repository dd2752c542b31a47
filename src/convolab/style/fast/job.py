"""Learning a style as a job: made with its painting in a folder, executed anywhere, steered through it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from convolab.errors import ConvolabError, RunError
from convolab.runs.files import now
from convolab.runs.folder import Figures
from convolab.runs.journal import Journal
from convolab.runs.perform import checkpoint_seconds, perform, take_up
from convolab.style.fast.events import (
    LearnEvent,
    LearnFinished,
    LearnPaused,
    LearnPreview,
    LearnRecovered,
    LearnResumed,
    LearnStarted,
    LearnStep,
    learn_event_from_dict,
)
from convolab.style.fast.job_folder import LearnFolder, LearnSpec
from convolab.style.fast.settings import LearnSettings
from convolab.style.job import FolderTransferControl

if TYPE_CHECKING:
    from PIL import Image

    from convolab.style.fast.learning import Learning

NAME_LENGTH = 100
PREVIEWS = 120
"""When more are kept, every second one goes."""
STEP_SECONDS = 0.25
"""At least so long between two steps that are written down; the last one before anything else is, too."""
STRIP_HEIGHT = 240
"""Pixels of the previews as they are kept."""


def create_learning(
    painting: str | Path,
    settings: LearnSettings,
    *,
    photos: str | Path | None = None,
    name: str = "",
    painter: str = "",
    year: str = "",
    key: str = "",
) -> str:
    """Make a job that learns a style, queued and ready for `execute_learning` or `Queue.submit`; its id.

    ``photos`` is a folder. DataError if the painting cannot be read or the folder has no pictures: what
    cannot be learned never becomes a job.
    """
    from convolab.style.fast.photo_sources import photos_in
    from convolab.style.pictures import read_picture

    painting = Path(painting)
    read_picture(painting)
    if photos is not None:
        photos_in(Path(photos))
    folder = LearnFolder(LearnFolder.new_id())
    spec = LearnSpec(
        run_id=folder.run_id,
        name=(name.strip() or painting.stem.replace("_", " ").capitalize())[:NAME_LENGTH],
        painter=painter,
        year=year,
        settings=settings,
        photos=None if photos is None else str(Path(photos).absolute()),
        key=key,
        created=now(),
        version=version("convolab"),
    )
    folder.create(spec, painting)
    return folder.run_id


def execute_learning(
    run_id: str, on_event: Callable[[LearnEvent], None] | None = None, *, keep_wishes: bool = False
) -> LearnFinished | None:
    """Learn a style to its end, from its last saved state if there is one; None if it is released.

    What was learned, also when it was stopped early, is then in the library of styles, under the name in the
    event. As `convolab.runs.execute` for runs, with the same errors.
    """
    folder = LearnFolder(run_id)
    folder.spec()
    with folder.lock():
        if folder.written_state().state == "finished" and (end := last_finish(folder)):
            return end
        before = take_up(folder, keep_wishes)
        end = perform(_Work(folder), before, on_event or (lambda _: None))
        # As it was written down, with the name that the style was given.
        return None if end is None else last_finish(folder)


def lead(run_id: str) -> None:
    """Tell the processes that were launched with this one what is learned; they wait for it in `follow`."""
    from convolab.style.fast import parallel

    folder = LearnFolder(run_id)
    parallel.told(lambda: (folder.spec().model_dump_json(), folder.painting_path.read_bytes()))


def follow(photos: str | Path | None = None) -> None:
    """Learn along with the first of the processes launched together, which has the job, reports and saves.

    ``photos``: a folder of this machine, where it is another one than that of the job. ConvolabError.
    """
    from convolab.style.fast import parallel
    from convolab.style.fast.learning import Learning
    from convolab.style.fast.photo_sources import gather

    try:
        text, painting = parallel.told(lambda: ("", b""))
        spec = LearnSpec.model_validate_json(text)
        for _ in Learning(painting, spec.settings, photos=gather(photos or spec.photos)).events():
            pass
    except RuntimeError as error:
        if not parallel.is_alone_now(error):
            raise
        raise RunError("The first process ended before this one; see what it said.") from error


def last_finish(folder: LearnFolder) -> LearnFinished | None:
    """The latest end of a job."""
    for entry in reversed(folder.entries()[0]):
        if entry.get("kind") == LearnFinished.kind:
            found = learn_event_from_dict(entry)
            return found if isinstance(found, LearnFinished) else None
    return None


class _Work:
    """One execution, for `perform`."""

    failed = "Learning failed unexpectedly"
    closed = "The lab was closed while it learned."

    def __init__(self, folder: LearnFolder) -> None:
        self.folder = folder
        self._control = FolderTransferControl(folder.control_path, folder.give_up_reserve)
        self.journal = LearnRecorder(folder, self._control)
        self._learning: Learning | None = None

    def prepare(self) -> None:
        """Load network and photos, restore the saved state."""
        folder, spec = self.folder, self.folder.spec()
        self._learning = self.journal.learning = _learning(folder, spec, self._control)
        with contextlib.suppress(OSError):
            unfinished = folder.photos_path.with_suffix(".unfinished")
            _strip(self._learning.held_out).save(unfinished, "PNG")
            unfinished.replace(folder.photos_path)

    def recovered(self) -> LearnEvent:
        """From where learning goes on."""
        assert self._learning is not None
        step = self._learning.step
        where = f"from its saved state after {step:,} steps" if step else "from the beginning"
        message = f"The process that learned this style died; it goes on by itself {where}."
        return LearnRecovered(step=step, message=message)

    def events(self) -> Iterator[LearnEvent]:
        """Learn."""
        assert self._learning is not None
        return self._learning.events()

    def record(self, event: LearnEvent) -> LearnEvent:
        """Write one event down; at the end the style goes into the library."""
        return self.journal.record(event)

    def end(self, event: LearnEvent) -> LearnFinished | None:
        """The event itself, if it is the last one."""
        return event if isinstance(event, LearnFinished) else None


def _learning(folder: LearnFolder, spec: LearnSpec, control: FolderTransferControl) -> Learning:
    from convolab.style.fast.learning import Learning
    from convolab.style.fast.photo_sources import gather

    return Learning(
        folder.painting_path,
        spec.settings,
        photos=gather(spec.photos),
        title=spec.name,
        painter=spec.painter,
        year=spec.year,
        control=control,
        checkpoint_path=folder.checkpoint_path,
        checkpoint_every=checkpoint_seconds(),
    )


class LearnRecorder(Journal):
    """Writes events, state and previews; puts the style into the library."""

    def __init__(self, folder: LearnFolder, control: FolderTransferControl) -> None:
        super().__init__(folder, control)
        self.folder = folder
        self.learning: Learning | None = None
        self._step_at = -1e9
        self._waiting: LearnStep | None = None

    def record(self, event: LearnEvent) -> LearnEvent:
        """Write one event; returns it, with the reason or the name of the style filled in."""
        if isinstance(event, LearnPaused) and self.trouble and not event.reason:
            event = replace(event, reason=self.trouble)
        if isinstance(event, LearnResumed):
            self.trouble = ""
            self.reserve()
        if isinstance(event, LearnPreview | LearnFinished):
            self._keep_preview(event.step)  # first: whoever reads of it finds it
        if isinstance(event, LearnFinished):
            event = replace(event, name=self._add_to_library())
        self._write(event)
        before = (self.state, self.reason)
        self.figures = _figures_after(self.figures, event)
        match event:
            case LearnStarted() | LearnResumed():
                if not self.trouble:
                    self.state, self.reason = "running", ""
            case LearnPaused():
                self.state, self.reason = "paused", event.reason
            case LearnFinished():
                self.state = "stopped" if event.stopped_because == "user" else "finished"
                self.reason = ""
        changed = (self.state, self.reason) != before or isinstance(event, LearnPaused)
        if changed or self.state_is_due():
            self.write_state()
        return event

    def _write(self, event: LearnEvent) -> None:
        """Small networks learn many times a second; not every step is written down."""
        if isinstance(event, LearnStep):
            self._waiting = event
            if time.monotonic() - self._step_at < STEP_SECONDS:
                return
        if self._waiting is not None:
            self.append(self._waiting.to_dict())
            self._waiting, self._step_at = None, time.monotonic()
        if not isinstance(event, LearnStep):
            self.append(event.to_dict())

    def _keep_preview(self, step: int) -> None:
        """A view of the work, so a failure here stops nothing."""
        if self.learning is None or not self.learning.newest_preview:
            return
        with contextlib.suppress(OSError):
            unfinished = self.folder.previews_path / "unfinished"
            _strip(self.learning.newest_preview).save(unfinished, "PNG", compress_level=1)
            unfinished.replace(self.folder.preview_path(step))
            kept = self.folder.previews()
            if len(kept) > PREVIEWS:
                for old in kept[1:-1:2]:
                    self.folder.preview_path(old).unlink(missing_ok=True)

    def _add_to_library(self) -> str:
        """Keep the style in the folder and in the library; its name there, or nothing if the disk is full."""
        from convolab.style.fast.files import save_style
        from convolab.style.fast.library import add_style

        assert self.learning is not None
        if (
            not self.learning.step or self.learning.place
        ):  # of many that learn together the first one keeps it
            return ""
        style = self.learning.style()
        try:
            save_style(self.folder.style_path, style.network, style.card)
            earlier = last_finish(self.folder)
            return add_style(style, replacing=earlier.name if earlier else "").name
        except (ConvolabError, OSError):
            return ""


def _strip(pictures: list[Image.Image]) -> Image.Image:
    """Pictures side by side, all of the same height."""
    from PIL import Image

    widths = [max(1, round(picture.width * STRIP_HEIGHT / picture.height)) for picture in pictures]
    strip = Image.new("RGB", (max(1, sum(widths)), STRIP_HEIGHT))
    at = 0
    for picture, width in zip(pictures, widths, strict=True):
        strip.paste(picture.resize((width, STRIP_HEIGHT), Image.Resampling.LANCZOS), (at, 0))
        at += width
    return strip


def _figures_after(figures: Figures, event: LearnEvent) -> Figures:
    values: dict[str, object] = {}
    match event:
        case LearnStarted():
            values = {"steps": event.step, "device": event.device, "precision": event.precision}
            values |= {"stopped_because": None, "parameters": event.parameters}
        case LearnStep():
            values = {
                "steps": event.step,
                "examples": event.examples,
                "seconds": event.seconds,
                "fraction": event.fraction,
                "seconds_left": event.seconds_left,
                "style": event.style,
                "content": event.content,
            }
        case LearnFinished():
            values = {
                "steps": event.step,
                "seconds": event.seconds,
                "seconds_left": None,
                "style": event.style,
                "content": event.content,
                "stopped_because": event.stopped_because,
            }
            if event.stopped_because != "user":
                values["fraction"] = 1.0
    return figures.model_copy(update=values) if values else figures
