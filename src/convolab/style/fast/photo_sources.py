"""Photos to learn from: the user's folder, else what the lab can get by itself, else what it can paint."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from convolab.datasets.fetch import fetch_whole
from convolab.datasets.pictures import Unreadable, decode
from convolab.datasets.progress import Meter
from convolab.datasets.sources import PypiPackage, Source, SourceFailed
from convolab.errors import DataError
from convolab.home import datasets_dir
from convolab.style.fast.photos import Photo
from convolab.style.painted import paint

if TYPE_CHECKING:
    from convolab.datasets.progress import Report

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".avif", ".heic")
MOST_PHOTOS = 100_000
SCENES = 8
"""How many scenes are painted where there is nothing else."""

NAMES = (
    "astronaut.png",
    "chelsea.png",
    "coffee.png",
    "hubble_deep_field.jpg",
    "motorcycle_left.png",
    "rocket.jpg",
)
"""Photos that scikit-image carries."""
_WHEEL = ["--python-version", "3.12", "--platform", "manylinux_2_28_x86_64"]
SOURCES: tuple[Source, ...] = (
    PypiPackage(
        "scikit-image",
        "0.26.0",
        13_561_683,
        "7df650e79031634ac90b11e64a9eedaf5a5e06fcd09bcd03a34be01745744466",
        wheel=_WHEEL,
    ),
)


@dataclass(frozen=True)
class Gathered:
    """Photos, and where they come from."""

    photos: tuple[Photo, ...]
    title: str
    """For a person."""
    few: bool = False
    """Whether more photos would make what is learned better."""
    painted: bool = False
    """Whether they are scenes that the lab painted."""


def gather(folder: str | Path | None = None, progress: Report | None = None) -> Gathered:
    """The photos of a folder and the folders in it; without one those that the lab has or can get.

    DataError for a folder without pictures; what cannot be fetched is painted instead.
    """
    if folder is not None:
        found = photos_in(Path(folder))
        return Gathered(tuple(found), str(folder), few=len(found) < 100)
    try:
        return Gathered(tuple(fetch_photos(progress)), "six photos of scikit-image", few=True)
    except DataError:
        scenes = tuple(paint("lake", 512, seed) for seed in range(1, SCENES + 1))
        return Gathered(scenes, "scenes painted by the lab", few=True, painted=True)


def photos_in(folder: Path) -> list[Path]:
    """All pictures in a folder and the folders in it, by name. DataError if there are none."""
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}; give a folder with photos to learn from.")
    found = sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS and not path.name.startswith(".")
    )
    if not found:
        raise DataError(f"There are no pictures in {folder}; JPEG and PNG files are looked for.")
    return found[:MOST_PHOTOS]


def photos_dir() -> Path:
    """Where fetched photos lie."""
    return datasets_dir() / "photos"


def fetch_photos(progress: Report | None = None) -> list[Path]:
    """The photos that come with scikit-image, fetched if they are not here yet. DataError."""
    target = photos_dir()

    def receive(source: Source, work: Path) -> None:
        arrived = work / "arrived"
        arrived.mkdir()
        source.fetch(arrived, Meter(progress, f"Fetching photos from {source.title}", source.bytes))
        target.mkdir(parents=True, exist_ok=True)
        for name, content in _found(arrived, NAMES).items():
            unfinished = target / f".{name}"
            unfinished.write_bytes(content)
            unfinished.replace(target / name)

    fetch_whole(
        "photos",
        "Photos to learn from",
        SOURCES,
        whole=lambda: all((target / name).is_file() for name in NAMES),
        receive=receive,
        room="about 40 MB",
        progress=progress,
    )
    return [target / name for name in NAMES]


def _found(folder: Path, names: Sequence[str]) -> dict[str, bytes]:
    """The photos in the files of a folder or in an archive there. SourceFailed unless all can be read."""
    found: dict[str, bytes] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if path.name in names:
            found[path.name] = path.read_bytes()
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for member in archive.infolist():
                    name = Path(member.filename).name
                    if name in names and member.file_size < 10_000_000:
                        found[name] = archive.read(member)
    for name in names:
        if name not in found:
            raise SourceFailed(f"it lacks {name}")
        try:
            decode(io.BytesIO(found[name]))
        except Unreadable as error:
            raise SourceFailed(f"its {name} cannot be used: {error}") from None
    return found


def preview_scenes(count: int = 2) -> list[Image.Image]:
    """Pictures for previews where no photo could be held out."""
    return [paint("lake", 384, seed) for seed in range(101, 101 + count)]
