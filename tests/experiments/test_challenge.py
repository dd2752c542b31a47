"""The challenge and its scores: measured on the training clock, kept, exchanged, repeated and checked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from experiments_kit import conv_network, flat_network, recipe

from convolab.errors import ExperimentError
from convolab.experiments import (
    Here,
    Recipe,
    Score,
    challenge_recipe,
    check_repeat,
    convolution_speed,
    export_score,
    find_score,
    high_scores,
    import_score,
    keep_score,
    score_of,
    start_challenge,
    start_repeat,
    wait_for,
)
from convolab.experiments.challenge import tolerance_of, words
from convolab.experiments.scores import file_name, remove_score, scores_path
from convolab.runs import RunFolder, curves


def train(recipe: Recipe, minutes: float, **options) -> str:
    with Here() as here:
        run_id = start_challenge(recipe, minutes, executor=here, **options)
        wait_for([run_id], every=0.05)
    return run_id


@pytest.fixture(scope="module")
def score() -> Score:
    run_id = train(recipe(conv_network(), examples=100), 0.02, name="Ada", target=0.5)
    return score_of(run_id, gflops=12.5)


def test_a_score_is_what_its_run_came_to(score: Score) -> None:
    folder = RunFolder(score.run_id)
    state, spec = folder.state(), folder.spec()
    assert state.state == "finished"
    assert spec.tags["experiment.kind"] == "challenge"
    assert (spec.settings.budget, spec.settings.examples) == (pytest.approx(1.2), None)
    assert 1.2 <= score.seconds < 2.5
    assert score.accuracy == state.figures.test_accuracy
    assert (score.examples, score.test_images, score.name) == (state.figures.examples, 36, "Ada")
    assert score.network == spec.network
    reached = curves(score.run_id).reached(0.5)
    assert reached is not None
    assert (score.reached_examples, score.reached_seconds) == reached
    assert score.curve[-1][1] == score.accuracy
    assert score.machine.cores >= 1
    assert score.machine.gflops == 12.5
    assert score.work == pytest.approx(12.5 * 1.2 / 1000)
    assert "50 % was first measured after" in words(score)
    assert find_score("Ada") == find_score(score.id[:6]) == score


def test_a_score_travels_and_is_taken_at_its_word_until_repeated(score: Score) -> None:
    text = export_score(score)
    remove_score(score)
    assert high_scores() == []
    there = import_score(text)
    assert there == score.model_copy(update={"imported": True})
    assert there.confirmed is None
    assert import_score(text) == there  # a second time changes nothing
    assert len(high_scores()) == 1
    assert file_name(there).startswith("shapes-0-02min-")


def test_a_score_is_repeated_with_as_many_examples_and_confirmed(score: Score) -> None:
    keep_score(score)
    with Here() as here:
        run_id = start_repeat(score, here)
        wait_for([run_id], every=0.05)
    settings = RunFolder(run_id).spec().settings
    assert (settings.examples, settings.budget, settings.seed) == (score.examples, None, score.settings.seed)
    checked = check_repeat(score, run_id, gflops=10)
    check = checked.checks[0]
    assert check.confirmed
    assert check.accuracy == pytest.approx(score.accuracy, abs=tolerance_of(score))
    assert find_score(score.id).confirmed is True
    assert "confirmed" in words(checked)
    boasted = score.model_copy(update={"accuracy": 0.01, "test_images": 10_000, "checks": ()})
    assert check_repeat(boasted, run_id, gflops=10).confirmed is False


def test_what_is_no_score_is_refused_and_changes_nothing(score: Score) -> None:
    keep_score(score)
    before = scores_path().read_bytes()
    good = json.loads(export_score(score))
    bad = ["", "[1, 2", "[]", '{"format": "convolab score 99"}', json.dumps({**good, "accuracy": 1.5})]
    bad += [json.dumps({key: value for key, value in good.items() if key != "network"})]
    bad += [json.dumps({**good, "id": "../../etc"})]
    for text in bad:
        with pytest.raises(ExperimentError) as caught:
            import_score(text)
        assert "\n" not in str(caught.value)
    assert scores_path().read_bytes() == before


def test_a_damaged_table_is_never_overwritten(score: Score) -> None:
    before = scores_path().read_bytes()
    try:
        for content, sentence in ((b"{nonsense", "damaged"), (b'{"a": 1}', "no table of scores")):
            scores_path().write_bytes(content)
            with pytest.raises(ExperimentError, match=sentence):
                keep_score(score)
            assert scores_path().read_bytes() == content
    finally:
        scores_path().write_bytes(before)


def test_the_table_is_sorted_by_time_and_accuracy(score: Score) -> None:
    for number, (budget, accuracy) in enumerate(((60.0, 0.5), (300.0, 0.4), (60.0, 0.7))):
        keep_score(score.model_copy(update={"id": f"{number:012x}", "budget": budget, "accuracy": accuracy}))
    kept = [(one.budget, one.accuracy) for one in high_scores() if one.id.startswith("0000")]
    assert kept == [(60.0, 0.7), (60.0, 0.5), (300.0, 0.4)]
    assert [one.accuracy for one in high_scores("shapes", 60.0)] == [0.7, 0.5]
    assert high_scores("mnist") == []


def test_what_cannot_be_a_score_says_why() -> None:
    from convolab.runs import create_run, execute

    plain = recipe(flat_network())
    ended = plain.create()
    execute(ended)
    with pytest.raises(ExperimentError, match="no time budget"):
        score_of(ended)
    waiting = start_challenge(plain, 1)
    with pytest.raises(ExperimentError, match="needs its whole time"):
        score_of(waiting)
    timed = plain.for_seconds(0.3)
    second = create_run(
        "shapes",
        timed.network,
        timed.settings,
        initial_weights=RunFolder(ended).weights_path,
        started_from=ended,
    )
    execute(second)
    with pytest.raises(ExperimentError, match="began with trained weights"):
        score_of(second)
    for minutes in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ExperimentError, match="some minutes"):
            start_challenge(plain, minutes)
    with pytest.raises(ExperimentError, match="target"):
        start_challenge(plain, 1, target=1.5)


def test_a_learning_rate_changed_by_hand_makes_no_score() -> None:
    run_id = start_challenge(recipe(flat_network()), 0.01)
    RunFolder(run_id).control(learning_rate=0.01)
    with Here() as here:
        here.submit(run_id)
        wait_for([run_id], every=0.05)
    with pytest.raises(ExperimentError, match="changed by hand"):
        score_of(run_id)


def test_the_proposed_networks_fit_and_their_time_is_the_budget() -> None:
    for minutes in (1, 5, 10):
        found = challenge_recipe("cifar10", minutes)
        found.check()
        assert found.settings.budget == 60 * minutes
        assert found.network.output_shape == (10,)
    found = challenge_recipe("shapes", 1)
    replace(found, settings=found.changed(batch_size=64).settings).check()


def test_the_measured_speed_is_that_of_a_convolution() -> None:
    """Against a plain loop in the same minute: within a factor of 3, for the machine may be busy."""
    import time

    import torch

    measured = convolution_speed("cpu", seconds=0.2)
    images = torch.randn(64, 64, 16, 16).to(memory_format=torch.channels_last)
    weights = torch.randn(64, 64, 3, 3).to(memory_format=torch.channels_last)
    times = []
    with torch.inference_mode():
        for _ in range(8):
            begun = time.perf_counter()
            torch.nn.functional.conv2d(images, weights, padding=1)
            times.append(time.perf_counter() - begun)
    plain = 2 * 64 * 64 * 64 * 9 * 256 / min(times) / 1e9
    assert plain / 6 < measured < plain * 3


def test_scores_survive_a_newer_lab(lab: Path, score: Score) -> None:
    entries = json.loads(scores_path().read_text())
    entries.append({"format": "convolab score 7", "id": "ffffffffffff"})
    scores_path().write_text(json.dumps(entries))
    keep_score(score)
    assert "ffffffffffff" in scores_path().read_text()
    assert "ffffffffffff" not in [one.id for one in high_scores()]
