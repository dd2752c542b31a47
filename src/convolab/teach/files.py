"""Classes, examples and classifier as one file: a zip of JSON, images and safetensors; nothing is unpickled.

``convolab.json`` says what there is; ``images/`` holds the examples; ``classifier.safetensors`` the examples'
features as pixels, their scaling, the head's weights and its answers to the held-out images;
``base.safetensors`` the base network if it was trained in the lab. VGG's weights are not in it: every lab can
fetch them, and their hash is checked.
"""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor

from convolab.datasets.progress import Report
from convolab.errors import ConvolabError, DataError, TrainingError
from convolab.networks import Network
from convolab.spec import check
from convolab.style.vgg import VGGS
from convolab.teach.bases import Base, TrainedBase, layer_of, open_base
from convolab.teach.classifier import Classifier
from convolab.teach.examples import MOST_EXAMPLES, SIDE, ExampleClass, Examples, Item, Part, id_of
from convolab.teach.scaling import Scaling
from convolab.teach.settings import LARGEST_FILE, TeachSettings
from convolab.teach.teaching import Taught, Tested

KIND, VERSION = "convolab classes", 1
_LARGEST_JSON, _LARGEST_IMAGE, _LARGEST_TENSORS = 10_000_000, 2_000_000, 500_000_000
_RECORD, _TENSORS, _BASE = "convolab.json", "classifier.safetensors", "base.safetensors"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_NOT_OURS = "{} is no file of classes that the lab saved, or it is damaged."


@dataclass(eq=False)
class Saved:
    """What a file holds."""

    title: str
    settings: TeachSettings
    examples: Examples
    taught: Taught | None


# -------------------------------------------------------------------- writing


def pack(
    title: str,
    examples: Examples,
    settings: TeachSettings,
    taught: Taught | None = None,
    images: bool = True,
) -> bytes:
    """The file. Without ``images`` it still predicts, but cannot be taught further."""
    record: dict[str, Any] = {
        "kind": KIND,
        "version": VERSION,
        "title": title,
        "settings": settings.model_dump(),
        "classes": [{"key": one.key, "name": one.name, "ids": one.ids} for one in examples.classes],
        "parts": dict(examples.parts),
        "images": images,
        "learned": None,
    }
    members: dict[str, bytes] = {}
    if taught is not None:
        record["learned"], tensors = _learned(taught)
        members[_TENSORS] = safetensors.torch.save(tensors)
        base = taught.classifier.base.weights()
        if base is not None:
            members[_BASE] = base
    if images:
        members |= {f"images/{example}": content for example, content in examples.content.items()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        text = json.dumps(record, ensure_ascii=False, indent=1)
        for name, content in {_RECORD: text.encode(), **members}.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content)
    return buffer.getvalue()


def save(path: str | Path, content: bytes) -> None:
    """Write a file of `pack` whole or not at all. DataError if it cannot be written."""
    path = Path(path)
    part = path.with_name(f".{path.name}.unfinished")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise DataError(f"{path} cannot be written: {(error.strerror or str(error)).lower()}.") from None


def _learned(taught: Taught) -> tuple[dict[str, Any], dict[str, Tensor]]:
    made, tested = taught.classifier, taught.tested
    scaling = made.scaling
    tensors = {
        "mean": torch.from_numpy(scaling.mean),
        "deviation": torch.from_numpy(scaling.deviation),
        "examples": torch.from_numpy(made.examples),
        "labels": torch.from_numpy(made.labels),
        "tested.standard": torch.from_numpy(tested.standard),
        "tested.labels": torch.from_numpy(tested.labels),
        "tested.shares": torch.from_numpy(tested.shares),
    }
    if made.model is not None:
        tensors |= {f"head.{name}": value.detach() for name, value in made.model.state_dict().items()}
    record = {
        "base": {"name": made.base.name, "title": made.base.title, "key": made.base.key},
        "layer": made.layer,
        "settings": made.settings.model_dump(),
        "classes": list(made.classes),
        "network": made.network.to_json() if made.network else None,
        "train": list(made.example_ids),
        "test": list(tested.ids),
        "run_id": taught.run_id,
        "dataset": taught.dataset,
        "seconds": taught.seconds,
        "feature_seconds": taught.feature_seconds,
    }
    return record, {name: tensor.contiguous() for name, tensor in tensors.items()}


# -------------------------------------------------------------------- reading


def read(
    path: str | Path,
    *,
    called: str | None = None,
    base: Base | None = None,
    progress: Report | None = None,
) -> Saved:
    """What a file holds, safe with files from anywhere. ``base`` is used if it is the one it was made with.

    ``called`` is its name in sentences. DataError if it is not ours, damaged, too large or too new; and
    whatever opening its base raises.
    """
    path = Path(path)
    called = called or path.name
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise DataError(f"{called} has more than {LARGEST_FILE // 1_000_000} MB; that is too large.")
        with zipfile.ZipFile(path) as archive:
            return _read(_Members(archive, called), called, base, progress)
    except FileNotFoundError:
        raise DataError(f"There is no file {path}.") from None
    except ConvolabError:
        raise
    except (
        zipfile.BadZipFile, OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError,
        IndexError, RuntimeError, NotImplementedError, EOFError,
    ):  # fmt: skip
        raise DataError(_NOT_OURS.format(called)) from None


class _Members:
    """The files in the zip, with limits that hold for what really comes out."""

    def __init__(self, archive: zipfile.ZipFile, called: str) -> None:
        if len(archive.infolist()) > MOST_EXAMPLES + 3:
            raise DataError(f"{called} was refused: it holds too many files.")
        self.archive = archive

    def __contains__(self, name: str) -> bool:
        return name in self.archive.namelist()

    def read(self, name: str, limit: int) -> bytes:
        with self.archive.open(name) as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise ValueError("too large")
        return content


def _read(members: _Members, called: str, base: Base | None, progress: Report | None) -> Saved:
    if _RECORD not in members:
        raise DataError(_NOT_OURS.format(called))
    record = json.loads(members.read(_RECORD, _LARGEST_JSON))
    if record["kind"] != KIND:
        raise DataError(_NOT_OURS.format(called))
    if record["version"] > VERSION:
        raise DataError(f"{called} was written by a newer convolab; update this one to open it.")
    settings: TeachSettings = check(TeachSettings, record["settings"])
    examples = Examples()
    for one in record["classes"]:
        made = examples.add_class(str(one["name"]), str(one["key"])[:40])
        if record["images"]:
            _fill(examples, made, one["ids"], members)
    parts = record["parts"]
    examples.parts = {str(name): part for name, part in parts.items() if part in ("train", "test")}
    taught = None
    if record["learned"] is not None:
        base = _base(record["learned"]["base"], members, called, base, progress)
        taught = _taught(record["learned"], members, called, base)
    return Saved(str(record["title"])[:100], settings, examples, taught)


def _fill(examples: Examples, made: ExampleClass, ids: list[Any], members: _Members) -> None:
    for example in ids:
        content = members.read(f"images/{example}", _LARGEST_IMAGE)
        if id_of(content) != example or example in examples.content:
            raise ValueError("not what it says")
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as picture:  # its head alone
            if max(picture.size) > SIDE:
                raise ValueError("larger than the lab keeps them")
        examples.content[example] = content
        made.ids.append(example)


def _base(
    about: dict[str, Any], members: _Members, called: str, base: Base | None, progress: Report | None
) -> Base:
    if base is None or base.key != about["key"]:
        if _BASE in members:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "base.safetensors"
                path.write_bytes(members.read(_BASE, _LARGEST_TENSORS))
                base = TrainedBase(str(about["name"]), str(about["title"])[:100], path)
        elif about["name"] in VGGS:
            base = open_base(about["name"], progress)
        else:
            raise DataError(f"{called} lacks the network whose features it needs.")
    if base.key != about["key"]:
        raise DataError(f"{called} was made with other weights of {base.title} than this lab has.")
    return base


def _taught(record: dict[str, Any], members: _Members, called: str, base: Base) -> Taught:
    settings: TeachSettings = check(TeachSettings, record["settings"])
    classes = tuple(str(name) for name in record["classes"])
    tensors = safetensors.torch.load(members.read(_TENSORS, _LARGEST_TENSORS))
    arrays = {name: tensor.numpy() for name, tensor in tensors.items() if not name.startswith("head.")}
    if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()) or len(classes) < 2:
        raise ValueError("not finite")
    scaling = Scaling(arrays["mean"], arrays["deviation"])
    features = len(scaling.mean)
    for name, ids, kind in (("examples", "train", "labels"), ("tested.standard", "test", "tested.labels")):
        labels = arrays[kind]
        if arrays[name].shape != (len(record[ids]), features) or labels.shape != (len(record[ids]),):
            raise ValueError("shapes")
        if labels.dtype != np.int64 or not ((labels >= 0) & (labels < len(classes))).all():
            raise ValueError("labels")
    if arrays["tested.shares"].shape != (len(record["test"]), len(classes)) or not (
        scaling.deviation.shape == (features,) and (scaling.deviation > 0).all()
    ):
        raise ValueError("shapes")
    network, model = None, None
    if record["network"] is not None:
        network = Network.from_json(record["network"])
        model = _head(network, scaling, len(classes), tensors, called)
    elif settings.classifier != "knn":
        raise ValueError("no head")
    classifier = Classifier(
        base,
        layer_of(base, str(record["layer"])),
        settings,
        classes,
        scaling,
        tuple(map(str, record["train"])),
        arrays["examples"],
        arrays["labels"],
        network,
        model,
    )
    tested = Tested(
        tuple(map(str, record["test"])),
        arrays["tested.labels"],
        arrays["tested.shares"],
        arrays["tested.standard"],
    )
    items = [
        *_items(classifier.example_ids, classifier.labels, "train"),
        *_items(tested.ids, tested.labels, "test"),
    ]
    run_id = record["run_id"]
    return Taught(
        classifier,
        tuple(items),
        tested,
        str(run_id) if run_id else None,
        str(record["dataset"]),
        float(record["seconds"]),
        float(record["feature_seconds"]),
    )


def _items(ids: Sequence[str], labels: np.ndarray, part: Part) -> list[Item]:
    return [Item(example, int(label), part) for example, label in zip(ids, labels, strict=True)]


def _head(
    network: Network, scaling: Scaling, classes: int, tensors: dict[str, Tensor], called: str
) -> torch.nn.Sequential:
    """The head with its weights; refused before it is made if it promises more than the file holds."""
    from convolab.training.checkpoints import load_weights_into

    weights = {name.removeprefix("head."): value for name, value in tensors.items() if name[:5] == "head."}
    network.check(classes, scaling.grid)
    if network.parameters > sum(value.numel() for value in weights.values()):
        raise ValueError("fewer weights than the network has")
    model = network.build(0)
    try:
        load_weights_into(model, weights, f"The weights in {called}")
    except TrainingError as error:
        raise DataError(str(error)) from None
    return model.eval()
