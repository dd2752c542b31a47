"""Many pictures and videos at once: what comes from where and goes where, one after the other."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convolab.errors import ConvolabError, DataError
from convolab.style.fast.photo_sources import ENDINGS
from convolab.style.fast.video import restyle_video
from convolab.style.fast.video_film import is_video
from convolab.words import duration

if TYPE_CHECKING:
    from convolab.style.fast.painter import Painter
    from convolab.style.fast.stylizing import Filtered
    from convolab.style.pictures import Picture


@dataclass
class Order:
    """How everything of a batch is painted: as in `stylize`."""

    style: str
    strength: float = 1.0
    repeat: int = 1
    then: tuple[str, ...] = ()
    size: int | None = None
    padding: str = "reflect"
    preserve_color: bool = False
    each: bool = False
    """Whether the pictures on the way are written, too."""
    memory_mb: int | None = None
    _painters: list[Painter] = field(default_factory=list)

    def painters(self) -> list[Painter]:
        """The filters of the chain, made once."""
        if not self._painters:
            from convolab.style.fast.stylizing import chain

            self._painters = chain(
                self.style,
                repeat=self.repeat,
                then=self.then,
                padding=self.padding,  # type: ignore[arg-type]
                memory_mb=self.memory_mb,
            )
        return self._painters

    def steps(self, picture: Picture) -> list[Filtered]:
        """A picture through the chain."""
        from convolab.style.fast.stylizing import through

        painters = self.painters()
        return through(picture, painters, self.strength, self.size, preserve_color=self.preserve_color)


@dataclass(frozen=True)
class Done:
    """How far one of the inputs is, or what came of it."""

    source: Path
    target: Path
    finished: bool = False
    error: str = ""
    """A sentence, where it could not be painted."""
    text: str = ""
    """While it is under way."""
    fraction: float | None = None
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """What came of it."""
        width, height = self.figures["size"]
        frames = self.figures.get("frames")
        what = f"{frames} frames of {width}×{height}" if frames else f"{width}×{height}"
        sound = f" {self.figures['sound']}" if self.figures.get("sound") else ""
        return f"{self.target}: {what} in {duration(self.figures['seconds'])}.{sound}"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"input": str(self.source), "output": str(self.target), **self.figures}


def outputs_for(inputs: Sequence[Path], output: Path, steps: int = 0) -> list[tuple[Path, Path]]:
    """For each picture and video the file it becomes. DataError if they do not fit the output.

    One file becomes one file, unless the output is a folder; folders and several files go into a folder,
    which is made. Pictures keep their names, and their folders below the given one. With ``steps`` so many
    numbered pictures are written beside each. What would replace an original, or another result, is refused.
    """
    found = _outputs_for(inputs, output)
    _check_apart(found, steps)
    return found


def _check_apart(jobs: Sequence[tuple[Path, Path]], steps: int) -> None:
    """DataError if one file would be written over a source or over another file of the same call."""
    sources = {source.resolve(): source for source, _ in jobs}
    made: dict[Path, Path] = {}
    for source, target in jobs:
        for path in (target, *(numbered(target, number + 1) for number in range(steps))):
            key = path.resolve()
            if key in sources:
                raise DataError(
                    f"{path} would be written over the original {sources[key]}; choose another name."
                )
            if key in made:
                raise DataError(
                    f"{made[key]} and {source} would both become {path}; paint them into different folders."
                )
            made[key] = source


def numbered(target: Path, number: int) -> Path:
    """Where the picture after so many filters goes."""
    return target.with_name(f"{target.stem}-{number}{target.suffix}")


def _outputs_for(inputs: Sequence[Path], output: Path) -> list[tuple[Path, Path]]:
    for path in inputs:
        if not path.exists():
            raise DataError(f"There is no file {path}.")
    one = len(inputs) == 1 and inputs[0].is_file()
    if one and not output.is_dir() and output.suffix:
        if not output.parent.is_dir():
            raise DataError(f"There is no folder {output.parent}.")
        return [(inputs[0], output)]
    if output.is_file():
        raise DataError(f"{output} is a file; several pictures need a folder.")
    found = []
    for path in dict.fromkeys(inputs):
        if path.is_file():
            found.append((path, output / _renamed(path)))
            continue
        inside = sorted(
            file
            for file in path.rglob("*")
            if (file.suffix.lower() in ENDINGS or is_video(file)) and not file.name.startswith(".")
        )
        if path.resolve() in output.resolve().parents:  # the results of an earlier call may lie there
            inside = [file for file in inside if output.resolve() not in file.resolve().parents]
        found += [(file, output / file.relative_to(path).parent / _renamed(file)) for file in inside]
    if not found:
        raise DataError(f"There are no pictures and no videos in {inputs[0]}.")
    return found


def _renamed(path: Path) -> str:
    if is_video(path):
        return f"{path.stem}.mp4"
    return path.name if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp") else f"{path.stem}.png"


def stylize_all(jobs: Sequence[tuple[Path, Path]], order: Order) -> Iterator[Done]:
    """Paint all, one after the other; what cannot be painted is said and passed over.

    ConvolabError at once for what is wrong with the order itself, such as an unknown style.
    """
    order.painters()
    for number, (source, target) in enumerate(jobs):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            for done in (
                _video(source, target, order) if is_video(source) else _picture(source, target, order)
            ):
                whole = None if done.fraction is None else (number + done.fraction) / len(jobs)
                yield Done(done.source, done.target, done.finished, "", done.text, whole, done.figures)
        except ConvolabError as error:
            yield Done(source, target, error=str(error))
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            yield Done(source, target, error=f"{target} cannot be written: {why}.")


def _picture(source: Path, target: Path, order: Order) -> Iterator[Done]:
    from convolab.style.fast.border import border_artefact
    from convolab.style.fast.stylizing import save_picture

    tick = time.perf_counter()
    steps = order.steps(source)
    seconds = time.perf_counter() - tick
    outputs = []
    if order.each:
        for number, step in enumerate(steps[1:], 1):
            save_picture(numbered(target, number), step.picture)
            outputs.append(str(numbered(target, number)))
    result = steps[-1].picture
    save_picture(target, result)
    figures: dict[str, Any] = {"size": list(result.size), "seconds": round(seconds, 3)}
    figures["filters"] = [step.filter for step in steps[1:]]
    if min(result.size) >= 64:
        figures["border"] = round(border_artefact(result), 3)
    if outputs:
        figures["each"] = outputs
    yield Done(source, target, finished=True, fraction=1.0, figures=figures)


def _video(source: Path, target: Path, order: Order) -> Iterator[Done]:
    work = restyle_video(
        source, target, order.painters(), order.strength, order.size, preserve_color=order.preserve_color
    )
    for at in work:
        if at.done:
            from convolab.style.fast.video_film import video_facts

            facts = video_facts(target)
            figures: dict[str, Any] = {"size": [facts.width, facts.height], "frames": at.frame}
            figures |= {"seconds": round(at.seconds, 3), "rate": round(facts.rate, 3), "sound": at.sound}
            figures["flicker"] = None if at.flicker is None else round(at.flicker, 3)
            yield Done(source, target, finished=True, fraction=1.0, figures=figures)
            continue
        left = "" if at.seconds_left is None else f" · {duration(at.seconds_left)} left"
        total = "" if at.frames is None else f" of {at.frames}"
        speed = f" · {at.painted / at.seconds:.1f} a second" if at.seconds > 1 else ""
        fraction = None if not at.frames else min(1.0, at.frame / at.frames)
        yield Done(
            source, target, text=f"{source.name}: frame {at.frame}{total}{speed}{left}", fraction=fraction
        )
