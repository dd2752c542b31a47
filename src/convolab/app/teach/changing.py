"""What a person does with the examples of an open project: classes, images, files, taking things back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool

from convolab.app.teach.computing import looking
from convolab.app.teach.describing import packed_evidence, seen
from convolab.app.teach.desk import Desk, Doing, desk, forget
from convolab.errors import ConvolabError, DataError, SettingsError
from convolab.teach.examples import ExampleClass, Found, fill_from, opened, squared
from convolab.teach.project import Project


def add_class(at: Desk, name: str) -> dict[str, Any]:
    """A new class; without a name it gets a number."""
    project = at.project
    with project.lock:
        number = len(project.classes) + 1
        while not name and f"Class {number}" in project.names:
            number += 1
        made = project.add_class(name or f"Class {number}")
        project.write()
    at.touch()
    return {"key": made.key}


def rename_class(at: Desk, key: str, name: str) -> dict[str, Any]:
    """Call a class something else."""
    with at.project.lock:
        at.project.rename(key, name)
        at.project.write()
    at.touch()
    return {}


def remove_class(at: Desk, key: str) -> dict[str, Any]:
    """Remove a class with its images; it can be taken back until something else is removed."""
    project = at.project
    with project.lock:
        one = project.find(key)
        place = project.classes.index(one)
        images = _contents(project, one.ids)
        project.remove_class(key)
        project.write()

    def back() -> None:
        again = ExampleClass(one.key, one.name)
        if one.name in project.names:
            raise SettingsError(f'There is a class "{one.name}" again; give that another name first.')
        project.classes.insert(min(place, len(project.classes)), again)
        _put_back(project, again, images)

    count = len(images)
    _keep_undo(at, back, f'the class "{one.name}" with {count:,} image{"" if count == 1 else "s"}')
    return {}


def remove_images(at: Desk, ids: list[str]) -> dict[str, Any]:
    """Remove images; they can be taken back until something else is removed."""
    project = at.project
    with project.lock:
        taken = []
        for one in project.classes:
            mine = [example for example in one.ids if example in set(ids)]
            if mine:
                taken.append((one.key, _contents(project, mine)))
            for example in mine:
                project.remove(example)
        project.write()

    def back() -> None:
        for key, images in taken:
            _put_back(project, project.find(key), images)

    count = sum(len(images) for _, images in taken)
    _keep_undo(at, back, f"{count:,} image{'' if count == 1 else 's'}")
    return {}


def _contents(project: Project, ids: list[str]) -> list[tuple[str, bytes, Any]]:
    return [(example, project.content[example], project.parts.get(example)) for example in ids]


def _put_back(project: Project, one: ExampleClass, images: list[tuple[str, bytes, Any]]) -> None:
    for example, content, part in images:
        if example not in project.content:
            project.restore(one, example, content, part)


def _keep_undo(at: Desk, back: Callable[[], None], title: str) -> None:
    at.undo, at.undo_title = back, title
    at.touch()


def undo(at: Desk) -> dict[str, Any]:
    """Take back what was removed last."""
    if at.undo is None:
        raise DataError("There is nothing to take back.")
    with at.project.lock:
        at.undo()
        at.project.write()
    at.undo, at.undo_title = None, ""
    at.touch()
    return {}


def add_image(at: Desk, key: str, content: bytes) -> dict[str, Any]:
    """Add one image to a class."""
    project = at.project
    image = squared(content)
    with project.lock:
        made = project.add(key, image)
        project.write()
    at.touch()
    return {"id": made, "known": made is None}


def configure(at: Desk, changes: dict[str, Any]) -> dict[str, Any]:
    """Change settings; another base starts at its own layer."""
    if "base" in changes and changes["base"] != at.settings.base:
        changes = {"layer": "", **changes}
    with at.project.lock:
        at.project.configure(**changes)
    at.problem = at.base_problem = ""
    at.touch()
    return {}


# -------------------------------------------------------------------- files


def read_archive(at: Desk, path: Path, called: str) -> Callable[[Doing], Any]:
    """Work that adds the images of a zip with a folder per class, and removes the file in the end."""

    async def work(doing: Doing) -> None:
        def follow(now: Any) -> None:
            doing.report(now)
            at.touch()

        def fill() -> Found:
            try:
                return fill_from(at.project, path, called=called, progress=follow)
            finally:
                at.project.write()
                path.unlink(missing_ok=True)

        found = await run_in_threadpool(fill)
        at.feed()
        if found.unreadable:
            count = len(found.unreadable)
            at.problem = (
                f"{found.added:,} images were added; {count:,} file{'' if count == 1 else 's'} "
                f"could not be read, the first is {found.unreadable[0]}."
            )

    return work


def open_file(path: Path, called: str) -> str:
    """A project of a file that a lab saved; returns its id. Takes seconds: off the event loop."""
    from convolab.teach.files import read

    saved = read(path, called=called)
    project = Project.create(saved.title or "My classes")
    try:
        with project.lock:
            project.take_over(saved.title, saved.examples, saved.settings)
    except ConvolabError:
        project.delete()
        raise
    at = desk(project.id)
    if saved.taught is not None:
        from convolab.teach.files import pack, save

        at.take(saved.taught)
        save(
            project.learned_path,
            pack(project.title, project, project.settings, saved.taught, images=False),
        )
    return project.id


def delete(at: Desk) -> dict[str, Any]:
    """Delete a whole project."""
    forget(at.project.id)
    return {}


# -------------------------------------------------------------------- why


async def explain(at: Desk, example: str, content: bytes | None, label: int | None) -> dict[str, Any]:
    """What an example, or a picture of the page, is taken for, and where the evidence for a class lies."""
    taught = at.taught
    if taught is None:
        raise DataError("Train first: then the lab says what it takes an image for, and why.")
    kept = at.project.content.get(example) if content is None else None
    if content is None and kept is None:
        raise DataError("This image is no longer there.")

    def look() -> dict[str, Any]:
        from convolab.teach.explaining import evidence

        made = taught.classifier
        picture = opened(kept) if kept is not None else squared(content or b"")
        found = made.look(picture)
        answer = seen(at, made, found, False, label)
        chosen = found.label if label is None or not 0 <= label < len(made.classes) else label
        why = evidence(made, picture, chosen, found)
        return {**answer, "evidence": packed_evidence(chosen, why.values, why.method)}

    return await looking(look)
