"""The table of commands. Imports of torch, MLflow and NiceGUI happen inside the commands that need them."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from convolab.cli import (
    challenge,
    data,
    doctor,
    evaluation,
    experiments,
    fast_style,
    look,
    networks,
    report,
    runs,
    style,
    sweep,
    teach,
    tour,
    train,
)

app = typer.Typer(
    help="convolab, the laboratory for convolutional neural networks. Without a command it serves the lab.",
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def lab(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen on; 127.0.0.1 is this machine alone.")] = (
        "127.0.0.1"
    ),
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; the default takes 8080 or the next free.")
    ] = (None),
    show: Annotated[bool, typer.Option(help="Open the lab in a browser, where there is a display.")] = True,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Serve the lab."""
    if version:
        from importlib.metadata import version as installed

        print(f"convolab {installed('convolab')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        from convolab.app.serve import serve

        serve(host=host, port=port, show=show)


app.command("train")(train.train)
app.command("resume")(train.resume)
app.command("evaluate")(evaluation.evaluate)
app.command("compare")(evaluation.compare)
app.command("look")(look.look)
app.command("shapes")(networks.shapes)
app.command("networks")(networks.networks)
app.add_typer(data.app, name="data")
app.add_typer(runs.app, name="runs")
app.command("export")(networks.export)
app.command("transfer")(style.transfer)
app.command("rebuild")(style.rebuild)
app.command("style-diff")(style.style_diff)
app.command("content-diff")(style.content_diff)
app.command("styles")(fast_style.styles)
app.command("stylize")(fast_style.stylize)
app.command("learn-style")(fast_style.learn_style)
app.command("teach")(teach.teach)
app.command("classify")(teach.classify)
app.command("variants")(experiments.variants)
app.command("repeat")(experiments.repeat)
app.add_typer(experiments.app, name="experiments")
app.add_typer(sweep.app, name="sweep")
app.command("challenge")(challenge.challenge)
app.add_typer(challenge.app, name="scores")
app.command("tour")(tour.tour)
app.add_typer(report.app, name="report")
app.command("doctor")(doctor.doctor)


def command_names() -> list[str]:
    """Every command a user may type."""
    names: list[Any] = [command.name for command in app.registered_commands]
    return sorted([*names, *(group.name for group in app.registered_groups)])


if __name__ == "__main__":
    sys.exit(app())
