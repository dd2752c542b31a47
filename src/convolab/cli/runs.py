"""`convolab runs`: what was trained, and steering what trains."""

from __future__ import annotations

from typing import Annotated

import typer

from convolab.cli.networks import JSON_OPTION
from convolab.cli.output import print_json, print_table
from convolab.words import duration

app = typer.Typer(help="List runs; pause, resume, stop, rename or delete one.", invoke_without_command=True)
RUN = Annotated[str, typer.Argument(help="A run: its name or the start of its id.")]


@app.callback()
def overview(context: typer.Context, json: JSON_OPTION = False) -> None:
    """List runs, or work on one."""
    if context.invoked_subcommand is None:
        list_all(json=json)


@app.command("list")
def list_all(
    limit: Annotated[int, typer.Option(help="How many of the newest.")] = 50, json: JSON_OPTION = False
) -> None:
    """List runs, newest first."""
    from dataclasses import asdict

    from convolab.runs import runs

    found = runs(limit=limit)
    if json:
        print_json([asdict(run) for run in found])
        return
    if not found:
        print("No runs yet. Train one with 'convolab train mnist'.")
        return
    columns = ["run", "name", "data set", "network", "state", "examples", "seconds", "test accuracy"]
    print_table(
        columns,
        [
            [
                run.run_id[:8],
                run.name,
                run.dataset,
                run.network_name,
                run.state,
                f"{run.examples or 0:,}",
                duration(run.seconds),
                "" if run.test_accuracy is None else f"{100 * run.test_accuracy:.2f} %",
            ]
            for run in found
        ],
        right=columns[5:],
    )


@app.command()
def pause(run: RUN) -> None:
    """Pause a run that is training, wherever it was started."""
    _control(run, ("running",), "Pausing", paused=True)


@app.command()
def stop(run: RUN) -> None:
    """Stop a run with a checkpoint, wherever it was started."""
    _control(run, ("running", "paused"), "Stopping", stop=True)


def _control(text: str, states: tuple[str, ...], doing: str, **commands: bool) -> None:
    from convolab.errors import RunError
    from convolab.runs import RunFolder, find

    found = find(text)
    if found.state not in states:
        raise RunError(
            f"{found.name} is {found.state}; only a run that is {' or '.join(states)} can do that."
        )
    RunFolder(found.run_id).control(**commands)
    print(f"{doing} {found.name}.")


@app.command()
def rename(run: RUN, name: Annotated[str, typer.Argument(help="The new name.")]) -> None:
    """Give a run another name."""
    from convolab.runs import find
    from convolab.runs import rename as rename_run

    rename_run(find(run).run_id, name)
    print(f"Renamed to {name}.")


@app.command()
def delete(run: RUN, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Delete a run with its checkpoint and weights."""
    from convolab.runs import delete as delete_run
    from convolab.runs import find

    found = find(run)
    if not yes and not typer.confirm(f"Delete {found.name} with its weights? This cannot be undone."):
        print("Nothing was deleted.")
        return
    delete_run(found.run_id)
    print(f"Deleted {found.name}.")
