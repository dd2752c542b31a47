"""A run's curves with their exact values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from convolab.runs import tracking
from convolab.runs.folder import RunFolder

TRAIN = (
    "examples",
    "batches",
    "seconds",
    "loss",
    "train_accuracy",
    "examples_per_second",
    "learning_rate",
)
TEST = ("examples", "batches", "seconds", "test_loss", "test_accuracy")


@dataclass
class Curves:
    """Columns of equal length: ``train`` has one row per Progress, ``test`` one per evaluation."""

    train: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in TRAIN})
    test: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in TEST})

    def add(self, entry: dict[str, Any]) -> None:
        """Take one entry of `RunFolder.entries`; others than Progress, Evaluated and Started change nothing.

        Where training goes on from a checkpoint, the points after it are dropped: they come again.
        """
        match entry.get("kind"):
            case "started":
                for columns in (self.train, self.test):
                    while columns["examples"] and columns["examples"][-1] > entry["examples"]:
                        for column in columns.values():
                            column.pop()
            case "progress":
                for name, column in self.train.items():
                    column.append(entry[name])
            case "evaluated":
                for name, column in self.test.items():
                    column.append(entry[name])

    def reached(self, accuracy: float) -> tuple[int, float] | None:
        """Examples and training seconds at the first evaluation with at least this test accuracy, if any."""
        columns = (self.test[name] for name in ("test_accuracy", "examples", "seconds"))
        for found, examples, seconds in zip(*columns, strict=True):
            if found >= accuracy:
                return int(examples), float(seconds)
        return None


def curves(run_id: str) -> Curves:
    """The exact values of a run's curves: from its folder, else from MLflow (then without batches).

    RunError if there is no such run.
    """
    folder = RunFolder(run_id)
    found = Curves()
    if folder.exists:
        for entry in folder.entries()[0]:
            found.add(entry)
        return found
    return _from_mlflow(run_id)


def _from_mlflow(run_id: str) -> Curves:
    from convolab.runs.store import known

    mlflow_id = known(run_id).info.run_id
    seconds = dict(tracking.history(mlflow_id, "seconds"))
    loss = dict(tracking.history(mlflow_id, "train_loss"))
    train: dict[str, list[float]] = {"examples": sorted(loss), "loss": [loss[n] for n in sorted(loss)]}
    for name in ("train_accuracy", "examples_per_second", "learning_rate"):
        values = dict(tracking.history(mlflow_id, name))
        train[name] = [values.get(n, float("nan")) for n in train["examples"]]  # type: ignore[call-overload]
    accuracy = dict(tracking.history(mlflow_id, "test_accuracy"))
    test_loss = dict(tracking.history(mlflow_id, "test_loss"))
    test: dict[str, list[float]] = {
        "examples": sorted(accuracy),
        "test_accuracy": [accuracy[n] for n in sorted(accuracy)],
        "test_loss": [test_loss.get(n, float("nan")) for n in sorted(accuracy)],
    }
    for columns in (train, test):
        columns["seconds"] = [seconds.get(n, float("nan")) for n in columns["examples"]]  # type: ignore[call-overload]
        columns["batches"] = [float("nan")] * len(columns["examples"])
    return Curves(train, test)
