"""`convolab variants`, `repeat`, `experiments`, `sweep`, `challenge`, `scores` as a person types them."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convolab.cli import main

ENDLESS = "1000000000"


@pytest.fixture(scope="module", autouse=True)
def lab(tmp_path_factory: pytest.TempPathFactory, shapes_folder: Path) -> Any:
    """One home for this module, with the small data set, and a network file."""
    from convolab.datasets import import_images

    home = tmp_path_factory.mktemp("commands") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONVOLAB_HOME", str(home))
        patch.setenv("CONVOLAB_THREADS", "1")
        patch.setenv("CONVOLAB_CHECKPOINT_SECONDS", "0.2")
        import_images(shapes_folder, "shapes", size=16, color=False)
        layers = [{"type": "Flatten"}, {"type": "Linear", "out_features": 3}]
        (home / "flat.json").write_text(
            json.dumps({"input_shape": [1, 16, 16], "layers": layers, "name": "flat"})
        )
        yield home


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], lab: Path) -> Callable[..., tuple[int, str, str]]:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = main([str(lab / "flat.json") if text == "FLAT" else text for text in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def last(out: str) -> Any:
    return json.loads(out.splitlines()[-1])


def test_what_can_be_varied_is_listed(run) -> None:
    code, out, _ = run("variants", "shapes")
    assert code == 0
    lines = [line.split("\t") for line in out.splitlines()]
    assert lines[0] == ["--vary", "what", "now", "values"]
    assert ["conv_blocks", "Convolutional layers", "2"] in [line[:3] for line in lines]
    code, out, _ = run("variants", "shapes", "--json")
    assert "learning_rate" in [one["key"] for one in last(out)]


def test_variants_from_the_terminal(run) -> None:
    arguments = ["variants", "shapes", "--network", "FLAT", "--examples", "200", "--name", "rates"]
    code, out, err = run(*arguments, "--vary", "learning_rate=0.001,0.01,0.1", "--json")
    assert (code, "[3/3]" in err) == (0, True)
    found = last(out)
    assert found["finished"]
    one = found["experiments"][0]
    assert [point["value"] for point in one["points"]] == [0.001, 0.01, 0.1]
    assert all(entry["state"] == "finished" and entry["examples"] == 200 for entry in one["runs"])
    assert one["words"].startswith("Best:")
    code, out, _ = run("experiments", "show", "rates")
    assert out.splitlines()[0].startswith("variant\tstate\ttest accuracy")
    assert len(out.splitlines()) == 5
    code, out, _ = run("experiments", "list", "--json")
    assert "rates" in [entry["name"] for entry in last(out)]


def test_repeats_from_the_terminal(run) -> None:
    code, out, _ = run("repeat", "shapes", "--network", "FLAT", "--seeds", "2", "--examples", "100", "--json")
    assert code == 0
    one = last(out)["experiments"][0]
    accuracies = [entry["test_accuracy"] for entry in one["runs"]]
    assert one["spread"]["mean"] == pytest.approx(sum(accuracies) / 2)


def test_an_experiment_is_forgotten_with_its_runs(run) -> None:
    from convolab.runs.store import runs_here

    run("repeat", "shapes", "--network", "FLAT", "--seeds", "2", "--examples", "60", "--name", "to go")
    before = len(runs_here())
    code, out, _ = run("experiments", "delete", "to go", "--runs", "--yes")
    assert (code, "Deleted" in out, len(runs_here())) == (0, True, before - 2)
    assert run("experiments", "show", "to go")[0] == 2


def test_a_sweep_from_the_terminal(run) -> None:
    arguments = ["sweep", "new", "shapes", "--network", "FLAT", "--search", "learning_rate=0.001..0.1:log"]
    code, out, err = run(*arguments, "--trials", "4", "--examples", "100", "--name", "search", "--json")
    assert (code, "trial 3: finished" in err) == (0, True)
    found = last(out)
    assert [trial["state"] for trial in found["trials"]] == ["finished"] * 4
    assert found["best"]["accuracy"] == max(trial["accuracy"] for trial in found["trials"])
    code, out, _ = run("sweep", "continue", "search", "--trials", "1")
    assert (code, "trial 4: finished" in out, "trial 3: finished" in out) == (0, True, False)
    assert "5 of 5 trials" in out
    code, out, _ = run("sweep", "show", "search", "--json")
    assert len(last(out)["trials"]) == 5
    code, out, _ = run("sweep")
    assert "search\t5 of 5" in out


def test_the_challenge_from_the_terminal_and_its_score_taken_along(run, tmp_path: Path) -> None:
    settings = ["--batch-size", "20", "--schedule", "constant", "--learning-rate", "0.05"]
    arguments = [
        "challenge",
        "shapes",
        "--minutes",
        "0.01",
        "--network",
        "FLAT",
        "--name",
        "Ada",
        "--target",
        "0.4",
    ]
    code, out, err = run(*arguments, *settings, "--json")
    assert code == 0
    found = last(out)
    assert (found["settings"]["budget"], found["settings"]["batch_size"]) == (0.6, 20)
    assert found["settings"]["optimizer"] == "nesterov"  # the lab's own, where nothing was said
    assert found["place"] == 1
    assert found["machine"]["gflops"] > 0
    assert "do not count" in err
    path = tmp_path / "score.json"
    assert run("scores", "export", "Ada", "-o", str(path))[0] == 0
    assert run("scores", "delete", "Ada")[0] == 0
    code, out, _ = run("scores", "import", str(path))
    assert (code, "Imported Ada" in out) == (0, True)
    code, out, _ = run("scores", "repeat", "Ada", "--json")
    checked = last(out)
    assert code == (0 if checked["confirmed"] else 1)
    assert checked["checks"][0]["accuracy"] == pytest.approx(found["accuracy"], abs=0.3)
    code, out, _ = run("scores")
    assert out.splitlines()[1].split("\t")[1] == "Ada"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["variants", "nothing"], "There is no run"),
        (["variants", "shapes", "--vary", "learning_rat"], "Did you mean"),
        (["variants", "shapes", "--vary", "batch_size=a,b"], "whole number"),
        (["variants", "shapes", "--vary", "batch_size=20,4000"], "training images"),
        (["repeat", "shapes", "--seeds", "1"], "2 to 500"),
        (["experiments", "show", "nothing"], "There is no experiment"),
        (["sweep", "new", "shapes", "--space", "everything"], "There is no space"),
        (["sweep", "new", "shapes", "--search", "learning_rate"], "like learning_rate="),
        (["sweep", "continue", "nothing"], "There is no sweep"),
        (["challenge", "shapes", "--minutes", "0"], "some minutes"),
        (["challenge", "shapes", "--examples", "5"], "--minutes says"),
        (["scores", "repeat", "nothing"], "There is no score"),
        (["scores", "import", "/nowhere.json"], "cannot be read"),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_code_2(run, arguments: list[str], sentence: str) -> None:
    code, _, err = run(*arguments)
    assert code == 2
    assert sentence in err
    assert len(err.strip().splitlines()) == 1


def test_ctrl_c_keeps_everything_and_says_how_to_go_on(run) -> None:
    def press() -> None:
        deadline = time.monotonic() + 60
        while not _under_way() and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    hand = threading.Thread(target=press)
    hand.start()
    arguments = ["sweep", "new", "shapes", "--network", "FLAT", "--search", "learning_rate=0.01..0.1"]
    code, _, err = run(*arguments, "--trials", "2", "--examples", ENDLESS, "--name", "stopped")
    hand.join()
    assert code == 0
    assert "Go on with 'convolab sweep continue" in err
    from convolab.experiments import Sweep

    trials = Sweep.open("stopped").trials()
    assert [trial.state for trial in trials] in (["paused"], ["interrupted"])
    assert trials[0].examples > 0  # from its checkpoint, which the last state tells


def _under_way() -> bool:
    """Whether the first trial of the sweep has a checkpoint."""
    from convolab.errors import ExperimentError
    from convolab.experiments import Sweep
    from convolab.runs import RunFolder

    try:
        run_id = next((trial.run_id for trial in Sweep.open("stopped").trials()), None)
    except ExperimentError:
        return False
    return run_id is not None and RunFolder(run_id).checkpoint_path.exists()
