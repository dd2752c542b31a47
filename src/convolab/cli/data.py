"""`convolab data`: the data sets, where they are, and your own images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convolab.cli.networks import JSON_OPTION
from convolab.cli.output import fetching, print_json, print_table, size
from convolab.words import shape_text

app = typer.Typer(help="List, fetch, verify, import and remove data sets.", invoke_without_command=True)
NAME = Annotated[str, typer.Argument(help="A data set's name.")]


@app.callback()
def overview(context: typer.Context, json: JSON_OPTION = False) -> None:
    """List the data sets, or work on one."""
    if context.invoked_subcommand is None:
        list_all(json)


@app.command("list")
def list_all(json: JSON_OPTION = False) -> None:
    """List the data sets and which of them are here."""
    from convolab.datasets import catalogue
    from convolab.home import datasets_dir

    entries = catalogue()
    if json:
        print_json(
            [
                {
                    "name": entry.name,
                    "title": entry.title,
                    "classes": entry.classes,
                    "input_shape": entry.input_shape,
                    "train_size": entry.train_size,
                    "test_size": entry.test_size,
                    "present": entry.present,
                    "bytes": entry.bytes,
                    "own": entry.own,
                }
                for entry in entries
            ]
        )
        return
    columns = ["name", "images", "train", "test", "classes", "here"]
    print_table(
        columns,
        [
            [
                entry.name,
                shape_text(entry.input_shape),
                f"{entry.train_size:,}",
                f"{entry.test_size:,}",
                len(entry.classes),
                size(entry.bytes) if entry.present else "no: 'convolab data fetch " + entry.name + "'",
            ]
            for entry in entries
        ],
        right=columns[2:5],
    )
    print(f"Kept in {datasets_dir()}; your own images in {_own_folder()}.")


def _own_folder() -> Path:
    from convolab.home import home

    return home() / "images"


@app.command()
def fetch(
    names: Annotated[
        list[str],
        typer.Argument(
            help="Data sets ('all' for every one), or vgg-16, vgg-19: weights of a feature network."
        ),
    ],
) -> None:
    """Fetch data sets from the first source that answers, check and convert them."""
    from convolab.datasets import catalogue, load
    from convolab.style.vgg import VGGS

    wanted = [entry.name for entry in catalogue() if not entry.own] if names == ["all"] else names
    for name in wanted:
        if name in VGGS:
            _fetch_weights(name)
            continue
        with fetching() as progress:
            found = load(name, progress=progress)
        print(
            f"{found.title}: {len(found.train_labels):,} training and {len(found.test_labels):,} test images."
        )


def _fetch_weights(name: str) -> None:
    from convolab.style.weights import fetch_weights

    with fetching() as progress:
        path = fetch_weights(name, progress)
    print(f"{name}: {size(path.stat().st_size)} of weights, the feature network of style transfer.")


@app.command()
def verify(
    names: Annotated[list[str] | None, typer.Argument(help="Data sets; all that are here if none.")] = None,
) -> None:
    """Check the files of data sets against their SHA-256."""
    from convolab.datasets import catalogue
    from convolab.datasets import verify as check

    for name in names or [entry.name for entry in catalogue() if entry.present]:
        check(name)
        print(f"{name}: whole")


@app.command()
def remove(name: NAME, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Remove a data set from the disk."""
    from convolab.datasets import info
    from convolab.datasets import remove as remove_dataset

    about = info(name)
    lost = "It cannot be fetched again." if about.own else "It can be fetched again."
    if not yes and not typer.confirm(f"Remove {about.title} ({size(about.bytes)})? {lost}"):
        print("Nothing was removed.")
        return
    remove_dataset(name)
    print(f"Removed {about.title}.")


@app.command("import")
def import_folder(
    path: Annotated[
        Path, typer.Argument(help="A folder with one subfolder of images per class, or a zip of that.")
    ],
    name: Annotated[str, typer.Option(help="What to call the data set.")],
    size: Annotated[int, typer.Option(help="Side of the images in pixels.")] = 32,
    color: Annotated[
        bool, typer.Option("--color/--grey", help="Keep colours, or make the images grey.")
    ] = True,
    test_share: Annotated[float, typer.Option(help="Share of each class kept for testing.")] = 0.2,
    seed: Annotated[int, typer.Option(help="Fixes which images are kept for testing.")] = 0,
    replace: Annotated[bool, typer.Option(help="Replace a data set of that name.")] = False,
    json: JSON_OPTION = False,
) -> None:
    """Make a data set of your own images."""
    from dataclasses import asdict

    from convolab.datasets import import_images

    with fetching() as progress:
        report = import_images(
            path,
            name,
            size=size,
            color=color,
            test_share=test_share,
            seed=seed,
            replace=replace,
            progress=progress,
        )
    if json:
        print_json(asdict(report))
        return
    print(
        f"{name}: {report.train_size:,} training and {report.test_size:,} test images "
        f"in {len(report.classes)} classes ({', '.join(report.classes)})."
    )
    if report.unreadable:
        print(f"{len(report.unreadable)} files could not be read as images and were left out:")
        for item in report.unreadable[:20]:
            print(f"  {item}")
        if len(report.unreadable) > 20:
            print(f"  … and {len(report.unreadable) - 20} more")
    print(f"Train on it with 'convolab train {name}'.")
