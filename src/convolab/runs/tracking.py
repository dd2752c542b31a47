"""MLflow, the memory of all runs: opening its store safely, and asking it about runs.

Only `MlflowClient` is used, never MLflow's state of the whole process.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from convolab.errors import RunError
from convolab.home import home, tracking_uri

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

EXPERIMENT = "convolab"
_clients: dict[str, MlflowClient] = {}
_clients_lock = threading.Lock()


class TrackingUnavailable(RunError):
    """MLflow does not answer now; the runs go on without it, and `sync` catches up later."""


def client() -> MlflowClient:
    """A client of the store that `tracking_uri` names, made (with its tables) on first use.

    TrackingUnavailable if it does not answer, RunError if what is there is no MLflow store of ours.
    """
    uri = tracking_uri()
    with _clients_lock:
        if uri not in _clients:
            _clients[uri] = _connect(uri)
        return _clients[uri]


def _connect(uri: str) -> MlflowClient:
    # A server that is away must not hold up anyone for the minutes that MLflow would go on trying.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    for name in ("alembic", "mlflow.store.db.utils", "mlflow.tracking"):
        logging.getLogger(name).setLevel(logging.WARNING)
    path = _sqlite_path(uri)
    if path is not None:
        _check_sqlite(path)
    with explained(uri):
        from mlflow.tracking import MlflowClient

        for name in ("alembic", "mlflow"):
            logging.getLogger(name).setLevel(logging.WARNING)
        if path is None:
            made = MlflowClient(uri)
            experiment_id(made)
            return made
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"{path.parent} cannot be made ({error.strerror}).") from error
        # Two processes that make the tables at once would trip over each other.
        with FileLock(path.with_name(f".{path.name}.lock")):
            made = MlflowClient(uri)
            experiment_id(made)
        return made


def experiment_id(client: MlflowClient) -> str:
    """MLflow's id of the lab's experiment, which is made if there is none."""
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is not None:
        return str(found.experiment_id)
    location = None
    if _sqlite_path(tracking_uri()) is not None:
        location = (home() / "artifacts").absolute().as_uri()
    from mlflow.exceptions import MlflowException

    try:
        return str(client.create_experiment(EXPERIMENT, artifact_location=location))
    except MlflowException:  # somebody else made it between the two
        found = client.get_experiment_by_name(EXPERIMENT)
        if found is None:
            raise
        return str(found.experiment_id)


def _sqlite_path(uri: str) -> Path | None:
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def _check_sqlite(path: Path) -> None:
    """RunError if there is a file that is no MLflow store: it is never written into."""
    if not path.exists() or path.stat().st_size == 0:
        return
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            tables = {
                row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            }
    except sqlite3.OperationalError as error:
        raise TrackingUnavailable(f"The record of runs {path} cannot be opened now ({error}).") from error
    except sqlite3.DatabaseError as error:
        raise RunError(
            f"The record of runs {path} is damaged ({error}); move it away to start a new one, "
            "or put a copy in its place."
        ) from error
    if tables and not {"experiments", "runs", "metrics"} <= tables:
        raise RunError(
            f"{path} is a database of something else than MLflow; move it away, or choose another place with "
            "MLFLOW_TRACKING_URI."
        )


@contextlib.contextmanager
def explained(uri: str) -> Any:
    """Turn what MLflow and its libraries raise into one sentence."""
    try:
        yield
    except RunError:
        raise
    except Exception as error:
        if _is_damage(error):
            raise RunError(
                f"The record of runs at {uri} cannot be used ({first_line(error)}); move it away to start a "
                "new one, or choose another with MLFLOW_TRACKING_URI."
            ) from error
        raise TrackingUnavailable(
            f"The record of runs at {uri} does not answer ({first_line(error)})."
        ) from error


def _is_damage(error: BaseException) -> bool:
    text = str(error)
    return any(
        sign in text
        for sign in (
            "file is not a database",
            "malformed",
            "out-of-date database schema",
            "Can't locate revision",
            "no such table",
            "no such column",
        )
    )


def first_line(error: BaseException) -> str:
    """The first line of an exception's text, at most 200 characters."""
    if "Max retries exceeded" in str(error):
        return "no connection"
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


# ---------------------------------------------------------------- one run


def begin(name: str, dataset: str) -> str:
    """Make MLflow's record of a new run and return its id; a made-up id if MLflow does not answer.

    RunError if the store is damaged or foreign.
    """
    try:
        mlflow = client()
        with explained(tracking_uri()):
            made = mlflow.create_run(experiment_id(mlflow), run_name=name, tags={"convolab.dataset": dataset})
            return str(made.info.run_id)
    except TrackingUnavailable:
        return uuid.uuid4().hex


# ---------------------------------------------------------------- all runs


def known_runs(limit: int = 1000, dataset: str | None = None) -> list[Run]:
    """MLflow's runs of the lab, newest first. RunError if MLflow cannot be used."""
    mlflow = client()
    with explained(tracking_uri()):
        return list(
            mlflow.search_runs(
                [experiment_id(mlflow)],
                f"tags.`convolab.dataset` = '{dataset}'" if dataset else "",
                max_results=limit,
                order_by=["attributes.start_time DESC"],
            )
        )


def history(mlflow_id: str, metric: str) -> list[tuple[int, float]]:
    """(examples seen, value) of one metric of a run, in the order of the examples."""
    mlflow = client()
    with explained(tracking_uri()):
        return sorted((m.step, m.value) for m in mlflow.get_metric_history(mlflow_id, metric))


def download(mlflow_id: str, artifact: str, folder: Path) -> Path:
    """Fetch one artifact of a run into ``folder``. RunError if there is none."""
    mlflow = client()
    with explained(tracking_uri()):
        return Path(mlflow.download_artifacts(mlflow_id, artifact, str(folder)))


def rename(mlflow_id: str, name: str) -> None:
    """Give MLflow's run another name."""
    mlflow = client()
    with explained(tracking_uri()):
        mlflow.set_tag(mlflow_id, "mlflow.runName", name)


def forget(mlflow_id: str) -> None:
    """Mark MLflow's run as deleted."""
    mlflow = client()
    with explained(tracking_uri()):
        mlflow.delete_run(mlflow_id)
