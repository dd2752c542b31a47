"""Restyling videos: frame by frame, sound kept, in parts that outlive an interruption.

The painted frames are encoded into short parts in a folder beside the target. Whatever ends the work -
Ctrl-C, a killed process, a full disk -, the finished parts stay, and the same call goes on after them. At the
end the parts are joined without encoding them again, with the sound of the source, and the folder goes.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import heapq
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from convolab.errors import DataError
from convolab.runs.files import replace_text
from convolab.style.fast.flicker import Flicker
from convolab.style.fast.painter import Painter, share_text
from convolab.style.pictures import fitted, to_image, to_tensor, with_colors_of

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.packet import Packet

PART_FRAMES = 48
"""Frames in a part: at most so many are painted again after an interruption."""
ENDINGS = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".mpeg")
TARGETS = (".mp4", ".mov", ".mkv")
QUALITY = "18"
"""Constant rate factor of H.264: 18 is hard to tell from the original."""
MOST_SIDE = 4096


@dataclass(frozen=True)
class VideoProgress:
    """One report while a video is painted."""

    frame: int
    """How many are done."""
    frames: int | None
    """In all; None where the file does not say."""
    seconds: float
    """Of painting in this call."""
    seconds_left: float | None
    done: bool = False
    flicker: float | None = None
    """`Flicker.value` of the frames that were painted in this call."""
    sound: str = ""
    """At the end: what became of the sound, for a person."""


def is_video(path: Path) -> bool:
    """Whether a file's name says that it is a video."""
    return path.suffix.lower() in ENDINGS


def restyle_video(
    source: str | Path,
    target: str | Path,
    painters: Sequence[Painter],
    strength: float = 1.0,
    size: int | None = None,
    *,
    preserve_color: bool = False,
    seconds: float | None = None,
    start: float = 0.0,
) -> Iterator[VideoProgress]:
    """Paint a video; yields how far it is. The target has as many frames, at the same times, and the sound.

    ``size`` is the long side in pixels; ``start`` and ``seconds`` choose a part, for a look beforehand.
    Raises DataError with one sentence: a file without video, a disk that is full (what is done is kept).
    """
    source, target = Path(source), Path(target)
    if target.suffix.lower() not in TARGETS:
        raise DataError(f"{target.name} must end in {', '.join(TARGETS[:-1])} or {TARGETS[-1]}.")
    if not target.parent.is_dir():
        raise DataError(f"There is no folder {target.parent}.")
    if source.absolute() == target.absolute():
        raise DataError("A video cannot be painted over itself; choose another name for the result.")
    with _opened(source) as film:
        work = _Work(film, source, target, painters, strength, size, preserve_color, start, seconds)
        try:
            yield from work.paint()
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            why = "the disk is full" if full else (error.strerror or str(error)).lower()
            raise DataError(
                f"{target} cannot be written: {why}. The first {work.kept()} frames are kept in "
                f"{work.folder}; make room and do the same again to go on."
            ) from error


@dataclass(frozen=True)
class VideoFacts:
    """What a video is."""

    width: int
    height: int
    frames: int | None
    rate: float
    """Frames a second, mean."""
    seconds: float | None
    sound: bool


def video_facts(source: str | Path) -> VideoFacts:
    """Size, length and rate of a video. DataError if it cannot be read or has no pictures."""
    with _opened(Path(source)) as film:
        stream = film.streams.video[0]
        rate = float(stream.average_rate or 25)
        length = None if film.duration is None else film.duration / 1_000_000
        frames = stream.frames or (None if length is None else round(length * rate))
        return VideoFacts(stream.width, stream.height, frames, rate, length, bool(film.streams.audio))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    import av

    try:
        film = av.open(str(path), "r")
    except FileNotFoundError:
        raise DataError(f"There is no file {path}.") from None
    except (OSError, ValueError, av.FFmpegError):
        raise DataError(f"{path.name} cannot be read: it is no video, or is damaged.") from None
    with film:
        if not film.streams.video or not film.streams.video[0].width:
            raise DataError(f"{path.name} has no pictures in it, only {_kinds(film)}.")
        if max(film.streams.video[0].width, film.streams.video[0].height) > 4 * MOST_SIDE:
            raise DataError(f"{path.name} is too large: at most {4 * MOST_SIDE} pixels a side can be read.")
        yield film


def _kinds(film: InputContainer) -> str:
    return " and ".join(sorted({stream.type for stream in film.streams})) or "nothing"


class _Work:
    """One video being painted."""

    def __init__(
        self,
        film: InputContainer,
        source: Path,
        target: Path,
        painters: Sequence[Painter],
        strength: float,
        size: int | None,
        preserve_color: bool,
        start: float,
        seconds: float | None,
    ) -> None:
        self.film, self.source, self.target = film, source, target
        self.painters, self.strength, self.preserve_color = painters, strength, preserve_color
        self.start, self.end = start, None if seconds is None else start + seconds
        self.stream = film.streams.video[0]
        self.stream.thread_type = "AUTO"
        self.rate = Fraction(self.stream.average_rate or 25)
        self.base = Fraction(self.stream.time_base or Fraction(1, 1000))
        width, height = self.stream.width, self.stream.height
        if size is not None or max(width, height) > MOST_SIDE:
            width, height = fitted(width, height, min(size or MOST_SIDE, MOST_SIDE))
        # The colours of H.264 are halved each way, so sides are even.
        self.size = max(16, width // 2 * 2), max(16, height // 2 * 2)
        self.folder = target.with_name(f".{target.name}.parts")
        self.flicker = Flicker()
        self._spent = 0.0
        self._painted = 0

    def paint(self) -> Iterator[VideoProgress]:
        parts = self._take_up()
        done = sum(parts)
        total = self._frames()
        frames: list[tuple[int, np.ndarray]] = []
        for number, (time_stamp, pixels) in enumerate(self._read()):
            if number < done:
                continue
            tick = time.perf_counter()
            painted = self._filter(pixels)
            self.flicker.add(pixels, painted)
            frames.append((time_stamp, painted))
            if len(frames) == PART_FRAMES:
                self._write(parts, frames)
                frames = []
            self._spent += time.perf_counter() - tick
            self._painted += 1
            left = None if total is None else self._spent / self._painted * max(0, total - number - 1)
            yield VideoProgress(number + 1, total, self._spent, left, flicker=self.flicker.value)
        if frames:
            self._write(parts, frames)
        if not parts:
            raise DataError(f"{self.source.name} has no pictures in it that can be read.")
        sound = self._join(len(parts))
        shutil.rmtree(self.folder, ignore_errors=True)
        count = sum(parts)
        yield VideoProgress(count, count, self._spent, 0.0, True, self.flicker.value, sound)

    def kept(self) -> int:
        """How many frames are in finished parts."""
        return sum(self._noted())

    # ---------------------------------------------------------------- frames

    def _frames(self) -> int | None:
        length = self.film.duration
        total = self.stream.frames or (None if length is None else round(length / 1_000_000 * self.rate))
        if total is None or (self.end is None and not self.start):
            return total
        whole = float(total / self.rate)
        return max(1, round((min(whole, self.end or whole) - self.start) * self.rate))

    def _read(self) -> Iterator[tuple[int, np.ndarray]]:
        """Time stamps, in units of the source, and pixels of all frames wanted, from the first one on."""
        import av

        last = None
        try:
            for frame in self.film.decode(self.stream):
                at = frame.pts
                if at is None:
                    at = 0 if last is None else last + max(1, round(1 / self.rate / self.base))
                if last is not None and at <= last:
                    at = last + 1
                last = at
                moment = float(at * self.base)
                if moment < self.start - 1e-6:
                    continue
                if self.end is not None and moment >= self.end - 1e-6:
                    return
                width, height = self.size
                # FFmpeg's own scaling, area-averaged where it makes smaller.
                small = frame.reformat(width, height, "rgb24", interpolation="AREA")
                yield at, small.to_ndarray()
        except av.FFmpegError:
            if last is None:
                raise DataError(f"{self.source.name} cannot be read: it is damaged.") from None
            # A film that was cut short: what could be read of it is painted.

    def _filter(self, pixels: np.ndarray) -> np.ndarray:
        painted = pixels
        for painter in self.painters:
            painted = painter.frame(painted, self.strength)
        if self.preserve_color:
            size = self.size
            own, made = (to_tensor(Image.fromarray(part), *size) for part in (pixels, painted))
            painted = np.asarray(to_image(with_colors_of(made, own)))
        return painted

    # ---------------------------------------------------------------- parts

    def _fingerprint(self) -> str:
        """What has to be the same for parts to fit together."""
        stat = self.source.stat()
        styles = [
            [share, hashlib.sha256(repr(style.card).encode()).hexdigest()]
            for painter in self.painters
            for share, style in painter.styles
        ]
        paddings = [painter.padding for painter in self.painters]
        about = [str(self.source.absolute()), stat.st_size, stat.st_mtime_ns, self.size, self.strength]
        about += [self.preserve_color, self.start, self.end, styles, paddings, PART_FRAMES]
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()

    def _take_up(self) -> list[int]:
        """The frames in each part of an earlier call; a folder of other work is emptied."""
        try:
            if self.folder.exists() and self._note().get("fingerprint") != self._fingerprint():
                shutil.rmtree(self.folder)
            self.folder.mkdir(exist_ok=True)
            parts = self._noted()
            self._tell(parts)
        except OSError as error:
            raise DataError(
                f"{self.folder} cannot be written: {(error.strerror or str(error)).lower()}."
            ) from None
        return parts

    def _note(self) -> dict[str, Any]:
        try:
            note = json.loads((self.folder / "parts.json").read_text())
        except (OSError, ValueError):
            return {}
        return note if isinstance(note, dict) else {}

    def _noted(self) -> list[int]:
        parts = [int(count) for count in self._note().get("parts", [])]
        there = next((i for i in range(len(parts)) if not self._part(i).is_file()), len(parts))
        return parts[:there]

    def _tell(self, parts: list[int]) -> None:
        note = {"fingerprint": self._fingerprint(), "parts": parts}
        replace_text(self.folder / "parts.json", json.dumps(note))

    def _part(self, number: int) -> Path:
        return self.folder / f"{number:05d}.nut"

    def _write(self, parts: list[int], frames: Sequence[tuple[int, np.ndarray]]) -> None:
        """Encode one part; it counts only once it is whole."""
        import av

        path = self._part(len(parts))
        unfinished = path.with_suffix(".unfinished.nut")
        with _as_os_error(), av.open(str(unfinished), "w") as out:
            stream = self._encoder(out)
            for at, pixels in frames:
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame.pts, frame.time_base = at, self.base
                for packet in stream.encode(frame):
                    out.mux(packet)
            for packet in stream.encode(None):
                out.mux(packet)
        unfinished.replace(path)
        parts.append(len(frames))
        self._tell(parts)

    def _encoder(self, out: OutputContainer) -> Any:
        import av

        # Without frames that refer to later ones parts can be put behind each other.
        kinds: list[tuple[str, dict[str, str]]] = [
            ("libx264", {"crf": QUALITY, "preset": "veryfast", "bf": "0"}),
            ("mpeg4", {"qscale": "3", "bf": "0"}),
        ]
        for name, options in kinds:
            if name not in av.codecs_available:
                continue
            stream: Any = out.add_stream(name, rate=self.rate, options=options)
            stream.width, stream.height = self.size
            stream.pix_fmt = "yuv420p"
            stream.codec_context.time_base = self.base
            return stream
        raise DataError("This FFmpeg can encode neither H.264 nor MPEG-4; install another build of PyAV.")

    # ---------------------------------------------------------------- joining

    def _join(self, count: int) -> str:
        """All parts and the sound as one file; what became of the sound."""
        import av

        unfinished = self.target.with_name(f".{self.target.stem}.unfinished{self.target.suffix}")
        sound = self.film.streams.audio[0] if self.film.streams.audio else None
        said = "The video has no sound."
        try:
            with _as_os_error(), contextlib.ExitStack() as stack:
                out = stack.enter_context(av.open(str(unfinished), "w"))
                first = stack.enter_context(av.open(str(self._part(0)), "r"))
                pictures = out.add_stream_from_template(first.streams.video[0])
                voice = None
                if sound is not None:
                    try:
                        voice = out.add_stream_from_template(sound)
                        said = "The sound is that of the source."
                    except (ValueError, av.FFmpegError):
                        said = f"The sound was left out: {self.target.suffix} files cannot hold {sound.name}."
                shown = self._pictures(count, pictures)
                heard = iter(()) if voice is None else self._sounds(voice)
                # Players want to find both near each other in the file.
                for _, packet in heapq.merge(shown, heard, key=lambda item: item[0]):
                    out.mux(packet)
            unfinished.replace(self.target)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        return said

    def _pictures(self, count: int, pictures: Any) -> Iterator[tuple[float, Packet]]:
        """The packets of all parts with their moments, from 0 on where only a part of the film was wanted."""
        import av

        origin: int | None = None
        for number in range(count):
            with av.open(str(self._part(number)), "r") as part:
                stream = part.streams.video[0]
                for packet in part.demux(stream):
                    if packet.dts is None or packet.pts is None:
                        continue
                    origin = packet.pts if origin is None else origin
                    if self.start:
                        packet.pts, packet.dts = packet.pts - origin, packet.dts - origin
                    moment = float(packet.dts * Fraction(packet.time_base or self.base))
                    packet.stream = pictures
                    yield moment, packet

    def _sounds(self, voice: Any) -> Iterator[tuple[float, Packet]]:
        """The packets of the source's sound with their moments."""
        with _opened(self.source) as film:
            sound = film.streams.audio[0]
            base = Fraction(sound.time_base or Fraction(1, 1000))
            shift = round(Fraction(self.start) / base)
            for packet in film.demux(sound):
                if packet.dts is None or packet.pts is None:
                    continue
                moment = float(packet.pts * base)
                if moment < self.start or (self.end is not None and moment >= self.end):
                    continue
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = voice
                yield moment - self.start, packet


@contextlib.contextmanager
def _as_os_error() -> Iterator[None]:
    """FFmpeg's complaints about the disk as Python's."""
    import av

    try:
        yield
    except av.FFmpegError as error:
        number = getattr(error, "errno", None)
        if isinstance(error, OSError):
            raise
        raise OSError(number or 0, str(error)) from error


def filter_text(painters: Sequence[Painter]) -> str:
    """The styles of a chain, for a person."""
    return " → ".join(share_text(painter.styles) for painter in painters)
