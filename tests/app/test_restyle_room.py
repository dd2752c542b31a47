"""The room Fast style without a browser: addresses, styles in and out, frames, studies of filters, videos."""

from __future__ import annotations

import asyncio
import io
import json
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import pytest
from fast_kit import put, tiny_style
from PIL import Image

from convolab.app.restyle import camera, filters, learning, measures, photo_sets, samples, shelf, videos
from convolab.app.restyle.painting import Order, painted, painter
from convolab.app.restyle.routes import order_of
from convolab.app.restyle.state import Shown, from_query, opened, to_query
from convolab.app.transfer import library as pictures
from convolab.errors import DataError, NetworkError, RunError, SettingsError
from convolab.home import styles_dir
from convolab.style.fast.files import load_style
from convolab.style.fast.job_folder import LearnFolder
from convolab.style.fast.stylizing import stylize_steps


@pytest.fixture(scope="module", autouse=True)
def room_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with two tiny styles of its own, the only ones there are."""
    folder = tmp_path_factory.mktemp("restyle")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONVOLAB_HOME", str(folder))
        patch.setattr("convolab.app.restyle.shelf.SHIPPED", folder / "none")
        patch.setattr("convolab.style.fast.library.SHIPPED", folder / "none")
        # Threads in other numbers may choose another number format; pictures are compared bit for bit.
        patch.setattr("convolab.style.fast.painter.has_bf16", lambda: False)
        put(styles_dir(), "waves", 1, title="Waves")
        put(styles_dir(), "stripes", 2, title="Stripes")
        yield folder


def noise(width: int = 96, height: int = 80, seed: int = 0) -> Image.Image:
    """A smooth picture."""
    small = np.random.default_rng(seed).integers(0, 255, (6, 8, 3)).astype(np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def file_of(picture: Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def photo(room_home: Path) -> str:
    """The key of a photo in the library."""
    return str(pictures.bring(file_of(noise()), "noise.png")["key"])


# ---------------------------------------------------------------- what is shown


def test_an_address_says_all_that_is_shown(photo: str) -> None:
    shown = Shown().changed(
        {
            "view": "filters",
            "photo": photo,
            "style": "waves:0.25,stripes:0.75",
            "strength": 0.4,
            "size": 320,
            "padding": "zeros",
            "keep": True,
            "mirror": False,
            "question": "chain",
            "then": "stripes",
            "times": 3,
            "chain": ["waves", "waves", "stripes"],
            "job": "style-abc",
            "video": "0123456789ab",
        }
    )
    assert from_query(dict(parse_qsl(to_query(shown)))) == (shown, [])
    assert to_query(opened(Shown())) == ""
    assert from_query({})[0] == opened(Shown())


def test_of_a_bad_address_what_can_be_understood_is_kept(photo: str) -> None:
    query = {
        "view": "film",
        "style": "wavs:0.5,stripes:0.5",
        "photo": "gone",
        "strength": "much",
        "job": "transfer-1",
        "color": "red",
        "size": "320",
    }
    shown, problems = from_query(query)
    assert (shown.view, shown.style, shown.size, shown.strength) == ("picture", "stripes:0.5", 320, 1.0)
    said = " ".join(problems)
    for part in (
        '"film"',
        'Did you mean "waves"',
        "no longer in the lab",
        "strength=much",
        "transfer-1",
        "color",
    ):
        assert part in said
    assert (
        Shown().changed({"style": "../secret", "size": True, "chain": ["a/b"], "strength": "nan"}) == Shown()
    )


# ---------------------------------------------------------------- painting


def test_what_the_page_shows_is_what_the_library_paints(photo: str) -> None:
    expected = stylize_steps(noise(), "waves", 0.7, 64, padding="zeros")[-1].picture
    file = painted(Order(photo, "waves", 0.7, 64, "zeros"), "png")
    with Image.open(io.BytesIO(file.content)) as opened_:
        assert np.array_equal(np.asarray(opened_), np.asarray(expected))
    assert (file.width, file.height) == expected.size == (64, 53)
    for wanted, said in (
        ({"style": ""}, "Choose a style"),
        ({"style": "wavs"}, 'Did you mean "waves"'),
        ({"style": "../waves"}, "no name of a style"),
        ({"style": "waves", "padding": "mirror"}, "The padding is one of"),
        ({"style": "waves", "size": 9000}, "The size must be"),
        ({"style": "waves", "strength": "2"}, "between 0 and 1"),
        ({"style": "waves", "photo": "gone"}, "no longer in the lab"),
    ):
        with pytest.raises((SettingsError, NetworkError, DataError), match=said):
            painted(order_of({"photo": photo, "size": 64, **wanted}), "jpg")


def test_a_style_that_was_made_anew_is_painted_anew(photo: str) -> None:
    path = put(styles_dir(), "changing", 3, title="Changing")
    order = Order(photo, "changing", size=64)
    before = painted(order, "png").content
    path.unlink()
    put(styles_dir(), "changing", 4, title="Changing")
    assert painted(order, "png").content != before
    path.unlink()


# ---------------------------------------------------------------- the camera


def frame(kind: int = camera.RAW, width: int = 48, height: int = 32) -> tuple[bytes, np.ndarray]:
    pixels = np.asarray(noise(width, height))
    head = camera.HEAD.pack(7, width, height, kind)
    if kind == camera.JPEG:
        return head + camera.jpeg(pixels), pixels
    rgba = np.dstack([pixels, np.full(pixels.shape[:2], 9, np.uint8)])
    return head + rgba.tobytes(), pixels


@pytest.mark.parametrize("keep", [False, True])
def test_a_frame_comes_back_painted_with_its_number(keep: bool) -> None:
    message, pixels = frame()
    order = Order("", "stripes", 0.8, keep=keep)
    answer = camera.answered(message, order)
    number, width, height, kind, milliseconds = camera.ANSWER.unpack_from(answer)
    assert (number, width, height, kind) == (7, 48, 32, camera.RAW)
    assert milliseconds > 0
    rgba = np.frombuffer(answer, np.uint8, offset=camera.ANSWER.size).reshape(32, 48, 4)
    assert (rgba[..., 3] == 255).all()
    if not keep:
        assert np.array_equal(rgba[..., :3], painter("stripes").frame(pixels, 0.8))
    else:  # the photo's colours: hues hardly move where there is colour
        plain = painter("stripes").frame(pixels, 0.8).astype(float)
        own = pixels.astype(float) - pixels.mean(2, keepdims=True)
        apart = [np.abs(part - part.mean(2, keepdims=True) - own).mean() for part in (rgba[..., :3], plain)]
        assert apart[0] < apart[1]


def test_frames_can_travel_as_jpeg() -> None:
    message, _ = frame(camera.JPEG)
    answer = camera.answered(message, Order("", "stripes"))
    assert camera.ANSWER.unpack_from(answer)[:4] == (7, 48, 32, camera.JPEG)
    with Image.open(io.BytesIO(answer[camera.ANSWER.size :])) as opened_:
        assert (opened_.format, opened_.size) == ("JPEG", (48, 32))


def test_what_is_no_frame_is_refused() -> None:
    message, _ = frame()
    jpeg, _ = frame(camera.JPEG)
    for bad in (
        b"",
        message[:-1],
        struct.pack("<IIII", 1, 5000, 5000, 1) + jpeg[16:],
        struct.pack("<IIII", 1, 40, 32, 1) + jpeg[16:],
        struct.pack("<IIII", 1, 48, 32, 1) + b"no picture",
        struct.pack("<IIII", 1, 48, 32, 7) + message[16:],
    ):
        with pytest.raises(DataError):
            camera.read_frame(bad)


def test_the_camera_leaves_cores_to_the_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    from convolab.training.device import at_most, usable_cores

    monkeypatch.setenv("CONVOLAB_THREADS", "6")
    with at_most(2):
        assert usable_cores() == 2
    with at_most(0):
        assert usable_cores() == 1
    assert usable_cores() == 6
    seen = []
    monkeypatch.setattr(camera, "painted_frame", lambda pixels, order: seen.append(usable_cores()) or pixels)
    camera.answered(frame()[0], Order("", "stripes"), cores=3)
    assert seen == [3]


def test_of_frames_that_wait_the_newest_is_painted(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slowly(message: bytes, *_: object) -> bytes:
        begun.set()
        assert go_on.wait(20)
        return message[:4]

    monkeypatch.setattr(camera, "answered", slowly)

    class Socket:
        """A browser's end: what it sends comes out of a queue, what it gets is kept."""

        client = None

        def __init__(self) -> None:
            self.sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
            self.got: list[Any] = []

        async def receive(self) -> dict[str, Any]:
            return await self.sent.get()

        async def send_text(self, text: str) -> None:
            self.got.append(json.loads(text))

        async def send_bytes(self, content: bytes) -> None:
            self.got.append(struct.unpack("<I", content)[0])

        async def until(self, count: int) -> None:
            while len(self.got) < count:
                await asyncio.sleep(0.01)

    async def visit() -> list[Any]:
        socket = Socket()
        served = asyncio.create_task(camera._Camera(socket).run())  # type: ignore[arg-type]
        await socket.sent.put({"type": "websocket.receive", "text": json.dumps({"style": "waves"})})
        await socket.until(1)
        for number in (1, 2, 3, 4):
            await socket.sent.put({"type": "websocket.receive", "bytes": struct.pack("<I", number)})
            while number == 1 and not begun.is_set():
                await asyncio.sleep(0.01)
        while not socket.sent.empty():
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)  # the last one is taken
        go_on.set()
        await socket.until(3)
        await socket.sent.put({"type": "websocket.disconnect"})
        await served
        return socket.got

    with ThreadPoolExecutor(1) as pool:  # this thread may have an event loop already
        got = pool.submit(asyncio.run, asyncio.wait_for(visit(), 60)).result()
    assert got == [{"ready": "Waves"}, 1, 4]


# ---------------------------------------------------------------- filters over filters


@pytest.fixture
def without_vgg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "network_is_here", lambda: False)


def study(photo: str, **wanted: Any) -> filters.Study:
    begun = filters.begin({"photo": photo, "size": 80, **wanted}, order_of)
    found = filters.waited(begun["study"])
    assert found.finished
    assert not found.error
    return found


@pytest.mark.usefixtures("without_vgg")
def test_the_same_filter_again_and_again_with_each_padding(photo: str) -> None:
    found = study(photo, question="repeat", style="waves", times=3, padding="replicate")
    assert len(found.cells) == found.total == 10
    for padding in ("reflect", "zeros"):
        expected = stylize_steps(noise(), "waves", 1.0, 80, repeat=3, padding=padding)
        for times in (1, 2, 3):
            cell = found.cells[f"{padding}-0-{times}"]
            assert np.array_equal(np.asarray(cell.picture), np.asarray(expected[times].picture))
            before = np.asarray(expected[times - 1].picture, int)
            change = np.abs(np.asarray(cell.picture, int) - before).mean()
            assert cell.figures["change"] == pytest.approx(change, abs=0.006)
    news, more = filters.news(f"{found.key}~")
    assert news is not None
    assert not more
    json.dumps(news)
    assert news["notes"] == ["vgg"]
    assert filters.news(f"{found.key}~{news['cursor']}") == (None, False)
    apart = found.file("replicate-0-1", "difference.png")
    with Image.open(io.BytesIO(apart.content)) as drawn:
        first = np.asarray(found.cells["replicate-0-1"].picture, int)
        expected_ = np.minimum(
            measures.GAIN * np.abs(first - np.asarray(found.cells["photo"].picture, int)), 255
        )
        assert np.array_equal(np.asarray(drawn), expected_)
    with pytest.raises(DataError):
        found.file("photo", "difference.png")


@pytest.mark.usefixtures("without_vgg")
def test_kept_colours_are_those_of_the_photo_after_any_filter(photo: str) -> None:
    found = study(photo, question="chain", chain=["waves", "stripes", "waves"], keep=True)
    expected = stylize_steps(noise(), "waves", 1.0, 80, then=["stripes", "waves"], preserve_color=True)
    for number, step in enumerate(expected[1:], 1):
        cell = found.cells[f"reflect-0-{number}"]
        assert np.array_equal(np.asarray(cell.picture), np.asarray(step.picture))


@pytest.mark.usefixtures("without_vgg")
def test_two_filters_in_either_order_are_compared(photo: str) -> None:
    found = study(photo, question="order", style="waves", then="stripes")
    ends = [
        stylize_steps(noise(), names[0], 1.0, 80, then=names[1:])[-1].picture
        for names in (["waves", "stripes"], ["stripes", "waves"], ["waves"], ["stripes"])
    ]
    for row in found.distances:
        a, b = (np.asarray(ends[i], int) for i in row["pair"])
        assert row["pixels"] == pytest.approx(np.abs(a - b).mean(), abs=0.006)
    assert [row["pair"] for row in found.distances] == [[0, 3], [1, 2], [0, 1], [2, 3]]


def test_style_and_content_are_measured_where_the_network_is(
    photo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from style_kit import tiny_network

    card = tiny_style(1).card
    thumbnail = file_of(noise(64, 48, 5), "JPEG")
    import base64

    from convolab.style.fast.files import save_style

    network = tiny_style(5).network
    about = {
        "thumbnail": base64.b64encode(thumbnail).decode(),
        "settings": {"style_layers": "relu1_1,relu2_1"},
    }
    save_style(
        styles_dir() / "pictured.safetensors", network, card.model_copy(update={"title": "Pictured", **about})
    )
    monkeypatch.setattr(measures, "network_is_here", lambda: True)
    monkeypatch.setattr(measures, "_features", tiny_network)
    found = study(photo, question="chain", chain=["pictured", "stripes"])
    small = measures.painting_of("pictured", 80)
    assert small is not None
    assert (small.size, small.layers, small.whole) == (64, ("relu1_1", "relu2_1"), False)
    measured = found.cells["reflect-0-1"].figures["style"]["pictured"]
    assert measured == measures.style_diff(small, found.cells["reflect-0-1"].picture)
    assert measured["relative"] > 0
    assert measures.style_diff(small, small.picture)["relative"] == pytest.approx(0, abs=1e-6)
    assert found.notes == ["small painting:pictured:64", "no painting:stripes"]
    again = study(photo, question="repeat", style="pictured", times=2, padding="replicate")
    for padding in ("reflect", "replicate", "zeros"):
        for times in (1, 2):
            cell = again.cells[f"{padding}-0-{times}"]
            assert cell.figures["style"]["pictured"] == measures.style_diff(small, cell.picture)
    (styles_dir() / "pictured.safetensors").unlink()


def test_of_the_labs_own_paintings_the_painting_itself_is_compared(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from convolab.style.painted import paint

    monkeypatch.setattr("convolab.style.fast.library.SHIPPED", tmp_path)
    for name in ("mosaic", "mosaic-small", "scream"):
        put(tmp_path, name, 1, title="A title")
    for name in ("mosaic", "mosaic-small"):
        found = measures.painting_of(name, 512)
        assert found is not None
        assert (found.size, found.whole) == (512, True)
        assert np.array_equal(np.asarray(found.picture), np.asarray(paint("mosaic", 640)))
    assert measures.painting_of("scream", 512) is None  # this one carries no picture


def test_what_cannot_be_studied_is_said(photo: str) -> None:
    for wanted, said in (
        ({"question": "why"}, "one of the three questions"),
        ({"question": "repeat", "style": "waves", "times": 99}, "1 to 12 times"),
        ({"question": "order", "style": "waves", "then": "waves"}, "the same style"),
        ({"question": "chain", "chain": []}, "drag styles"),
        ({"question": "chain", "chain": ["wavs"]}, 'Did you mean "waves"'),
        ({"question": "chain", "chain": ["waves"], "size": 2000}, "at most 768"),
    ):
        with pytest.raises((SettingsError, NetworkError), match=said):
            filters.begin({"photo": photo, "size": 80, **wanted}, order_of)
    gone = filters.begin({"photo": "gone", "size": 80, "question": "chain", "chain": ["waves"]}, order_of)
    assert "no longer in the lab" in filters.waited(gone["study"]).error
    assert filters.news("none~")[0] == {
        "study": "none",
        "cursor": "gone",
        "gone": "This study is no longer kept; it is made again.",
    }


# ---------------------------------------------------------------- styles in and out


def test_a_style_goes_out_as_a_file_and_comes_in_again() -> None:
    content = shelf.file_of("waves").read_bytes()
    assert shelf.take_in(content, "C:\\My Waves.safetensors") == {"name": "my-waves"}
    there = load_style(styles_dir() / "my-waves.safetensors").network.state_dict()
    for name, tensor in load_style(styles_dir() / "waves.safetensors").network.state_dict().items():
        assert np.array_equal(there[name].numpy(), tensor.numpy())
    renamed = shelf.rename("my-waves", "The North Sea")["name"]
    assert renamed == "the-north-sea"
    listed = {style["name"]: style for style in shelf.listed()}
    assert listed[renamed]["title"] == "The North Sea"
    assert listed[renamed]["own"]
    assert shelf.names() == sorted(listed)
    with Image.open(io.BytesIO(shelf.thumbnail(renamed))) as small:
        assert small.format == "JPEG"
    shelf.remove(renamed)
    assert renamed not in shelf.names()


def test_files_that_are_no_styles_are_refused() -> None:
    whole = shelf.file_of("waves").read_bytes()
    before = shelf.names()
    for content, said in (
        (b"", "cannot be read"),
        (b"\x80\x04not a pickle", "cannot be read"),
        (whole[: len(whole) // 2], "cut short"),
        (file_of(noise()), "cannot be read"),
    ):
        with pytest.raises(NetworkError, match=rf"holiday\.safetensors.*{said}"):
            shelf.take_in(content, "../../holiday.safetensors")
    assert shelf.names() == before
    assert not [path for path in styles_dir().iterdir() if path.is_dir()]
    for action in (shelf.file_of, shelf.remove, lambda name: shelf.rename(name, "x")):
        with pytest.raises(NetworkError, match="no name of a style"):
            action("../waves")


# ---------------------------------------------------------------- learning


def test_learning_begins_with_what_was_asked_for(photo: str, room_home: Path) -> None:
    name = "set-0123456789abcdef"
    assert photo_sets.bring(file_of(noise(900, 700)), name) == {"photos": 1}
    assert photo_sets.bring(file_of(noise(64, 48)), name) == {"photos": 2}
    wanted = {
        "painting": photo,
        "title": " My waves ",
        "year": "2026",
        "size": "small",
        "minutes": 2,
        "weight": 0.7,
    }
    run_id = learning.create({**wanted, "photos": name})
    spec = LearnFolder(run_id).spec()
    assert (spec.name, spec.year, spec.settings.architecture) == ("My waves", "2026", "small")
    assert (spec.settings.budget, spec.settings.weight, spec.key) == (120, 0.7, photo)
    assert spec.photos == str(room_home / "photos" / name)
    with Image.open(Path(spec.photos) / "00001.jpg") as kept:
        assert kept.size == (640, 498)
    view = learning.VIEWS.get(run_id)
    view.refresh()
    news = view.news("")
    assert news is not None
    assert (news["state"], news["facts"]["minutes"], news["can"]) == ("queued", 2, ["stop"])
    assert view.news(news["cursor"]) is None
    assert (news["photos"], news["scenes"]) == ("", False)
    started = {"kind": "started", "step": 0, "photos": 2, "photos_from": "my album"}
    with LearnFolder(run_id).events_path.open("a") as file:
        file.write(json.dumps({"time": 1.0, **started, "few": True, "scenes": True}) + "\n")
    view.read_again()
    view.refresh()
    begun = view.news(news["cursor"])
    assert begun is not None
    assert begun["photos"] == "Learns from 2 photos: my album. More photos make it better."
    assert begun["scenes"]
    for change, said in (
        ({"size": "huge"}, "Choose a network"),
        ({"minutes": 0}, "above 0"),
        ({"minutes": "long"}, 'must be a number, not "long"'),
        ({"weight": 2}, "W"),
        ({"painting": "gone"}, "no longer in the lab"),
        ({"photos": "/no/such/folder"}, "There is no folder /no/such/folder"),
    ):
        with pytest.raises((SettingsError, DataError), match=said):
            learning.create({**wanted, **change})
    assert [item["job"] for item in learning.earlier()] == [run_id]
    for bad in ("../spec", "learning.json"):
        with pytest.raises(RunError):
            learning.file_of(run_id, bad)
    LearnFolder(run_id).set_state("stopped")
    learning.delete(run_id)
    assert learning.earlier() == []


def test_curves_are_told_once_and_again_after_a_step_back(photo: str) -> None:
    run_id = learning.create({"painting": photo, "size": "small", "minutes": 1})
    folder = LearnFolder(run_id)
    step = {"kind": "step", "total": 1.0, "style": 0.5, "content": 2.0, "examples": 3, "fraction": 0.1}

    def write(*entries: dict[str, Any]) -> None:
        with folder.events_path.open("a") as file:
            file.writelines(json.dumps({"time": 1.0, **entry}) + "\n" for entry in entries)

    write(*({**step, "step": n, "seconds": float(n), "seconds_left": 9.0} for n in (1, 2, 3)))
    view = learning.VIEWS.get(run_id)
    view.refresh()
    first = view.news("")
    assert first is not None
    assert (first["reset"], [row[0] for row in first["rows"]]) == (True, [1, 2, 3])
    write({"kind": "started", "step": 2}, {**step, "step": 3, "seconds": 3.5, "seconds_left": 9.0})
    view.read_again()
    view.refresh()
    again = view.news(first["cursor"])
    assert again is not None
    assert (again["reset"], [row[1] for row in again["rows"]]) == (True, [1.0, 2.0, 3.5])
    write({**step, "step": 4, "seconds": 4.5, "seconds_left": 8.0})
    view.read_again()
    view.refresh()
    more = view.news(again["cursor"])
    assert more is not None
    assert (more["reset"], [row[0] for row in more["rows"]]) == (False, [4])
    folder.set_state("stopped")
    learning.delete(run_id)


def test_photos_at_hand_need_nothing_to_be_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CONVOLAB_DATA", str(tmp_path))
    offered = samples.offered()
    assert offered["photos"][0]["key"] == "lab-lake"
    assert (offered["samples"], offered["more"]) == ([], True)
    (tmp_path / "photos").mkdir()
    noise(seed=9).save(tmp_path / "photos" / "coffee.png")
    assert samples.offered()["samples"] == [{"name": "coffee.png", "title": "Coffee"}]
    key = samples.take("coffee.png")["key"]
    assert pictures.entry(key).title == "Coffee"
    assert samples.offered()["samples"] == []
    for name in ("rocket.jpg", "../coffee.png"):
        with pytest.raises(DataError):
            samples.take(name)


# ---------------------------------------------------------------- videos


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
