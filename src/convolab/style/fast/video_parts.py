"""The parts of a video being painted: encoded frames in a folder, which outlive an interruption."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from convolab.errors import DataError
from convolab.runs.files import replace_text

if TYPE_CHECKING:
    from av.container import OutputContainer

    from convolab.style.fast.video_film import Film

Sums = tuple[float, float, int]
QUALITY = "18"
"""Constant rate factor of H.264: 18 is hard to tell from the original."""


class VideoParts:
    """The finished parts of one work, which ``fingerprint`` tells from others."""

    def __init__(self, folder: Path, fingerprint: str, film: Film) -> None:
        self.folder, self.fingerprint, self.film = folder, fingerprint, film

    def kept(self) -> int:
        """How many frames are in finished parts."""
        return sum(self._noted())

    def take_up(self) -> list[int]:
        """The frames in each part of an earlier call; a folder of other work is emptied."""
        try:
            if self.folder.exists() and self._note().get("fingerprint") != self.fingerprint:
                shutil.rmtree(self.folder)
            self.folder.mkdir(exist_ok=True)
            parts = self._noted()
            self._tell(parts, self._noted_sums()[: len(parts)])
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
        there = next((i for i in range(len(parts)) if not self.path(i).is_file()), len(parts))
        return parts[:there]

    def _noted_sums(self) -> list[Sums]:
        """`Flicker.sums` after each part; empty in notes of an earlier version of the lab."""
        found = self._note().get("flicker", [])
        return [(float(change), float(own), int(pixels)) for change, own, pixels in found]

    def kept_sums(self) -> Sums:
        """`Flicker.sums` after the last finished part."""
        return next(reversed(self._noted_sums()), (0.0, 0.0, 0))

    def _tell(self, parts: list[int], sums: list[Sums]) -> None:
        note = {"fingerprint": self.fingerprint, "parts": parts, "flicker": sums}
        replace_text(self.folder / "parts.json", json.dumps(note))

    def path(self, number: int) -> Path:
        """The file of a part."""
        return self.folder / f"{number:05d}.nut"

    def write(self, parts: list[int], frames: Sequence[tuple[int, np.ndarray]], sums: Sums) -> None:
        """Encode one part; it counts only once it is whole. ``sums``: of the flicker up to its end."""
        import av

        path = self.path(len(parts))
        unfinished = path.with_suffix(".unfinished.nut")
        with as_os_error(), av.open(str(unfinished), "w") as out:
            stream = self._encoder(out)
            for at, pixels in frames:
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame.pts, frame.time_base = at, self.film.base
                for packet in stream.encode(frame):
                    out.mux(packet)
            for packet in stream.encode(None):
                out.mux(packet)
        unfinished.replace(path)
        self._tell([*parts, len(frames)], [*self._noted_sums(), sums])
        parts.append(len(frames))

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
            stream: Any = out.add_stream(name, rate=self.film.rate, options=options)
            stream.width, stream.height = self.film.size
            stream.pix_fmt = "yuv420p"
            stream.codec_context.time_base = self.film.base
            return stream
        raise DataError("This FFmpeg can encode neither H.264 nor MPEG-4; install another build of PyAV.")


@contextlib.contextmanager
def as_os_error() -> Iterator[None]:
    """FFmpeg's complaints about the disk as Python's."""
    import av

    try:
        yield
    except av.FFmpegError as error:
        number = getattr(error, "errno", None)
        if isinstance(error, OSError):
            raise
        raise OSError(number or 0, str(error)) from error
