"""What the room Look inside works with: pictures as they are given, frames, addresses, sources, sessions."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convolab.activations import Inspector
from convolab.app.look import sources
from convolab.app.look.given import Drawing, Pixels, Upload
from convolab.app.look.session import Session
from convolab.app.look.state import LookState, from_query, to_query
from convolab.datasets import load
from convolab.errors import DataError, NetworkError, RunError
from convolab.networks import preset
from convolab.widgets.frames import encode_frame, layout, pack, unpack

GREY = (1, 28, 28)


def pad(*boxes: tuple[int, int, int, int], side: int = 140) -> np.ndarray:
    """A pad with bright boxes (top, left, bottom, right) on it."""
    pixels = np.zeros((side, side, 1), np.uint8)
    for top, left, bottom, right in boxes:
        pixels[top:bottom, left:right] = 255
    return pixels


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """In a thread, because browser tests may have a loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def read_frame(frame: bytes) -> tuple[dict[str, Any], list[np.ndarray], np.ndarray]:
    """An independent reading of a frame: header, arrays per slot (values, raw, shares), the given picture."""
    (length,) = struct.unpack("<I", frame[:4])
    header = json.loads(frame[4 : 4 + length])
    at = 4 + length
    assert at % 4 == 0
    parts = []
    for slot in header["slots"]:
        for count in (slot["units"], slot["classes"], slot["classes"]):
            parts.append(np.frombuffer(frame, "<f4", count, at))
            at += 4 * count
    given = np.frombuffer(frame, np.uint8, offset=at)
    return header, parts, given.reshape(header["given"])


class TestGiven:
    def test_a_drawing_is_centred_or_left_where_it_is(self):
        drawing = Drawing(pad((10, 10, 60, 30)))
        centred, drawn = drawing.given(GREY, True), drawing.given(GREY, False)
        mass = np.argwhere(centred.pixels[0] > 0).mean(0)
        assert np.abs(mass - 13.5).max() < 1.5
        assert "centred by its centre of mass" in centred.done
        # Five pixels of the pad are one of the input.
        assert drawn.pixels[0, 3:11, 3:5].min() > 200
        assert drawn.pixels[0, 14:].max() < 3
        assert drawn.done == "The drawing was resized to 28×28."

    def test_it_is_what_predictions_elsewhere_are_made_from(self):
        from PIL import Image

        from convolab.datasets import picture_to_input

        pixels = pad((20, 40, 120, 60), (20, 40, 40, 110))
        expected, _ = picture_to_input(Image.fromarray(pixels[:, :, 0]), GREY)
        np.testing.assert_array_equal(Drawing(pixels).given(GREY, True).pixels, expected)

    @pytest.mark.parametrize("centre", [True, False])
    def test_an_empty_pad_says_so(self, centre: bool):
        given = Drawing(pad()).given(GREY, centre)
        assert given.empty
        assert given.done.startswith("Nothing is drawn")
        assert not given.pixels.any()

    def test_a_filled_pad_is_not_taken_for_paper(self):
        given = Drawing(np.full((140, 140, 1), 255, np.uint8)).given(GREY, False)
        assert given.pixels.min() == 255

    def test_colours_are_cropped_and_resized(self):
        pixels = np.zeros((140, 140, 3), np.uint8)
        pixels[:, :, 0] = 200
        given = Drawing(pixels).given((3, 32, 32), True)
        assert given.pixels.shape == (3, 32, 32)
        assert (given.pixels[0] == 200).all()
        assert (given.pixels[1:] == 0).all()

    def test_any_file_is_made_to_fit_and_the_sentence_says_how(self):
        import io

        from PIL import Image

        page = Image.new("RGBA", (60, 90), (255, 255, 255, 255))
        page.paste((0, 0, 0, 255), (20, 20, 30, 70))
        file = io.BytesIO()
        page.save(file, "PNG")
        given = Upload(file.getvalue()).given(GREY, True)
        assert given.pixels.shape == GREY
        assert given.pixels.max() > 200
        for said in ("made grey", "inverted", "It was 60×90."):
            assert said in given.done

    def test_what_is_no_picture_is_refused_in_a_sentence(self):
        with pytest.raises(DataError, match="not a picture"):
            Upload(b"certainly not")

    def test_a_picture_of_another_shape_is_refused_in_a_sentence(self):
        picture = Pixels(np.zeros((3, 32, 32), np.uint8), "Test image 3 of CIFAR-10")
        assert picture.given((3, 32, 32), True).done == "Test image 3 of CIFAR-10, given as it is."
        with pytest.raises(DataError, match="32×32 in colours, but this network takes 28×28 grey"):
            picture.given(GREY, True)

    @pytest.mark.parametrize(
        "header", [{"side": 10, "channels": 1}, {"side": 5000, "channels": 1}, {"side": 7, "channels": 2}]
    )
    def test_a_damaged_message_is_refused(self, header: dict[str, int]):
        with pytest.raises(DataError):
            Drawing.read(header, memoryview(bytes(98)))


class TestFrames:
    def test_a_frame_holds_every_unit_in_order(self):
        network = preset("harley-cnn", GREY, 10)
        inspector = Inspector(network, network.build(3))
        pixels = np.random.default_rng(0).integers(0, 255, GREY).astype(np.uint8)
        activations = inspector.run(pixels.astype(np.float32) / 255)
        told = layout(inspector, title="x")
        frame = encode_frame({"a": (inspector, activations)}, pixels, {"a": "v1"}, frame=7, ms=1.5)
        header, (values, raw, shares), given = read_frame(frame)
        assert told["units"] == 9134 == len(values)
        for level in told["levels"]:
            part = values[level["first"] : level["first"] + level["units"]]
            np.testing.assert_array_equal(part.reshape(level["shape"]), activations.values(level["key"]))
        np.testing.assert_array_equal(raw, activations.prediction.raw)
        np.testing.assert_allclose(shares.sum(), 1, rtol=1e-6)
        np.testing.assert_array_equal(given, pixels)
        assert header["slots"][0]["order"][0] == int(raw.argmax())
        assert (header["frame"], header["slots"][0]["version"]) == (7, "v1")

    @pytest.mark.parametrize("content", [b"", b"a", b"ab", b"abcdefg"])
    def test_messages_come_out_as_they_went_in(self, content: bytes):
        header, rest = unpack(pack({"kind": "drawing", "said": "×"}, [content]))
        assert header == {"kind": "drawing", "said": "×"}
        assert bytes(rest) == content

    @pytest.mark.parametrize("message", [b"", b"\1", b"\xff\0\0\0{}", b"\4\0\0\0[1] ", b"\4\0\0\0nope"])
    def test_what_is_no_message_is_a_value_error(self, message: bytes):
        with pytest.raises(ValueError):  # noqa: PT011 - the socket ends on any of them
            unpack(message)


class TestAddress:
    def test_a_state_survives_its_address(self):
        from urllib.parse import parse_qsl

        state = LookState("run:abc-1@start", "harley-cnn").changed(
            {"test": 61, "unit": "conv1:0:3:4", "hidden": ["pool1", "add2"], "space": "3d", "scale": "map"}
        )
        read, problems = from_query(dict(parse_qsl(to_query(state))))
        assert read == state
        assert problems == []

    def test_only_what_differs_from_the_defaults_is_written(self):
        assert to_query(LookState()) == "network=harley-cnn"

    def test_what_cannot_be_meant_is_said_and_left_out(self):
        state, problems = from_query(
            {
                "network": "harly-cnn",
                "space": "4d",
                "test": "x",
                "unit": "<b>",
                "hide": "a b,conv1",
                "tea": "1",
            }
        )
        assert state == LookState(hidden=("conv1",))
        assert any('Did you mean "harley-cnn"?' in problem for problem in problems)
        assert any("space=4d" in problem for problem in problems)
        assert any("tea" in problem for problem in problems)

    @pytest.mark.parametrize("change", [{"test": -1}, {"unit": 5}, {"hidden": [3, "<x>"]}, {"space": None}])
    def test_nonsense_from_the_page_changes_nothing(self, change: dict[str, Any]):
        assert LookState().changed(change) == LookState()


@pytest.mark.usefixtures("home")
class TestSources:
    def test_shipped_networks_are_trained_and_their_beginnings_are_not(self):
        trained, start = sources.subject("harley-cnn"), sources.subject("harley-cnn@start")
        assert trained.trained
        assert not start.trained
        assert start.note == "before training"
        changed = [
            not np.array_equal(a.detach().numpy(), b.detach().numpy())
            for a, b in zip(trained.model.parameters(), start.model.parameters(), strict=True)
        ]
        assert all(changed)
        assert sources.subject("harley-cnn") is trained

    @pytest.mark.parametrize("source", ["nosuch", "run:../..", "run:nosuch@start"])
    def test_unknown_ones_are_a_sentence(self, source: str):
        with pytest.raises((NetworkError, RunError)) as error:
            sources.subject(source)
        assert str(error.value).count(". ") <= 2

    def test_a_run_is_followed_from_before_training_to_its_end(self, shapes: str):
        import convolab
        from convolab.networks import Network
        from convolab.networks.layers import Conv2d, Flatten, Linear
        from convolab.runs import RunFolder, create_run, execute
        from convolab.training.settings import TrainingSettings

        network = Network(
            input_shape=(1, 16, 16), layers=(Conv2d(out_channels=2), Flatten(), Linear(out_features=3))
        )
        made = create_run(shapes, network, TrainingSettings(examples=320, seed=4))
        key = f"run:{made}"
        assert key in [name for name, _ in sources.choices()]
        before = sources.subject(key)
        assert (before.trained, before.note) == (False, "not trained yet")
        expected = network.build(4).state_dict()
        for name, value in before.model.state_dict().items():
            np.testing.assert_array_equal(value.numpy(), expected[name].numpy())
        execute(made)
        assert sources.version(key) != before.version
        after = sources.subject(key)
        assert after.trained
        assert "of 36 test images" in after.note
        weights = convolab.load_network(made)[1].state_dict()
        for name, value in after.model.state_dict().items():
            np.testing.assert_array_equal(value.numpy(), weights[name].numpy())
        # Pictures of another size do not fit beside it, itself before training does.
        assert [name for name, _ in sources.companions(key)] == [f"{key}@start"]
        RunFolder(made).weights_path.unlink()
        with pytest.raises(RunError, match="has no weights"):
            sources.subject(key)


class TestSession:
    def ask(self, session: Session, **asked: Any) -> dict[str, Any]:
        return run(session.answer(asked))

    def draw(self, session: Session, pixels: np.ndarray, centre: bool = True) -> bytes:
        header = {"id": 5, "kind": "drawing", "side": len(pixels), "channels": 1, "centre": centre}
        frame = run(session.look(header, memoryview(pixels.tobytes())))
        assert frame is not None
        return frame

    def test_a_drawing_becomes_a_frame_and_units_belong_to_it(self):
        session = Session()
        told = self.ask(session, do="open", slot="a", source="harley-cnn")["layout"]
        assert told["input"] == list(GREY)
        pixels = pad((20, 30, 35, 110), (20, 90, 125, 110))
        header, (values, raw, _), given = read_frame(self.draw(session, pixels))
        assert header["frame"] == 5
        assert raw.argmax() == 7
        np.testing.assert_array_equal(given, Drawing(pixels).given(GREY, True).pixels)
        level = next(level for level in told["levels"] if level["key"] == "conv2")
        unit = self.ask(session, do="unit", slot="a", level="conv2", index=[3, 4, 5])["unit"]
        assert unit["output"] == pytest.approx(values[level["first"] + 3 * 100 + 45], abs=1e-5)
        products = sum(np.sum(entry["products"]) for entry in unit["inputs"])
        assert products + unit["bias"] == pytest.approx(unit["sum"], abs=1e-4)

    def test_two_networks_look_at_the_same_picture(self):
        session = Session()
        self.ask(session, do="open", slot="a", source="harley-cnn")
        self.ask(session, do="open", slot="b", source="harley-cnn@start")
        header, parts, _ = read_frame(self.draw(session, pad((20, 60, 120, 75))))
        assert [slot["slot"] for slot in header["slots"]] == ["a", "b"]
        np.testing.assert_array_equal(parts[0][:1024], parts[3][:1024])  # the input
        assert not np.array_equal(parts[1], parts[4])
        self.ask(session, do="open", slot="b", source="")
        assert len(read_frame(self.draw(session, pad()))[0]["slots"]) == 1

    def test_errors_are_sentences(self):
        session = Session()
        assert run(session.frame()) is None
        for asked in (
            {"do": "open", "source": "nosuch"},
            {"do": "unit", "level": "conv1", "index": [0, 0, 0]},
            {"do": "fly"},
        ):
            assert self.ask(session, **asked)["error"].endswith((".", "?"))
        self.ask(session, do="open", slot="a", source="harley-cnn")
        assert "no picture" in self.ask(session, do="unit", level="conv1", index=[0, 0, 0])["error"]
        self.draw(session, pad())
        assert "conv1 has" in self.ask(session, do="unit", level="conv1", index=[9, 0, 0])["error"]
        assert "no layer" in self.ask(session, do="unit", level="conv7", index=[0])["error"]
        assert self.ask(session, do="unit", level="conv1", index="0,0,0")["error"]

    @pytest.mark.data
    def test_test_images_by_number_by_label_and_at_random(self):
        load("mnist")
        session = Session()
        self.ask(session, do="open", slot="a", source="harley-cnn")
        first = self.ask(session, do="sample", label=7, first=True)
        assert (first["test"], first["name"]) == (0, "7")
        assert self.ask(session, do="sample", label=3)["label"] == 3
        assert self.ask(session, do="sample", test=61)["said"].startswith("Test image 61 of MNIST")
        assert "numbered 0 to 9,999" in self.ask(session, do="sample", test=10_000)["error"]
        assert self.ask(session, do="sample", test="x")["error"]

    def test_a_data_set_that_is_not_here_is_offered(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("CONVOLAB_DATA", str(tmp_path))
        session = Session()
        self.ask(session, do="open", slot="a", source="harley-cnn")
        answer = self.ask(session, do="sample", label=7)
        assert answer["fetch"] == "mnist"
        assert "not here yet" in answer["error"]
