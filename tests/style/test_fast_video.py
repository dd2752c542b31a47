"""Videos: as many frames, the same rate and sound, and what is done outlives an interruption."""

from __future__ import annotations

import errno
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from fast_kit import tiny_style
from style_kit import image

from convolab.errors import DataError
from convolab.style.fast import video as video_module
from convolab.style.fast import video_parts
from convolab.style.fast.painter import Painter
from convolab.style.fast.video import VideoProgress, restyle_video
from convolab.style.fast.video_film import video_facts

FRAMES, RATE = 20, Fraction(25, 2)


def make(path: Path, *, pictures: bool = True, sound: bool = True) -> Path:
    """A film of a moving square with a tone."""
    with av.open(str(path), "w") as out:
        if pictures:
            stream = out.add_stream("libx264", rate=RATE)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        if sound:
            voice = out.add_stream("aac", rate=44100, layout="mono")
        for i in range(FRAMES if pictures else 0):
            pixels = np.asarray(image(1, 64, 48)).copy()
            pixels[10:20, 2 * i : 2 * i + 8] = 255
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                out.mux(packet)
        if pictures:
            for packet in stream.encode(None):
                out.mux(packet)
        if sound:
            wave = np.sin(np.arange(int(44100 * FRAMES / RATE)) / 20)[None].astype(np.float32)
            frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            frame.sample_rate = 44100
            for packet in [*voice.encode(frame), *voice.encode(None)]:
                out.mux(packet)
    return path


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("film") / "film.mp4")


@pytest.fixture(scope="module")
def painter() -> Painter:
    return Painter(tiny_style(3))


def run(source: Path, target: Path, painter: Painter, **options: object) -> list[VideoProgress]:
    return list(restyle_video(source, target, [painter], **options))  # type: ignore[arg-type]


def frames(path: Path) -> tuple[list[float], np.ndarray]:
    with av.open(str(path)) as film:
        found = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in film.decode(video=0)]
    return [time for time, _ in found], np.stack([pixels for _, pixels in found])


def sounds(path: Path) -> list[bytes]:
    with av.open(str(path)) as film:
        return [bytes(packet) for packet in film.demux(audio=0) if packet.size]


def test_frames_rate_and_sound_are_those_of_the_source(film: Path, painter: Painter, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    seen = run(film, target, painter)
    assert [at.frame for at in seen] == [*range(1, FRAMES + 1), FRAMES]
    assert seen[-1].done
    assert seen[-1].flicker is not None
    assert seen[0].frames == FRAMES
    before, filmed = frames(film)
    after, painted = frames(target)
    assert after == pytest.approx(before, abs=1e-3)
    assert video_facts(target).rate == pytest.approx(float(RATE), rel=1e-3)
    assert sounds(target) == sounds(film)
    expected = np.stack([painter.frame(pixels) for pixels in filmed]).astype(int)
    # Half of the colours' resolution is lost in encoding, so brightness is compared.
    grey = [pixels.mean(3).ravel() for pixels in (expected, painted, filmed)]
    assert np.corrcoef(grey[0], grey[1])[0, 1] > 0.95
    assert np.corrcoef(grey[2], grey[1])[0, 1] < 0.9
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.mp4"]


def test_an_interrupted_video_goes_on_after_what_was_done(
    film: Path, painter: Painter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_module, "PART_FRAMES", 6)
    target = tmp_path / "out.mkv"
    work = restyle_video(film, target, [painter])
    for at in work:
        if at.frame == 15:
            break
    work.close()
    assert not target.exists()
    seen = run(film, target, painter)
    assert [at.frame for at in seen] == [*range(13, FRAMES + 1), FRAMES]  # two whole parts were done
    assert frames(target)[0] == pytest.approx(frames(film)[0], abs=2e-3)
    seen = run(film, target, painter, strength=0.5)  # finished: another one begins anew
    assert seen[0].frame == 1


def test_a_full_disk_keeps_what_is_done(
    film: Path, painter: Painter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_module, "PART_FRAMES", 6)
    original = video_parts.VideoParts.write
    full = True

    def write(self: object, parts: list[int], given: object) -> None:
        if full and len(parts) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        original(self, parts, given)  # type: ignore[arg-type]

    monkeypatch.setattr(video_parts.VideoParts, "write", write)
    target = tmp_path / "out.mp4"
    with pytest.raises(DataError, match=r"the disk is full\. The first 12 frames are kept in .* to go on\.$"):
        run(film, target, painter)
    full = False
    assert run(film, target, painter)[0].frame == 13
    assert len(frames(target)[0]) == FRAMES


def test_a_part_of_a_video_can_be_looked_at_beforehand(film: Path, painter: Painter, tmp_path: Path) -> None:
    seen = run(film, tmp_path / "part.mp4", painter, start=0.4, seconds=0.8, size=32)
    assert seen[-1].frame == 10
    times, painted = frames(tmp_path / "part.mp4")
    assert painted.shape[1:] == (24, 32, 3)
    assert times == pytest.approx([i / float(RATE) for i in range(10)], abs=1e-3)
    assert 0.6 < sum(1 for _ in sounds(tmp_path / "part.mp4")) * 1024 / 44100 < 1.0


def test_films_without_sound_stay_without(painter: Painter, tmp_path: Path) -> None:
    source = make(tmp_path / "mute.mp4", sound=False)
    assert run(source, tmp_path / "out.mp4", painter)[-1].sound == "The video has no sound."
    assert not video_facts(tmp_path / "out.mp4").sound


def test_what_is_no_video_is_a_sentence(film: Path, painter: Painter, tmp_path: Path) -> None:
    (tmp_path / "odd.mp4").write_bytes(b"no video at all")
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "cut.mp4").write_bytes(film.read_bytes()[:400])
    make(tmp_path / "song.mp4", pictures=False)
    for name, said in (
        ("odd.mp4", "no video, or is damaged"),
        ("empty.mp4", "no video, or is damaged"),
        ("cut.mp4", "damaged"),
        ("song.mp4", "no pictures in it, only audio"),
        ("none.mp4", "There is no file"),
    ):
        with pytest.raises(DataError, match=r"\.$") as error:
            run(tmp_path / name, tmp_path / "out.mp4", painter)
        assert said in str(error.value)
    for target, said in (
        ("out.gif", "must end in"),
        ("nowhere/out.mp4", "no folder"),
    ):
        with pytest.raises(DataError, match=said):
            run(film, tmp_path / target, painter)
    with pytest.raises(DataError, match="over itself"):
        run(film, film, painter)
