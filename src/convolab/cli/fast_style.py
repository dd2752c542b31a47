"""`convolab styles`, `stylize`, `learn-style`: styles that were learned once and paint in one pass."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convolab.cli.networks import JSON_OPTION
from convolab.cli.options import spec_options
from convolab.cli.output import console, fetching, print_json, print_table
from convolab.errors import DataError, RunError, SettingsError
from convolab.style.fast.settings import LearnSettings
from convolab.words import duration

if TYPE_CHECKING:
    from convolab.style.fast.batch import Done
    from convolab.style.fast.events import LearnEvent, LearnFinished


def styles(
    add: Annotated[Path | None, typer.Option(help="Bring a style file into the library.")] = None,
    export: Annotated[str | None, typer.Option(help="Write this style as one file to --output.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="File or folder for --export.")] = Path(),
    rename: Annotated[
        tuple[str, str] | None, typer.Option(help="One of your styles, and its new title.")
    ] = None,
    remove: Annotated[str | None, typer.Option(help="Remove one of your styles.")] = None,
    json: JSON_OPTION = False,
) -> int:
    """List the styles that can be painted with; add, export, rename and remove your own."""
    from convolab.style.fast import library

    say = console(to_stderr=json).print
    if add is not None:
        say(f"{add} is now the style {library.import_style(add).name}.", markup=False)
    if export is not None:
        say(f"{export} was written to {library.export_style(export, output)}.", markup=False)
    if rename is not None:
        say(f"{rename[0]} is now {library.rename_style(*rename).name}.", markup=False)
    if remove is not None:
        library.remove_style(remove)
        say(f"{remove} was removed.", markup=False)
    found = library.styles()
    if json:
        keep = {"thumbnail", "settings"}
        listed = [
            {"name": e.name, "shipped": e.shipped, "size": e.card.size, **e.card.model_dump(exclude=keep)}
            for e in found
        ]
        print_json({"styles": listed})
        return 0
    if not found:
        say("There are no styles yet; learn one with 'convolab learn-style PAINTING'.", markup=False)
        return 0
    rows = [
        [
            entry.name,
            entry.card.title,
            ", ".join(part for part in (entry.card.painter, entry.card.year) if part),
            entry.card.size,
            duration(entry.card.seconds),
            "came with the lab" if entry.shipped else "yours",
        ]
        for entry in found
    ]
    print_table(["style", "title", "painter", "network", "learned for", ""], rows)
    return 0


def stylize(
    inputs: Annotated[
        list[str], typer.Argument(help="Pictures, folders, videos; - reads a picture from standard input.")
    ],
    style: Annotated[
        str, typer.Option("--style", "-s", help="A style; several with shares: wave:0.3,scream:0.7.")
    ],
    output: Annotated[
        str,
        typer.Option("--output", "-o", help="The file to write; a folder for several; - is standard output."),
    ],
    strength: Annotated[float, typer.Option(help="0 is the photo, 1 the painting.", min=0, max=1)] = 1.0,
    repeat: Annotated[int, typer.Option(help="Apply the style so many times.", min=1, max=100)] = 1,
    then: Annotated[list[str] | None, typer.Option(help="Another style after it; can be repeated.")] = None,
    size: Annotated[
        int | None, typer.Option(help="Long side in pixels; default: as it is.", min=16, max=20_000)
    ] = None,
    padding: Annotated[
        str, typer.Option(help="What is seen beyond the edge: reflect, replicate or zeros.")
    ] = "reflect",
    preserve_color: Annotated[
        bool, typer.Option("--preserve-color", help="Keep the photo's colours.")
    ] = False,
    each: Annotated[
        bool, typer.Option("--each", help="Also write the picture after each filter, numbered.")
    ] = False,
    memory_mb: Annotated[
        int | None, typer.Option(help="Use at most about so many MB: larger pictures in bands.", min=450)
    ] = None,
    json: JSON_OPTION = False,
) -> int:
    """Paint pictures, folders of pictures, or videos in a style that was learned."""
    from convolab.style.fast.batch import Order, outputs_for, stylize_all
    from convolab.style.fast.network import PADDINGS
    from convolab.style.fast.video_film import is_video

    if padding not in PADDINGS:
        raise SettingsError(f'The padding is one of {", ".join(PADDINGS)}, not "{padding}".')
    order = Order(
        style=style,
        strength=strength,
        repeat=repeat,
        then=tuple(then or ()),
        size=size,
        padding=padding,
        preserve_color=preserve_color,
        each=each,
        memory_mb=memory_mb,
    )
    if "-" in inputs:
        return _from_standard_input(inputs, order, output, json)
    if output == "-":
        raise SettingsError("Standard output takes one picture from standard input: convolab stylize - -o -.")
    steps = repeat + len(order.then) if each else 0
    jobs = outputs_for([Path(part) for part in inputs], Path(output), steps)
    videos = [source.name for source, _ in jobs if is_video(source)]
    if each and videos:
        raise SettingsError(f"--each is for pictures; paint the video {videos[0]} without it.")
    screen = _Screen(to_stderr=json)
    failed = 0
    done: list[Done] = []
    with screen:
        for item in stylize_all(jobs, order):
            if item.error:
                if len(jobs) == 1:
                    raise DataError(item.error)
                failed += 1
                console(to_stderr=True).print(item.error, markup=False)
            elif item.finished:
                done.append(item)
                if not json:
                    screen.say(item.sentence)
            else:
                screen.show(item.text, item.fraction)
    if json:
        print_json({"outputs": [item.to_dict() for item in done], "failed": failed})
    if failed:
        console(to_stderr=True).print(f"{failed} of {len(jobs)} could not be painted.", markup=False)
    return 2 if failed else 0


def _from_standard_input(inputs: list[str], order: Any, output: str, json: bool) -> int:
    import io

    from convolab.style.fast.stylizing import save_picture

    if inputs != ["-"]:
        raise SettingsError("Standard input is one picture; no other inputs go with it.")
    if json and output == "-":
        raise SettingsError("Standard output is either the picture or --json; choose a file for one of them.")
    if order.each:
        raise SettingsError("--each needs names to number; give a file instead of standard input.")
    if sys.stdin.isatty():
        raise SettingsError("- reads a picture from standard input: convolab stylize - … < photo.jpg.")
    tick = time.perf_counter()
    picture = order.steps(sys.stdin.buffer.read())[-1].picture
    if output == "-":
        content = io.BytesIO()
        picture.save(content, "PNG")
        sys.stdout.buffer.write(content.getvalue())
        sys.stdout.buffer.flush()
        return 0
    save_picture(output, picture)
    if json:
        figures = {"input": "-", "output": output, "size": list(picture.size)}
        print_json({"outputs": [{**figures, "seconds": round(time.perf_counter() - tick, 3)}], "failed": 0})
    return 0


@spec_options(LearnSettings, "settings")
def learn_style(
    painting: Annotated[
        Path | None, typer.Argument(help="The painting whose style is to be learned.")
    ] = None,
    photos: Annotated[
        Path | None, typer.Option(help="A folder with photos to learn from; more photos make it better.")
    ] = None,
    name: Annotated[str, typer.Option(help="What the style is to be called; default: as the file.")] = "",
    painter: Annotated[str, typer.Option(help="Who painted it, for the card.")] = "",
    year: Annotated[str, typer.Option(help="When, for the card.")] = "",
    resume: Annotated[str | None, typer.Option(help="Go on with a style whose learning ended early.")] = None,
    json: JSON_OPTION = False,
    *,
    settings: LearnSettings,
) -> int:
    """Learn a painting's style. Ctrl-C ends early and keeps what was learned."""
    from convolab.style.fast import parallel
    from convolab.style.fast.events import LearnPaused
    from convolab.style.fast.job import create_learning, execute_learning, lead
    from convolab.style.fast.job_folder import LearnFolder

    if (painting is None) == (resume is None):
        raise SettingsError("Say which painting to learn, or --resume and the id of one that ended early.")
    if parallel.join()[0]:
        return _learn_along(photos)
    screen = _Screen(to_stderr=json)
    if painting is not None:
        from convolab.style import weights
        from convolab.style.fast import photo_sources
        from convolab.style.pictures import read_picture

        read_picture(painting)  # what is quickly said is said before anything is fetched
        with fetching() as progress:
            photo_sources.gather(photos, progress)
            weights.fetch_weights(settings.network, progress)
        run_id = create_learning(painting, settings, photos=photos, name=name, painter=painter, year=year)
    else:
        run_id = _found(str(resume))
    lead(run_id)
    folder = LearnFolder(run_id)
    screen.say(f"{folder.name} · {run_id}")
    trouble: list[str] = []

    def show(event: LearnEvent) -> None:
        if isinstance(event, LearnPaused) and event.reason:
            # Nobody is there to press Resume: end here, keep what was saved, say how to go on.
            trouble.append(event.reason)
            folder.control(release=True)
        screen.event(event)

    with _stop_on_interrupt(folder, screen), screen:
        end = execute_learning(run_id, show)
    if end is None:
        why = trouble[0] if trouble else "Learning was paused."
        raise RunError(f"{why} Go on with 'convolab learn-style --resume {run_id}'.")
    return _learned(run_id, end, screen, json)


def _learn_along(photos: Path | None) -> int:
    """One of many processes launched together: the first one has the job and says how it goes."""
    from convolab.style.fast.job import follow

    # Ctrl-C reaches all of them; the first one decides when they end.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        follow(photos)
    finally:
        signal.signal(signal.SIGINT, before)
    return 0


def _learned(run_id: str, end: LearnFinished, screen: _Screen, json: bool) -> int:
    if json:
        figures = {key: value for key, value in end.to_dict().items() if key != "kind"}
        print_json({"job": run_id, **figures})
    elif end.name:
        screen.say(
            f"Learned in {duration(end.seconds)} from {end.examples:,} parts of photos; on photos it never "
            f"saw: style {end.style:.4f}, content {end.content:.3f}, together {end.total:.3f} "
            f"(the photos themselves {end.photo_total:.3f}).\n"
            f"Paint with it: convolab stylize PHOTO --style {end.name} -o OUT.png"
        )
    if end.stopped_because == "user":
        screen.say(f"Stopped early. Go on with 'convolab learn-style --resume {run_id}'.")
    return 0


def _found(text: str) -> str:
    """The id of a job from its beginning, or the beginning of what follows ``style-``."""
    from convolab.errors import unknown
    from convolab.style.fast.job_folder import PREFIX, LearnFolder

    ids = [folder.run_id for folder in LearnFolder.all()]
    matches = [run_id for run_id in ids if run_id.startswith((text, PREFIX + text))]
    if len(matches) != 1:
        raise RunError(
            f'Several styles have ids that begin with "{text}"; write more of it.'
            if matches
            else unknown("style being learned", text, ids)
            if ids
            else f'There is no style being learned "{text}".'
        )
    return matches[0]


@contextmanager
def _stop_on_interrupt(folder: Any, screen: _Screen) -> Iterator[None]:
    """The first Ctrl-C keeps what was learned so far; a second one ends at once."""

    def ask(*_: Any) -> None:
        folder.control(stop=True)
        screen.say("Finishing with what was learned … (Ctrl-C again ends at once)")
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _Screen:
    """A live bar with the time left on a terminal, a line now and then elsewhere."""

    def __init__(self, to_stderr: bool) -> None:
        self.console = console(to_stderr)
        self.live = (sys.stderr if to_stderr else sys.stdout).isatty()
        self.told = time.monotonic()

    def __enter__(self) -> _Screen:
        if self.live:
            from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

            text = TextColumn("{task.description}")
            self.bar = Progress(SpinnerColumn(), BarColumn(24), text, console=self.console)
            self.bar.start()
            self.task = self.bar.add_task("getting ready …", total=None)
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.bar.stop()

    def say(self, text: str) -> None:
        self.console.print(text, markup=False)

    def show(self, text: str, fraction: float | None) -> None:
        if self.live:
            total = None if fraction is None else 1
            self.bar.update(self.task, total=total, completed=fraction or 0, description=text)
        elif time.monotonic() - self.told >= 10:
            self.told = time.monotonic()
            self.say(text)

    def event(self, event: LearnEvent) -> None:
        from convolab.style.fast.events import LearnPaused, LearnRecovered, LearnStarted, LearnStep

        if isinstance(event, LearnStarted):
            resumed = f"resumed at step {event.step} · " if event.step else ""
            begun = f" · begins with {event.start}" if event.start else ""
            more = "; more photos make it better: --photos FOLDER" if event.few else ""
            self.say(
                f"{resumed}{event.parameters:,} weights · {event.photos} photos ({event.photos_from}{more})"
                f"{begun} · {event.device} · {event.precision} ({event.precision_reason}) · {event.threads} "
                "threads"
            )
        elif isinstance(event, LearnStep):
            left = f" · {duration(event.seconds_left)} left" if event.seconds_left is not None else ""
            self.show(
                f"step {event.step:,} · style {event.style:.4f} · content {event.content:.3f}{left}",
                event.fraction,
            )
        elif isinstance(event, LearnRecovered):
            self.say(event.message)
        elif isinstance(event, LearnPaused):
            self.say(event.reason or "Paused from elsewhere; waiting.")
