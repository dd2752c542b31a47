"""Sweeps: each trial one run and one result, whatever dies in between."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from experiments_kit import flat_network, recipe, until
from filelock import FileLock

from convolab.errors import ExperimentError
from convolab.experiments import Driver, Here, Sweep, find_experiment, parse_dimension
from convolab.experiments.executor import state_of
from convolab.experiments.sweeps import rows
from convolab.runs import RunFolder
from convolab.runs.store import runs_here


def new_sweep(*texts: str, **options) -> Sweep:
    start = recipe(flat_network())
    space = [
        parse_dimension(text, start)
        for text in texts or ("learning_rate=0.0001..0.1:log", "batch_size=10,20")
    ]
    return Sweep.new(start, space, **{"trials": 4, "examples": 300, "prune": False, **options})


def accounted(sweep: Sweep, trials: int) -> None:
    """Every trial has ended, once, with a run of its own; and there are no other runs."""
    found = Sweep.open(sweep.id).trials()
    assert [trial.number for trial in found] == list(range(trials))
    assert all(trial.state in ("finished", "pruned", "failed") for trial in found)
    ids = [trial.run_id for trial in found if trial.run_id]
    assert len(set(ids)) == len(ids)
    assert sorted(ids) == sorted(one.run_id for one in runs_here() if one.tags.get("experiment") == sweep.id)


def has_checkpoint(run_id: str | None) -> bool:
    return run_id is not None and RunFolder(run_id).checkpoint_path.exists()


@pytest.fixture(scope="module")
def finished() -> Sweep:
    sweep = new_sweep(trials=6, name="a finished sweep")
    with Here() as here:
        assert Driver(sweep, here).run(every=0.05)
    return sweep


def test_a_sweep_makes_its_trials_and_says_which_is_best(finished: Sweep) -> None:
    accounted(finished, 6)
    trials = finished.trials()
    assert trials[0].values == {"learning_rate": 0.05, "batch_size": 20}  # where it started
    for trial in trials:
        spec = RunFolder(trial.run_id).spec()  # type: ignore[arg-type]
        assert spec.settings.learning_rate == trial.values["learning_rate"]
        assert spec.settings.batch_size == trial.values["batch_size"]
        assert (spec.settings.examples, spec.settings.seed) == (300, 0)
        assert trial.accuracy == RunFolder(trial.run_id).state().figures.test_accuracy  # type: ignore[arg-type]
    best = finished.best()
    assert best is not None
    assert best.accuracy == max(trial.accuracy for trial in trials if trial.accuracy is not None)
    assert f"Best: trial {best.number}" in finished.words()
    assert "6 of 6 trials of 300 examples have ended" in finished.words()
    assert not finished.driven


def test_importance_and_parallel_coordinates(finished: Sweep) -> None:
    importance = finished.importance()
    assert set(importance) == {"learning_rate", "batch_size"}
    assert sum(importance.values()) == pytest.approx(1)
    plot = finished.parallel()
    assert [axis.name for axis in plot.axes] == ["learning_rate", "batch_size"]
    assert len(plot.lines) == 6
    table = rows(finished.trials(), finished.spec.space)
    assert table[0][:5] == ["trial", "state", "test accuracy", "Learning rate", "Batch size"]
    assert len(table) == 7


def test_more_trials_can_be_asked_for_later_and_none_is_repeated(finished: Sweep) -> None:
    again = Sweep.open("a finished sweep")
    before = again.trials()
    again.extend(2)
    with Here() as here:
        assert Driver(again, here).run(every=0.05)
    accounted(again, 8)
    assert again.trials()[:6] == before
    rates = [trial.values["learning_rate"] for trial in again.trials()]
    assert len(set(rates)) == 8
    again.extend(0)
    with Here() as here:
        assert Driver(again, here).run()  # nothing left to do
    accounted(again, 8)


def test_a_sweep_is_put_aside_and_goes_on_where_it_was() -> None:
    sweep = new_sweep(trials=2, examples=None, seconds=0.7)
    with Here() as here:
        driver = Driver(sweep, here)

        def look() -> None:
            if sweep.trials() and has_checkpoint(sweep.trials()[0].run_id):
                driver.stop()

        assert not driver.run(look, every=0.05)
    first = sweep.trials()[0]
    assert state_of(first.run_id or "") in ("paused", "interrupted")
    assert len(sweep.trials()) == 1
    with Here() as here:
        assert Driver(Sweep.open(sweep.id), here).run(every=0.05)
    accounted(sweep, 2)
    started = [e for e in RunFolder(first.run_id or "").entries()[0] if e["kind"] == "started"]
    assert len(started) == 2
    assert started[1]["examples"] > 0


def test_after_minus_9_nothing_is_lost_and_nothing_is_counted_twice(lab: Path) -> None:
    sweep = new_sweep(trials=3, examples=None, seconds=0.7)
    code = f"""
        from convolab.experiments import Driver, Here, Sweep
        with Here() as here:
            Driver(Sweep.open("{sweep.id}"), here).run(every=0.05)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)])
    try:
        # In its second trial, so that one is told, one is under way, one is not asked for.
        until(lambda: len(sweep.trials()) == 2 and has_checkpoint(sweep.trials()[1].run_id))
    finally:
        process.kill()
        process.wait()
    first, second = sweep.trials()
    assert (first.state, second.state) == ("finished", "interrupted")
    with Here() as here:
        assert Driver(Sweep.open(sweep.id), here).run(every=0.05)
    accounted(sweep, 3)
    after = sweep.trials()
    assert (after[0], after[1].run_id) == (first, second.run_id)


def test_a_driver_that_died_between_two_notes_left_nothing_double() -> None:
    """The database knows of the trial, but not of its run; or of neither."""
    sweep = new_sweep(trials=2)
    orphan = sweep.study.ask()
    made = recipe(flat_network(), examples=300).create("an orphan", sweep.experiment.tags() | {"trial": "0"})
    lost = sweep.study.ask()
    with Here() as here:
        assert Driver(Sweep.open(sweep.id), here).run(every=0.05)
    accounted(sweep, 2)
    assert sweep.trials()[orphan.number].run_id == made
    assert sweep.trials()[lost.number].state == "finished"


def test_hopeless_trials_end_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six trials that learn, then one that cannot: its learning rate is next to nothing."""
    sweep = new_sweep("learning_rate=0.0000001,0.05", trials=7, examples=None, seconds=1.2, prune=True)
    for rate in (*[0.05] * 5, 0.0000001):  # the first, enqueued already, is the start's 0.05
        sweep.study.enqueue_trial({"learning_rate": rate})
    with Here() as here:
        assert Driver(sweep, here).run(every=0.02)
    accounted(sweep, 7)
    *good, bad = sweep.trials()
    assert {trial.state for trial in good} <= {"finished", "pruned"}
    assert [trial.state for trial in good].count("finished") >= 4
    assert bad.values == {"learning_rate": 0.0000001}
    assert bad.state == "pruned"
    assert "Worse than half of the others" in bad.reason
    assert bad.run_id is not None
    assert RunFolder(bad.run_id).state().state == "stopped"
    assert bad.seconds < 1.2


def test_values_that_make_no_run_and_runs_that_diverge_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = new_sweep("batch_size=20,2000", trials=2)
    sweep.study.enqueue_trial({"batch_size": 2000})
    with Here() as here:
        assert Driver(sweep, here).run(every=0.05)
    first, second = sweep.trials()
    assert (first.state, second.state, second.run_id) == ("finished", "failed", None)
    assert "larger than the 144 training images" in second.reason
    wild = new_sweep("learning_rate=0.01,100.0", trials=1, examples=600)
    wild.study.enqueue_trial({"learning_rate": 100.0})
    wild.extend(1)
    with Here() as here:
        assert Driver(wild, here).run(every=0.05)
    assert wild.trials()[-1].state in ("finished", "pruned")
    accounted(wild, 2)


def test_runs_that_are_stopped_or_deleted_by_hand_end_their_trials() -> None:
    from convolab.runs import delete

    sweep = new_sweep(trials=2, examples=10**9)
    with Here() as here:
        driver = Driver(sweep, here, at_once=2)

        def look() -> None:
            trials = [trial for trial in sweep.trials() if trial.run_id]
            if len(trials) == 2 and trials[0].examples:
                here.stop(trials[0].run_id or "")
                if state_of(trials[1].run_id or "") == "queued":
                    delete(trials[1].run_id or "")

        assert driver.run(look, every=0.05)
    accounted_states = [trial.state for trial in sweep.trials()]
    assert accounted_states == ["pruned", "failed"]
    assert sweep.trials()[1].reason == "Its run was deleted."


def test_bad_sweeps_are_refused_and_leave_nothing() -> None:
    before = len(runs_here())
    for options, sentence in (
        ({"trials": 0}, "1 to 10,000 trials"),
        ({"examples": 5, "seconds": 1.0}, "not both"),
        ({"seconds": -1.0, "examples": None}, "above 0"),
    ):
        with pytest.raises(ExperimentError, match=sentence):
            new_sweep(**options)
    with pytest.raises(ExperimentError, match="cannot be used"):
        new_sweep(name="nowhere", database="sqlite:////proc/nowhere/sweeps.db")
    with pytest.raises(ExperimentError, match="There is no"):
        find_experiment("nowhere", "sweep")
    assert len(runs_here()) == before


def test_foreign_and_damaged_databases_are_never_written_into(tmp_path: Path) -> None:
    foreign, damaged = tmp_path / "foreign.db", tmp_path / "damaged.db"
    with sqlite3.connect(foreign) as database:
        database.execute("CREATE TABLE people (name TEXT)")
    database.close()
    damaged.write_bytes(b"SQLite format 3\0" + b"nonsense" * 500)
    for path, sentence in ((foreign, "something else than sweeps"), (damaged, "damaged")):
        content = path.read_bytes()
        with pytest.raises(ExperimentError, match=sentence):
            new_sweep(database=f"sqlite:///{path}")
        assert path.read_bytes() == content


def test_passwords_are_not_repeated_in_errors() -> None:
    with pytest.raises(ExperimentError) as caught:
        new_sweep(database="postgresql://ada:secret@127.0.0.1:9/sweeps")
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_only_one_drives_a_sweep() -> None:
    sweep = new_sweep(trials=1)
    held = FileLock(sweep.experiment.folder / "lock")
    with held, Here() as here, pytest.raises(ExperimentError, match="another process"):
        Driver(sweep, here).run()
    assert sweep.trials() == []
