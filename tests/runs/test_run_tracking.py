"""MLflow: the same values as the events, whatever happens to the store meanwhile."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import pytest
from mlflow.tracking import MlflowClient
from runs_kit import new_run, wait_progress

from convolab.datasets import import_images
from convolab.errors import RunError
from convolab.home import home as lab_home
from convolab.home import tracking_uri
from convolab.runs import RunFolder, execute, recorder, runs, sync
from convolab.runs.feeding import needs_sync
from convolab.runs.tracking import TrackingUnavailable
from convolab.training.events import Evaluated, Event, Finished, Note, Progress


def history(mlflow_id: str, metric: str) -> list[tuple[int, float]]:
    found = MlflowClient(tracking_uri()).get_metric_history(mlflow_id, metric)
    return sorted((point.step, point.value) for point in found)


def same_values(run_id: str, mlflow_id: str | None = None) -> None:
    events, _ = RunFolder(run_id).events()
    progress = [event for event in events if isinstance(event, Progress)]
    tests = [event for event in events if isinstance(event, Evaluated)]
    mlflow_id = mlflow_id or run_id
    assert len(progress) > 1
    assert history(mlflow_id, "train_loss") == [(e.examples, e.loss) for e in progress]
    assert history(mlflow_id, "train_accuracy") == [(e.examples, e.train_accuracy) for e in progress]
    assert history(mlflow_id, "learning_rate") == [(e.examples, e.learning_rate) for e in progress]
    assert history(mlflow_id, "seconds") == [(e.examples, e.seconds) for e in progress]
    assert history(mlflow_id, "examples_per_second") == [
        (e.examples, e.examples_per_second) for e in progress
    ]
    assert history(mlflow_id, "test_loss") == [(e.examples, e.test_loss) for e in tests]
    assert history(mlflow_id, "test_accuracy") == [(e.examples, e.test_accuracy) for e in tests]


def test_mlflow_has_the_settings_the_figures_and_the_files_of_a_run(
    home: Path, shapes_folder: Path, tmp_path: Path
) -> None:
    import_images(shapes_folder, "shapes", size=16, color=False)  # an altogether new home
    run_id = new_run("mine", examples=2400, evaluate_every=240, seed=5, learning_rate=0.125)
    execute(run_id)
    same_values(run_id)
    folder = RunFolder(run_id)
    assert not needs_sync(folder)
    mlflow = MlflowClient(tracking_uri())
    run = mlflow.get_run(run_id)
    assert (run.info.run_name, run.info.status) == ("mine", "FINISHED")
    assert run.data.params["dataset"] == "shapes"
    assert run.data.params["network"] == "small"
    assert float(run.data.params["learning_rate"]) == 0.125
    assert run.data.params["seed"] == "5"
    tags = run.data.tags
    assert json.loads(tags["convolab.network"]) == json.loads(folder.spec().network.to_json())
    assert (tags["convolab.precision"], tags["convolab.device"], tags["convolab.seed"]) == (
        "fp32",
        "cpu",
        "5",
    )
    assert (tags["convolab.state"], tags["convolab.stopped_because"]) == ("finished", "examples")
    assert tags["convolab.machine"]
    assert "torch" in json.loads(tags["convolab.versions"])
    files = {file.path for file in mlflow.list_artifacts(run_id)}
    assert files == {"network.json", "settings.json", "weights.safetensors", "events.jsonl"}
    assert (lab_home() / "artifacts") in Path(run.info.artifact_uri.removeprefix("file://")).parents
    got = Path(mlflow.download_artifacts(run_id, "weights.safetensors", str(tmp_path)))
    assert got.read_bytes() == folder.weights_path.read_bytes()


def test_mlflow_knows_who_stopped_a_run(shapes: str) -> None:
    run_id = new_run(examples=10**8)
    folder = RunFolder(run_id)

    def stop(event: Event) -> None:
        if isinstance(event, Progress):
            folder.control(stop=True, by="the teacher")

    execute(run_id, stop)
    tags = MlflowClient(tracking_uri()).get_run(run_id).data.tags
    assert (tags["convolab.state"], tags["convolab.stopped_by"]) == ("stopped", "the teacher")
    assert tags["convolab.stopped_because"] == "user"


def test_a_server_that_is_away_stops_nothing_and_sync_fills_in_later(
    fresh: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = tracking_uri()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # nobody listens on the discard port
    monkeypatch.setattr(recorder, "PUSH_SECONDS", 0.02)
    run_id = new_run(examples=2400, evaluate_every=240)
    seen: list[Event] = []

    def watch(event: Event) -> None:
        seen.append(event)
        time.sleep(0.02)  # or the run would be over before its thread has looked for the server

    end = execute(run_id, watch)
    assert end is not None
    assert end.examples == 2400
    folder = RunFolder(run_id)
    assert folder.state().state == "finished"
    notes = [event for event in folder.events()[0] if isinstance(event, Note)]
    assert len(notes) == 1
    assert "127.0.0.1:9" in notes[0].message
    assert needs_sync(folder)
    assert [info.run_id for info in runs()] == [run_id]
    with pytest.raises(TrackingUnavailable):
        sync(run_id)

    monkeypatch.setenv("MLFLOW_TRACKING_URI", local)
    sync(run_id)
    found = MlflowClient(local).search_runs(
        [MlflowClient(local).get_experiment_by_name("convolab").experiment_id]
    )
    assert [run.data.tags["convolab.run_id"] for run in found] == [run_id]
    same_values(run_id, found[0].info.run_id)
    assert not needs_sync(folder)
    assert [info.run_id for info in runs()] == [run_id]


def test_a_locked_store_holds_up_nobody_and_is_filled_in_when_it_is_free(
    shapes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "CLOSING_SECONDS", 0.5)
    run_id = new_run(examples=2400, evaluate_every=240)
    database = sqlite3.connect(tracking_uri().removeprefix("sqlite:///"), isolation_level=None)
    database.execute("BEGIN EXCLUSIVE")
    try:
        end = execute(run_id)
        assert end is not None
        assert RunFolder(run_id).state().state == "finished"
        assert needs_sync(RunFolder(run_id))
    finally:
        database.execute("ROLLBACK")
        database.close()
    sync(run_id)
    same_values(run_id)


def test_pushing_twice_changes_nothing(shapes: str) -> None:
    run_id = new_run(examples=2400, evaluate_every=240)
    execute(run_id)
    folder = RunFolder(run_id)
    position = json.loads(folder.tracking_path.read_text())
    folder.tracking_path.write_text(json.dumps({**position, "offset": 0}))  # killed before it was noted
    assert needs_sync(folder)
    sync(run_id)
    same_values(run_id)


def test_a_run_that_is_gone_on_with_has_one_record(shapes: str) -> None:
    run_id = new_run(examples=4800, evaluate_every=480)
    folder = RunFolder(run_id)
    folder.control(steps=20)
    assert execute(run_id, linger=0) is None
    mlflow = MlflowClient(tracking_uri())
    assert mlflow.get_run(run_id).info.status == "RUNNING"
    assert mlflow.get_run(run_id).data.tags["convolab.state"] == "paused"
    end = execute(run_id)
    assert isinstance(end, Finished)
    same_values(run_id)
    assert mlflow.get_run(run_id).info.status == "FINISHED"


@pytest.mark.parametrize("kind", ["noise", "damaged", "foreign"])
def test_what_is_no_store_of_ours_is_refused_and_left_as_it_is(fresh: str, kind: str) -> None:
    path = lab_home() / "mlflow.db"
    if kind != "damaged":
        path.unlink()
    if kind == "noise":
        path.write_bytes(b"my thesis " * 1000)
    elif kind == "damaged":
        path = lab_home() / "other.db"
        content = bytearray((lab_home() / "mlflow.db").read_bytes())
        content[0:4096] = bytes(4096)
        path.write_bytes(content)
    else:
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE recipes (name TEXT)")
        database.close()
    before = path.read_bytes()
    made = {folder.run_id for folder in RunFolder.all()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{path}")
        with pytest.raises(RunError, match=path.name) as caught:
            new_run()
    assert not isinstance(caught.value, TrackingUnavailable)
    assert "\n" not in str(caught.value)
    assert "move it away" in str(caught.value)
    assert path.read_bytes() == before
    assert {folder.run_id for folder in RunFolder.all()} == made


def test_the_first_run_of_a_home_prints_nothing(new_home: Path, shapes_folder: Path) -> None:
    import_images(shapes_folder, "shapes", size=16, color=False)
    code = "import sys; sys.path.insert(0, 'tests/runs'); from runs_kit import new_run; new_run()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_listing_and_writing_at_the_same_time(shapes: str, python: Callable[[str], Popen[str]]) -> None:
    other = new_run(examples=10**8)
    process = python(f"from convolab.runs import execute; execute('{other}')")
    wait_progress(other)
    listed = [{info.run_id: info.state for info in runs()} for _ in range(10)]
    third = new_run(examples=2400, evaluate_every=240)
    execute(third)
    RunFolder(other).control(stop=True)
    _, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    assert all(found[other] == "running" for found in listed)
    for run_id in (other, third):
        assert not needs_sync(RunFolder(run_id))
        same_values(run_id)
