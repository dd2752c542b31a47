"""The parts of a painted video and the sound of its source, put together without encoding them again."""

from __future__ import annotations

import contextlib
import heapq
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convolab.style.fast.video_parts import as_os_error

if TYPE_CHECKING:
    from av.packet import Packet

    from convolab.style.fast.video_film import Film
    from convolab.style.fast.video_parts import VideoParts


def join(parts: VideoParts, count: int, film: Film, target: Path) -> str:
    """The first ``count`` parts and the sound as one file ``target``; what became of the sound.

    Raises OSError if it cannot be written; what was at ``target`` stays then.
    """
    import av

    unfinished = target.with_name(f".{target.stem}.unfinished{target.suffix}")
    sound = film.container.streams.audio[0] if film.container.streams.audio else None
    said = "The video has no sound."
    try:
        with as_os_error(), contextlib.ExitStack() as stack:
            out = stack.enter_context(av.open(str(unfinished), "w"))
            first = stack.enter_context(av.open(str(parts.path(0)), "r"))
            pictures = out.add_stream_from_template(first.streams.video[0])
            voice = None
            if sound is not None:
                try:
                    voice = out.add_stream_from_template(sound)
                    said = "The sound is that of the source."
                except (ValueError, av.FFmpegError):
                    said = f"The sound was left out: {target.suffix} files cannot hold {sound.name}."
            shown = _pictures(parts, count, film, pictures)
            heard = iter(()) if voice is None else film.sounds(voice)
            # Players want to find both near each other in the file.
            for _, packet in heapq.merge(shown, heard, key=lambda item: item[0]):
                out.mux(packet)
        unfinished.replace(target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    return said


def _pictures(parts: VideoParts, count: int, film: Film, pictures: Any) -> Iterator[tuple[float, Packet]]:
    """The packets of all parts with their moments, from 0 on where only a part of the film was wanted."""
    import av

    origin: int | None = None
    for number in range(count):
        with av.open(str(parts.path(number)), "r") as part:
            stream = part.streams.video[0]
            for packet in part.demux(stream):
                if packet.dts is None or packet.pts is None:
                    continue
                origin = packet.pts if origin is None else origin
                if film.start:
                    packet.pts, packet.dts = packet.pts - origin, packet.dts - origin
                moment = float(packet.dts * Fraction(packet.time_base or film.base))
                packet.stream = pictures
                yield moment, packet
