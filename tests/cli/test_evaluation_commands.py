"""`convolab evaluate` and `convolab compare` on real runs of a small data set."""

import json

import pytest

from convolab.cli import main
from convolab.evaluation import evaluate, outputs, statistics
from convolab.runs import create_run, execute, load_network
from convolab.training import TrainingSettings


def last_json(capsys: pytest.CaptureFixture[str]) -> dict:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.fixture
def two_runs(shapes: str) -> list[str]:
    """One that learned something, one that hardly did."""
    from convolab.datasets import load
    from convolab.networks import preset

    data = load(shapes)
    network = preset("convolutional", data.input_shape, len(data.classes))
    ids = []
    for name, examples in (("long", 1500), ("short", 20)):
        run_id = create_run(shapes, network, TrainingSettings(examples=examples, batch_size=20), name=name)
        execute(run_id)
        ids.append(run_id)
    return ids


def test_evaluate_and_compare(two_runs: list[str], shapes: str, capsys: pytest.CaptureFixture[str]):
    from convolab.datasets import load

    data = load(shapes)
    _, model, info = load_network(two_runs[0])
    expected = statistics(outputs(model, data, normalize=info.normalize()))
    assert expected.accuracy == evaluate(model, data).accuracy > 0.8

    assert main(["evaluate", "long", "--reach", "0.5", "--json"]) == 0
    found = last_json(capsys)
    assert found["test_accuracy"] == pytest.approx(expected.accuracy)
    assert found["interval"] == pytest.approx(list(expected.interval))
    assert found["brier"] == pytest.approx(expected.brier)
    assert found["confusion"] == [list(row) for row in expected.confusion]
    assert [entry["name"] for entry in found["per_class"]] == ["bars", "columns", "discs"]
    assert 0 < found["reached"][0] <= 1500

    assert main(["evaluate", "short", "--reach", "0.99"]) == 0
    text = capsys.readouterr().out
    assert "99 % of the test images was never reached." in text
    assert "Most confident mistakes" in text

    assert main(["compare", "long", "short", "--json"]) == 0
    found = last_json(capsys)
    assert found["both"] + found["only_first"] + found["only_second"] + found["neither"] == 36
    assert found["real"]
    assert found["runs"][0]["test_accuracy"] > found["runs"][1]["test_accuracy"]
    assert main(["compare", "long", "long"]) == 0
    assert "No difference: both get the same of the 36 test images right." in capsys.readouterr().out


def test_what_does_not_exist_is_one_sentence(home, capsys: pytest.CaptureFixture[str]):
    assert main(["compare", "this", "that"]) == 2
    assert "this" in capsys.readouterr().err
