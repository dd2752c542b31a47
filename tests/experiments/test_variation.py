"""Variants and repeats as runs: fair, tagged, told apart; stopped and continued."""

from __future__ import annotations

import pytest
from experiments_kit import ENDLESS, conv_network, flat_network, recipe, until

from convolab.errors import ExperimentError, RunError, SettingsError
from convolab.experiments import (
    Here,
    experiments,
    find_experiment,
    go_on,
    recipe_of,
    start_repeats,
    start_variation,
    summarise,
    vary,
    wait_for,
)
from convolab.experiments.executor import state_of
from convolab.experiments.results import markdown, rows
from convolab.runs import RunFolder, runs
from convolab.runs.store import runs_here


@pytest.fixture(scope="module")
def trained():
    """Three learning rates, two seeds each; and the summary."""
    with Here() as here:
        made = start_variation(
            recipe(flat_network()),
            "learning_rate",
            (0.0001, 0.01, 0.05),
            examples=600,
            seeds=2,
            executor=here,
        )
        wait_for(made.run_ids)
    return made, summarise(made)


def test_runs_of_a_variation_differ_in_the_varied_thing_alone(trained) -> None:
    made, summary = trained
    specs = [RunFolder(run_id).spec() for run_id in made.run_ids]
    assert [spec.settings.learning_rate for spec in specs] == [0.0001, 0.0001, 0.01, 0.01, 0.05, 0.05]
    assert [spec.settings.seed for spec in specs] == [0, 1] * 3
    assert len({spec.settings.model_copy(update={"learning_rate": 0, "seed": 0}) for spec in specs}) == 1
    assert {spec.settings.examples for spec in specs} == {600}
    assert all(one.examples == 600 for one in summary.outcomes)
    assert summary.done == 6


def test_the_summary_is_what_the_runs_say(trained) -> None:
    made, summary = trained
    states = {run_id: RunFolder(run_id).state().figures for run_id in made.run_ids}
    for one in summary.outcomes:
        assert one.test_accuracy == states[one.run_id].test_accuracy
        assert one.seconds == states[one.run_id].seconds > 0
        assert (one.parameters, one.multiply_adds) == (256 * 3 + 3, 256 * 3)
    assert [point.value for point in summary.points] == [0.0001, 0.01, 0.05]
    for point in summary.points:
        accuracies = [states[run_id].test_accuracy for run_id in point.runs]
        assert point.accuracy == pytest.approx(sum(accuracies) / 2)
        assert point.test_images == 36
    best = max(summary.points, key=lambda point: point.accuracy)
    assert best.value != 0.0001  # too cautious for 30 steps
    assert summary.words.startswith(f"Best: {best.label} with")
    assert summary.plateau is not None
    table = rows(summary)
    assert markdown(table).splitlines()[0].startswith("| variant | state |")
    assert len(markdown(table).splitlines()) == 2 + 6


def test_the_runs_are_ordinary_runs_with_tags(trained) -> None:
    made, _ = trained
    there = {info.run_id: info for info in runs_here()}
    for member in made.members:
        tags = there[member.run_id].tags
        assert tags["experiment"] == made.id
        assert tags["experiment.kind"] == "variants"
        assert tags["varied"] == "learning_rate"
        assert float(tags["value"]) == member.value
    from convolab.runs.store import known

    remembered = known(made.run_ids[0]).data.tags
    assert remembered["convolab.experiment"] == made.id
    assert remembered["convolab.varied"] == "learning_rate"
    assert len({info.name for info in runs()}) == len(runs())


def test_the_first_layers_weights_are_shared_by_networks_that_begin_alike() -> None:
    import torch

    summary = vary(recipe(conv_network()), "layer4.out_channels", (3, 6), examples=20)
    first, second = (RunFolder(one.run_id).spec() for one in summary.outcomes)
    weights = [spec.network.build(spec.settings.seed)[0].weight for spec in (first, second)]
    assert torch.equal(*weights)
    assert first.network.at(3).out_channels == 3


def test_experiments_are_found_by_name_and_id(trained) -> None:
    made, _ = trained
    assert find_experiment(made.name) == made
    assert find_experiment(made.id[:5]) == made
    assert made in experiments("variants")
    assert made not in experiments("repeats")
    with pytest.raises(ExperimentError, match="There is no experiment"):
        find_experiment("nothing like it")


def test_a_deleted_run_is_said_to_be_gone(trained) -> None:
    from convolab.runs import delete

    summary = vary(recipe(), "optimizer", ("sgd", "adam"), examples=20)
    run_id = summary.outcomes[1].run_id
    made = next(one for one in experiments() if run_id in one.run_ids)
    delete(run_id)
    again = summarise(made)
    assert [one.state for one in again.outcomes] == ["finished", "deleted"]
    assert again.points[1].accuracy is None
    assert "1 of 2 values came to no result" in again.words


def test_nothing_is_made_if_one_value_does_not_fit() -> None:
    before = len(runs_here()), len(experiments())
    with pytest.raises(SettingsError, match="larger than the 144 training images"):
        start_variation(recipe(), "batch_size", (20, 4000))
    with pytest.raises(ExperimentError, match="at least two values"):
        start_variation(recipe(), "batch_size", (20, 20))
    with pytest.raises(RunError, match="There is no run"):
        start_variation("no such run", "batch_size")
    assert (len(runs_here()), len(experiments())) == before


def test_a_variation_goes_on_after_it_was_put_aside() -> None:
    with Here() as here:
        made = start_variation(recipe(batches=2000, examples=None), "batches", (1500, 1501), executor=here)
        until(lambda: RunFolder(made.run_ids[0]).checkpoint_path.exists())
    assert [state_of(run_id) for run_id in made.run_ids] == ["interrupted", "interrupted"]
    reached = RunFolder(made.run_ids[0]).state().figures.batches
    assert 0 < reached < 1500
    with Here() as here:
        assert go_on(made.run_ids, here) == 2
        wait_for(made.run_ids)
    events = [entry for entry in RunFolder(made.run_ids[0]).entries()[0] if entry["kind"] == "started"]
    assert [entry["examples"] > 0 for entry in events] == [False, True]
    assert [RunFolder(run_id).state().figures.batches for run_id in made.run_ids] == [1500, 1501]
    assert all(one.counts for one in summarise(made).outcomes)


def test_a_run_that_waits_or_trains_can_be_stopped_and_paused() -> None:
    ids = [recipe(examples=ENDLESS).create() for _ in range(3)]
    with Here() as here:
        for run_id in ids:
            here.submit(run_id)
        here.stop(ids[1])
        until(lambda: state_of(ids[0]) == "running" and RunFolder(ids[0]).state().figures.examples)
        assert state_of(ids[1]) == "stopped"
        here.pause(ids[2])
        assert state_of(ids[2]) == "paused"
        here.stop(ids[0])
        until(lambda: state_of(ids[0]) == "stopped")


def test_repeats_begin_with_the_run_itself_and_differ_in_the_seed() -> None:
    from convolab.runs import execute

    base = recipe(seed=7).create("the base")
    execute(base)
    with Here() as here:
        made = start_repeats("the base", 3, executor=here)
        wait_for(made.run_ids)
    assert made.run_ids[0] == base
    assert [RunFolder(run_id).spec().settings.seed for run_id in made.run_ids] == [7, 8, 9]
    found = summarise(made)
    accuracies = [RunFolder(run_id).state().figures.test_accuracy for run_id in made.run_ids]
    assert found.spread is not None
    assert found.spread.values == tuple(accuracies)
    assert "Seeds: 3." in found.words
    weights = start_repeats(recipe_of(base), 2, weights_only=True)
    specs = [RunFolder(run_id).spec().settings for run_id in weights.run_ids]
    assert [(one.seed, one.weights_seed) for one in specs] == [(7, None), (7, 8)]


def test_a_recipe_made_fair_takes_over_both_seeds() -> None:
    first, second = recipe(seed=3, weights_seed=5), recipe(seed=9, learning_rate=0.2)
    made = second.fair_to(first).settings
    assert (made.seed, made.weights_seed, made.learning_rate) == (3, 5, 0.2)


def test_a_damaged_record_is_left_out_and_named() -> None:
    made = start_variation(recipe(), "optimizer", ("sgd", "adam"), examples=20)
    (made.folder / "experiment.json").write_text('{"id": ')
    assert made.id not in [one.id for one in experiments()]
    with pytest.raises(ExperimentError, match="damaged"):
        find_experiment(made.id)
