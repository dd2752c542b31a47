"""Videos in the room Fast style without a browser: brought, previewed, painted, taken up again."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from restyle_kit import noise

from convolab.app.restyle import videos
from convolab.app.restyle.painting import Order
from convolab.errors import DataError


def film(path: Path, frames: int = 30, sound_only: bool = False) -> Path:
    import av

    with av.open(str(path), "w") as out:
        if sound_only:
            stream = out.add_stream("aac", rate=8000)
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), "fltp", "mono")
            sound.sample_rate = 8000
            for packet in [*stream.encode(sound), *stream.encode(None)]:
                out.mux(packet)
            return path
        stream = out.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(frames):
            picture = av.VideoFrame.from_ndarray(np.asarray(noise(64, 48, number // 10)), format="rgb24")
            for packet in stream.encode(picture):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)
    return path


def test_a_video_is_brought_looked_at_painted_stopped_and_taken_up_again(tmp_path: Path) -> None:
    about = videos.bring(film(tmp_path / "upload.mp4"), "C:\\films\\my film.mp4")
    assert (about["title"], about["width"], about["frames"], about["rate"]) == ("my film.mp4", 64, 30, 10)
    key = about["video"]
    with Image.open(io.BytesIO(videos.still(key))) as frame_:
        assert (frame_.format, frame_.size) == ("JPEG", (64, 48))
    order = Order("", "waves", size=64)
    preview = videos.paint({"video": key, "preview": True}, order)
    videos._renders[key].wait(60)
    news, more = videos.news(f"{key}~")
    assert news is not None
    assert not more
    assert news["render"]["state"] == "finished"
    from convolab.style.fast.video_film import video_facts

    assert video_facts(videos.painted_file(key, f"preview-{preview['key']}.mp4")).frames == 10
    whole = videos.paint({"video": key}, order)
    videos.stop(key)
    assert videos._renders[key].state in ("stopped", "finished")
    videos.paint({"video": key}, order)
    videos._renders[key].wait(60)
    done = videos._renders[key].to_dict()
    assert (done["state"], done["fraction"]) == ("finished", 1.0)
    assert video_facts(videos.painted_file(key, f"painted-{whole['key']}.mp4")).frames == 30
    assert [item["video"] for item in videos.listed()] == [key]
    videos.remove(key)
    assert videos.listed() == []
    with pytest.raises(DataError, match="no longer in the lab"):
        videos.source(key)


def test_the_still_of_an_upright_film_is_upright(tmp_path: Path) -> None:
    path = film(tmp_path / "phone.mp4")
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 44  # the matrix by which a player turns the frames
    content[at : at + 36] = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 48 << 16, 0, 1 << 30)
    path.write_bytes(content)
    about = videos.bring(path, "phone.mp4")
    assert (about["width"], about["height"]) == (48, 64)
    with Image.open(io.BytesIO(videos.still(about["video"]))) as frame_:
        assert frame_.size == (48, 64)
    videos.remove(about["video"])


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"no video")
    for path, name, said in (
        (tmp_path / "a", "film.mp4", "“film.mp4” cannot be read: it is no video"),
        (tmp_path / "a", "notes.txt", "“notes.txt” is no video"),
        (
            film(tmp_path / "sound.mp4", sound_only=True),
            "song.mp4",
            "“song.mp4” has no pictures in it, only audio",
        ),
    ):
        with pytest.raises(DataError, match=said):
            videos.bring(path, name)
    assert videos.listed() == []
    for name in ("../about.json", "painted-xyz.mp4"):
        with pytest.raises(DataError):
            videos.painted_file("0123456789ab", name)
