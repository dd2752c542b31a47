"""Videos of the room: brought, painted by a thread that reports how far it is, looked at, taken along.

A video has a folder in the lab's home with the file as it came and what was painted of it. What was painted
outlives the lab: the same order goes on after the last finished part (`convolab.style.fast.video`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convolab.app.restyle.painting import Order, encoded, painter
from convolab.errors import ConvolabError, DataError
from convolab.home import home
from convolab.runs.files import replace_text, why
from convolab.words import left

if TYPE_CHECKING:
    from convolab.style.fast.video_film import VideoFacts

ENDINGS = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".mpeg")
LARGEST = 2_000_000_000
"""Bytes of a video that is brought."""
PREVIEW_SECONDS = 1.0
_KEPT = 12
_ID = re.compile(r"[a-f0-9]{12}")


class Render:
    """One video being painted, or a second of it."""

    def __init__(self, video: str, order: Order, preview: bool) -> None:
        self.video, self.order, self.preview = video, order, preview
        self.version = 0
        self.frame, self.frames = 0, None if preview else _facts(video).frames
        self.left = ""
        self.error = ""
        self.said = ""
        self.state = "running"
        self._wanted = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"video {video}", daemon=True)

    @property
    def key(self) -> str:
        """Of what is painted: the same order goes on where it was."""
        return hashlib.sha256(repr((self.order, self.preview)).encode()).hexdigest()[:12]

    @property
    def path(self) -> Path:
        """The painted video."""
        return _folder(self.video) / f"{'preview' if self.preview else 'painted'}-{self.key}.mp4"

    def begin(self) -> None:
        """Paint; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End soon; finished parts are kept."""
        self._wanted.set()

    def wait(self, seconds: float) -> None:
        """Until it has ended."""
        self._thread.join(seconds)

    def _run(self) -> None:
        try:
            self._paint()
        except ConvolabError as error:
            self.error, self.state = str(error), "failed"
        except Exception as error:
            self.error = f"This failed unexpectedly ({type(error).__name__}: {error})."
            self.state = "failed"
            raise
        finally:
            self.version += 1

    def _paint(self) -> None:
        from convolab.style.fast.video import restyle_video

        order = self.order
        if not self.path.is_file():
            facts = _facts(self.video)
            start = _start(facts) if self.preview else 0.0
            work = restyle_video(
                source(self.video),
                self.path,
                [painter(order.style, order.padding)],
                order.strength,
                order.size,
                preserve_color=order.keep,
                start=start,
                seconds=PREVIEW_SECONDS if self.preview else None,
            )
            with contextlib.closing(work):  # type: ignore[type-var]
                for at in work:
                    self.frame, self.frames = at.frame, at.frames
                    self.left = "" if at.seconds_left is None else left(at.seconds_left)
                    flicker = "" if at.flicker is None else f" Flicker {at.flicker:.2f} of 255."
                    self.said = f"{at.frame:,} frames. {at.sound}{flicker}" if at.done else ""
                    self.version += 1
                    if self._wanted.is_set() and not at.done:
                        self.state = "stopped"
                        return
        self.state = "finished"

    def to_dict(self) -> dict[str, Any]:
        """For the page."""
        share = self.frame / self.frames if self.frames else None
        return {
            "key": self.key,
            "preview": self.preview,
            "state": self.state,
            "frame": self.frame,
            "frames": self.frames,
            "fraction": 1.0 if self.state == "finished" else share,
            "left": self.left if self.state == "running" else "",
            "said": self.said,
            "error": self.error,
        }


_renders: dict[str, Render] = {}
"""The newest of each video."""
_lock = threading.Lock()


def bring(path: Path, name: str) -> dict[str, Any]:
    """Take a file that was received as a video of the room. DataError if there is no video in it."""
    from convolab.style.fast.video_film import video_facts

    called = Path(name.replace("\\", "/")).name[:80] or "video.mp4"
    ending = Path(called).suffix.lower()
    if ending not in ENDINGS:
        raise DataError(
            f"“{called}” is no video; files that end in {', '.join(ENDINGS[:4])} and the like are."
        )
    try:
        facts = video_facts(path)
    except DataError as error:
        raise DataError(f"“{called}”{str(error).removeprefix(path.name)}") from None
    with path.open("rb") as file:
        key = hashlib.file_digest(file, "sha256").hexdigest()[:12]
    target = _folder(key)
    try:
        if not (target / "about.json").is_file():
            target.mkdir(parents=True, exist_ok=True)
            shutil.move(path, target / f"source{ending}")
            about = {"title": called, "file": f"source{ending}", **asdict(facts)}
            replace_text(target / "about.json", json.dumps(about))
    except OSError as error:
        raise DataError(f"The video cannot be kept in {target}: {why(error)}.") from None
    return entry(key)


def receiving() -> Path:
    """A new file to receive a video into. DataError if the disk does not let us."""
    try:
        videos_dir().mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(prefix=".", dir=videos_dir(), delete=False) as file:
            return Path(file.name)
    except OSError as error:
        raise DataError(f"The video cannot be kept in {videos_dir()}: {why(error)}.") from None


def videos_dir() -> Path:
    """Folder with one subfolder per video."""
    return home() / "videos"


def entry(key: str) -> dict[str, Any]:
    """What is known of a video. DataError if there is none."""
    try:
        about = json.loads((_folder(key) / "about.json").read_bytes())
        return {"video": key, **about}
    except (OSError, ValueError, TypeError):
        raise DataError("This video is no longer in the lab; bring it again.") from None


def listed() -> list[dict[str, Any]]:
    """The videos that were brought, newest first."""
    found = []
    with contextlib.suppress(OSError):
        folders = [path for path in videos_dir().iterdir() if _ID.fullmatch(path.name)]
        for path in sorted(folders, key=lambda path: -path.stat().st_mtime)[:_KEPT]:
            with contextlib.suppress(DataError):
                found.append(entry(path.name))
    return found


def source(key: str) -> Path:
    """The file of a video as it came. DataError."""
    return _folder(key) / Path(str(entry(key)["file"])).name


def still(key: str) -> bytes:
    """A JPEG of the moment at which the preview begins: browsers cannot play all videos. DataError."""
    import av

    from convolab.style.fast.video_film import quarters

    facts, path = _facts(key), source(key)
    with contextlib.suppress(av.FFmpegError, OSError, IndexError), av.open(str(path)) as film:
        if facts.seconds:
            film.seek(int(_start(facts) * 1_000_000))
        for frame in film.decode(film.streams.video[0]):
            turned = frame.to_image().rotate(90 * quarters(path), expand=True)
            return encoded(turned, "jpg").content
    raise DataError("No picture of this video can be read.")


def _start(facts: VideoFacts) -> float:
    """Where the preview begins: the first moments of videos are often black."""
    return facts.seconds / 3 if facts.seconds and facts.seconds > 2 * PREVIEW_SECONDS else 0.0


def remove(key: str) -> dict[str, Any]:
    """Delete a video with all that was painted of it."""
    with _lock:
        render = _renders.pop(key, None)
    if render is not None:
        render.stop()
        render.wait(10)
    shutil.rmtree(_folder(key), ignore_errors=True)
    return {}


def paint(wanted: Mapping[str, Any], order: Order) -> dict[str, Any]:
    """Begin, or go on, to paint a video or a second of it; one at a time of each video. ConvolabError."""
    key = str(wanted.get("video"))
    entry(key)
    painter(order.style, order.padding)  # at once, so that what cannot be painted is said here
    with _lock:
        before = _renders.get(key)
        if before is not None and before.state == "running":
            before.stop()
            before.wait(10)
        render = _renders[key] = Render(key, order, wanted.get("preview") is True)
        render.begin()
    return render.to_dict()


def stop(key: str) -> dict[str, Any]:
    """End painting a video; what is done is kept, and the same order goes on after it."""
    with _lock:
        render = _renders.get(key)
    if render is not None:
        render.stop()
        render.wait(10)
    return {}


def stop_all() -> None:
    """The lab ends."""
    for render in list(_renders.values()):
        render.stop()
    for render in list(_renders.values()):
        render.wait(5)


def painted_file(key: str, name: str) -> Path:
    """A painted video. DataError if there is none such."""
    if not re.fullmatch(r"(painted|preview)-[a-f0-9]{12}\.mp4", name):
        raise DataError("There is no such video.")
    path = _folder(key) / name
    if not path.is_file():
        raise DataError("This video is not painted yet.")
    return path


def news(asked: str) -> tuple[dict[str, Any] | None, bool]:
    """What is new of ``key~cursor``, and whether more will come by itself."""
    key, _, cursor = asked.partition("~")
    render = _renders.get(key)
    new = f"{id(render):x}.{render.version}" if render else "none"
    if new == cursor:
        return None, render is not None and render.state == "running"
    found = {"video": key, "cursor": new, "render": render.to_dict() if render else None}
    return found, render is not None and render.state == "running"


def _facts(key: str) -> VideoFacts:
    from convolab.style.fast.video_film import VideoFacts

    about = entry(key)
    return VideoFacts(**{name: about[name] for name in VideoFacts.__dataclass_fields__})


def _folder(key: str) -> Path:
    if not _ID.fullmatch(key):
        raise DataError("This video is no longer in the lab; bring it again.")
    return videos_dir() / key
