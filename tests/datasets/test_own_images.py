from __future__ import annotations

import errno
import io
import json
import os
import stat
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convolab.datasets import archive, catalogue, import_images, info, load, remove, verify
from convolab.datasets.layout import natural
from convolab.errors import DataError, SettingsError


def encoded(picture: Image.Image, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


RED = encoded(Image.new("RGB", (9, 7), "red"))
BLUE = encoded(Image.new("RGB", (9, 7), "blue"))
BOTH = {"a/1.png": RED, "a/2.png": RED, "b/1.png": BLUE, "b/2.png": BLUE}


def zipped(path: Path, files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def folder(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def left_in(home: Path) -> list[str]:
    parent = home / "images"
    return sorted(p.name for p in parent.iterdir() if not p.name.endswith(".lock")) if parent.exists() else []


def test_a_folder_per_class_becomes_a_data_set(home, pictures):
    seen = []
    report = import_images(pictures, "colours", size=16, progress=seen.append)
    assert report.classes == ("blue", "green", "red")
    assert report.counts == {"blue": (4, 1), "green": (8, 2), "red": (8, 2)}
    assert (report.train_size, report.test_size, report.unreadable, report.notes) == (20, 5, (), ())
    assert (seen[-1].what, seen[-1].done) == ("Reading images", seen[-1].total)
    data = load("colours")
    assert data.train_images.shape == (20, 3, 16, 16)
    assert data.test_images.shape == (5, 3, 16, 16)
    for split in ("train", "test"):
        # blue is channel 2, green 1, red 0: the brightest channel tells the class
        brightest = data.images(split).mean((2, 3)).argmax(1)
        np.testing.assert_array_equal(2 - brightest, data.labels(split))
    entry = info("colours")
    assert entry.own
    assert entry.present
    assert entry.bytes > 0
    assert [known.name for known in catalogue()][-1] == "colours"
    verify("colours")
    remove("colours")
    assert left_in(home) == []
    with pytest.raises(DataError, match='no data set "colours"'):
        load("colours")


def test_grey_images_have_one_channel_and_the_brightness_of_the_picture(home, tmp_path):
    root = folder(
        tmp_path / "greys",
        {
            f"{level}/{number}.png": encoded(Image.new("RGB", (30, 20), (level,) * 3))
            for level in (10, 200)
            for number in range(3)
        },
    )
    import_images(root, "greys", size=8, color=False)
    data = load("greys")
    assert data.input_shape == (1, 8, 8)
    assert data.classes == ("10", "200")
    for image, label in zip(data.train_images, data.train_labels, strict=True):
        assert (image == (10, 200)[label]).all()


def test_the_split_depends_on_the_seed_alone(home, pictures):
    chosen = {}
    for name, seed in (("one", 1), ("again", 1), ("two", 2)):
        import_images(pictures, name, size=8, seed=seed)
        chosen[name] = np.array(load(name).test_images)
    np.testing.assert_array_equal(chosen["one"], chosen["again"])
    assert (chosen["one"] != chosen["two"]).any()


@pytest.mark.parametrize(("share", "tested"), [(0.01, 1), (0.3, 3), (0.99, 9)])
def test_each_class_has_images_in_both_parts_whatever_the_share(home, pictures, share, tested):
    report = import_images(pictures, "colours", size=8, test_share=share)
    assert report.counts["red"] == (10 - tested, tested)
    assert all(train >= 1 and test >= 1 for train, test in report.counts.values())


@pytest.mark.parametrize("prefix", ["", "my pictures/", "a/deep/folder/"])
def test_a_zip_is_read_like_a_folder(home, tmp_path, prefix):
    files = {prefix + name: content for name, content in BOTH.items()}
    files |= {
        f"__MACOSX/{prefix}a/._1.png": b"junk",
        f"{prefix}.DS_Store": b"junk",
        f"{prefix}a/Thumbs.db": b"junk",
        f"{prefix}a/sub/3.png": RED,
        f"{prefix}README.txt": b"hello",
    }
    report = import_images(zipped(tmp_path / "x.zip", files), "zipped", size=8)
    assert report.classes == ("a", "b")
    assert report.train_size + report.test_size == 5
    assert report.unreadable == ()
    assert report.ignored == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "x.zip"], "nothing was unpacked"


def test_folders_train_and_test_are_kept(home, tmp_path):
    files = {f"set/{part}/{name}": content for part in ("train", "test") for name, content in BOTH.items()}
    files["set/Val/a/9.png"] = RED
    report = import_images(zipped(tmp_path / "x.zip", files), "parts", size=8)
    assert report.counts == {"a": (3, 2), "b": (2, 2)}
    assert report.notes == ("The validation images were added to the training images.",)


def test_validation_images_serve_as_test_images_where_there_are_no_others(home, tmp_path):
    files = {f"{part}/{name}": content for part in ("training", "val") for name, content in BOTH.items()}
    assert import_images(folder(tmp_path / "x", files), "parts", size=8).counts == {"a": (2, 2), "b": (2, 2)}


def test_a_test_folder_without_classes_cannot_test(home, tmp_path):
    files = {f"train/{name}": content for name, content in BOTH.items()} | {"test/1.png": RED}
    report = import_images(folder(tmp_path / "x", files), "parts", size=8)
    assert report.counts == {"a": (1, 1), "b": (1, 1)}
    assert "no folders of classes" in report.notes[0]


def test_unreadable_files_are_listed_and_not_fatal(home, tmp_path):
    photo = encoded(Image.effect_noise((64, 64), 50), "JPEG")
    noise = encoded(Image.effect_noise((64, 64), 50))
    files = {
        **BOTH,
        "a/empty.png": b"",
        "a/cut.jpg": photo[: len(photo) // 2],
        "a/notes.txt": b"not a picture",
        "a/damaged.png": noise[:400] + b"\xff" * 50 + noise[450:],
        "b/drawing.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EOF\n",
        "b/page.html": b"<html></html>",
    }
    huge = bytearray(encoded(Image.new("1", (8, 8))))
    huge[16:24] = struct.pack(">II", 60_000, 60_000)
    huge[29:33] = struct.pack(">I", zlib.crc32(bytes(huge[12:29])))
    files["b/bomb.png"] = bytes(huge)
    report = import_images(folder(tmp_path / "x", files), "some", size=8)
    reasons = dict(line.split(": ", 1) for line in report.unreadable)
    assert reasons == {
        "a/empty.png": "it is empty (0 bytes)",
        "a/cut.jpg": "it is damaged or cut short",
        "a/notes.txt": "it is not a picture of a kind that can be read",
        "a/damaged.png": "it is damaged or cut short",
        "b/drawing.eps": "it is not a picture of a kind that can be read",
        "b/page.html": "it is not a picture of a kind that can be read",
        "b/bomb.png": "it has more than 100 million pixels",
    }
    assert report.train_size + report.test_size == 4


def test_a_class_without_a_readable_picture_is_left_out_and_said_so(home, tmp_path):
    report = import_images(folder(tmp_path / "x", {**BOTH, "c/1.png": b"x"}), "some", size=8)
    assert report.classes == ("a", "b")
    assert report.notes == ("Left out, because no picture in it can be read: c.",)


def test_a_class_with_one_image_is_learnt_but_not_tested(home, tmp_path):
    report = import_images(folder(tmp_path / "x", {**BOTH, "c/1.png": RED}), "some", size=8)
    assert report.counts["c"] == (1, 0)
    assert report.notes == ("No image is left for testing of: c; give each class two or more.",)


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({}, "There are no files in x"),
        ({"1.png": RED}, "There are no folders of images in x"),
        ({"a/1.png": RED, "a/2.png": RED}, 'only one class, "a", in x'),
        ({"a/1.png": RED, "b/1.png": b""}, 'only one class, "a", in x'),
        ({"a/1.png": b"", "b/1.txt": b"x"}, "None of the 2 files in x can be read"),
        ({"a/1.png": RED, "b/1.png": BLUE}, "Every class in x has only one image"),
        ({f"{number}/1.png": RED for number in range(101)}, "There are 101 folders in x"),
        (
            {f"train/{name}": content for name, content in BOTH.items()} | {"test/c/1.png": RED},
            "no training images of c",
        ),
    ],
)
@pytest.mark.parametrize("form", ["folder", "zip"])
def test_what_is_no_data_set_gets_one_sentence(home, tmp_path, files, sentence, form):
    root = tmp_path / "x"
    if form == "folder":
        root.mkdir()
        folder(root, files)
    else:
        zipped(root, files)
    with pytest.raises(DataError, match=sentence):
        import_images(root, "some", size=8)
    assert left_in(home) == []


def test_paths_that_lead_nowhere_get_one_sentence(home, tmp_path):
    with pytest.raises(DataError, match="There is no folder or zip"):
        import_images(tmp_path / "none", "some")
    (tmp_path / "x.tar").write_bytes(b"x" * 2000)
    with pytest.raises(DataError, match=r"x.tar is neither a folder nor a whole zip"):
        import_images(tmp_path / "x.tar", "some")
    whole = zipped(tmp_path / "x.zip", BOTH).read_bytes()
    (tmp_path / "x.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"x.zip is neither a folder nor a whole zip"):
        import_images(tmp_path / "x.zip", "some")


@pytest.mark.parametrize(
    "member",
    [
        "../evil/1.png",
        "a/../../1.png",
        "/etc/1.png",
        "C:/1.png",
        "C:\\a\\1.png",
        "..\\..\\1.png",
        "a\\..\\..\\1.png",
    ],
)
def test_a_zip_whose_paths_climb_out_is_refused(home, tmp_path, member):
    path = zipped(tmp_path / "x.zip", {**BOTH, member: RED})
    with pytest.raises(DataError, match=r"x.zip was refused: its file .* points outside the zip"):
        import_images(path, "some", size=8)
    assert left_in(home) == []
    assert not list(tmp_path.rglob("*.png"))


def test_sentences_about_an_upload_use_the_name_its_owner_knows(home, tmp_path):
    path = zipped(tmp_path / "x8f3.zip", {**BOTH, "../1.png": RED})
    with pytest.raises(DataError, match=r"^holiday.zip was refused"):
        import_images(path, "some", called="holiday.zip")
    zipped(path, {"a/1.png": RED})
    with pytest.raises(DataError, match=r"in holiday.zip;"):
        import_images(path, "some", called="holiday.zip")
    zipped(path, BOTH)
    import_images(path, "some", called="holiday.zip")
    assert json.loads((home / "images" / "some" / "about.json").read_text())["source"] == "holiday.zip"


def test_a_zip_with_a_link_is_refused(home, tmp_path):
    path = zipped(tmp_path / "x.zip", BOTH)
    with zipfile.ZipFile(path, "a") as out:
        link = zipfile.ZipInfo("a/link.png")
        link.create_system = 3
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        out.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="is a link"):
        import_images(path, "some", size=8)


def test_a_zip_with_a_password_is_refused(home, tmp_path):
    path = zipped(tmp_path / "x.zip", BOTH)
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + offset] |= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="has a password"):
        import_images(path, "some", size=8)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(home, tmp_path):
    path = zipped(tmp_path / "x.zip", {**BOTH, "a/bomb.bmp": bytes(60_000_000)})
    assert path.stat().st_size < 100_000
    with pytest.raises(DataError, match=r"x.zip was refused: it would unpack to .* times its size"):
        import_images(path, "some", size=8)
    assert left_in(home) == []


def test_a_zip_of_very_many_or_very_much_is_refused(home, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_FILES", 3)
    with pytest.raises(DataError, match="it holds more than 3 files"):
        import_images(zipped(tmp_path / "x.zip", BOTH), "some", size=8)
    with pytest.raises(DataError, match="holds more than 3 files"):
        import_images(folder(tmp_path / "x", BOTH), "some", size=8)
    monkeypatch.undo()
    monkeypatch.setenv("CONVOLAB_HOME", str(home))
    monkeypatch.setattr(archive, "MAX_TOTAL", 100)
    with pytest.raises(DataError, match="it unpacks to"):
        import_images(zipped(tmp_path / "x.zip", BOTH), "some", size=8)


def test_a_zip_that_lies_about_its_sizes_gives_no_more_than_it_claims(home, tmp_path):
    """A member claims 50 bytes and unpacks to 30 MB: what is read is bounded, and its check sum is wrong."""
    path = zipped(tmp_path / "x.zip", {**BOTH, "b/liar.bmp": bytes(30_000_000)})
    content = path.read_bytes().replace(struct.pack("<I", 30_000_000), struct.pack("<I", 50))
    path.write_bytes(content)
    report = import_images(path, "some", size=8)
    assert report.unreadable == ("b/liar.bmp: the zip is damaged there",)


def test_members_that_share_their_bytes_are_refused(home, tmp_path):
    """Many entries of the directory that point at the same compressed bytes."""
    noise = np.random.default_rng(0).bytes(3_000_000)
    path = zipped(tmp_path / "x.zip", {"a/0.bmp": noise, "b/0.bmp": noise}, zipfile.ZIP_STORED)
    with zipfile.ZipFile(path, "a") as out:
        first = out.infolist()[0]
        for number in range(1, 20):
            copy = zipfile.ZipInfo(f"a/{number}.bmp")
            copy.header_offset, copy.CRC = first.header_offset, first.CRC
            copy.compress_size, copy.file_size = first.compress_size, first.file_size
            out.filelist.append(copy)
        out._didModify = True
    with pytest.raises(DataError, match="was refused"):
        import_images(path, "some", size=8)


def test_a_damaged_member_is_unreadable_the_rest_is_kept(home, tmp_path):
    noise = encoded(Image.effect_noise((32, 32), 60).convert("RGB"))
    path = zipped(tmp_path / "x.zip", {**BOTH, "a/noise.png": noise}, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    at = content.index(noise) + len(noise) // 2
    content[at] ^= 0xFF
    path.write_bytes(content)
    report = import_images(path, "some", size=8)
    assert report.unreadable == ("a/noise.png: the zip is damaged there",)
    assert report.train_size + report.test_size == 4


@pytest.mark.parametrize("name", ["", "Mine", "-x", "a b", "../x", "a/b", "x" * 42, "ä", ".x"])
def test_bad_names_are_refused(home, pictures, name):
    with pytest.raises(SettingsError, match="cannot be the name of a data set"):
        import_images(pictures, name)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"name": "mnist"}, "belongs to the lab"),
        ({"size": 7}, "8 to 256 pixels"),
        ({"size": 257}, "8 to 256 pixels"),
        ({"test_share": 0.0}, "between 0 and 1"),
        ({"test_share": 1.0}, "between 0 and 1"),
        ({"test_share": float("nan")}, "between 0 and 1"),
        ({"seed": -1}, "at least 0"),
    ],
)
def test_bad_settings_are_refused(home, pictures, settings, sentence):
    with pytest.raises(SettingsError, match=sentence):
        import_images(pictures, **{"name": "mine", **settings})


def test_an_existing_name_is_only_replaced_when_asked(home, pictures, tmp_path):
    import_images(pictures, "mine", size=8)
    before = np.array(load("mine").train_images)
    with pytest.raises(DataError, match='already a data set "mine"'):
        import_images(pictures, "mine", size=16)
    with pytest.raises(DataError, match="only one class"):
        import_images(folder(tmp_path / "x", {"a/1.png": RED}), "mine", replace=True)
    np.testing.assert_array_equal(load("mine").train_images, before)  # a failed import replaces nothing
    import_images(pictures, "mine", size=16, replace=True)
    assert load("mine").input_shape == (3, 16, 16)
    assert left_in(home) == ["mine"]


def test_stopping_an_import_leaves_nothing(home, pictures):
    def stop(at):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_images(pictures, "mine", progress=stop)
    assert left_in(home) == []


def test_a_full_disk_is_a_sentence(home, pictures, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(DataError, match="The disk is full"):
        import_images(pictures, "mine")
    assert left_in(home) == []


def test_two_imports_of_one_name_at_once_make_one_data_set(home, pictures):
    script = f"from convolab.datasets import import_images; import_images({str(pictures)!r}, 'mine')"
    both = [
        subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    errors = [process.communicate(timeout=60)[1] for process in both]
    assert sorted(process.returncode for process in both) == [0, 1]
    assert 'already a data set "mine"' in "".join(errors)
    verify("mine")
    assert left_in(home) == ["mine"]


def test_a_damaged_own_data_set_is_a_sentence(home, pictures):
    import_images(pictures, "mine", size=8)
    path = home / "images" / "mine" / "train_images.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="is damaged"):
        verify("mine")
    path.write_bytes(content[:-1])
    with pytest.raises(DataError, match=r"train_images.npy has .* bytes instead of"):
        load("mine")
    (home / "images" / "mine" / "about.json").write_text("{")
    with pytest.raises(DataError, match=r"is damaged \(about.json\)"):
        load("mine")
    assert "mine" not in [entry.name for entry in catalogue()]
    remove("mine")
    assert left_in(home) == []


@pytest.mark.parametrize(
    "change",
    [
        {"format": 99},
        {"input_shape": [3, 8]},
        {"input_shape": "big"},
        {"classes": ["a"]},
        {"classes": None},
        {"train_size": 0},
        {"files": {}},
    ],
)
def test_an_about_file_that_makes_no_sense_is_a_sentence(home, pictures, change):
    import_images(pictures, "mine", size=8)
    path = home / "images" / "mine" / "about.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    for call in (load, info, verify):
        with pytest.raises(DataError, match="remove"):
            call("mine")
    assert len(catalogue()) == 3


def test_names_that_no_screen_can_show_are_made_printable(home, tmp_path):
    names = [os.fsdecode(b"caf\xe9"), "new\nline"]
    folder(tmp_path / "x", {f"{name}/{number}.png": RED for name in names for number in range(2)})
    report = import_images(tmp_path / "x", "odd", size=8)
    assert report.classes == ("caf?", "new?line")
    assert load("odd").classes == report.classes


def test_classes_are_in_natural_order():
    assert sorted(["10", "9", "b", "A", "a2", "a10"], key=natural) == ["9", "10", "A", "a2", "a10", "b"]
