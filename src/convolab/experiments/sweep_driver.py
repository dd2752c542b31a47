"""What makes a sweep go on: asks for trials, makes them runs, watches them, tells what came of each, once."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from filelock import FileLock, Timeout
from optuna.trial import Trial, TrialState

from convolab.errors import ConvolabError, ExperimentError, NetworkError, SettingsError
from convolab.experiments.executor import ENDED, Executor, state_of
from convolab.experiments.sweep_space import recipe_for, suggest
from convolab.experiments.sweep_store import STEPS, quiet
from convolab.experiments.sweeps import EXAMPLES, Sweep
from convolab.runs.folder import RunFolder
from convolab.runs.store import runs_here

BY = "the sweep"
"""Who asks a hopeless trial to stop."""
TRIES = 20
"""How often a trial that was interrupted is handed over again before it counts as failed."""


@dataclass
class _Open:
    """A trial under way."""

    trial: Trial
    number: int
    run_id: str
    offset: int = 0
    """How much of the run's events was read."""
    measured: list[tuple[float, float]] = field(default_factory=list)
    """(share of its length, test accuracy), as measured."""
    reported: set[int] = field(default_factory=set)
    pruned: bool = False
    tries: int = 0
    """How often it was handed over again after an interruption."""


class Driver:
    """Makes one sweep go on in this process, with the runs in ``executor``.

    Everything it knows is written down before it counts: what was asked for in the sweep's database, which
    run belongs to a trial in both, and how a run stands in its folder. So a driver that died, even between
    two of these, is followed by the next one without a trial lost or counted twice. Only one can drive a
    sweep.
    """

    def __init__(self, sweep: Sweep, executor: Executor, *, at_once: int | None = None) -> None:
        self.sweep = sweep
        self.executor = executor
        self.at_once = at_once
        self._open: dict[int, _Open] = {}
        self._stop = threading.Event()

    def stop(self) -> None:
        """Ask `run` to end: no new trials; those under way are paused with a checkpoint. From any thread."""
        self._stop.set()

    def run(self, on_look: Callable[[], None] = lambda: None, every: float = 0.2) -> bool:
        """Drive until all trials have ended (True), or until `stop` (False). ``on_look`` is called regularly.

        ExperimentError if another process drives this sweep, or its database fails.
        """
        lock = FileLock(self.sweep.experiment.folder / "lock", thread_local=False)
        try:
            lock.acquire(timeout=1)
        except Timeout:
            raise ExperimentError(
                f"{self.sweep.name} is being continued by another process already; stop it there first."
            ) from None
        try:
            with quiet():
                self._take_up()
                while True:
                    self._look()
                    on_look()
                    asked = self._fill()
                    if self._stop.is_set():
                        self._put_aside()
                        return False
                    if not self._open and not asked:
                        return True
                    time.sleep(every)
        finally:
            lock.release()

    # ---------------------------------------------------------------- asking

    def _fill(self) -> bool:
        """Ask for trials while there is room; whether there were any to ask for."""
        asked = False
        room = self.at_once or max(1, self.executor.slots)
        while len(self._open) < room and self._asked() < self.sweep.spec.trials and not self._stop.is_set():
            self._begin(self.sweep.study.ask())
            asked = True
        return asked

    def _asked(self) -> int:
        trials = self.sweep.study.get_trials(deepcopy=False)
        return sum(trial.state != TrialState.WAITING for trial in trials)

    def _begin(self, trial: Trial, *, again: bool = False) -> None:
        """Make the run of a trial, note which it is, queue it; ``again``: it may have been made before."""
        spec = self.sweep.spec
        start = spec.start
        try:
            values = suggest(spec.space, trial, start)
            recipe = recipe_for(values, start)
            shown = ", ".join(f"{name}={value}" for name, value in values.items())
            tags = self.sweep.experiment.tags() | {"trial": str(trial.number), "value": shown}
            name = f"{self.sweep.name[:70]} · trial {trial.number}"
            run_id = (self._made_before(trial.number) if again else None) or recipe.create(name, tags)
        except (NetworkError, SettingsError) as error:  # these values make no run
            trial.set_user_attr("reason", str(error))
            self.sweep.study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
            return
        trial.set_user_attr("run_id", run_id)
        self._watch(trial, run_id)

    def _made_before(self, number: int) -> str | None:
        """The run of this trial, if a driver died after it had made it and before it could say so."""
        wanted = {"experiment": self.sweep.id, "trial": str(number)}
        for info in runs_here(self.sweep.spec.dataset):
            if wanted.items() <= info.tags.items():
                return info.run_id
        return None

    def _watch(self, trial: Trial, run_id: str) -> None:
        opened = _Open(trial, trial.number, run_id)
        self._open[trial.number] = opened
        if state_of(run_id) in ("queued", "paused", "interrupted") and not RunFolder(run_id).held():
            self.executor.submit(run_id)

    def _take_up(self) -> None:
        """Take over the trials that an earlier driver left open."""
        self._open.clear()
        for frozen in self.sweep.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            trial = Trial(self.sweep.study, frozen._trial_id)
            run_id = frozen.user_attrs.get("run_id")
            if run_id is None:
                self._begin(trial, again=True)
                continue
            self._watch(trial, run_id)
            self._open[frozen.number].reported = set(frozen.intermediate_values)

    # ---------------------------------------------------------------- watching and telling

    def _look(self) -> None:
        for opened in list(self._open.values()):
            state = state_of(opened.run_id)
            if state == "interrupted" and opened.tries < TRIES:
                opened.tries += 1  # nothing happens if the executor has it and a worker just died
                with contextlib.suppress(ConvolabError):
                    self.executor.submit(opened.run_id)
            elif state in ENDED:
                self._settle(opened, state)
                del self._open[opened.number]
            else:
                self._compare(opened)

    def _settle(self, opened: _Open, state: str) -> None:
        """Tell what came of a trial; a second time changes nothing."""
        result, value = TrialState.FAIL, None
        if state == "deleted":
            opened.trial.set_user_attr("reason", "Its run was deleted.")
        else:
            for _ in self._report(opened):
                continue  # so that others can be compared with all of it
            now = RunFolder(opened.run_id).state()
            if state == "finished" and now.figures.test_accuracy is not None:
                result, value = TrialState.COMPLETE, now.figures.test_accuracy
            elif state == "stopped" or now.figures.stopped_because == "not finite":
                result = TrialState.PRUNED  # hopeless, which the search should learn from
        if value is not None:
            self.sweep.study.tell(opened.number, value, skip_if_finished=True)
        else:
            self.sweep.study.tell(opened.number, state=result, skip_if_finished=True)

    def _compare(self, opened: _Open) -> None:
        """Report how far a trial is, and stop it if the others were better at the same place."""
        for step in self._report(opened):
            if opened.pruned or not opened.trial.should_prune():
                continue
            opened.pruned = True
            reason = f"Worse than half of the others at {100 * step // STEPS} % of its length."
            opened.trial.set_user_attr("reason", reason)
            with contextlib.suppress(ConvolabError):  # it has just ended
                self.executor.stop(opened.run_id)
                RunFolder(opened.run_id).control(stop=True, by=BY)

    def _report(self, opened: _Open) -> Iterator[int]:
        """Tell the study what was measured since the last time, in steps of a tenth; yields each step."""
        entries, opened.offset = RunFolder(opened.run_id).entries(opened.offset)
        for entry in entries:
            if entry.get("kind") == "evaluated":
                opened.measured.append((self._share(entry), float(entry["test_accuracy"])))
        for step in range(1, STEPS):
            accuracy = _at(opened.measured, step / STEPS)
            if step not in opened.reported and accuracy is not None:
                opened.trial.report(accuracy, step)
                opened.reported.add(step)
                yield step

    def _share(self, entry: dict[str, object]) -> float:
        spec = self.sweep.spec
        if spec.seconds is not None:
            return float(str(entry["seconds"])) / spec.seconds
        return float(str(entry["examples"])) / (spec.examples or EXAMPLES)

    def _put_aside(self) -> None:
        """Pause what is under way, so that it can go on another time."""
        for opened in self._open.values():
            with contextlib.suppress(ConvolabError):  # it has just ended, or never began
                self.executor.pause(opened.run_id)


def _at(measured: list[tuple[float, float]], share: float) -> float | None:
    """The accuracy at a share of the length, between the measurements before and after it."""
    before = [one for one in measured if one[0] <= share]
    after = [one for one in measured if one[0] >= share]
    if not before or not after:
        return None
    (left, low), (right, high) = max(before), min(after)
    if right == left:
        return high
    return low + (high - low) * (share - left) / (right - left)
