"""Feeding MLflow from the runs' folders, so that it can lag, fail and catch up.

`push` brings what is new in a folder to MLflow and notes in ``mlflow.json`` how far it got; the recorder
calls it about once a second from a thread, `sync` does at any later time.
"""

from __future__ import annotations

import contextlib
import json
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from convolab.home import tracking_uri
from convolab.runs.files import replace_text, whoami
from convolab.runs.folder import RunFolder, RunSpec
from convolab.runs.tracking import TrackingUnavailable, client, experiment_id, explained

if TYPE_CHECKING:
    from mlflow.entities import Metric, RunTag
    from mlflow.tracking import MlflowClient

METRICS = {
    "progress": {
        "loss": "train_loss",
        "train_accuracy": "train_accuracy",
        "examples_per_second": "examples_per_second",
        "learning_rate": "learning_rate",
        "seconds": "seconds",
    },
    "evaluated": {"test_loss": "test_loss", "test_accuracy": "test_accuracy"},
}
"""Which field of which event becomes which metric; the step is the number of examples seen."""
_STATUS = {
    "queued": "SCHEDULED",
    "running": "RUNNING",
    "paused": "RUNNING",
    "finished": "FINISHED",
    "stopped": "FINISHED",
    "failed": "FAILED",
    "interrupted": "KILLED",
}
_BATCH = 900
"""Metrics per request; MLflow takes 1,000."""
_TAG_LENGTH = 5000
"""Longest tag value that every MLflow store takes."""


class Position(dict[str, Any]):
    """What MLflow knows of a run already: the content of ``mlflow.json``."""

    @classmethod
    def read(cls, folder: RunFolder) -> Position:
        """From the folder; at the very beginning if nothing is noted."""
        try:
            found = json.loads(folder.tracking_path.read_bytes())
        except (OSError, ValueError):
            found = {}
        if found.get("uri") != tracking_uri():  # another store knows nothing of the run
            found = {"uri": tracking_uri(), "mlflow_id": None, "begun": False, "offset": 0, "state": None}
        return cls(found)

    def write(self, folder: RunFolder) -> None:
        """Into the folder. Raises OSError."""
        replace_text(folder.tracking_path, json.dumps(self))


def push(folder: RunFolder, *, wait: float = 0.0) -> bool:
    """Bring MLflow up to date with a run's folder; False if another process does that right now.

    Raises RunError (TrackingUnavailable if trying later may help) or OSError.
    """
    lock = FileLock(folder.path / "mlflow.lock", thread_local=False)
    try:
        lock.acquire(timeout=wait)
    except Timeout:
        return False
    try:
        mlflow = client()
        with explained(tracking_uri()):
            _push(folder, mlflow)
        return True
    finally:
        lock.release()


def _push(folder: RunFolder, mlflow: MlflowClient) -> None:
    position = Position.read(folder)
    if not position["begun"]:
        _push_beginning(folder, mlflow, position)
        position["begun"] = True
        position.write(folder)
    mlflow_id = position["mlflow_id"]
    entries, end = folder.entries(position["offset"])
    if end != position["offset"]:
        metrics, tags = _metrics(entries), _event_tags(entries)
        for start in range(0, len(metrics), _BATCH):
            mlflow.log_batch(mlflow_id, metrics=metrics[start : start + _BATCH])
        if tags:
            mlflow.log_batch(mlflow_id, tags=_tags(tags))
        position["offset"] = end
        position.write(folder)
    state = folder.state()
    if position["state"] != state.state:
        _push_state(folder, mlflow, mlflow_id)
        position["state"] = state.state
        position.write(folder)


def _push_beginning(folder: RunFolder, mlflow: MlflowClient, position: Position) -> None:
    spec = folder.spec()
    if position["mlflow_id"] is None:
        position["mlflow_id"] = _mlflow_id(mlflow, spec)
        position.write(folder)
    mlflow_id = position["mlflow_id"]
    params = {"dataset": spec.dataset, "network": spec.network.name or "custom"}
    params |= {name: "" if v is None else str(v) for name, v in spec.settings.model_dump(mode="json").items()}
    text = spec.network.to_json()
    tags = {
        "mlflow.runName": spec.name,
        "mlflow.user": whoami().partition(" at ")[0],
        "convolab.run_id": spec.run_id,
        "convolab.dataset": spec.dataset,
        "convolab.network": text if len(text) <= _TAG_LENGTH else "see the artifact network.json",
        "convolab.created": spec.created,
        "convolab.seed": str(spec.settings.seed),
        "convolab.started_from": spec.started_from or "",
        "convolab.versions": json.dumps(versions(spec.version)),
        **{f"convolab.{name}": value for name, value in spec.tags.items()},
    }
    from mlflow.entities import Param

    mlflow.log_batch(
        mlflow_id, params=[Param(name, value) for name, value in params.items()], tags=_tags(tags)
    )
    mlflow.log_text(mlflow_id, text, "network.json")
    mlflow.log_text(mlflow_id, spec.settings.model_dump_json(indent=1), "settings.json")


def _mlflow_id(mlflow: MlflowClient, spec: RunSpec) -> str:
    """MLflow's run of this id; a new one, tagged with the id, if MLflow was away when the run was made."""
    from mlflow.exceptions import MlflowException

    try:
        return str(mlflow.get_run(spec.run_id).info.run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    experiment = experiment_id(mlflow)
    found = mlflow.search_runs([experiment], f"tags.`convolab.run_id` = '{spec.run_id}'", max_results=1)
    if found:
        return str(found[0].info.run_id)
    made = mlflow.create_run(experiment, run_name=spec.name, tags={"convolab.run_id": spec.run_id})
    return str(made.info.run_id)


def _metrics(entries: list[dict[str, Any]]) -> list[Metric]:
    from mlflow.entities import Metric

    return [
        Metric(metric, float(entry[field]), round(1000 * entry.get("time", 0)), entry["examples"])
        for entry in entries
        for field, metric in METRICS.get(entry.get("kind", ""), {}).items()
        if entry.get(field) is not None
    ]


def _event_tags(entries: list[dict[str, Any]]) -> dict[str, str]:
    tags = {}
    for entry in entries:
        match entry.get("kind"):
            case "started":
                for name in ("device", "precision", "precision_reason", "threads", "parameters"):
                    tags[f"convolab.{name}"] = str(entry[name])
                tags["convolab.machine"] = entry.get("machine", platform.node())
            case "finished":
                tags["convolab.stopped_because"] = entry["stopped_because"]
                tags["convolab.message"] = entry["message"]
            case "recovered":
                tags["convolab.recovered"] = entry["message"]
    return tags


def _tags(values: dict[str, str]) -> list[RunTag]:
    from mlflow.entities import RunTag

    return [RunTag(name, value[:_TAG_LENGTH]) for name, value in values.items()]


def _push_state(folder: RunFolder, mlflow: MlflowClient, mlflow_id: str) -> None:
    state = folder.state()
    ended = state.state in ("finished", "stopped", "failed")
    if ended:
        for path in (folder.weights_path, folder.events_path, folder.error_path):
            if path.exists():
                mlflow.log_artifact(mlflow_id, str(path))
    tags = {
        "convolab.state": state.state,
        "convolab.reason": state.reason,
        "convolab.examples": str(state.figures.examples),
    }
    if state.state == "stopped":
        tags["convolab.stopped_by"] = folder.wishes().by
    mlflow.log_batch(mlflow_id, tags=_tags(tags))
    status = _STATUS[state.state]
    if status in ("FINISHED", "FAILED", "KILLED"):
        mlflow.set_terminated(mlflow_id, status)
    else:
        mlflow.update_run(mlflow_id, status=status)


def sync(run_id: str) -> None:
    """Bring MLflow up to date with a run, as after an outage. RunError if MLflow cannot be used."""
    folder = RunFolder(run_id)
    folder.spec()
    try:
        if not push(folder, wait=30):
            raise TrackingUnavailable(
                "Another process brings this run to the record of runs; try again later."
            )
    except OSError as error:
        raise TrackingUnavailable(f"{folder.path} cannot be written ({error.strerror or error}).") from error


def needs_sync(folder: RunFolder) -> bool:
    """Whether MLflow does not know all of a run yet. Cheap: MLflow is not asked."""
    position = Position.read(folder)
    try:
        size = folder.events_path.stat().st_size
    except OSError:
        size = 0
    return not position["begun"] or position["offset"] < size or position["state"] != folder.state().state


def versions(own: str) -> dict[str, str]:
    """Versions of what decides the figures."""
    found = {"convolab": own, "python": platform.python_version()}
    for name in ("torch", "numpy"):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
