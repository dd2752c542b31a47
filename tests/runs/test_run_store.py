"""All runs: listing, finding, opening, making, renaming, deleting."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mlflow.tracking import MlflowClient
from runs_kit import new_run, settings, small_network, weights

from convolab.errors import ConvolabError, RunError
from convolab.home import home as lab_home
from convolab.home import tracking_uri
from convolab.networks import preset
from convolab.runs import (
    RunFolder,
    create_run,
    curves,
    delete,
    execute,
    find,
    load_network,
    rename,
    runs,
)
from convolab.training.events import Progress


def test_runs_are_listed_newest_first_with_their_figures(fresh: str) -> None:
    assert runs() == []
    first, second, third = new_run("a"), new_run("b"), new_run("c")
    end = execute(second)
    assert end is not None
    listed = runs()
    assert [info.run_id for info in listed] == [third, second, first]
    assert [info.state for info in listed] == ["queued", "finished", "queued"]
    info = listed[1]
    assert (info.name, info.dataset, info.network_name, info.examples) == ("b", "shapes", "small", 600)
    assert (info.test_accuracy, info.test_loss) == (end.test_accuracy, end.test_loss)
    assert info.seconds == pytest.approx(end.seconds)
    assert info.parameters == small_network().parameters
    assert [info.run_id for info in runs(limit=2)] == [third, second]
    assert runs(dataset="mnist") == []
    assert len(runs(dataset="shapes")) == 3


def test_runs_are_numbered_on_and_found_by_name_or_start_of_id(fresh: str) -> None:
    first, second = new_run(), new_run()
    assert [find(run_id).name for run_id in (first, second)] == ["shapes small 1", "shapes small 2"]
    delete(first)
    third = new_run()
    assert find("shapes small 3").run_id == third
    assert find(second[:6]).run_id == second
    assert find(f" {second} ").run_id == second
    with pytest.raises(RunError, match='did you mean "shapes small 2"'):
        find("shapes smal 2")
    with pytest.raises(RunError, match="There is no run"):
        find("")


def test_a_name_of_several_runs_is_refused_with_their_ids(fresh: str) -> None:
    ids = [new_run("twin"), new_run("twin")]
    with pytest.raises(RunError, match="2 runs") as caught:
        find("twin")
    assert all(run_id[:8] in str(caught.value) for run_id in ids)


def test_a_run_without_a_folder_is_remembered_by_mlflow(fresh: str) -> None:
    run_id = new_run("kept", examples=2400, evaluate_every=240)
    execute(run_id)
    before, exact, expected = find("kept"), curves(run_id), weights(run_id)
    shutil.rmtree(RunFolder(run_id).path)
    after = find("kept")
    assert not after.here
    for name in ("run_id", "name", "dataset", "network_name", "state", "created", "examples", "parameters"):
        assert getattr(after, name) == getattr(before, name)
    assert after.test_accuracy == before.test_accuracy
    remembered = curves(run_id)
    for name in ("examples", "seconds", "loss", "train_accuracy", "examples_per_second", "learning_rate"):
        assert remembered.train[name] == exact.train[name]
    for name in ("examples", "test_loss", "test_accuracy"):
        assert remembered.test[name] == exact.test[name]
    network, model, _ = load_network(run_id)
    assert network == small_network()
    found = model.state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    rename(run_id, "still kept")
    assert find("still kept").run_id == run_id
    delete(run_id)
    assert runs() == []


def test_renamed_in_the_folder_and_in_mlflow(fresh: str) -> None:
    run_id = new_run("before")
    rename(run_id, "  after   all ")
    assert find("after all").run_id == run_id
    assert MlflowClient(tracking_uri()).get_run(run_id).info.run_name == "after all"
    for bad in ("", "   ", "x" * 101):
        with pytest.raises(RunError, match="name"):
            rename(run_id, bad)


def test_deleted_for_good(fresh: str) -> None:
    run_id = new_run()
    execute(run_id)
    delete(run_id)
    assert runs() == []
    assert not RunFolder(run_id).path.exists()
    assert not (lab_home() / "artifacts" / run_id).exists()
    with pytest.raises(RunError, match="There is no run"):
        delete(run_id)


def test_a_run_that_trains_is_not_deleted(shapes: str) -> None:
    run_id = new_run()
    refused: list[str] = []

    def try_to_delete(event: object) -> None:
        if isinstance(event, Progress) and not refused:
            with pytest.raises(RunError, match="stop it first"):
                delete(run_id)
            refused.append("yes")

    assert execute(run_id, try_to_delete) is not None
    assert refused


def test_bad_input_never_becomes_a_run(fresh: str, tmp_path: Path) -> None:
    network = small_network()
    garbage = tmp_path / "weights.safetensors"
    garbage.write_bytes(b"no weights")
    attempts = [
        lambda: create_run("shapse", network, settings()),
        lambda: create_run("shapes", network, settings(batch_size=145)),
        lambda: create_run("shapes", preset("convolutional", (1, 28, 28), 10), settings()),
        lambda: create_run("shapes", preset("convolutional", (1, 16, 16), 4), settings()),
        lambda: create_run("shapes", network, settings(), name=" "),
        lambda: create_run("shapes", network, settings(), initial_weights=garbage),
        lambda: create_run("shapes", network, settings(), initial_weights=tmp_path / "nothing"),
    ]
    for attempt in attempts:
        with pytest.raises(ConvolabError) as caught:
            attempt()
        assert "\n" not in str(caught.value)
    assert not RunFolder.all()
    assert runs() == []  # nor does MLflow know of one


def test_a_run_can_begin_with_the_weights_of_another(shapes: str, tmp_path: Path) -> None:
    teacher = new_run(seed=1)
    execute(teacher)
    path = tmp_path / "taught.safetensors"
    shutil.copyfile(RunFolder(teacher).weights_path, path)
    pupil = create_run("shapes", small_network(), settings(seed=2, examples=24), initial_weights=path)
    path.unlink()  # the run has a copy
    assert RunFolder(pupil).spec().started_from == "taught.safetensors"
    first: list[float] = []
    execute(pupil, lambda event: first.append(event.test_accuracy) if event.kind == "evaluated" else None)
    assert first[0] == find(teacher).test_accuracy
    other = preset("fully-connected", (1, 16, 16), 3)
    with pytest.raises(ConvolabError, match="another network"):
        create_run("shapes", other, settings(), initial_weights=RunFolder(teacher).weights_path)


def test_a_run_without_weights_says_so(shapes: str) -> None:
    with pytest.raises(RunError, match="no weights yet"):
        load_network(new_run("untrained"))


def test_a_damaged_folder_does_not_hide_the_others(fresh: str) -> None:
    good, bad = new_run(), new_run()
    (RunFolder(bad).path / "run.json").write_text("{")
    assert [info.run_id for info in runs()] == [good]
    (lab_home() / "runs" / "notes.txt").write_text("mine")
    assert [info.run_id for info in runs()] == [good]


def test_listing_and_finding_do_without_torch_and_dask(shapes: str) -> None:
    run_id = new_run()
    code = (
        "import sys; from convolab.runs import RunFolder, curves, find, runs;"
        f"runs(); find('{run_id}'); curves('{run_id}'); RunFolder('{run_id}').control(paused=True);"
        "print(sorted({'torch', 'distributed', 'nicegui'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
