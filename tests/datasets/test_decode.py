from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convolab.datasets.builtin import BuiltIn
from convolab.datasets.decode import DecodeError, decode

N = 10
ITEM = BuiltIn("c", "C", tuple("0123456789"), (3, 32, 32), 5 * N, N, "cifar", {}, ())


@pytest.fixture
def parts() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {
        "train_images": random.integers(0, 256, (5 * N, 3, 32, 32), dtype=np.uint8),
        "train_labels": random.integers(0, 10, 5 * N).astype(np.uint8),
        "test_images": random.integers(0, 256, (N, 3, 32, 32), dtype=np.uint8),
        "test_labels": random.integers(0, 10, N).astype(np.uint8),
    }


def batches(parts):
    for number in range(5):
        rows = slice(number * N, (number + 1) * N)
        yield f"data_batch_{number + 1}", parts["train_images"][rows], parts["train_labels"][rows]
    yield "test_batch", parts["test_images"], parts["test_labels"]


def binary(parts) -> dict[str, bytes]:
    """One label byte, then 1024 red, 1024 green and 1024 blue bytes per image, as Toronto describes it."""
    return {
        f"{name}.bin": b"".join(
            bytes([label]) + image.tobytes() for image, label in zip(images, labels, strict=True)
        )
        for name, images, labels in batches(parts)
    }


def pngs(parts) -> dict[str, bytes]:
    """One image per row of the picture, its pixels one after the other."""
    files = {}
    for name, images, _ in batches(parts):
        file = io.BytesIO()
        Image.fromarray(images.transpose(0, 2, 3, 1).reshape(N, 1024, 3)).save(file, "PNG")
        files[f"{name}.png"] = file.getvalue()
    for split in ("train", "test"):
        files[f"{split}_lables.json"] = json.dumps(parts[f"{split}_labels"].tolist()).encode()
    return files


def write(folder: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(folder / "packed.tar.gz", "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"cifar/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return folder


@pytest.mark.parametrize("form", [binary, pngs])
def test_both_forms_of_cifar_give_the_same(tmp_path, parts, form):
    found = decode(ITEM, write(tmp_path, form(parts)))
    for name, expected in parts.items():
        assert found[name].dtype == np.uint8
        np.testing.assert_array_equal(found[name], expected)


@pytest.mark.parametrize("form", [binary, pngs])
def test_files_that_are_missing_or_cut_short_are_refused(tmp_path, parts, form):
    files = form(parts)
    name = next(name for name in files if name.startswith("data_batch_3"))
    write(tmp_path, {key: value for key, value in files.items() if key != name})
    with pytest.raises(DecodeError, match=f"{name} is missing"):
        decode(ITEM, tmp_path)
    write(tmp_path, {**files, name: files[name][:-777]})
    with pytest.raises(DecodeError, match="cannot be read"):
        decode(ITEM, tmp_path)


def test_a_picture_of_another_form_is_refused(tmp_path, parts):
    file = io.BytesIO()
    Image.new("RGB", (100, 10)).save(file, "PNG")
    with pytest.raises(DecodeError, match="another form"):
        decode(ITEM, write(tmp_path, {**pngs(parts), "data_batch_2.png": file.getvalue()}))


def test_pickles_are_not_even_looked_at(tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path(tmp_path / "owned").write_text, ("x",))

    import pickle

    files = {name: pickle.dumps(Evil()) for name in ("data_batch_1", "test_batch", "batches.meta")}
    with pytest.raises(DecodeError, match="neither the binary batches"):
        decode(ITEM, write(tmp_path, files))
    assert not (tmp_path / "owned").exists()


def test_links_in_a_tarball_are_passed_over(tmp_path, parts):
    with tarfile.open(tmp_path / "packed.tar.gz", "w:gz") as archive:
        link = tarfile.TarInfo("cifar/test_batch.bin")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(DecodeError, match="neither"):
        decode(ITEM, tmp_path)
