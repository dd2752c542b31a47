"""`convolab shapes`, `convolab networks`, `convolab export`: what a network is, without training it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convolab.cli.output import print_json, print_table
from convolab.errors import NetworkError
from convolab.words import shape_text

if TYPE_CHECKING:
    from convolab.networks import Network

JSON_OPTION = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
NETWORK_HELP = "A preset ('convolab networks' lists them) or a network's JSON file."


def read_network(text: str, dataset: str) -> Network:
    """The network that ``text`` names for a data set: a preset, or the path of a JSON file.

    Raises NetworkError (or DataError for the data set) with one sentence.
    """
    from convolab.datasets import info
    from convolab.networks import PRESETS, Network, preset

    about = info(dataset)
    if text in PRESETS:
        return preset(text, about.input_shape, len(about.classes))
    path = Path(text)
    if path.suffix.lower() == ".json" or path.is_file():
        try:
            return Network.from_json(path.read_text(encoding="utf-8"), input_shape=about.input_shape)
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise NetworkError(f"{path} cannot be read: {reason}.") from None
    return preset(text, about.input_shape, len(about.classes))


def shapes(
    network: Annotated[str, typer.Argument(help=NETWORK_HELP)],
    dataset: Annotated[str, typer.Option(help="The data set whose images come in.")] = "mnist",
    json: JSON_OPTION = False,
) -> int:
    """Show every layer's output shape, parameters, multiply-adds and receptive field."""
    from convolab.datasets import info

    described = read_network(network, dataset)
    rows: list[dict[str, Any]] = []
    problem = ""
    for step in described.trace():
        if step.error is not None and not problem:
            problem = str(step.error)
        rows.append(
            {
                "layer": f"{step.layer.title} {step.layer.summary}".strip(),
                "output_shape": step.output_shape,
                "parameters": step.parameters,
                "multiply_adds": step.multiply_adds,
                "receptive_field": step.receptive_field.size if step.receptive_field else None,
            }
        )
    if not problem:
        described.check(len(info(dataset).classes))
    if json:
        print_json(
            {
                "dataset": dataset,
                "input_shape": described.input_shape,
                "layers": rows,
                "parameters": described.parameters,
                "multiply_adds": described.multiply_adds,
                "memory_per_example": described.memory_per_example,
                "error": problem or None,
            }
        )
    else:
        table = [["Input", shape_text(described.input_shape), "", "", ""]]
        table += [
            [
                row["layer"],
                shape_text(row["output_shape"]),
                f"{row['parameters']:,}",
                f"{row['multiply_adds']:,}",
                _field(row["receptive_field"]),
            ]
            for row in rows
        ]
        table.append(["Total", "", f"{described.parameters:,}", f"{described.multiply_adds:,}", ""])
        columns = [
            "layer",
            "output (height·width·channels)",
            "parameters",
            "multiply-adds",
            "receptive field",
        ]
        print_table(columns, table, right=columns[2:])
    if problem:
        raise NetworkError(problem)
    return 0


def _field(size: Any) -> str:
    return f"{size[0]}×{size[1]}" if size else ""


def networks(json: JSON_OPTION = False) -> int:
    """List the networks that come with the lab."""
    from convolab.errors import ConvolabError
    from convolab.networks import PRESETS, preset

    rows = []
    for name, entry in PRESETS.items():
        counts: dict[str, int | None] = {}
        for data, shape in (("mnist", (1, 28, 28)), ("cifar10", (3, 32, 32))):
            try:
                counts[data] = preset(name, shape, 10).parameters
            except ConvolabError:
                counts[data] = None
        rows.append({"name": name, "title": entry.title, "parameters": counts, "help": entry.help})
    if json:
        print_json(rows)
        return 0
    columns = ["name", "parameters on MNIST", "on CIFAR-10", "what it is"]
    print_table(
        columns,
        [
            [
                row["name"],
                *("–" if count is None else f"{count:,}" for count in row["parameters"].values()),  # type: ignore[attr-defined]
                row["help"],
            ]
            for row in rows
        ],
        right=columns[1:3],
    )
    return 0


def export(
    run: Annotated[str, typer.Argument(help="A run: its name or the start of its id.")],
    code: Annotated[
        Path | None, typer.Option(help="Write a PyTorch script that trains the same network.")
    ] = (None),
    network: Annotated[Path | None, typer.Option(help="Write the network as JSON.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Write the trained weights as safetensors.")] = None,
) -> int:
    """Write a run's network as code, JSON or trained weights."""
    import shutil

    from convolab.runs import RunFolder, find

    if code is None and network is None and weights is None:
        raise NetworkError(
            "Say what to write: --code FILE.py, --network FILE.json or --weights FILE.safetensors."
        )
    folder = RunFolder(find(run).run_id)
    spec = folder.spec()
    try:
        if code is not None:
            code.write_text(spec.network.to_code(spec.settings, spec.dataset), encoding="utf-8")
        if network is not None:
            network.write_text(spec.network.to_json(), encoding="utf-8")
        if weights is not None:
            if not folder.weights_path.exists():
                raise NetworkError(f"{spec.name} has no trained weights yet; train it first.")
            shutil.copyfile(folder.weights_path, weights)
    except OSError as error:
        raise NetworkError(f"{error.filename} cannot be written: {error.strerror}.") from None
    for path in (code, network, weights):
        if path is not None:
            print(f"Wrote {path}")
    return 0
