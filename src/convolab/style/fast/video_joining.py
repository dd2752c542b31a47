"""The parts of a painted video and the sound of its source, put together without encoding them again."""

from __future__ import annotations

import contextlib
import errno
import heapq
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from convolab.style.fast.video_parts import as_os_error

if TYPE_CHECKING:
    from av.packet import Packet

    from convolab.style.fast.video_film import Film
    from convolab.style.fast.video_parts import VideoParts

FULL = (errno.ENOSPC, errno.EDQUOT)
"""The system's numbers for a disk without room."""
Voice = Literal["copied", "encoded", "none"]


def join(parts: VideoParts, count: int, film: Film, target: Path) -> str:
    """The first ``count`` parts and the sound as one file ``target``; what became of the sound.

    A sound that such files cannot hold is encoded as AAC, and left out where that fails, too. Raises OSError
    if the file cannot be written; what was at ``target`` stays then.
    """
    streams = film.container.streams.audio
    if not streams:
        _write(parts, count, film, target, "none")
        return "The video has no sound."
    kind = streams[0].name
    ways: list[tuple[Voice, str]] = [
        ("copied", "The sound is that of the source."),
        ("encoded", f"The sound is encoded as AAC: {target.suffix} files cannot hold {kind}."),
    ]
    for voice, said in ways:
        # Which sounds a kind of file can hold shows only when its head is written.
        try:
            _write(parts, count, film, target, voice)
            return said
        except (OSError, ValueError, LookupError) as error:
            if isinstance(error, OSError) and error.errno in FULL:
                raise
    _write(parts, count, film, target, "none")
    return f"The sound was left out: {kind} can neither be put into {target.suffix} files nor be read."


def _write(parts: VideoParts, count: int, film: Film, target: Path, voice: Voice) -> None:
    """One try: the whole file or, with an OSError, nothing."""
    import av

    unfinished = target.with_name(f".{target.stem}.unfinished{target.suffix}")
    try:
        with as_os_error(), contextlib.ExitStack() as stack:
            out = stack.enter_context(av.open(str(unfinished), "w"))
            first = stack.enter_context(av.open(str(parts.path(0)), "r"))
            pictures = out.add_stream_from_template(first.streams.video[0])
            heard: Iterator[tuple[float, Packet]] = iter(())
            if voice == "copied":
                heard = film.sounds(out.add_stream_from_template(film.container.streams.audio[0]))
            elif voice == "encoded":
                heard = film.encoded_sounds(out.add_stream("aac", rate=film.sound_rate()))
            # Players want to find both near each other in the file.
            shown = _pictures(parts, count, film, pictures)
            for _, packet in heapq.merge(shown, heard, key=lambda item: item[0]):
                out.mux(packet)
        unfinished.replace(target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


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
