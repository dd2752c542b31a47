"""A video that is read: what it is, the frames and the sound of the part of it that is wanted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from convolab.errors import DataError
from convolab.style.pictures import fitted

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet

ENDINGS = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".mpeg")
MOST_SIDE = 4096
AAC_RATES = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000)
"""Samples a second that AAC knows."""


def is_video(path: Path) -> bool:
    """Whether a file's name says that it is a video."""
    return path.suffix.lower() in ENDINGS


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
    path = Path(source)
    with opened(path) as film:
        stream = film.streams.video[0]
        rate = float(stream.average_rate or 25)
        length = None if film.duration is None else film.duration / 1_000_000
        frames = stream.frames or (None if length is None else round(length * rate))
        width, height = (stream.width, stream.height)[:: 1 if quarters(path) % 2 == 0 else -1]
        return VideoFacts(width, height, frames, rate, length, bool(film.streams.audio))


def quarters(path: Path) -> int:
    """By how many quarter turns, counterclockwise, a video is shown: phones film upright and note it so."""
    import av

    with contextlib.suppress(av.FFmpegError, OSError, DataError), opened(path) as film:
        for frame in film.decode(film.streams.video[0]):
            return round(frame.rotation / 90) % 4
    return 0


@contextlib.contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """A video file to be read. DataError if it is none, has no pictures or is too large."""
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


class Film:
    """The part of a video that is wanted, at the size that is wanted.

    ``size`` is the long side in pixels, ``start`` and ``seconds`` are the part.
    """

    def __init__(
        self, container: InputContainer, path: Path, size: int | None, start: float, seconds: float | None
    ) -> None:
        self.container, self.path = container, path
        self.start, self.end = start, None if seconds is None else start + seconds
        self.stream = container.streams.video[0]
        self.stream.thread_type = "AUTO"
        self.rate = Fraction(self.stream.average_rate or 25)
        """Frames a second, mean."""
        self.base = Fraction(self.stream.time_base or Fraction(1, 1000))
        """Seconds in a unit of its time stamps."""
        self.turned = quarters(path)
        """Quarter turns, counterclockwise, by which its frames are shown."""
        width, height = self.stream.width, self.stream.height
        if self.turned % 2:
            width, height = height, width
        if size is not None or max(width, height) > MOST_SIDE:
            width, height = fitted(width, height, min(size or MOST_SIDE, MOST_SIDE))
        # The colours of H.264 are halved each way, so sides are even.
        self.size = max(16, width // 2 * 2), max(16, height // 2 * 2)

    def count(self) -> int | None:
        """How many frames there are; None where the file does not say."""
        length = self.container.duration
        total = self.stream.frames or (None if length is None else round(length / 1_000_000 * self.rate))
        if total is None or (self.end is None and not self.start):
            return total
        whole = float(total / self.rate)
        return max(1, round((min(whole, self.end or whole) - self.start) * self.rate))

    def frames(self) -> Iterator[tuple[int, np.ndarray]]:
        """Time stamps, in units of the source, and pixels of all frames wanted, from the first one on."""
        import av

        last = None
        try:
            for frame in self.container.decode(self.stream):
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
                width, height = self.size[:: -1 if self.turned % 2 else 1]
                # FFmpeg's own scaling, area-averaged where it makes smaller.
                small = frame.reformat(width, height, "rgb24", interpolation="AREA")
                yield at, np.ascontiguousarray(np.rot90(small.to_ndarray(), self.turned))
        except av.FFmpegError:
            if last is None:
                raise DataError(f"{self.path.name} cannot be read: it is damaged.") from None
            # A film that was cut short: what could be read of it is painted.

    def sounds(self, voice: Any) -> Iterator[tuple[float, Packet]]:
        """The packets of its sound, for the stream ``voice``, with their moments in seconds."""
        with opened(self.path) as again:
            sound = again.streams.audio[0]
            base = Fraction(sound.time_base or Fraction(1, 1000))
            shift = round(Fraction(self.start) / base)
            for packet in again.demux(sound):
                if packet.dts is None or packet.pts is None:
                    continue
                moment = float(packet.pts * base)
                if moment < self.start or (self.end is not None and moment >= self.end):
                    continue
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = voice
                yield moment - self.start, packet

    def sound_rate(self) -> int:
        """Samples a second that AAC knows and that are nearest to those of the sound."""
        own = self.container.streams.audio[0].rate
        return min(AAC_RATES, key=lambda rate: abs(rate - own))

    def encoded_sounds(self, voice: Any) -> Iterator[tuple[float, Packet]]:
        """The same sound encoded by the stream ``voice``; packets with their moments in seconds."""
        with opened(self.path) as again:
            sound = again.streams.audio[0]
            # Files with plain samples often do not say what their channels are.
            voice.layout = {1: "mono", 2: "stereo"}.get(sound.layout.nb_channels, sound.layout)
            for frame in again.decode(sound):
                moment = float(frame.time or 0.0)
                if moment < self.start or (self.end is not None and moment >= self.end):
                    continue
                frame.time_base = frame.time_base or Fraction(1, frame.sample_rate)
                frame.pts = round((moment - self.start) / frame.time_base)
                yield from self._at(voice, voice.encode(frame))
            yield from self._at(voice, voice.encode(None))

    @staticmethod
    def _at(voice: Any, packets: list[Packet]) -> Iterator[tuple[float, Packet]]:
        for packet in packets:
            yield float((packet.dts or 0) * (packet.time_base or voice.time_base)), packet
