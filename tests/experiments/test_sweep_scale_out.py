"""A sweep on several machines, in small: a scheduler and two workers as processes, one killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from experiments_kit import flat_network, recipe, until

from convolab.experiments import Driver, Sweep, open_executor, parse_dimension
from convolab.runs import RunFolder
from convolab.runs.store import runs_here


@pytest.fixture
def cluster(
    lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """A scheduler and two workers on the loopback, as one starts them on several machines."""
    contact = tmp_path / "scheduler.json"
    processes: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        log = (tmp_path / f"{len(processes)}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments], stdout=log, stderr=log, cwd=tmp_path
        )
        processes.append(process)
        return process

    start(
        "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(contact)
    )
    until(contact.exists)
    workers = [
        start(
            *(
                "worker",
                "--scheduler-file",
                str(contact),
                "--host",
                "127.0.0.1",
                "--nthreads",
                "1",
                "--no-nanny",
            ),
            *(
                "--no-dashboard",
                "--memory-limit",
                "0",
                "--resources",
                "training=1",
                "--name",
                f"worker-{number}",
            ),
        )
        for number in range(2)
    ]
    import json

    monkeypatch.setenv("CONVOLAB_SCHEDULER", json.loads(contact.read_text())["address"])
    yield workers
    for process in processes:
        process.kill()
        process.wait()


def test_a_worker_killed_in_the_middle_costs_no_trial(cluster: list[subprocess.Popen[bytes]]) -> None:
    start = recipe(flat_network())
    space = [parse_dimension("learning_rate=0.001..0.1:log", start)]
    sweep = Sweep.new(start, space, trials=4, seconds=0.8, prune=False)
    killed: list[str] = []

    def look() -> None:
        """Kill the worker of a trial that has a checkpoint, once both workers are at work."""
        trials = [trial for trial in sweep.trials() if trial.state == "running" and trial.run_id]
        if killed or len(trials) < 2:
            return
        for trial in trials:
            folder = RunFolder(trial.run_id or "")
            pid = folder.written_state().pid
            worker = next((one for one in cluster if one.pid == pid), None)
            if worker is not None and folder.checkpoint_path.exists() and folder.held():
                os.kill(worker.pid, signal.SIGKILL)
                worker.wait()
                killed.append(trial.run_id or "")
                return

    with open_executor() as executor:
        until(lambda: executor.slots == 2)
        assert Driver(sweep, executor).run(look, every=0.05)
    assert len(killed) == 1
    trials = sweep.trials()
    assert [trial.number for trial in trials] == list(range(4))
    assert [trial.state for trial in trials] == ["finished"] * 4
    ids = [trial.run_id or "" for trial in trials]
    assert len(set(ids)) == 4
    assert sorted(ids) == sorted(one.run_id for one in runs_here() if one.tags.get("experiment") == sweep.id)
    for run_id in ids:
        kinds = [entry["kind"] for entry in RunFolder(run_id).entries()[0]]
        assert kinds.count("finished") == 1
        assert kinds.count("recovered") == (run_id in killed)
    went_on = [e for e in RunFolder(killed[0]).entries()[0] if e["kind"] == "started"]
    assert went_on[-1]["examples"] > 0  # from its checkpoint, not from the beginning
