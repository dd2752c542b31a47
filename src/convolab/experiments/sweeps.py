"""Sweeps: a search for good settings and architectures, trial by trial, each an ordinary run of the lab."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from convolab.errors import ConvolabError, ExperimentError
from convolab.experiments.recipe import Recipe, Start, recipe_of
from convolab.experiments.records import NAME_LENGTH, Experiment, begin, experiments, find_experiment
from convolab.experiments.sweep_space import Dimension, check_space, present_values
from convolab.experiments.sweep_store import database_url, open_study, quiet
from convolab.experiments.variants import Value, shown
from convolab.networks import Network
from convolab.runs.files import is_locked, replace_text, why
from convolab.runs.folder import RunFolder
from convolab.training.settings import TrainingSettings

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

TRIALS = 20
EXAMPLES = 10_000
MOST_TRIALS = 10_000


class SweepSpec(BaseModel):
    """What was asked for; kept as ``sweep.json`` in the experiment's folder."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    dataset: str
    network: Network
    settings: TrainingSettings
    space: tuple[Dimension, ...]
    trials: int = Field(ge=1, le=MOST_TRIALS)
    examples: int | None = None
    seconds: float | None = None
    """The length of each trial: one of the two is set."""
    prune: bool = True
    seed: int = 0
    database: str = ""
    """URL of another database than the lab's own file."""

    @property
    def start(self) -> Recipe:
        """What counts for everything that is not searched, at the length of a trial."""
        recipe = Recipe(self.dataset, self.network, self.settings)
        if self.seconds is not None:
            return recipe.for_seconds(self.seconds)
        return recipe.for_examples(self.examples or EXAMPLES)

    @property
    def length(self) -> str:
        """``10,000 examples`` or ``20 seconds``."""
        if self.seconds is not None:
            return f"{self.seconds:g} seconds"
        return f"{self.examples or EXAMPLES:,} examples"


@dataclass(frozen=True)
class Trial:
    """One trial of a sweep as it stands."""

    number: int
    """From 0, in the order in which they were asked for."""
    state: str
    """``finished``, ``pruned``, ``failed``; before that the state of its run, or ``waiting``."""
    values: dict[str, Value]
    run_id: str | None
    reason: str = ""
    accuracy: float | None = None
    """On the test set: at the end, or the latest."""
    examples: int = 0
    seconds: float = 0.0
    fraction: float | None = None
    curve: tuple[tuple[int, float], ...] = field(default=(), repr=False)
    """(part of its length in tenths, test accuracy) as it was compared with others."""


@dataclass(frozen=True)
class Parallel:
    """A sweep as parallel coordinates: an axis for each thing that was searched, a line for each trial."""

    axes: tuple[Dimension, ...]
    lines: tuple[Trial, ...]
    """Those with an accuracy; a value that did not apply is missing from `Trial.values`."""


class Sweep:
    """One sweep: what it searches and what came of it. `convolab.experiments.Driver` makes it go on."""

    def __init__(self, experiment: Experiment, spec: SweepSpec) -> None:
        self.experiment = experiment
        self.spec = spec

    @classmethod
    def new(
        cls,
        start: Start,
        space: Sequence[Dimension],
        *,
        trials: int = TRIALS,
        examples: int | None = None,
        seconds: float | None = None,
        prune: bool = True,
        seed: int = 0,
        name: str | None = None,
        database: str = "",
    ) -> Sweep:
        """A new sweep, without trials yet. The start's own values, where they lie in the space, come first.

        Each trial is trained for ``examples`` or for ``seconds``, 10,000 examples by default. ExperimentError
        with one sentence if that makes no sense or its database cannot be used.
        """
        recipe = recipe_of(start)
        check_space(space, recipe)
        if examples is not None and seconds is not None:
            raise ExperimentError("A trial's length is a number of examples or of seconds, not both.")
        if not 1 <= trials <= MOST_TRIALS:
            raise ExperimentError(f"A sweep has 1 to {MOST_TRIALS:,} trials, not {trials:,}.")
        if (examples is not None and examples < 1) or (seconds is not None and not seconds > 0):
            raise ExperimentError("A trial must have a length above 0.")
        spec = SweepSpec(
            dataset=recipe.dataset,
            network=recipe.network,
            settings=recipe.settings,
            space=tuple(space),
            trials=trials,
            examples=None if seconds is not None else examples or EXAMPLES,
            seconds=seconds,
            prune=prune,
            seed=seed,
            database=database,
        )
        _ = spec.start  # settings that cannot have this length say so now
        experiment = begin(
            "sweep",
            name or f"Sweep {1 + len(experiments('sweep'))}: {recipe.title}"[:NAME_LENGTH],
            recipe.dataset,
            started_from=recipe.title,
            base_run=recipe.run_id,
            examples=spec.examples,
        )
        made = cls(experiment, spec)
        try:
            made._write()
            study = open_study(made.url, experiment.id, seed=seed, prune=prune, make=True)
            with quiet():
                study.enqueue_trial(present_values(space, spec.start))
        except ConvolabError:
            experiment.forget()
            raise
        return made

    @classmethod
    def open(cls, text: str | Experiment) -> Sweep:
        """The sweep with this name or the start of its id. ExperimentError if there is none."""
        experiment = find_experiment(text, "sweep") if isinstance(text, str) else text
        path = experiment.folder / "sweep.json"
        try:
            return cls(experiment, SweepSpec.model_validate_json(path.read_bytes()))
        except FileNotFoundError:
            raise ExperimentError(f"{experiment.name} is no sweep.") from None
        except (OSError, ValidationError) as error:
            raise ExperimentError(
                f"The sweep {experiment.name} cannot be read: {path} is damaged."
            ) from error

    @property
    def id(self) -> str:
        """That of its experiment."""
        return self.experiment.id

    @property
    def name(self) -> str:
        """What it is called."""
        return self.experiment.name

    @property
    def url(self) -> str:
        """Of the database in which its trials are."""
        return self.spec.database or database_url()

    @property
    def driven(self) -> bool:
        """Whether a living process makes it go on."""
        return is_locked(self.experiment.folder / "lock")

    @cached_property
    def study(self) -> Study:
        """Optuna's own record. ExperimentError if its database cannot be used."""
        return open_study(self.url, self.id, seed=self.spec.seed, prune=self.spec.prune)

    def extend(self, trials: int) -> None:
        """So many trials more than were asked for until now."""
        total = self.spec.trials + trials
        if trials < 0 or total > MOST_TRIALS:
            raise ExperimentError(f"A sweep has at most {MOST_TRIALS:,} trials, not {total:,}.")
        self.spec = self.spec.model_copy(update={"trials": total})
        self._write()

    def trials(self) -> list[Trial]:
        """All trials that were asked for, in their order."""
        from optuna.trial import TrialState

        found = self.study.get_trials(deepcopy=False)
        return [_trial(one) for one in found if one.state != TrialState.WAITING]

    def best(self) -> Trial | None:
        """The finished trial with the highest test accuracy."""
        ended = [trial for trial in self.trials() if trial.state == "finished"]
        return max(ended, key=lambda trial: trial.accuracy or 0.0, default=None)

    def importance(self) -> dict[str, float]:
        """How much each searched thing decides whether a trial is among the better ones; sums to 1.

        PED-ANOVA (Watanabe, Bansal and Hutter, 2023), over the finished trials. Things that did not apply to
        all of them are left out; empty with fewer than four finished trials.
        """
        from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
        from optuna.trial import TrialState

        ended = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if len(ended) < 4:
            return {}
        names = [one.name for one in self.spec.space if all(one.name in trial.params for trial in ended)]
        if not names:
            return {}
        try:
            with quiet():
                evaluator = PedAnovaImportanceEvaluator(target_quantile=0.25)
                found = get_param_importances(self.study, evaluator=evaluator, params=names)
        except (ValueError, RuntimeError):  # too few different values to say anything
            return {}
        return {name: float(share) for name, share in found.items()}

    def parallel(self) -> Parallel:
        """What a plot of parallel coordinates needs."""
        return Parallel(self.spec.space, tuple(one for one in self.trials() if one.accuracy is not None))

    def words(self) -> str:
        """What came of it until now, in a sentence or two."""
        trials, best = self.trials(), self.best()
        ended = [one for one in trials if one.state in ("finished", "pruned", "failed")]
        pruned = sum(one.state == "pruned" for one in trials)
        sentence = f"{len(ended)} of {self.spec.trials} trials of {self.spec.length} have ended"
        sentence += f", {pruned} of them early." if pruned else "."
        if best is None:
            return sentence
        values = ", ".join(f"{name} {_figure(value)}" for name, value in best.values.items())
        return f"{sentence} Best: trial {best.number} with {100 * (best.accuracy or 0):.2f} % ({values})."

    def _write(self) -> None:
        try:
            path = self.experiment.folder / "sweep.json"
            replace_text(path, self.spec.model_dump_json(indent=1), durable=True)
        except OSError as error:
            raise ExperimentError(f"The sweep cannot be kept: {why(error)}.") from error


def rows(trials: Sequence[Trial], space: Sequence[Dimension]) -> list[list[str]]:
    """The trials as lines of a table, the first one its head."""
    found = [["trial", "state", "test accuracy", *(one.label for one in space), "examples", "seconds", "run"]]
    for trial in trials:
        accuracy = "" if trial.accuracy is None else f"{100 * trial.accuracy:.2f} %"
        values = [_figure(trial.values.get(one.name)) for one in space]
        run = (trial.run_id or "")[:8]
        counts = [f"{trial.examples:,}", f"{trial.seconds:.1f}"]
        found.append([str(trial.number), trial.state, accuracy, *values, *counts, run])
    return found


def _figure(value: Value | None) -> str:
    return f"{value:.3g}" if isinstance(value, float) else shown(value)


def _trial(frozen: FrozenTrial) -> Trial:
    attributes: dict[str, Any] = frozen.user_attrs
    run_id = attributes.get("run_id")
    folder = RunFolder(run_id) if run_id else None
    state = frozen.state.name
    shown_as = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed"}.get(state, "waiting")
    accuracy = frozen.value if state == "COMPLETE" else None
    examples, seconds, fraction, reason = 0, 0.0, None, ""
    if folder is not None:
        try:
            now = folder.state()
        except ConvolabError:
            reason = "Its run was deleted."
        else:
            figures = now.figures
            accuracy = figures.test_accuracy if accuracy is None else accuracy
            examples, seconds, fraction = figures.examples, figures.seconds, figures.fraction
            reason = now.reason
            if state == "RUNNING":  # until it is told, also if its run has just come to its end
                shown_as = "running" if now.state == "finished" else now.state
    return Trial(
        number=frozen.number,
        state=shown_as,
        values=dict(frozen.params),
        run_id=run_id,
        reason=str(attributes.get("reason") or reason),
        accuracy=accuracy,
        examples=examples,
        seconds=seconds,
        fraction=fraction,
        curve=tuple(sorted(frozen.intermediate_values.items())),
    )
