"""Executing runs for real: recorded exactly, resumed exactly, and honest about every end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen

import pytest
import torch
from runs_kit import new_run, same_weights, settings, wait_examples, wait_for, wait_state

from convolab.errors import RunError, TrainingError
from convolab.networks import Network
from convolab.runs import RunFolder, create_run, curves, execute, load_network
from convolab.training import Training
from convolab.training.events import (
    Checkpointed,
    Evaluated,
    Event,
    Finished,
    Paused,
    Progress,
    Resumed,
    Started,
)

EXECUTE = "from convolab.runs import execute; print(execute('{}'))"


def test_a_run_is_executed_once_and_its_folder_tells_all(shapes: str) -> None:
    run_id = new_run(examples=600)
    folder = RunFolder(run_id)
    seen: list[Event] = []
    end = execute(run_id, seen.append)
    assert end is not None
    assert (end.examples, end.stopped_because) == (600, "examples")
    assert folder.events()[0] == seen
    assert [type(event) for event in (seen[0], seen[-1])] == [Started, Finished]
    state = folder.state()
    assert (state.state, state.reason) == ("finished", end.message)
    assert state.figures.examples == 600
    assert state.figures.test_accuracy == end.test_accuracy
    assert state.figures.fraction == 1
    assert state.figures.precision == "fp32"
    assert execute(run_id) == end  # again: nothing happens
    assert folder.events()[0] == seen


def test_curves_and_weights_are_those_of_the_training(shapes: str) -> None:
    run_id = new_run(examples=600)
    seen: list[Event] = []
    execute(run_id, seen.append)
    found = curves(run_id)
    progress = [event for event in seen if isinstance(event, Progress)]
    tests = [event for event in seen if isinstance(event, Evaluated)]
    assert found.train["loss"] == [event.loss for event in progress]
    assert found.train["examples"] == [event.examples for event in progress]
    assert found.test["test_accuracy"] == [event.test_accuracy for event in tests]

    network, model, info = load_network(run_id)
    from convolab.datasets import load

    data = load("shapes")
    with torch.no_grad():
        logits = model(torch.tensor(data.test_images).float() / 127.5 - 1)
    right = (logits.argmax(1).numpy() == data.test_labels).mean()
    assert right == pytest.approx(tests[-1].test_accuracy)
    assert (network.name, info.dataset) == ("small", "shapes")


def test_paused_released_and_resumed_gives_the_weights_of_an_uninterrupted_run(shapes: str) -> None:
    straight, broken = new_run(examples=960), new_run(examples=960)
    execute(straight)
    folder = RunFolder(broken)
    folder.control(steps=3)
    seen: list[Event] = []

    def let_go_after_the_steps(event: Event) -> None:
        seen.append(event)
        if isinstance(event, Paused):
            folder.control(release=True)

    assert execute(broken, let_go_after_the_steps) is None
    assert folder.state().state == "paused"
    assert not folder.held()
    assert folder.state().figures.examples == 72
    assert isinstance(seen[-1], Paused)
    end = execute(broken, seen.append)  # what was asked for earlier is forgotten
    assert end is not None
    assert end.examples == 960
    assert [event.examples for event in seen if isinstance(event, Started)] == [0, 72]
    assert same_weights(straight, broken)


def test_a_paused_run_lingers_only_as_long_as_it_may(shapes: str) -> None:
    run_id = new_run(examples=600)
    RunFolder(run_id).control(paused=True)
    assert execute(run_id, linger=0.1) is None
    assert RunFolder(run_id).state().state == "paused"


def test_stopped_by_someone_then_resumed(shapes: str) -> None:
    run_id = new_run(examples=100_000_000)
    folder = RunFolder(run_id)

    def stop(event: Event) -> None:
        if isinstance(event, Progress):
            folder.control(stop=True, by="the teacher")

    end = execute(run_id, stop)
    assert end is not None
    assert end.stopped_because == "user"
    assert folder.state().state == "stopped"
    assert folder.wishes().by == "the teacher"
    again = execute(run_id, stop)
    assert again is not None
    assert again.examples > end.examples


def test_a_loss_that_is_not_finite_fails_the_run_with_a_sentence(shapes: str) -> None:
    linear = Network.model_validate(
        {
            "input_shape": (1, 16, 16),
            "layers": [{"type": "Flatten"}] + 3 * [{"type": "Linear", "out_features": 3}],
        }
    )
    run_id = create_run("shapes", linear, settings(examples=100_000, learning_rate=100, normalization="none"))
    end = execute(run_id)
    assert end is not None
    assert end.stopped_because == "not finite"
    state = RunFolder(run_id).state()
    assert (state.state, state.reason) == ("failed", end.message)


def test_a_damaged_checkpoint_fails_the_run_with_a_sentence(shapes: str) -> None:
    run_id = new_run()
    folder = RunFolder(run_id)
    folder.checkpoint_path.write_bytes(b"\0" * 100)
    with pytest.raises(TrainingError, match="damaged"):
        execute(run_id)
    assert folder.state().state == "failed"
    assert "damaged" in folder.state().reason
    folder.checkpoint_path.unlink()
    assert execute(run_id) is not None  # resuming from nothing begins anew


def test_an_error_nobody_foresaw_is_kept_for_those_who_mend_it(
    shapes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = new_run()

    def broken(self: Training) -> Iterator[Event]:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(Training, "events", broken)
    with pytest.raises(RunError, match=r"ZeroDivisionError.*error\.txt"):
        execute(run_id)
    folder = RunFolder(run_id)
    assert folder.state().state == "failed"
    assert "Traceback" in folder.error_path.read_text()
    monkeypatch.undo()
    os.environ["CONVOLAB_HOME"] = str(folder.path.parent.parent)
    assert execute(run_id) is not None
    assert not folder.error_path.exists()


def test_when_the_watcher_fails_the_run_does_not(shapes: str) -> None:
    run_id = new_run(examples=600)

    def fail(event: Event) -> None:
        if isinstance(event, Progress):
            raise BrokenPipeError("the reader is gone")

    with pytest.raises(BrokenPipeError):
        execute(run_id, fail)
    assert RunFolder(run_id).state().state == "interrupted"
    assert not RunFolder(run_id).held()
    end = execute(run_id)
    assert end is not None
    assert end.examples == 600


# ---------------------------------------------------------------- a full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1.5 MB, mounted for the time of a test."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("needs root on Linux to mount a small file system")
    command = ["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_pauses_the_run_and_keeps_the_previous_checkpoint(
    shapes: str, small_disk: Path, python: Callable[[str], Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVOLAB_CHECKPOINT_SECONDS", "0.3")
    run_id = new_run(examples=10**8)
    folder = RunFolder(run_id)
    moved = small_disk / run_id
    folder.path.rename(folder.path.with_name("moved"))
    import shutil

    shutil.copytree(folder.path.with_name("moved"), moved)
    shutil.rmtree(folder.path.with_name("moved"))
    folder.path.symlink_to(moved)  # only this run lives on the small disk

    process = python(EXECUTE.format(run_id))
    wait_examples(run_id, 5000)
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
    wait_state(run_id, "paused")
    state = folder.state()
    assert "full" in state.reason or "space" in state.reason
    assert "Make room" in state.reason
    assert folder.held()  # it lingers, nothing is lost
    # The state comes first; the event waits until the full disk has room for a line.
    deadline = time.monotonic() + 20
    while True:
        events, place = folder.events()
        paused = [event for event in events if isinstance(event, Paused)]
        if paused or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    assert paused[-1].reason
    from convolab.training.checkpoints import read_checkpoint

    _, record = read_checkpoint(folder.checkpoint_path)
    assert record["position"]["examples"] in [e.examples for e in events if isinstance(e, Checkpointed)]

    ballast.unlink()
    folder.control(paused=False)

    def trains_on() -> bool:
        new, _ = folder.events(place)
        kinds = [type(event) for event in new]
        return Resumed in kinds and Checkpointed in kinds[kinds.index(Resumed) :]

    wait_for(trains_on, "for a new checkpoint")
    assert folder.state().state == "running"
    folder.control(stop=True)
    out, err = process.communicate(timeout=60)
    assert "stopped_because='user'" in out, err
    examples = [event.examples for event in folder.events()[0] if isinstance(event, Progress)]
    assert examples == sorted(set(examples))  # no event was lost or written twice
