"""All runs: listing, finding, opening, making, renaming and deleting them. Lists without importing torch."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convolab.errors import ConvolabError, RunError, SettingsError, nearest
from convolab.home import home, tracking_uri
from convolab.networks import Network
from convolab.runs import tracking
from convolab.runs.feeding import Position
from convolab.runs.files import now, why
from convolab.runs.folder import RunFolder, RunSpec
from convolab.training.settings import TrainingSettings

if TYPE_CHECKING:
    from mlflow.entities import Run
    from torch import nn

    from convolab.datasets import Dataset
    from convolab.training import WeightsInfo

NAME_LENGTH = 100


@dataclass(frozen=True)
class RunInfo:
    """One line of the list of runs."""

    run_id: str
    name: str
    dataset: str
    network_name: str
    """Of the preset, or ``custom``."""
    state: str
    """``queued``, ``running``, ``paused``, ``finished``, ``stopped``, ``failed`` or ``interrupted``."""
    created: str
    """UTC, ISO 8601."""
    reason: str = ""
    examples: int | None = None
    seconds: float | None = None
    """Of training alone."""
    examples_per_second: float | None = None
    train_accuracy: float | None = None
    test_accuracy: float | None = None
    test_loss: float | None = None
    parameters: int | None = None
    here: bool = True
    """Whether its folder is in this lab's home; else only MLflow knows of it."""
    tags: dict[str, str] = field(default_factory=dict)


def runs(limit: int | None = None, dataset: str | None = None) -> list[RunInfo]:
    """The runs, newest first: those of this lab's home, and those that only MLflow knows.

    If MLflow cannot be used, the former alone.
    """
    found = {info.run_id: info for info in runs_here(dataset)}
    with contextlib.suppress(RunError, OSError):
        for record in tracking.known_runs(dataset=dataset):
            info = _from_mlflow(record)
            if info.run_id not in found and not RunFolder(info.run_id).exists:
                found[info.run_id] = info
    return sorted(found.values(), key=lambda info: info.created, reverse=True)[:limit]


def find(text: str) -> RunInfo:
    """The run with this name or the start of its id. RunError if there is none, or several."""
    wanted = text.strip()
    candidates = runs_here()
    matches = _matches(wanted, candidates)
    if not matches:  # only now ask MLflow, which takes a second to wake up
        candidates = runs()
        matches = _matches(wanted, candidates)
    if len(matches) == 1:
        return matches[0]
    if not matches:
        guess = nearest(wanted, [info.name for info in candidates])
        hint = f'; did you mean "{guess}"?' if guess else "; 'convolab runs' lists them."
        raise RunError(f'There is no run "{text}"{hint}')
    ids = ", ".join(f"{info.run_id[:8]} ({info.name})" for info in matches[:5])
    more = " and more" if len(matches) > 5 else ""
    raise RunError(f'"{text}" could be any of {len(matches)} runs: {ids}{more}; give its id.')


def _matches(text: str, candidates: list[RunInfo]) -> list[RunInfo]:
    exact = [info for info in candidates if text in (info.run_id, info.name)]
    if exact or not text:
        return exact
    return [info for info in candidates if info.run_id.startswith(text.lower())]


def runs_here(dataset: str | None = None) -> list[RunInfo]:
    """The runs of this lab's home, newest first. MLflow is not asked."""
    found = []
    for folder in RunFolder.all():
        try:
            spec = _quick_spec(folder)
            if dataset is None or spec["dataset"] == dataset:
                found.append(_from_folder(folder, spec))
        except (ConvolabError, OSError, KeyError, ValueError):
            continue  # damaged, or deleted just now
    return sorted(found, key=lambda info: info.created, reverse=True)


def _quick_spec(folder: RunFolder) -> dict[str, Any]:
    """``run.json`` unchecked: a list of hundreds of runs needs their names, not their networks."""
    content = json.loads((folder.path / "run.json").read_bytes())
    return content if isinstance(content, dict) else {}


def _from_folder(folder: RunFolder, spec: dict[str, Any]) -> RunInfo:
    state = folder.state()
    figures = state.figures
    return RunInfo(
        run_id=folder.run_id,
        name=spec["name"],
        dataset=spec["dataset"],
        network_name=spec["network"].get("name") or "custom",
        state=state.state,
        created=spec["created"],
        reason=state.reason,
        examples=figures.examples,
        seconds=figures.seconds,
        examples_per_second=figures.examples_per_second,
        train_accuracy=figures.train_accuracy,
        test_accuracy=figures.test_accuracy,
        test_loss=figures.test_loss,
        parameters=figures.parameters,
        tags={str(key): str(value) for key, value in (spec.get("tags") or {}).items()},
    )


def _from_mlflow(record: Run) -> RunInfo:
    tags, metrics, params = record.data.tags, record.data.metrics, record.data.params
    run_id = tags.get("convolab.run_id") or record.info.run_id
    parameters = tags.get("convolab.parameters", "")
    examples = tags.get("convolab.examples", "")
    return RunInfo(
        run_id=run_id if re.fullmatch(r"[A-Za-z0-9_-]+", run_id) else record.info.run_id,
        name=record.info.run_name or tags.get("mlflow.runName", ""),
        dataset=params.get("dataset", tags.get("convolab.dataset", "")),
        network_name=params.get("network", "custom"),
        state=tags.get("convolab.state", record.info.status.lower()),
        created=tags.get("convolab.created", ""),
        reason=tags.get("convolab.reason", ""),
        examples=int(examples) if examples.isdigit() else None,
        seconds=metrics.get("seconds"),
        examples_per_second=metrics.get("examples_per_second"),
        train_accuracy=metrics.get("train_accuracy"),
        test_accuracy=metrics.get("test_accuracy"),
        test_loss=metrics.get("test_loss"),
        parameters=int(parameters) if parameters.isdigit() else None,
        here=False,
        tags={
            name.removeprefix("convolab."): value
            for name, value in tags.items()
            if name.startswith("convolab.")
        },
    )


# ---------------------------------------------------------------- opening


def load_network(run_id: str) -> tuple[Network, nn.Sequential, WeightsInfo]:
    """A run's network, its latest weights as a model in evaluation mode, and what is known about them.

    While it trains these are at most a few seconds old. RunError if there are none.
    """
    from convolab.training import load_weights

    folder = RunFolder(run_id)
    path = folder.weights_path
    if not path.exists():
        if folder.exists:
            raise RunError(f"{folder.spec().name} has no weights yet; train it first.")
        path = _fetched_weights(run_id)
    return load_weights(path)


def _fetched_weights(run_id: str) -> Path:
    keep = home() / "fetched" / run_id
    path = keep / "weights.safetensors"
    if not path.exists():
        mlflow_id = known(run_id).info.run_id
        keep.mkdir(parents=True, exist_ok=True)
        try:
            tracking.download(mlflow_id, path.name, keep)
        except RunError as error:
            shutil.rmtree(keep, ignore_errors=True)
            raise RunError(f"The weights of run {run_id} cannot be fetched: {error}") from error
    return path


def known(run_id: str) -> Run:
    """MLflow's record of a run. RunError if there is none."""
    for found in tracking.known_runs():
        if run_id in (found.info.run_id, found.data.tags.get("convolab.run_id")):
            return found
    raise RunError(f"There is no run {run_id}; 'convolab runs' lists them.")


# ---------------------------------------------------------------- making and changing


def create_run(
    dataset: str | Dataset,
    network: Network,
    settings: TrainingSettings,
    name: str | None = None,
    initial_weights: str | Path | None = None,
    started_from: str | None = None,
    tags: dict[str, str] | None = None,
) -> str:
    """Make a run, queued and ready for `execute` or `Queue.submit`; returns its id.

    ``initial_weights``: a file of `save_weights` with weights for this network, to begin with; it is copied.
    ``started_from`` says where they came from, ``tags`` what the run is part of. Raises ConvolabError if the
    parts do not fit together: what cannot be trained never becomes a run.
    """
    from convolab.datasets import info

    about = info(dataset if isinstance(dataset, str) else dataset.name)
    if settings.batch_size > about.train_size > 0:
        raise SettingsError(
            f"Batch size {settings.batch_size:,} is larger than the {about.train_size:,} training images; "
            f"choose {about.train_size:,} or less."
        )
    network.check(len(about.classes), about.input_shape)
    if initial_weights is not None:
        _check_weights(network, Path(initial_weights))
    called = _checked_name(name) if name is not None else _default_name(about.name, network)
    run_id = tracking.begin(called, about.name)
    folder = RunFolder(run_id)
    folder.create(
        RunSpec(
            run_id=run_id,
            name=called,
            dataset=about.name,
            network=network,
            settings=settings,
            created=now(),
            version=version("convolab"),
            started_from=started_from or (Path(initial_weights).name if initial_weights else None),
            tags=tags or {},
        ),
        Path(initial_weights) if initial_weights is not None else None,
    )
    return run_id


def _check_weights(network: Network, path: Path) -> None:
    from convolab.training.checkpoints import load_weights_into
    from convolab.training.weights import read_weights

    load_weights_into(network.build(0), read_weights(path), f"The weights in {path.name}")


def _default_name(dataset: str, network: Network) -> str:
    """``mnist convolutional 3``: numbered on from the highest there is."""
    stem = f"{dataset} {network.name or 'custom'}"[: NAME_LENGTH - 6]
    numbers = [0]
    for info in runs_here():
        start, _, end = info.name.rpartition(" ")
        if start == stem and end.isdigit():
            numbers.append(int(end))
    return f"{stem} {max(numbers) + 1}"


def _checked_name(name: str) -> str:
    cleaned = " ".join(name.split())
    if not cleaned:
        raise RunError("A run's name must not be empty.")
    if len(cleaned) > NAME_LENGTH:
        raise RunError(f"A run's name may have {NAME_LENGTH} characters at most, not {len(cleaned)}.")
    return cleaned


def rename(run_id: str, name: str) -> None:
    """Give a run another name, in its folder and in MLflow."""
    cleaned = _checked_name(name)
    folder = RunFolder(run_id)
    if not folder.exists:
        tracking.rename(known(run_id).info.run_id, cleaned)
        return
    try:
        folder.write_spec(folder.spec().model_copy(update={"name": cleaned}))
        position = Position.read(folder)
        with contextlib.suppress(RunError):
            tracking.rename(position["mlflow_id"] or run_id, cleaned)
    except OSError as error:
        raise RunError(f"The run cannot be renamed: {why(error)}.") from error


def delete(run_id: str) -> None:
    """Delete a run with its checkpoint and weights, in its folder and in MLflow.

    RunError while it is trained: stop it first.
    """
    folder = RunFolder(run_id)
    here = folder.exists
    if here and folder.held():
        raise RunError(f"{folder.spec().name} is being trained; stop it first.")
    mlflow_id = Position.read(folder)["mlflow_id"] if here else known(run_id).info.run_id
    if here:
        folder.delete()
    shutil.rmtree(home() / "fetched" / run_id, ignore_errors=True)
    try:
        tracking.forget(mlflow_id or run_id)
        if tracking_uri().startswith("sqlite:///"):
            shutil.rmtree(home() / "artifacts" / (mlflow_id or run_id), ignore_errors=True)
    except RunError:
        if not here:
            raise
