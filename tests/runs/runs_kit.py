"""What the tests of runs share: a small network on small pictures, and patience."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from convolab.networks import Network
from convolab.runs import RunFolder, create_run
from convolab.training.settings import TrainingSettings

TIMEOUT = 120


def small_network() -> Network:
    """2,083 parameters; for the data set of the fixture ``shapes``."""
    return Network.model_validate(
        {
            "input_shape": (1, 16, 16),
            "name": "small",
            "layers": [
                {"type": "Flatten"},
                {"type": "Linear", "out_features": 8},
                {"type": "ReLU"},
                {"type": "Linear", "out_features": 3},
            ],
        }
    )


def settings(**values: Any) -> TrainingSettings:
    defaults = {
        "examples": 600,
        "batch_size": 24,
        "learning_rate": 0.05,
        "precision": "fp32",
        "device": "cpu",
    }
    return TrainingSettings(**{**defaults, **values})


def new_run(name: str | None = None, **values: Any) -> str:
    return create_run("shapes", small_network(), settings(**values), name=name)


def wait_for(condition: Callable[[], Any], what: str = "", seconds: float = TIMEOUT) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited in vain {what}")


def wait_state(run_id: str, *states: str) -> None:
    folder = RunFolder(run_id)
    try:
        wait_for(lambda: folder.state().state in states)
    except AssertionError:
        raise AssertionError(f"{folder.state()!r}, not {states}") from None


def wait_examples(run_id: str, examples: int) -> None:
    """Until the events tell of a checkpoint and so many examples."""

    def far_enough() -> bool:
        entries, _ = RunFolder(run_id).entries()
        kinds = {entry["kind"] for entry in entries}
        return "checkpointed" in kinds and entries[-1]["examples"] >= examples

    wait_for(far_enough, f"for {examples} examples of {RunFolder(run_id).state()}")


def wait_progress(run_id: str, points: int = 3) -> None:
    """Until so many points of the training curve are written."""

    def enough() -> bool:
        entries, _ = RunFolder(run_id).entries()
        return sum(entry["kind"] == "progress" for entry in entries) >= points

    wait_for(enough, f"for the progress of {RunFolder(run_id).state()}")


def weights(run_id: str) -> dict[str, Any]:
    from convolab.training.weights import read_weights

    return read_weights(RunFolder(run_id).weights_path)


def same_weights(first: str, second: str) -> bool:
    one, other = weights(first), weights(second)
    return one.keys() == other.keys() and all(bool((one[name] == other[name]).all()) for name in one)
