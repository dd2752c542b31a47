"""`convolab look`: what a network makes of a picture, any unit's arithmetic, all activations as a picture."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convolab.cli.networks import JSON_OPTION
from convolab.cli.output import fetching, print_json, print_table
from convolab.errors import DataError, NetworkError, RunError

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from convolab.activations import Activations, Inspector, Unit
    from convolab.networks import Network
    from convolab.training import WeightsInfo

NOTHING = (
    "The picture is empty: nothing stands out from its background. This is the response of the biases alone."
)
_MOST_ROWS = 160
"""Inputs of a unit that are listed on a terminal."""


@dataclass(frozen=True)
class Given:
    """One input of a network, and what is known about it."""

    pixels: np.ndarray
    """uint8 (C, H, W)."""
    done: str
    """What was done to get it, as a sentence."""
    label: str | None = None
    empty: bool = False


def look(
    image: Annotated[
        str, typer.Argument(help="A picture file, or a test image: mnist:test:17.", metavar="IMAGE")
    ],
    network: Annotated[
        str,
        typer.Option(
            help="A trained network of the lab (harley-cnn, harley-mlp, modern-cnn), a run by name or id, "
            "or a file of weights."
        ),
    ] = "harley-cnn",
    unit: Annotated[
        str | None,
        typer.Option(help="Take one unit apart: LAYER:MAP:ROW:COLUMN, or LAYER:UNIT, as in conv1:0:3:4."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Draw all activations into this .png file.")
    ] = None,
    as_drawn: Annotated[
        bool, typer.Option("--as-drawn", help="Only resize the picture: do not cut out and centre the digit.")
    ] = False,
    json: JSON_OPTION = False,
) -> int:
    """Look inside a network: predictions for a picture, and all that makes up a unit."""
    from convolab.activations import Inspector, parse_unit

    if output is not None and output.suffix.lower() != ".png":
        raise DataError(f"The picture is written as PNG; call it {output.with_suffix('.png')}.")
    title, described, model, info = open_network(network)
    inspector = Inspector(described, model, info.classes)
    wanted = None if unit is None else parse_unit(inspector, unit)
    given = take_picture(image, described, info, as_drawn)
    activations = inspector.run(_normalized(given.pixels, info))
    found = None if wanted is None else activations.unit(*wanted)
    if output is not None:
        _draw(output, activations, title, given, found)
    if json:
        print_json(_record(title, inspector, activations, given, found, output))
        return 0
    _print_prediction(title, inspector, activations, given)
    if found is not None:
        _print_unit(found)
    if output is not None:
        print(f"Wrote {output}")
    return 0


# ---------------------------------------------------------------- what is looked into, and at what


def open_network(text: str) -> tuple[str, Network, nn.Module, WeightsInfo]:
    """(title, network, model, what is known) of a shipped network, a run or a file. ConvolabError if none."""
    from convolab.networks.shipped import SHIPPED, shipped

    if text in SHIPPED:
        return SHIPPED[text].title, *shipped(text)
    path = Path(text)
    if path.suffix.lower() in (".npz", ".json"):
        from convolab.activations import load_harley

        return path.name, *load_harley(path)
    if path.suffix.lower() == ".safetensors" or path.is_file():
        from convolab.training import load_weights

        return path.name, *load_weights(path)
    from convolab.runs import find, load_network

    try:
        run = find(text)
    except RunError as error:
        if "could be any of" in str(error):
            raise
        raise NetworkError(
            f'There is no network "{text}": it is no run, no file, and none of {", ".join(SHIPPED)}.'
        ) from None
    return run.name, *load_network(run.run_id)


def take_picture(text: str, network: Network, info: WeightsInfo, as_drawn: bool = False) -> Given:
    """The picture that ``text`` names as an input of the network. DataError if there is none."""
    reference = re.fullmatch(r"([\w.-]+):(?:(test|train):)?(\d+)", text)
    if reference is None or Path(text).is_file():
        return _from_picture(Path(text), network, info, as_drawn)
    from convolab.datasets import load

    name, split, number = reference[1], reference[2] or "test", int(reference[3])
    with fetching() as progress:
        data = load(name, progress=progress)
    images = data.images(split)
    if number >= len(images):
        raise DataError(
            f"{data.title} has no {split} image {number:,}; they are numbered 0 to {len(images) - 1:,}."
        )
    import numpy as np

    label = data.classes[int(data.labels(split)[number])]
    which = f"{split.capitalize()} image {number:,} of {data.title}, labelled “{label}”"
    if data.input_shape == network.input_shape:
        return Given(np.array(images[number]), f"{which}, given as it is.", label)
    from PIL import Image

    pixels = np.asarray(images[number]).transpose(1, 2, 0)
    picture = Image.fromarray(np.ascontiguousarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0]))
    given = _from_picture(picture, network, info, as_drawn)
    return replace(given, done=f"{which}. {given.done}", label=label)


def _from_picture(source: Any, network: Network, info: WeightsInfo, as_drawn: bool) -> Given:
    from convolab.datasets import dataset_input, load, open_picture, picture_to_input

    if isinstance(source, Path) and not source.exists():
        raise DataError(f"There is no picture {source}; give a file, or a test image such as mnist:test:17.")
    picture = open_picture(source)
    centre = False if as_drawn else None
    data = load(info.dataset) if _is_here(info.dataset) else None
    if data is not None and data.input_shape == network.input_shape:
        pixels, done = dataset_input(picture, data, centre=centre)
    else:
        # Only MNIST's digits are centred by their mass; the data set itself is not needed to know that.
        centred = info.dataset == "mnist" and not as_drawn
        pixels, done = picture_to_input(picture, network.input_shape, centre=centred)
    if network.input_shape[0] == 1 and pixels.min() == pixels.max():
        return Given(pixels, NOTHING, empty=True)
    return Given(pixels, f"{done} It was {picture.width}×{picture.height} pixels.")


def _is_here(dataset: str) -> bool:
    from convolab.datasets import catalogue

    return any(entry.name == dataset and entry.present for entry in catalogue())


def _normalized(pixels: np.ndarray, info: WeightsInfo) -> Any:
    import numpy as np
    import torch

    return info.normalize()(torch.from_numpy(np.array(pixels.transpose(1, 2, 0)))[None])[0]


# ---------------------------------------------------------------- what is said


def _draw(path: Path, activations: Activations, title: str, given: Given, unit: Unit | None) -> None:
    from convolab.activations.drawing import LINES, draw

    caption = [given.done]
    if unit is not None:
        lines = f"; lines: its {LINES} largest contributions" if unit.winner is None else "; line: what won"
        caption.append(
            f"Marked: {_name(unit)}, sum {unit.sum:.4g}, output {unit.output:.4g}{lines}, "
            "orange positive, blue negative."
        )
    picture = draw(activations, title=title, caption=caption, unit=unit)
    try:
        picture.save(path, "PNG")
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}.") from None


def _record(
    title: str,
    inspector: Inspector,
    activations: Activations,
    given: Given,
    unit: Unit | None,
    output: Path | None,
) -> dict[str, Any]:
    prediction = activations.prediction
    return {
        "network": title,
        "done": given.done,
        "empty": given.empty,
        "label": given.label,
        "input_shape": inspector.network.input_shape,
        "prediction": {
            "class": inspector.classes[prediction.order[0]],
            "ranking": [
                {
                    "class": inspector.classes[number],
                    "output": float(prediction.raw[number]),
                    "share": float(prediction.shares[number]),
                }
                for number in prediction.order
            ],
            "how": prediction.how,
        },
        "levels": [
            {
                "key": level.key,
                "title": level.title,
                "kind": level.kind,
                "shape": level.shape,
                "function": level.function,
                "below": level.below,
            }
            for level in inspector.levels
        ],
        "unit": None if unit is None else unit.to_json(),
        "picture": None if output is None else str(output),
    }


def _print_prediction(title: str, inspector: Inspector, activations: Activations, given: Given) -> None:
    prediction = activations.prediction
    print(f"{title}. {given.done}")
    print_table(
        ["guess", "class", "share", "output"],
        [
            [
                place,
                inspector.classes[number],
                f"{100 * prediction.shares[number]:.1f} %",
                f"{prediction.raw[number]:.4f}",
            ]
            for place, number in enumerate(prediction.order[:10], 1)
        ],
        right=["guess", "share", "output"],
    )
    print(prediction.how)


def _print_unit(unit: Unit) -> None:
    """Each input with weight and product, then how they add up to the output."""
    top, left, bottom, right = unit.field
    sees = f"rows {top} to {bottom - 1}, columns {left} to {right - 1}" if bottom > top else "nothing"
    print(f"\n{_name(unit)}: {unit.level.title}; sees {sees} of the input.")
    rows: list[list[Any]] = []
    for entry in unit.inputs:
        for (row, column), value in _cells(entry.values):
            place = "" if entry.map is None else entry.map
            inside = entry.padded is None or not entry.padded[row, column]
            weight = None if entry.weights is None else float(entry.weights[row, column])
            product = None if weight is None else value * weight
            rows.append(
                [
                    entry.level,
                    place,
                    entry.row + row if entry.map is not None else "",
                    entry.column + column,
                    f"{value:.6g}" if inside else "border",
                    "" if weight is None else f"{weight:.6g}",
                    "" if product is None else f"{product:.6g}",
                ]
            )
    columns = ["layer", "map", "row", "column", "value", "weight", "product"]
    left_out = 0
    if sys.stdout.isatty() and len(rows) > _MOST_ROWS:
        left_out = len(rows) - _MOST_ROWS
        rows = sorted(rows, key=lambda cells: -abs(float(cells[-1] or 0)))[:_MOST_ROWS]
    if rows:
        print_table(columns, rows, right=columns[1:])
    if left_out:
        print(f"… and {left_out:,} more with smaller products; --json tells all.")
    steps = [
        ["bias", "", "" if unit.bias is None else f"{unit.bias:.6g}"],
        [_total(unit), "", f"{unit.sum:.6g}"],
    ]
    for step in unit.steps:
        told = step.to_json()
        numbers = ", ".join(f"{name} {value:.6g}" for name, value in step.numbers.items())
        steps.append(
            [told["title"], f"{told['formula']}{': ' if numbers else ''}{numbers}", f"{step.output:.6g}"]
        )
    steps.append(["output", "", f"{unit.output:.6g}"])
    if unit.winner is not None:
        steps.insert(1, ["winner", ":".join(map(str, (unit.winner[0], *unit.winner[1]))), ""])
    print_table(["step", "how", "value"], [row for row in steps if any(row[1:])], right=["value"])


def _total(unit: Unit) -> str:
    return {"maxpool": "largest", "input": "value"}.get(unit.level.kind, "sum")


def _cells(values: np.ndarray) -> list[tuple[tuple[int, int], float]]:
    return [((i, j), float(value)) for i, row in enumerate(values) for j, value in enumerate(row)]


def _name(unit: Unit) -> str:
    return ":".join(map(str, (unit.level.key, *unit.index)))
