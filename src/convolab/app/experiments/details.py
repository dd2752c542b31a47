"""What the room says about one run, and what can be done with it: notes, a name, deleting it."""

from __future__ import annotations

import threading
from typing import Any

from convolab.app.experiments.index import INDEX
from convolab.app.experiments.measured import test_sets
from convolab.app.jobs import JOBS, address_of
from convolab.errors import ConvolabError, RunError
from convolab.runs.folder import RunFolder
from convolab.runs.notes import tell_mlflow, write_notes
from convolab.runs.store import delete, rename


def about(run_id: str) -> dict[str, Any]:
    """Addresses that show a run, and the data sets that it can be tested on. RunError if it is gone."""
    folder = RunFolder(run_id)
    if not folder.exists:
        raise RunError(
            "Only the record of runs knows this run: its folder, and with it all but its figures, is on "
            "another machine."
        )
    spec = folder.spec()
    return {
        "run": run_id,
        "build": address_of(run_id),
        "look": f"/look?run={run_id}",
        "sets": test_sets(spec),
        "weights": folder.weights_path.exists(),
        "started_from": spec.started_from or "",
    }


def note(run_id: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """Take over a note, labels or a colour. ConvolabError with one sentence."""
    labels = wanted.get("labels")
    colour = wanted.get("colour")
    try:
        notes = write_notes(
            run_id,
            text=str(wanted["text"]) if "text" in wanted else None,
            labels=[str(label) for label in labels] if isinstance(labels, list) else None,
            colour=int(colour) if colour is not None else None,
        )
    except ValueError:
        raise RunError("A run's colour is a number.") from None
    INDEX.look_again()
    # MLflow takes a second to wake up; nobody has to wait for that.
    threading.Thread(target=tell_mlflow, args=(run_id,), name="notes", daemon=True).start()
    return {"note": notes.text, "labels": list(notes.labels), "colour": notes.colour}


def renamed(run_id: str, name: str) -> dict[str, Any]:
    """Give a run another name. RunError with one sentence."""
    rename(run_id, name)
    INDEX.look_again()
    return {}


def deleted(run_ids: list[str]) -> dict[str, Any]:
    """Delete runs; those that could not be are named in ``error``."""
    problems = []
    for run_id in run_ids:
        try:
            delete(run_id)
        except ConvolabError as error:
            problems.append(str(error))
    INDEX.look_again()
    JOBS.look_again()
    return {"error": " ".join(problems)} if problems else {}
