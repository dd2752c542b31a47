"""One file for all: what was taught in one lab predicts the same in another; files from anywhere are safe."""

from __future__ import annotations

import io
import json
import runpy
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from teach_kit import KINDS, examples, folder, lab_weights, picture

from convolab.errors import ConvolabError, DataError, SettingsError
from convolab.style.weights import weights_path
from convolab.teach import files
from convolab.teach.bases import TrainedBase, open_base
from convolab.teach.examples import Examples, fill_from
from convolab.teach.files import pack, read, save
from convolab.teach.project import Project, projects
from convolab.teach.script import to_script
from convolab.teach.settings import TeachSettings
from convolab.teach.teaching import Taught, teach


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Taught:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONVOLAB_HOME", str(tmp_path_factory.mktemp("first-lab")))
        path = lab_weights(tmp_path_factory.mktemp("base") / "w.safetensors")
        return teach(examples(5), base=TrainedBase("run:1", "small", path), record=False)


@pytest.fixture(scope="module")
def content(taught: Taught) -> bytes:
    return pack("Shapes", examples(5), taught.classifier.settings, taught)


def changed(content: bytes, **changes: object) -> bytes:
    """The same file with other members; None leaves one out."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w") as new:
        names = {name.replace(".", "_"): name for name in old.namelist()}
        for key, name in names.items():
            made = changes.get(key, old.read(name))
            if made is not None:
                new.writestr(name, made)
    return buffer.getvalue()


def record(content: bytes) -> dict:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return json.loads(archive.read("convolab.json"))


@pytest.mark.parametrize("kind", ["linear", "mlp", "knn"])
def test_another_lab_predicts_the_same(kind: str, taught: Taught, tmp_path: Path, home: Path) -> None:
    # Its home is another, and the network whose features are used was never there.
    settings = TeachSettings(classifier=kind, hidden=8)
    first = teach(examples(5), settings, base=taught.classifier.base, record=False)
    save(tmp_path / "shapes.teach", pack("Shapes", examples(5), settings, first))
    other = read(tmp_path / "shapes.teach")
    assert other.taught is not None
    assert other.title == "Shapes"
    assert other.examples.names == KINDS
    assert other.examples.content == examples(5).content
    assert other.taught.tested.correct == first.tested.correct
    for name in KINDS:
        mine, theirs = (one.classifier.look(picture(name, 70)) for one in (first, other.taught))
        np.testing.assert_array_equal(mine.shares, theirs.shares)
    # It can be taught further there.
    again = teach(other.examples, other.settings, base=other.taught.classifier.base, record=False)
    np.testing.assert_allclose(again.tested.shares, first.tested.shares, atol=1e-6)


def test_files_that_are_not_ours_are_refused_in_one_sentence(content: bytes, tmp_path: Path) -> None:
    cases = {
        "nothing": b"",
        "text": b"hello",
        "cut": content[: len(content) // 2],
        "other-zip": _zip({"readme.txt": b"hi"}),
        "no-record": changed(content, convolab_json=None),
        "no-tensors": changed(content, classifier_safetensors=None),
        "no-base": changed(content, base_safetensors=None),
        "pickle": changed(content, classifier_safetensors=b"\x80\x04cos\nsystem\n."),
        "json": changed(content, convolab_json=b"[1, 2]"),
        "not-json": changed(content, convolab_json=b"{"),
    }
    for change in (
        {"kind": "something"},
        {"classes": [{"key": "a", "name": "A", "ids": ["../../etc/passwd"]}]},
        {"settings": {"size": 10**9}},
        {"learned": {}},
    ):
        text = json.dumps({**record(content), **change}).encode()
        cases[f"record {next(iter(change))}"] = changed(content, convolab_json=text)
    learned = record(content)["learned"]
    for change in (
        {"train": learned["train"][1:]},
        {"classes": ["only one"]},
        {"layer": "relu9_9"},
        {"base": {**learned["base"], "key": "vgg-16-0000000000000000"}},
        {"network": learned["network"].replace('"out_features": 3', '"out_features": 60000')},
    ):
        text = json.dumps({**record(content), "learned": {**learned, **change}}).encode()
        cases[f"learned {next(iter(change))}"] = changed(content, convolab_json=text)
    for name, made in cases.items():
        path = tmp_path / f"{name}.teach"
        path.write_bytes(made)
        with pytest.raises(ConvolabError) as caught:
            read(path)
        assert str(caught.value).count(". ") <= 1, name
    with pytest.raises(DataError, match="There is no file"):
        read(tmp_path / "missing.teach")
    newer = changed(content, convolab_json=json.dumps({**record(content), "version": 99}).encode())
    (tmp_path / "newer.teach").write_bytes(newer)
    with pytest.raises(DataError, match="newer convolab"):
        read(tmp_path / "newer.teach")


def test_limits_hold(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "shapes.teach"
    path.write_bytes(content)
    monkeypatch.setattr(files, "MOST_EXAMPLES", 3)
    with pytest.raises(DataError, match="too many files"):
        read(path)
    monkeypatch.setattr(files, "LARGEST_FILE", 1000)
    with pytest.raises(DataError, match="too large"):
        read(path)
    bomb = changed(content, convolab_json=b" " * 11_000_000)
    monkeypatch.undo()
    path.write_bytes(bomb)
    with pytest.raises(DataError, match="no file of classes"):
        read(path)


def test_a_folder_and_a_zip_become_the_same_examples(tmp_path: Path) -> None:
    root = folder(tmp_path / "mine", 3)
    (root / "discs" / "notes.txt").write_text("no picture")
    first, second = Examples(), Examples()
    found = fill_from(first, root)
    assert (found.added, found.known) == (9, 0)
    assert found.unreadable == ["discs/notes.txt: it is not a picture of a kind that can be read"]
    archive = {
        f"mine/{path.relative_to(root)}": path.read_bytes() for path in root.rglob("*") if path.is_file()
    }
    (tmp_path / "mine.zip").write_bytes(_zip(archive))
    fill_from(second, tmp_path / "mine.zip")
    assert first.content == second.content
    assert fill_from(first, root).known == 9
    many = tmp_path / "many"
    for number in range(21):
        (many / str(number)).mkdir(parents=True)
        Image.new("RGB", (16, 16), (number, 0, 0)).save(many / str(number) / "a.png")
    with pytest.raises(DataError, match="21 classes in many; 20 are possible"):
        fill_from(Examples(), many)


def test_train_and_test_folders_are_kept_apart(tmp_path: Path) -> None:
    for part, seeds in (("train", (0, 1, 2)), ("test", (3,))):
        for kind in KINDS:
            (tmp_path / "d" / part / kind).mkdir(parents=True)
            for seed in seeds:
                picture(kind, seed).save(tmp_path / "d" / part / kind / f"{seed}.png")
    made = Examples()
    fill_from(made, tmp_path / "d")
    assert sum(item.part == "test" for item in made.items()) == 3
    made.check()


def test_a_project_is_kept(home: Path) -> None:
    project = Project.create("Desk")
    first, second = project.classes
    assert project.names == ("Class 1", "Class 2")
    project.rename(first.key, "Cup")
    ids = [project.add(first.key, picture("discs", seed)) for seed in range(3)]
    project.add(second.key, picture("plain", 0))
    project.configure(classifier="knn", neighbours=3)
    project.write()
    project.remove(ids[0] or "")
    project.write()
    again = Project(project.id)
    assert again.names == ("Cup", "Class 2")
    assert again.classes[0].ids == ids[1:]
    assert again.settings.neighbours == 3
    assert not (project.folder / "images" / str(ids[0])).exists()
    assert projects()[0][:2] == (project.id, "Desk")
    with pytest.raises(SettingsError, match="neighbours must be less than or equal to 50"):
        project.configure(neighbours=99)
    with pytest.raises(DataError, match="no such project"):
        Project("../../../../etc")
    (project.folder / "project.json").write_text("{")
    with pytest.raises(DataError, match="damaged"):
        Project(project.id)


@pytest.mark.data
@pytest.mark.parametrize("kind", ["linear", "knn"])
def test_the_exported_script_says_the_same(
    kind: str, tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        base = open_base("vgg-16")
    except DataError as error:
        pytest.skip(f"VGG-16 cannot be had here: {error}")
    settings = TeachSettings(size=64, layer="relu2_2", classifier=kind)
    made = teach(examples(4), settings, base=base, record=False)
    (tmp_path / "shapes.teach").write_bytes(pack("Shapes", examples(4), settings, made))
    (tmp_path / "predict.py").write_text(to_script(made.classifier, "shapes.teach"))
    paths = []
    for name in KINDS:
        paths.append(str(tmp_path / f"{name}.png"))
        picture(name, 80).save(paths[-1])
    monkeypatch.setattr(
        sys, "argv", ["predict.py", str(tmp_path / "shapes.teach"), str(weights_path("vgg-16")), *paths]
    )
    runpy.run_path(str(tmp_path / "predict.py"), run_name="__main__")
    lines = capsys.readouterr().out.strip().splitlines()
    for name, line in zip(KINDS, lines, strict=True):
        seen = made.classifier.look(picture(name, 80))
        said = float(line.split("  ")[1].split()[1])
        assert f"  {KINDS[seen.label]} " in line
        assert said == pytest.approx(100 * float(seen.shares.max()), abs=0.3)


def test_code_of_a_lab_network_is_exported_elsewhere(taught: Taught) -> None:
    with pytest.raises(SettingsError, match="exported in Build"):
        to_script(taught.classifier)


def _zip(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()
