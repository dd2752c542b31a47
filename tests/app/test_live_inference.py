"""Predictions, filters and mistakes as the page shows them, checked against PyTorch on the same weights."""

from __future__ import annotations

import asyncio
import base64
import io
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch
from fastapi import FastAPI, Request
from PIL import Image

from convolab.app import news
from convolab.app.inference import Predictor, compute, first_layer
from convolab.app.live import VIEWS
from convolab.datasets import import_images, load
from convolab.errors import ConvolabError
from convolab.networks import Network, preset
from convolab.networks.layers import Conv2d, Flatten, Linear, MaxPool2d, ReLU
from convolab.training import save_weights
from convolab.training.settings import TrainingSettings

SETTINGS = TrainingSettings(seed=3)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A data set of noisy bars: lying, standing, crossed; 16×16, grey."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONVOLAB_DATA", str(tmp_path_factory.mktemp("data")))
        source = tmp_path_factory.mktemp("bars")
        rng = np.random.default_rng(0)
        for name, across, down in (("lying", 1, 0), ("standing", 0, 1), ("crossed", 1, 1)):
            (source / name).mkdir()
            for number in range(30):
                pixels = rng.integers(0, 40, (16, 16))
                if across:
                    pixels[rng.integers(4, 12), 2:14] = 230
                if down:
                    pixels[2:14, rng.integers(4, 12)] = 230
                Image.fromarray(pixels.astype(np.uint8)).save(source / name / f"{number}.png")
        import_images(source, "bars", size=16, color=False, test_share=0.3)
        yield "bars"


def network() -> Network:
    layers = (Conv2d(out_channels=4, kernel_size=3, padding=1), ReLU(), MaxPool2d(kernel_size=2, stride=2))
    return Network(input_shape=(1, 16, 16), layers=(*layers, Flatten(), Linear(out_features=3)))


def reference(model: torch.nn.Module, name: str, index: list[int]) -> np.ndarray:
    pixels = torch.from_numpy(np.array(load(name).test_images[index])).float()
    with torch.no_grad():
        return torch.softmax(model.eval()((pixels - 127.5) / 127.5), 1).numpy()


def test_predictions_of_the_untrained_network_are_those_of_its_seed(data: str) -> None:
    found = Predictor(data, network(), SETTINGS).predict("r5")
    expected = reference(network().build(3), data, found["indices"])
    assert len(found["rows"]) == 15
    assert found["untrained"]
    assert found["labels"] == load(data).test_labels[found["indices"]].tolist()
    for row, shares in zip(found["rows"], expected, strict=True):
        assert [guess for guess, _ in row] == np.argsort(-shares)[:3].tolist()
        assert [share for _, share in row] == pytest.approx(np.sort(shares)[::-1][:3], abs=1e-4)


def test_predictions_follow_the_weights_file(data: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    predictor = Predictor(data, network(), SETTINGS, weights=path)
    assert predictor.version() == "0"
    before = predictor.predict("i0.1.2")
    trained = network().build(99)
    save_weights(path, trained, network(), load(data))
    assert predictor.version() != "0"
    after = predictor.predict("i0.1.2")
    assert after["indices"] == [0, 1, 2]
    assert after["version"] == predictor.version() != before["version"]
    assert not after["untrained"]
    expected = reference(trained, data, [0, 1, 2])
    assert [row[0][1] for row in after["rows"]] == pytest.approx(expected.max(1), abs=1e-4)


def test_weights_of_a_file_come_before_those_of_the_seed(data: str, tmp_path: Path) -> None:
    given = network().build(42)
    save_weights(tmp_path / "given.safetensors", given, network(), load(data))
    found = Predictor(data, network(), SETTINGS, initial=tmp_path / "given.safetensors").predict("i4")
    assert found["rows"][0][0][1] == pytest.approx(reference(given, data, [4]).max(), abs=1e-4)
    assert not found["untrained"]


def test_mistakes_and_cells_agree_with_the_whole_test_set(data: str) -> None:
    predictor = Predictor(data, network(), SETTINGS)
    labels = np.asarray(load(data).test_labels)
    guesses = reference(network().build(3), data, list(range(len(labels)))).argmax(1)
    wrong = set(np.flatnonzero(guesses != labels).tolist())
    mistakes, looked = predictor.mistakes(seed=1, wanted=1_000)
    assert set(mistakes) == wrong
    assert looked == len(labels)
    for true in range(3):
        for guess in range(3):
            cell, total = predictor.cell(true, guess, limit=2)
            expected = np.flatnonzero((labels == true) & (guesses == guess))
            assert total == len(expected)
            assert cell == expected[:2].tolist()


def test_filters_are_the_weights_of_the_first_layer(data: str) -> None:
    sent = Predictor(data, network(), SETTINGS).filters()
    assert sent["shape"] == [4, 1, 3, 3]
    steps = np.frombuffer(base64.b64decode(sent["data"]), "<i2").reshape(4, 1, 3, 3)
    weights = network().build(3)[0].weight.detach().numpy()
    assert steps / 32767 * sent["largest"] == pytest.approx(weights, abs=1e-4)


def test_units_of_a_fully_connected_network_look_like_its_input() -> None:
    chosen = preset("fully-connected", (1, 28, 28), 10)
    model = chosen.build(0)
    found = first_layer(chosen, model)
    assert found is not None
    weights, unit, _ = found
    assert weights.shape == (128, 1, 28, 28)
    assert unit == "unit"
    first = next(m for m in model.modules() if isinstance(m, torch.nn.Linear))
    assert np.array_equal(weights[5, 0], first.weight[5].detach().numpy().reshape(28, 28))


def test_a_network_without_weights_next_to_its_input_has_no_filters() -> None:
    bare = Network(input_shape=(1, 4, 4), layers=(Flatten(),))
    assert first_layer(bare, bare.build(0)) is None


def test_a_network_that_does_not_fit_is_refused_with_a_sentence(data: str) -> None:
    unfit = Network(input_shape=(1, 16, 16), layers=(Flatten(), Linear(out_features=7)))
    with pytest.raises(ConvolabError, match="3"):
        Predictor(data, unfit, SETTINGS).predict("r0")


@pytest.mark.parametrize("sample", ["r", "i", "i99999", "i-1", "x", "i1.x"])
def test_nonsense_samples_are_refused(data: str, sample: str) -> None:
    with pytest.raises(ConvolabError):
        Predictor(data, network(), SETTINGS).predict(sample)


# ---------------------------------------------------------------- the addresses


class Client:
    """Asks a server in this process, without a network."""

    def __init__(self, server: FastAPI) -> None:
        self.server = server

    def ask(self, method: str, path: str, content: bytes | None = None, **params: object) -> httpx.Response:
        async def answer() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.server)
            async with httpx.AsyncClient(transport=transport, base_url="http://lab") as client:
                return await client.request(method, path, content=content, params=params)  # type: ignore[arg-type]

        with ThreadPoolExecutor(1) as pool:  # browser tests may have a loop running in this thread
            return pool.submit(asyncio.run, answer()).result()

    def get(self, path: str, **params: object) -> httpx.Response:
        return self.ask("GET", path, **params)


@pytest.fixture
def client(data: str) -> Client:
    """The addresses of the live view, with one network that is not trained yet as ``draft-x``."""
    VIEWS.add_draft("draft-x", Predictor(data, network(), SETTINGS))
    server = FastAPI()

    async def answer(request: Request) -> dict:
        return await news.news(request.query_params)

    server.get("/news")(answer)
    server.get("/cell")(news.cell)
    server.get("/mistakes")(news.mistakes)
    server.get("/pictures.png")(news.pictures)
    server.post("/own")(news.own)
    return Client(server)


def settled(client: Client, **asked: str) -> dict:
    """News, once what takes long has come."""
    for _ in range(50):
        answer = client.get("/news", tab="t", source="draft-x", **asked).json()
        if "predictions" in answer:
            return answer
        time.sleep(0.05)
    raise AssertionError("There were no predictions.")


def test_news_are_only_what_a_tab_does_not_have(client: Client) -> None:
    first = settled(client, p="r1~", f="0~")
    assert len(first["predictions"].get("rows", ())) == 15, first
    assert first["filters"]["shape"] == [4, 1, 3, 3]
    version = first["predictions"]["version"]
    again = client.get(
        "/news", params={"source": "draft-x", "p": f"r1~{version}", "f": f"0~{version}"}
    ).json()
    assert "predictions" not in again
    assert "filters" not in again
    assert again["interval"] > 0


def test_own_picture_gets_shares_and_what_was_done_to_it(client: Client) -> None:
    pixels = np.zeros((280, 280), np.uint8)
    pixels[130:150, 40:240] = 255
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    said = client.ask("POST", "/own", file.getvalue(), source="draft-x").json()
    assert said["classes"] == sorted(["crossed", "lying", "standing"])
    assert sum(said["shares"]) == pytest.approx(1, abs=1e-3)
    given = Image.open(io.BytesIO(base64.b64decode(said["input"].partition(",")[2])))
    assert given.size == (16, 16)
    assert said["done"].endswith(".")


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n truncated"])
def test_a_broken_picture_is_answered_with_a_sentence(client: Client, content: bytes) -> None:
    said = client.ask("POST", "/own", content, source="draft-x").json()
    assert said["error"].endswith(".")


def test_unknown_sources_and_images_break_nothing(client: Client) -> None:
    answer = client.get("/news", source="gone", s="", c="gone~", m="", p="r0~")
    assert answer.status_code == 200
    assert "no longer" in answer.json()["status"]["sentence"]
    assert "error" in client.get("/mistakes", source="gone").json()
    assert "error" in client.get("/cell", source="draft-x", true="x", predicted=0).json()
    assert client.get("/pictures.png", dataset="bars", indices="../etc").status_code == 404
    assert client.get("/pictures.png", dataset="nothing", indices="1").status_code == 404


def test_test_images_come_as_one_strip(client: Client, data: str) -> None:
    picture = Image.open(io.BytesIO(client.get("/pictures.png", dataset=data, indices="2.0").content))
    assert picture.size == (32, 16)
    assert np.array_equal(np.asarray(picture.convert("L"))[:, :16], load(data).test_images[2][0])


def test_inference_leaves_the_event_loop_free() -> None:
    async def both() -> list[str]:
        order: list[str] = []

        def slow() -> None:
            torch.randn(600, 600).matmul(torch.randn(600, 600)).sum().item()
            order.append("inference")

        task = asyncio.create_task(compute(slow))
        await asyncio.sleep(0)
        order.append("loop")
        await task
        return order

    with ThreadPoolExecutor(1) as pool:  # browser tests may have a loop running in this thread
        assert pool.submit(asyncio.run, both()).result() == ["loop", "inference"]
