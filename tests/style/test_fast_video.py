"""Videos: as many frames, the same rate and sound, and what is done outlives an interruption."""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from fast_kit import tiny_style
from style_kit import image

from convolab.errors import DataError
from convolab.style.fast import video as video_module
from convolab.style.fast import video_joining, video_parts
from convolab.style.fast.painter import Painter
from convolab.style.fast.video import VideoProgress, restyle_video
from convolab.style.fast.video_film import Film, opened, video_facts

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


def fail(error: Exception) -> Callable[..., None]:
    def function(*_: object, **__: object) -> None:
        raise error

    return function


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
    with monkeypatch.context() as patch:  # a second interruption, when only the parts are left to be joined
        patch.setattr(video_module, "join", fail(OSError(errno.EIO, "Input/output error")))
        with pytest.raises(DataError, match=r"input/output error\. The first 20 .* remove the cause and do"):
            run(film, target, painter)
    (last,) = run(film, target, painter)
    whole = run(film, tmp_path / "whole.mkv", painter)[-1].flicker
    assert whole is not None
    assert last.flicker == pytest.approx(whole, rel=1e-12)
    target.unlink()
    work = restyle_video(film, target, [painter])
    for at in work:
        if at.frame == 15:
            break
    work.close()
    seen = run(film, target, painter)
    assert seen[-1].flicker == pytest.approx(whole, rel=1e-12)
    assert [at.frame for at in seen] == [*range(13, FRAMES + 1), FRAMES]  # two whole parts were done
    assert (seen[0].painted, seen[-1].painted) == (1, FRAMES - 12)
    assert frames(target)[0] == pytest.approx(frames(film)[0], abs=2e-3)
    seen = run(film, target, painter, strength=0.5)  # finished: another one begins anew
    assert seen[0].frame == 1


def test_a_full_disk_keeps_what_is_done(
    film: Path, painter: Painter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_module, "PART_FRAMES", 6)
    original = video_parts.VideoParts.write
    full = True

    def write(self: object, parts: list[int], *given: object) -> None:
        if full and len(parts) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        original(self, parts, *given)  # type: ignore[arg-type]

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


def make_pcm(path: Path, seconds: float = 1.6) -> Path:
    """A film as cameras write it in AVI: sound that is not compressed, which MP4 cannot hold."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        voice = out.add_stream("pcm_s16le", rate=22050, layout="stereo")
        for _ in range(round(seconds * RATE)):
            pixels = np.asarray(image(1, 64, 48))
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                out.mux(packet)
        wave = (8000 * np.sin(np.arange(round(22050 * seconds)) / 20)).astype(np.int16)
        for packet in stream.encode(None):
            out.mux(packet)
        for at in range(0, len(wave), 1024):
            both = np.repeat(wave[at : at + 1024], 2)[None]
            frame = av.AudioFrame.from_ndarray(both, format="s16", layout="stereo")
            frame.sample_rate, frame.pts = 22050, at
            for packet in voice.encode(frame):
                out.mux(packet)
    return path


def heard(path: Path) -> tuple[str, float]:
    """Kind of the sound and its seconds."""
    with av.open(str(path)) as film:
        kind = film.streams.audio[0].name
        return kind, sum(frame.samples / frame.sample_rate for frame in film.decode(audio=0))


@pytest.mark.parametrize("source", ["camera.avi", "camera.mkv"])
def test_sound_that_the_file_cannot_hold_is_encoded(source: str, painter: Painter, tmp_path: Path) -> None:
    pcm = make_pcm(tmp_path / source)
    said = run(pcm, tmp_path / "out.mp4", painter)[-1].sound
    assert said == "The sound is encoded as AAC: .mp4 files cannot hold pcm_s16le."
    kind, seconds = heard(tmp_path / "out.mp4")
    assert kind == "aac"
    assert seconds == pytest.approx(1.6, abs=0.1)
    assert len(frames(tmp_path / "out.mp4")[0]) == 20
    run(pcm, tmp_path / "part.mp4", painter, start=0.8, seconds=0.4)
    assert heard(tmp_path / "part.mp4")[1] == pytest.approx(0.4, abs=0.15)
    assert run(pcm, tmp_path / "out.mkv", painter)[-1].sound == "The sound is that of the source."
    assert heard(tmp_path / "out.mkv")[0] == "pcm_s16le"


def test_sound_that_cannot_be_encoded_is_left_out_and_said(
    painter: Painter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Film, "encoded_sounds", fail(ValueError("no encoder")))
    last = run(make_pcm(tmp_path / "camera.avi"), tmp_path / "out.mp4", painter)[-1]
    assert last.sound.startswith("The sound was left out: pcm_s16le can neither")
    assert not video_facts(tmp_path / "out.mp4").sound
    assert len(frames(tmp_path / "out.mp4")[0]) == 20
    assert sorted(path.name for path in tmp_path.iterdir()) == ["camera.avi", "out.mp4"]


def test_only_a_full_disk_asks_for_room(
    film: Path, painter: Painter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, said in ((errno.ENOSPC, "make room and"), (errno.EIO, "remove the cause and")):
        tries: list[str] = []

        def write(*given: object, number: int = number, tries: list[str] = tries) -> None:
            tries.append(str(given[-1]))
            raise OSError(number, "It failed")

        monkeypatch.setattr(video_joining, "_write", write)
        with pytest.raises(DataError, match=said):
            run(film, tmp_path / "out.mp4", painter)
        # Without room no other way is tried.
        assert tries == (["copied"] if number == errno.ENOSPC else ["copied", "encoded", "none"])


def test_films_of_upright_phones_are_painted_upright(painter: Painter, tmp_path: Path) -> None:
    path = make(tmp_path / "phone.mp4", sound=False)
    content = bytearray(path.read_bytes())
    # The matrix in the head of the track, by which a player turns the frames; identity becomes 90°.
    at = content.index(b"tkhd") + 4 + 40
    assert struct.unpack(">9i", content[at : at + 36]) == (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    content[at : at + 36] = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 48 << 16, 0, 1 << 30)
    path.write_bytes(content)
    facts = video_facts(path)
    assert (facts.width, facts.height) == (48, 64)
    with opened(path) as container:
        (_, first), *_ = Film(container, path, None, 0.0, None).frames()
    expected = np.rot90(frames(path)[1][0], -1)  # clockwise
    assert np.abs(first.astype(int) - expected).mean() < 3
    run(path, tmp_path / "out.mp4", painter, size=32)
    assert frames(tmp_path / "out.mp4")[1].shape[1:] == (32, 24, 3)


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
