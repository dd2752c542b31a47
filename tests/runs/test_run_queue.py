"""The queue: order, steering, and what it survives."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen

import psutil
import pytest
from runs_kit import new_run, same_weights, wait_examples, wait_for, wait_progress, wait_state

from convolab.errors import RunError, SettingsError
from convolab.home import datasets_dir, tracking_uri
from convolab.runs import Queue, RunFolder, curves, execute
from convolab.training.events import (
    Checkpointed,
    LearningRateChanged,
    Progress,
    Recovered,
    Resumed,
    Started,
)

ENDLESS = 10**9


@pytest.fixture(scope="module")
def shared_queue(runs_home: Path) -> Iterator[Queue]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONVOLAB_HOME", str(runs_home))
        patch.setenv("CONVOLAB_CHECKPOINT_SECONDS", "0.2")
        queue = Queue()
        yield queue
        queue.close()


@pytest.fixture
def queue(shapes: str, shared_queue: Queue) -> Iterator[Queue]:
    """A queue with nothing in it."""
    yield shared_queue
    for job in shared_queue.jobs():
        shared_queue.stop(job.run_id)
    wait_for(lambda: not shared_queue.jobs() and not shared_queue._active, "for an empty queue")


def worker_of(run_id: str) -> int:
    folder = RunFolder(run_id)
    return int(wait_for(lambda: folder.held() and folder.written_state().pid))


def last_checkpoint(run_id: str) -> int:
    events, _ = RunFolder(run_id).events()
    return max((event.examples for event in events if isinstance(event, Checkpointed)), default=0)


def test_runs_are_executed_in_another_process_in_the_order_of_submission(queue: Queue) -> None:
    first, second, third = (new_run(name, examples=ENDLESS) for name in ("one", "two", "three"))
    for run_id in (first, second, third):
        queue.submit(run_id)
        queue.submit(run_id)  # once is enough
    wait_progress(first)
    assert worker_of(first) != os.getpid()
    assert queue.positions() == {second: 1, third: 2}
    wait_for(lambda: RunFolder(first).state().figures.fraction)
    jobs = [job for job in queue.jobs() if job.run_id in (first, second, third)]
    assert [(job.name, job.state, job.position) for job in jobs] == [
        ("one", "running", None),
        ("two", "queued", 1),
        ("three", "queued", 2),
    ]
    assert 0 < jobs[0].fraction < 0.5  # type: ignore[operator]
    assert jobs[0].seconds_left > 1  # type: ignore[operator]
    queue.cancel(second)
    assert RunFolder(second).state().state == "stopped"
    assert queue.positions() == {third: 1}
    queue.stop(first)
    wait_state(first, "stopped")
    wait_progress(third)
    assert RunFolder(second).events() == ([], 0)
    with pytest.raises(RunError, match="not waiting"):
        queue.cancel(third)


def test_a_paused_run_lets_the_next_one_train_and_goes_on_afterwards(queue: Queue) -> None:
    first, second = new_run(examples=ENDLESS), new_run(examples=2400)
    queue.submit(first)
    wait_progress(first)
    queue.pause(first)
    wait_state(first, "paused")
    reached = RunFolder(first).state().figures.examples
    queue.submit(second)
    wait_state(second, "finished")
    wait_for(lambda: not RunFolder(first).held())
    assert RunFolder(first).state().state == "paused"
    assert last_checkpoint(first) == reached
    queue.resume(first)
    wait_for(lambda: RunFolder(first).state().figures.examples > reached)
    started = [event for event in RunFolder(first).events()[0] if isinstance(event, Started)]
    assert [event.examples for event in started] == [0, reached]


def test_a_paused_run_that_nobody_waits_for_stays_in_its_worker(queue: Queue) -> None:
    run_id = new_run(examples=ENDLESS)
    queue.submit(run_id)
    wait_progress(run_id)
    queue.pause(run_id)
    wait_state(run_id, "paused")
    time.sleep(0.6)
    assert RunFolder(run_id).held()
    queue.resume(run_id)
    wait_for(lambda: any(isinstance(event, Resumed) for event in RunFolder(run_id).events()[0]))
    assert sum(isinstance(event, Started) for event in RunFolder(run_id).events()[0]) == 1


def test_steps_learning_rate_and_stop_reach_the_worker(queue: Queue) -> None:
    run_id = new_run(examples=ENDLESS)
    folder = RunFolder(run_id)
    queue.step(run_id, 2)
    wait_for(lambda: folder.state().state == "paused" and folder.state().figures.examples == 48)
    queue.step(run_id)
    wait_for(lambda: folder.state().figures.examples == 72)
    queue.set_learning_rate(run_id, 0.5)
    wait_for(lambda: LearningRateChanged(examples=72, learning_rate=0.5) in folder.events()[0])
    with pytest.raises(SettingsError):
        queue.set_learning_rate(run_id, -1)
    queue.stop(run_id)
    wait_state(run_id, "stopped")
    assert folder.state().figures.examples == 72
    with pytest.raises(RunError, match="stopped already"):
        queue.stop(run_id)
    queue.resume(run_id)  # at once, though its worker may not be done with it
    wait_for(lambda: folder.state().figures.examples > 72)
    rates = [event.learning_rate for event in folder.events()[0] if isinstance(event, Progress)]
    assert rates[-1] == 0.5


def test_a_waiting_run_can_be_paused_and_resumed(queue: Queue) -> None:
    first, second = new_run(examples=ENDLESS), new_run(examples=600)
    queue.submit(first)
    queue.submit(second)
    wait_progress(first)
    queue.pause(second)
    assert (RunFolder(second).state().state, queue.positions()) == ("paused", {})
    queue.resume(second)
    assert queue.positions() == {second: 1}
    queue.stop(first)
    wait_state(second, "finished")


def test_a_worker_killed_in_mid_training_goes_on_by_itself_and_loses_nothing(queue: Queue) -> None:
    straight, broken = new_run(examples=60_000), new_run(examples=60_000)
    execute(straight)
    queue.submit(broken)
    wait_examples(broken, 1000)
    first_worker = worker_of(broken)
    os.kill(first_worker, signal.SIGKILL)
    folder = RunFolder(broken)
    wait_state(broken, "queued")  # while the next worker starts
    assert "by itself" in folder.state().reason
    assert queue.positions() == {broken: 1}
    wait_state(broken, "finished", "failed")
    assert folder.state().state == "finished"
    assert folder.written_state().pid != first_worker
    events, _ = folder.events()
    started = [event.examples for event in events if isinstance(event, Started)]
    assert len(started) == 2
    assert started[1] > 0
    note = next(event for event in events if isinstance(event, Recovered))
    assert f"from its checkpoint at {started[1]:,} examples" in note.message
    assert note.examples >= started[1]
    assert same_weights(straight, broken)
    examples = curves(broken).train["examples"]  # what was done twice stands there once
    assert examples == sorted(set(examples))


def test_finished_and_unknown_runs_are_refused(queue: Queue) -> None:
    run_id = new_run("done")
    execute(run_id)
    for ask in (queue.submit, queue.resume, queue.step):
        with pytest.raises(RunError, match="done is finished"):
            ask(run_id)
    for ask in (queue.stop, queue.pause):
        with pytest.raises(RunError, match="finished"):
            ask(run_id)
    with pytest.raises(RunError, match="There is no run"):
        queue.submit("nothing")
    assert RunFolder(run_id).state().state == "finished"


def test_a_run_of_the_command_line_can_be_steered_but_not_taken(
    queue: Queue, python: Callable[[str], Popen[str]]
) -> None:
    run_id = new_run("elsewhere", examples=ENDLESS)
    other = python(f"from convolab.runs import execute; execute('{run_id}')")
    wait_progress(run_id)
    assert "elsewhere" in [job.name for job in queue.jobs()]
    with pytest.raises(RunError, match="another process"):
        queue.submit(run_id)
    with pytest.raises(RunError, match=f"process {other.pid}"):
        execute(run_id)
    assert RunFolder(run_id).state().state == "running"  # the other one is not disturbed
    queue.pause(run_id)
    wait_state(run_id, "paused")
    queue.resume(run_id)
    wait_state(run_id, "running")
    queue.stop(run_id)
    assert other.wait(60) == 0
    assert RunFolder(run_id).state().state == "stopped"


def test_a_run_that_fails_does_not_hold_up_the_next(queue: Queue) -> None:
    bad, good = new_run(), new_run()
    RunFolder(bad).checkpoint_path.write_bytes(b"\0" * 50)
    queue.submit(bad)
    queue.submit(good)
    wait_state(good, "finished")
    assert RunFolder(bad).state().state == "failed"
    assert "damaged" in RunFolder(bad).state().reason


LAB = """
import sys, time
sys.path.insert(0, "tests/runs")
from runs_kit import new_run
from convolab.runs import Queue

if __name__ == "__main__":
    queue = Queue()
    ids = [new_run(name, examples=10**9) for name in ("training", "waiting")]
    for run_id in ids:
        queue.submit(run_id)
    print(*ids, flush=True)
    input()
    queue.close()
    print("closed", flush=True)
"""


def start_lab() -> tuple[Popen[str], list[str]]:
    lab = subprocess.Popen(
        [sys.executable, "-c", LAB],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert lab.stdout is not None
    ids = lab.stdout.readline().split()
    assert ids, lab.communicate()[1]
    return lab, ids


def test_a_lab_killed_leaves_no_worker_behind_and_its_runs_can_be_resumed(
    fresh: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVOLAB_CHECKPOINT_SECONDS", "0.2")
    lab, (training, waiting) = start_lab()
    wait_examples(training, 1000)
    workers = psutil.Process(lab.pid).children(recursive=True)
    assert worker_of(training) in [process.pid for process in workers]
    lab.send_signal(signal.SIGKILL)
    lab.communicate()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive
    place = RunFolder(training).entries()[1]
    assert RunFolder(training).state().state == "interrupted"
    assert RunFolder(waiting).state().state == "interrupted"

    with Queue() as queue:
        assert {info.run_id for info in queue.recover()} == {training, waiting}
        assert RunFolder(training).written_state().state == "interrupted"
        assert queue.jobs() == []
        queue.resume(training)
        wait_state(training, "running")
        wait_for(lambda: any(isinstance(e, Progress) for e in RunFolder(training).events(place)[0]))
    # Leaving closed the queue: the run is checkpointed and can be taken up again.
    new, _ = RunFolder(training).events(place)
    started = next(event for event in new if isinstance(event, Started))
    assert started.examples > 0
    state = RunFolder(training).state()
    assert state.state == "interrupted"
    assert last_checkpoint(training) == state.figures.examples


def test_ctrl_c_in_a_terminal_is_for_the_lab_alone_and_nothing_is_printed(fresh: str) -> None:
    lab, (training, waiting) = start_lab()
    wait_progress(training)
    os.kill(worker_of(training), signal.SIGINT)  # as a terminal sends it to the whole group
    place = RunFolder(training).entries()[1]
    wait_for(lambda: len(RunFolder(training).entries(place)[0]) > 3)
    out, err = lab.communicate("\n", timeout=60)
    assert (out, err) == ("closed\n", "")
    assert RunFolder(training).state().state == "interrupted"
    assert RunFolder(waiting).state().state == "interrupted"


def test_another_cluster_is_used_where_one_is_named(shapes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from distributed import LocalCluster

    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(processes=False, silence_logs=logging.CRITICAL, **options) as cluster:
        monkeypatch.setenv("CONVOLAB_SCHEDULER", cluster.scheduler_address)
        # Its worker is in this process, and is told where the lab's things are: keep that to this test.
        monkeypatch.setenv("CONVOLAB_DATA", str(datasets_dir()))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri())
        run_id = new_run()
        with Queue() as queue:
            queue.submit(run_id)
            wait_state(run_id, "finished")
            assert RunFolder(run_id).written_state().pid == os.getpid()  # where that cluster's worker is


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://x"])
def test_a_cluster_that_does_not_answer_gets_a_sentence(
    home: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("CONVOLAB_SCHEDULER", address)
    monkeypatch.setattr("convolab.runs.cluster.CONNECT_SECONDS", 1)
    with pytest.raises(RunError, match="CONVOLAB_SCHEDULER") as caught:
        Queue()
    assert "\n" not in str(caught.value)
