"""Learns the styles that come with the lab, one after the other, and puts them into the package.

Without options: whatever is not in the package yet, standard size first, each for its budget. It can be ended
at any time (Ctrl-C, a killed process): the next call goes on where this one was. A contact sheet of each
style on photos that were never learned from is written to ``results/shipped_styles/``, to be looked at.

    python benchmarks/shipped_styles.py [--only starry-night …] [--size standard|small] [--minutes 12]
    [--steps 400] [--rate 0.001] [--again]

The paintings and photos are looked for in ``../shared/data``; the lab's own styles are painted by it.
"""

from __future__ import annotations

import convolab  # noqa: F401 - before PyTorch, because it sets how threads wait

# isort: split
import argparse
import time
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from convolab.errors import ConvolabError
from convolab.style.fast import library
from convolab.style.fast.events import LearnFinished, LearnStarted, LearnStep
from convolab.style.fast.files import Card, Style, read_card, save_style, thumbnail
from convolab.style.fast.learning import Learning
from convolab.style.fast.painter import Painter
from convolab.style.fast.photo_sources import Gathered
from convolab.style.fast.settings import LearnSettings
from convolab.style.fast.stylizing import stylize
from convolab.style.painted import paint
from machine import RESULTS, machine

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"
UNDER_WAY = ROOT / ".cache" / "styles"
SHEETS = RESULTS / "shipped_styles"
TEST_PHOTOS = 10


@dataclass(frozen=True)
class Painting:
    """A painting whose style comes with the lab."""

    name: str
    title: str
    painter: str
    year: str
    file: str = ""
    """In ``../shared/data/paintings``; without one the lab paints it itself."""
    painted: str = ""
    weight: float = 0.8
    stroke_size: float = 1.0

    def picture(self) -> Image.Image:
        """The painting itself."""
        if self.painted:
            return paint(self.painted, 640)
        return Image.open(SHARED / "paintings" / self.file).convert("RGB")


PAINTINGS = {
    item.name: item
    for item in (
        Painting("starry-night", "The Starry Night", "Vincent van Gogh", "1889", "starry_night.jpg"),
        Painting("great-wave", "The Great Wave off Kanagawa", "Katsushika Hokusai", "1831", "wave.jpg"),
        Painting("scream", "The Scream", "Edvard Munch", "1893", "the_scream.jpg"),
        Painting(
            "shipwreck", "The Shipwreck of the Minotaur", "J. M. W. Turner", "about 1810",
            "shipwreck_of_the_minotaur.jpg", weight=0.65,
        ),
        Painting("composition-vii", "Composition VII", "Wassily Kandinsky", "1913", "composition_vii.jpg"),
        Painting("strokes", "Brush strokes", "convolab", "", painted="strokes"),
        Painting("mosaic", "Mosaic", "convolab", "", painted="mosaic"),
        Painting("hatching", "Hatching", "convolab", "", painted="hatching", weight=0.6),
    )
}  # fmt: skip
SIZES = {"standard": "", "small": "-small"}
FIRST = "starry-night"
"""Learned from nothing and for longer; the others begin with it."""
FIRST_MINUTES = {"standard": 30.0, "small": 20.0}
MINUTES = {"standard": 12.0, "small": 8.0}


def photos() -> tuple[list[Path], list[Path]]:
    """Photos to learn from, and ten that no style of the lab was learned from."""
    found = sorted((SHARED / "photos").glob("*.jpg"))
    test = found[:: len(found) // TEST_PHOTOS][:TEST_PHOTOS]
    return [path for path in found if path not in test], test


def settings_of(
    painting: Painting, size: str, minutes: float | None, steps: int | None, rate: float | None = None
) -> LearnSettings:
    """How a style is learned: on from its own weights where it is in the package already."""
    own = painting.name + SIZES[size]
    known = (library.SHIPPED / f"{own}.safetensors").exists()
    start = own if known else "none" if painting.name == FIRST else FIRST + SIZES[size]
    rates = {} if rate is None else {"learning_rate": rate}
    return LearnSettings(
        **rates,
        architecture=size,
        weight=painting.weight,
        stroke_size=painting.stroke_size,
        budget=None if minutes is None else 60 * minutes,
        steps=steps,
        start=start,
    )


def continued(old: Card, new: Card) -> Card:
    """The card of a style that was learned on from its own weights: with steps and time of all its learning.

    ``old``: the card of the file that it began with; ``new``: that of what was learned since. It began with
    what the old one began with, and its settings are whole, because defaults change.
    """
    settings = LearnSettings(**{**new.settings, "start": old.started_with or "none"})
    machines = dict.fromkeys((*old.machine.split(" / "), new.machine))
    return new.model_copy(
        update={
            "steps": old.steps + new.steps,
            "examples": old.examples + new.examples,
            "seconds": round(old.seconds + new.seconds, 1),
            "started_with": old.started_with,
            "settings": settings.model_dump(),
            "machine": " / ".join(machine for machine in machines if machine),
        }
    )


def pictured(card: Card, painting: Painting) -> Card:
    """The card with a picture of the painting of today's size."""
    return card.model_copy(update={"thumbnail": thumbnail(painting.picture())})


def learn(
    painting: Painting, size: str, minutes: float | None, steps: int | None, rate: float | None
) -> Path:
    """Learn one style, from where an earlier call was if there was one, and put it into the package."""
    name = painting.name + SIZES[size]
    UNDER_WAY.mkdir(parents=True, exist_ok=True)
    checkpoint = UNDER_WAY / f"{name}.safetensors"
    work = Learning(
        painting.picture(),
        settings_of(painting, size, minutes, steps, rate),
        photos=Gathered(tuple(photos()[0]), "300 natural photographs"),
        title=painting.title,
        painter=painting.painter,
        year=painting.year,
        checkpoint_path=checkpoint,
        checkpoint_every=60,
    )
    told, processor = time.monotonic(), time.process_time()
    for event in work.events():
        if isinstance(event, LearnStarted):
            print(
                f"{name}: from step {event.step}, {event.photos} photos, "
                f"begins with {event.start or 'nothing'}"
            )
        if isinstance(event, LearnStep) and time.monotonic() - told >= 20:
            told = time.monotonic()
            print(
                f"  {event.seconds:6.0f} s  step {event.step:5d}  style {event.style:.4f}  "
                f"content {event.content:.3f}  total {event.total:.3f}",
                flush=True,
            )
        if isinstance(event, LearnFinished):
            print(
                f"{name}: {event.step} steps in {event.seconds:.0f} s; held out: style {event.style:.4f}, "
                f"content {event.content:.3f}, total {event.total:.3f} (photos {event.photo_total:.3f})",
                flush=True,
            )
    about = machine()
    on = f"{about['processor']}, {about['cores']} cores, torch {about['torch']}"
    update: dict[str, object] = {"machine": on}
    if steps is not None:  # beside other work, or with pauses of the whole process: the clock says nothing
        seconds = (time.process_time() - processor) / about["cores"]
        update = {"machine": f"{on}; seconds are processor time over cores", "seconds": round(seconds, 1)}
    card = work.style().card.model_copy(update=update)
    style = work.style(name)
    path = library.SHIPPED / f"{name}.safetensors"
    if work.started_with == name:
        card = continued(read_card(path), card)
    library.SHIPPED.mkdir(exist_ok=True)
    save_style(path, style.network, card)
    checkpoint.unlink(missing_ok=True)
    sheet(Style(name, card, style.network))
    return path


def sheet(style: Style) -> None:
    """Ten photos that were never learned from, and how the style paints them."""
    SHEETS.mkdir(parents=True, exist_ok=True)
    tiles = [stylize(path, style, size=480) for path in photos()[1]]
    width, height = 240, 240
    board = Image.new("RGB", (5 * width, 2 * height), "white")
    for i, tile in enumerate(tiles):
        tile.thumbnail((width - 4, height - 4), Image.Resampling.LANCZOS)
        board.paste(tile, (i % 5 * width + 2, i // 5 * height + 2))
    board.save(SHEETS / f"{style.name}.jpg", quality=85)
    seconds = Painter(style).warm_up(512, 512)
    print(f"{style.name}: {1000 * seconds:.0f} ms for 512×512")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=PAINTINGS, default=list(PAINTINGS), metavar="NAME")
    parser.add_argument("--size", choices=SIZES, help="this size only")
    parser.add_argument("--minutes", type=float, help="budget of each, instead of its own")
    parser.add_argument("--steps", type=int, help="learn for so many steps instead, also beside other work")
    parser.add_argument("--rate", type=float, help="learning rate at first")
    parser.add_argument("--again", action="store_true", help="go on with those that are in the package, too")
    options = parser.parse_args()
    for size in [options.size] if options.size else SIZES:
        for name in options.only:
            path = library.SHIPPED / f"{name}{SIZES[size]}.safetensors"
            if path.exists() and not options.again:
                continue
            usual = FIRST_MINUTES if name == FIRST else MINUTES
            try:
                minutes = None if options.steps else options.minutes or usual[size]
                learn(PAINTINGS[name], size, minutes, options.steps, options.rate)
            except ConvolabError as error:
                print(f"{name}: {error}")
    total = sum(path.stat().st_size for path in library.SHIPPED.glob("*.safetensors"))
    print(f"{total / 1e6:.1f} MB of styles in {library.SHIPPED}")


if __name__ == "__main__":
    main()
