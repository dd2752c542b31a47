"""Your own images: a zip with a folder per class becomes a data set."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nicegui import background_tasks, events, run, ui

from convolab.app import longwork
from convolab.app.build.fields import Field
from convolab.app.theme import box, button, dialog_box, text, upload_box
from convolab.datasets import ImportReport, catalogue
from convolab.errors import SettingsError
from convolab.spec import Knob

MAX_UPLOAD = 2_000_000_000
"""Bytes of a zip; the images in it are checked one by one."""

_NAME = Knob("name", "text", "", "Name", "How the data set is called, in letters, digits and hyphens.")
_SIZE = Knob("size", "int", 32, "Size", "Side of the images after resizing.", "pixels", 8, 256, 4)
_COLOR = Knob("color", "bool", True, "In colour", "Three channels; otherwise one, grey.")
_SHARE = Knob(
    "share", "float", 0.2, "Test share", "The share of images kept for testing.", "", 0.05, 0.5, 0.05
)


def own_images_dialog(done: Callable[[str], Any]) -> None:
    """Open the dialog; ``done(name)`` when the visitor wants to go on with the new data set."""
    OwnImages(done)


class OwnImages:
    """Upload, settings, progress, report."""

    def __init__(self, done: Callable[[str], Any]) -> None:
        self._done = done
        self._values: dict[str, Any] = {"name": "", "size": 32, "color": True, "share": 0.2}
        self._zip: Path | None = None
        self._work: longwork.LongWork | None = None
        self._dialog, card = dialog_box("Your own images", once=True)
        self._dialog.on("hide", self._leave)
        with card:
            self._form = box("stack")
            with self._form:
                text(
                    "A zip file with one folder per class, 2 to 100 of them, with images named as you like: "
                    "cats/1.jpg, cats/2.png, dogs/a.jpg. They are resized and split into training and "
                    "test images."
                )
                upload_box(
                    "Choose a zip file or drop it here",
                    ".zip,application/zip",
                    MAX_UPLOAD,
                    self._uploaded,
                    lambda: self._say(f"This is no zip, or larger than {MAX_UPLOAD // 10**9} GB.", bad=True),
                    lambda: self._say("Uploading …"),
                )
                with box("fields"):
                    self._name = self._field(_NAME)
                    self._field(_SIZE)
                    self._field(_SHARE)
                    self._field(_COLOR)
            self._message = text("", "note")
            self._message.props["role"] = "status"
            self._message.set_visibility(False)
            with box("meter") as self._meter:
                self._bar = box("").style("width: 0")
            self._meter.set_visibility(False)
            self._report = box("stack")
            with box("row-x") as self._actions:
                self._make = button("Make the data set", kind="main-action", on_click=self._start)
                self._make.disable()
            self._timer = ui.timer(0.3, self._watch, active=False)
        self._dialog.open()

    def _field(self, knob: Knob) -> Field:
        def edit(value: Any) -> None:
            low, high = knob.minimum, knob.maximum
            if low is not None and high is not None and not low <= value <= high:
                raise SettingsError(f"{knob.label} must be from {knob.range_text}.")
            if knob.name == "name" and (problem := name_problem(value)):
                raise SettingsError(problem)
            self._values[knob.name] = value

        return Field(knob, self._values[knob.name], edit)

    async def _uploaded(self, event: events.UploadEventArguments) -> None:
        self._forget_file()
        with tempfile.NamedTemporaryFile(suffix=".zip", prefix="convolab-", delete=False) as file:
            self._zip = Path(file.name)
        await event.file.save(self._zip)
        if not self._values["name"]:
            self._values["name"] = free_name(event.file.name)
            self._name.show(self._values["name"])
        self._say(f"{event.file.name} is here: {self._zip.stat().st_size / 1e3:,.0f} kB.")
        self._make.enable()

    def _start(self) -> None:
        if self._zip is None:
            return
        if problem := name_problem(self._values["name"]):
            self._name.complain(problem)
            return
        from convolab.datasets import import_images

        self._work = longwork.LongWork(
            import_images,
            self._zip,
            self._values["name"],
            size=self._values["size"],
            color=self._values["color"],
            test_share=self._values["share"],
        )
        self._make.disable()
        self._meter.set_visibility(True)
        self._timer.activate()

    def _watch(self) -> None:
        work = self._work
        if work is None:
            return
        if not work.finished:
            self._say(work.sentence)
            self._bar.style(f"width: {100 * (work.fraction or 0.02):.0f}%")
            return
        self._timer.deactivate()
        self._meter.set_visibility(False)
        if work.error:
            self._say(work.error, bad=True)
            self._make.enable()
            return
        self._finished(work.result)

    def _finished(self, report: ImportReport) -> None:
        self._form.set_visibility(False)
        self._make.set_visibility(False)
        self._say(report_sentence(report))
        with self._report:
            for note in report.notes:
                text(note)
            if report.ignored:
                text(f"{report.ignored:,} files outside of the folders of classes were left out.")
            if report.unreadable:
                text(f"{len(report.unreadable):,} files could not be read and were left out:", "strong")
                with box("unreadable", "ul"):
                    for line in report.unreadable[:200]:
                        text(line, "small", tag="li")
        with self._actions:
            button("Use these images", kind="main-action", on_click=self._use)

    def _use(self) -> None:
        self._dialog.close()
        self._done(self._values["name"])

    def _say(self, sentence: str, bad: bool = False) -> None:
        self._message.set_text(sentence)
        self._message.classes(add="bad") if bad else self._message.classes(remove="bad")
        self._message.set_visibility(bool(sentence))

    def _leave(self) -> None:
        self._timer.deactivate()
        if self._work is None or self._work.finished:
            self._forget_file()

    def _forget_file(self) -> None:
        if self._zip is not None:
            path, self._zip = self._zip, None
            background_tasks.create(run.io_bound(path.unlink, True), name="remove an upload")


def name_problem(name: str) -> str:
    """Why a data set cannot have this name; nothing if it can."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", name or ""):
        return 'Name must be of small letters, digits, "-" and "_", such as my-cats.'
    if name in {info.name for info in catalogue()}:
        return f'There is a data set "{name}" already; choose another name.'
    return ""


def free_name(file_name: str) -> str:
    """A name for a data set, made from that of a file."""
    plain = re.sub(r"[^a-z0-9]+", "-", Path(file_name).stem.lower()).strip("-")[:40] or "my-images"
    taken = {info.name for info in catalogue()}
    return next(name for i in range(1, 10_000) if (name := plain if i == 1 else f"{plain}-{i}") not in taken)


def report_sentence(report: ImportReport) -> str:
    """``240 images of 3 classes: 192 to train on, 48 to test on.``"""
    total = report.train_size + report.test_size
    return (
        f"{total:,} images of {len(report.classes)} classes: {report.train_size:,} to train on, "
        f"{report.test_size:,} to test on."
    )
