"""`convolab teach` and `convolab classify`: your own classes from a handful of examples, and what is what."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convolab.cli.networks import JSON_OPTION
from convolab.cli.options import spec_options
from convolab.cli.output import console, print_json, print_table
from convolab.errors import ConvolabError, DataError
from convolab.teach.settings import TeachSettings

if TYPE_CHECKING:
    from convolab.datasets.progress import Fetching
    from convolab.evaluation import Statistics
    from convolab.teach.examples import Examples, Found
    from convolab.teach.teaching import Taught


@spec_options(TeachSettings, "settings")
def teach(
    folder: Annotated[Path, typer.Argument(help="A folder with a folder of images per class, or a zip.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file to save to. Default: FOLDER.teach, here."),
    ] = None,
    curve: Annotated[
        bool, typer.Option("--curve", help="Also measure accuracy against examples per class.")
    ] = False,
    layers: Annotated[
        bool, typer.Option("--compare-layers", help="Also compare lower and higher layers.")
    ] = False,
    code: Annotated[
        Path | None, typer.Option(help="Also write a script that predicts without convolab.")
    ] = None,
    json: JSON_OPTION = False,
    *,
    settings: TeachSettings,
) -> int:
    """Learn your own classes from a handful of images each, and save what was learned."""
    from convolab.teach.bases import layer_of, open_base
    from convolab.teach.caching import FeatureCache
    from convolab.teach.examples import Examples, fill_from
    from convolab.teach.files import pack, save
    from convolab.teach.script import to_script
    from convolab.teach.settings import ENDING
    from convolab.teach.teaching import teach as learn

    progress = _Progress()
    title = folder.expanduser().resolve().name.removesuffix(".zip") or "classes"
    target = output or Path(f"{title}{ENDING}")
    _check_writable(target)
    examples = Examples()
    found = fill_from(examples, folder, progress=progress)
    examples.check()
    base = open_base(settings.base, progress)
    layer = layer_of(base, settings.layer)
    cache = FeatureCache(base, settings.size)
    taught = learn(examples, settings, title=title, base=base, cache=cache, progress=progress)
    save(target, pack(title, examples, settings, taught))
    record = _record(examples, found, taught, layer, target)
    if curve:
        record["curve"] = _curve(cache, taught, progress)
    if layers:
        record["layers"] = _layers(cache, taught, progress)
    if code is not None:
        _check_writable(code)
        code.write_text(to_script(taught.classifier, target.name), encoding="utf-8")
        record["code"] = str(code)
    progress.end()
    if json:
        print_json(record)
    else:
        _print(record, found, taught)
    return 0


def classify(
    images: Annotated[list[Path], typer.Argument(help="Picture files.", metavar="IMAGE…")],
    with_: Annotated[
        Path, typer.Option("--with", help="A file saved by 'convolab teach' or in the room Teach.")
    ],
    json: JSON_OPTION = False,
) -> int:
    """Say which of your own classes pictures belong to."""
    from convolab.teach.examples import squared
    from convolab.teach.files import read

    progress = _Progress()
    taught = read(with_, progress=progress).taught
    if taught is None:
        raise DataError(f"{with_.name} holds examples but no classifier; train it first.")
    progress.end()
    made = taught.classifier
    found: list[dict[str, Any]] = []
    failed: list[str] = []
    for path in images:
        try:
            shares = made.look(squared(path)).shares
        except ConvolabError as error:
            failed.append(str(error))
            continue
        order = (-shares).argsort(kind="stable")
        found.append(
            {
                "image": str(path),
                "class": made.classes[order[0]],
                "shares": {made.classes[i]: round(float(shares[i]), 6) for i in order},
            }
        )
    if not found:
        raise DataError(" ".join(failed))
    for sentence in failed:
        print(f"convolab: {sentence}", file=sys.stderr)
    if json:
        print_json({"with": str(with_), "classifier": made.title, "images": found})
        return 0
    rows = [
        (
            one["image"],
            one["class"],
            ", ".join(f"{name} {_percent(share)}" for name, share in list(one["shares"].items())[:3]),
        )
        for one in found
    ]
    print_table(("image", "class", "likeliest"), rows)
    return 0


# ---------------------------------------------------------------- what is said


def _record(examples: Examples, found: Found, taught: Taught, layer: str, target: Path) -> dict[str, Any]:
    figures = _figures(taught)
    return {
        "file": str(target),
        "base": taught.classifier.base.title,
        "layer": layer,
        "classifier": taught.classifier.settings.classifier,
        "classes": {one.name: len(one.ids) for one in examples.classes},
        "train": len(taught.classifier.labels),
        "test": figures.total,
        "correct": figures.correct,
        "test_accuracy": figures.accuracy,
        "interval": list(figures.interval),
        "per_class": {one.name: {"test": one.count, "recall": one.recall} for one in figures.per_class},
        "confusion": [list(row) for row in figures.confusion],
        "run_id": taught.run_id,
        "dataset": taught.dataset,
        "feature_seconds": round(taught.feature_seconds, 3),
        "seconds": round(taught.seconds, 3),
        "unreadable": found.unreadable,
    }


def _figures(taught: Taught) -> Statistics:
    from convolab.evaluation import statistics

    return statistics(taught.tested.outputs(taught.classifier.classes, taught.dataset))


def _print(record: dict[str, Any], found: Found, taught: Taught) -> None:
    rows = [
        (name, count, tested["test"], _percent(tested["recall"]) if tested["test"] else "")
        for (name, count), tested in zip(record["classes"].items(), record["per_class"].values(), strict=True)
    ]
    print_table(("class", "images", "held out", "right"), rows, right=("images", "held out", "right"))
    low, high = record["interval"]
    print(
        f"{taught.classifier.title}: {_percent(record['test_accuracy'])} of {record['test']} held-out images "
        f"right (95 % interval {_percent(low)} to {_percent(high)}), learned from {record['train']} in "
        f"{record['seconds']:.1f} s after {record['feature_seconds']:.1f} s for the features."
    )
    if "curve" in record:
        print_table(
            ("examples per class", "right"),
            [(point["per_class"], _percent(point["mean"])) for point in record["curve"]],
            right=("examples per class", "right"),
        )
    if "layers" in record:
        print_table(
            ("layer", "features", "linear", "nearest neighbours"),
            [(one["layer"], one["features"], _percent(one["linear"]), _percent(one["knn"]))
             for one in record["layers"]],
            right=("features", "linear", "nearest neighbours"),
        )  # fmt: skip
    for line in found.unreadable[:10]:
        print(f"Left out {line}")
    if taught.run_id:
        print(f"The head's training is the run {taught.run_id[:8]}.")
    print(f"Wrote {record['file']}. Try it with 'convolab classify IMAGE --with {record['file']}'.")


def _curve(cache: Any, taught: Taught, progress: Any) -> list[dict[str, Any]]:
    from convolab.teach.measures import learning_curve
    from convolab.teach.teaching import split

    made = taught.classifier
    train, test = (_labelled(part, cache, made.layer) for part in split(taught.items))
    points = learning_curve(
        train, test, made.classes, made.settings, made.base, made.layer, progress=progress
    )
    return [{"per_class": point.per_class, "mean": point.mean, "values": point.values} for point in points]


def _layers(cache: Any, taught: Taught, progress: Any) -> list[dict[str, Any]]:
    from convolab.teach.measures import compare_layers, compared_layers
    from convolab.teach.teaching import split

    made = taught.classifier
    names = compared_layers(made.base)
    train, test = ({layer: _labelled(part, cache, layer) for layer in names} for part in split(taught.items))
    scores = compare_layers(train, test, made.classes, made.settings, made.base, progress=progress)
    return [vars(score) for score in scores]


def _labelled(items: Any, cache: Any, layer: str) -> Any:
    from convolab.teach.measures import Labelled
    from convolab.teach.teaching import labels_of

    return Labelled(cache.get([item.id for item in items], layer), labels_of(items))


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _check_writable(path: Path) -> None:
    parent = path.expanduser().resolve().parent
    if path.is_dir() or not parent.is_dir():
        raise DataError(f"{path} cannot be written: give a file in a folder that exists.")


class _Progress:
    """What goes on, on standard error: one line that changes on a terminal, a line per phase elsewhere."""

    def __init__(self) -> None:
        self.out = console(to_stderr=True)
        self.seen = ""

    def __call__(self, at: Fetching) -> None:
        if sys.stderr.isatty():
            total = f" of {at.total:,}" if at.total else ""
            sys.stderr.write(f"\r\033[K{at.what} … {at.done:,}{total}")
            sys.stderr.flush()
        elif at.what != self.seen:
            self.out.print(f"{at.what} …", markup=False)
        self.seen = at.what

    def end(self) -> None:
        """Clear the line."""
        if sys.stderr.isatty() and self.seen:
            sys.stderr.write("\r\033[K")
