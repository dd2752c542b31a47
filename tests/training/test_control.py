"""Pausing, stepping, stopping, releasing and changing the learning rate while a network is trained."""

import threading

import pytest
import torch
from training_kit import Script, make_network, of_kind

from convolab.errors import SettingsError
from convolab.training import (
    Checkpointed,
    Commands,
    Evaluated,
    Finished,
    LearningRateChanged,
    MemoryControl,
    Paused,
    Progress,
    Resumed,
    Started,
    Training,
    TrainingSettings,
)

PAUSED = Commands(paused=True)


def kinds(events):
    return [event.kind for event in events if event.kind not in ("progress", "evaluated")]


def run(network, dataset, script, tmp_path=None, **settings):
    training = Training(
        network,
        dataset,
        TrainingSettings(**{"examples": 640, **settings}),
        control=Script(script),
        checkpoint_path=tmp_path and tmp_path / "checkpoint.safetensors",
    )
    return training, list(training.events())


def test_pause_saves_then_waits_until_resumed(network, dataset, tmp_path):
    script = {4: PAUSED, 9: Commands()}
    training, events = run(network, dataset, script, tmp_path)
    assert kinds(events) == ["started", "checkpointed", "paused", "resumed", "checkpointed", "finished"]
    assert [e.examples for e in events if e.kind in ("paused", "resumed")] == [256, 256]
    assert of_kind(events, Paused)[0].reason == ""
    assert training.examples == 640
    undisturbed, _ = run(network, dataset, {})
    for a, b in zip(training.model.parameters(), undisturbed.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_steps_run_exactly_so_many_batches_and_report(network, dataset, tmp_path):
    script = {
        0: PAUSED,
        3: Commands(paused=True, steps=1),
        8: Commands(paused=True, steps=3),
        20: Commands(paused=True, stop=True),
    }
    _, events = run(network, dataset, script, tmp_path)
    assert [e.examples for e in of_kind(events, Paused)] == [0, 64, 256]
    assert [e.batches for e in of_kind(events, Progress)] == [1, 4]
    assert not of_kind(events, Resumed)
    assert events[-1].stopped_because == "user"
    assert events[-1].examples == 256


def test_steps_asked_for_while_running_are_followed_by_a_pause(network, dataset):
    _, events = run(network, dataset, {5: Commands(paused=True, steps=2), 12: Commands(stop=True)})
    assert [e.examples for e in of_kind(events, Paused)] == [7 * 64]


def test_resuming_in_the_midst_of_steps_goes_on_to_the_end(network, dataset):
    script = {0: PAUSED, 2: Commands(paused=True, steps=100), 6: Commands()}
    _, events = run(network, dataset, script)
    assert kinds(events) == ["started", "paused", "finished"]
    assert events[-1].stopped_because == "examples"


def test_stop_saves_measures_and_finishes(network, dataset, tmp_path):
    training, events = run(network, dataset, {3: Commands(stop=True)}, tmp_path, evaluate_every=10**6)
    assert kinds(events) == ["started", "checkpointed", "finished"]
    assert [e.examples for e in of_kind(events, Evaluated)] == [0, 192]
    end = events[-1]
    assert (end.stopped_because, end.examples, end.batches) == ("user", 192, 3)
    assert end.message == "Training was stopped after 192 examples."
    assert end.test_accuracy == of_kind(events, Evaluated)[-1].test_accuracy
    again = Training.resume(tmp_path / "checkpoint.safetensors", network, dataset, training.settings)
    assert again.examples == 192


def test_stop_while_paused(network, dataset, tmp_path):
    _, events = run(network, dataset, {2: PAUSED, 7: Commands(paused=True, stop=True)}, tmp_path)
    assert kinds(events) == ["started", "checkpointed", "paused", "finished"]
    assert events[-1].examples == 128


@pytest.mark.parametrize(
    "first", [{2: PAUSED, 6: Commands(paused=True, release=True)}, {2: Commands(release=True)}]
)
def test_release_ends_the_loop_paused_and_another_goes_on(network, dataset, tmp_path, first):
    released, events = run(network, dataset, first, tmp_path)
    assert isinstance(events[-1], Paused)
    assert released.finished is None
    again = Training(network, dataset, released.settings, checkpoint_path=tmp_path / "checkpoint.safetensors")
    events = list(again.events())
    assert isinstance(events[0], Started)
    assert events[0].examples == 128
    assert events[-1].examples == 640
    # The very same object can be driven again as well.
    released.control = MemoryControl()
    assert list(released.events())[-1].examples == 640
    for a, b in zip(released.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_pausing_without_a_checkpoint_path_still_pauses(network, dataset):
    _, events = run(network, dataset, {1: PAUSED, 4: Commands()})
    assert kinds(events) == ["started", "paused", "resumed", "finished"]
    assert not of_kind(events, Checkpointed)


def test_a_new_learning_rate_is_used_from_the_next_batch_on(dataset):
    """Compared with a plain loop whose learning rate changes at the same batch."""
    network = make_network()
    script = {4: Commands(learning_rate=0.01), 7: Commands(learning_rate=0.01)}
    training, events = run(network, dataset, script, examples=512, learning_rate=0.2, optimizer="sgd")
    changes = of_kind(events, LearningRateChanged)
    assert [(e.examples, e.learning_rate) for e in changes] == [(256, 0.01)]
    assert of_kind(events, Progress)[-1].learning_rate == 0.01

    from convolab.training.data import TrainingData

    model = network.build(0).to(memory_format=torch.channels_last)
    data = TrainingData(dataset, training.settings, torch.device("cpu"))
    for batch in range(8):
        images, labels = data.take(64 * batch, 64)
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(model.parameters(), gradients, strict=True):
                parameter -= (0.2 if batch < 4 else 0.01) * gradient
    for a, b in zip(training.model.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)


def test_a_changed_learning_rate_is_still_scaled_by_the_schedule_and_survives_resuming(
    network, dataset, tmp_path
):
    script = {0: Commands(learning_rate=0.5), 5: Commands(release=True)}
    training, _ = run(network, dataset, script, tmp_path, schedule="linear", learning_rate=0.1)
    again = Training.resume(tmp_path / "checkpoint.safetensors", network, dataset, training.settings)
    assert again.learning_rate == 0.5
    last = of_kind(again.events(), Progress)[-1]
    assert last.learning_rate == pytest.approx(0.5 * (1 - last.examples / 640))


@pytest.mark.parametrize("nonsense", [float("nan"), -1.0, 0.0, float("inf"), 1e9])
def test_a_control_that_lets_nonsense_through_changes_nothing(network, dataset, nonsense):
    training, events = run(network, dataset, {2: Commands(learning_rate=nonsense)})
    assert not of_kind(events, LearningRateChanged)
    assert training.learning_rate == 0.1


def test_memory_control_is_steered_from_another_thread(network, dataset):
    control = MemoryControl()
    training = Training(network, dataset, TrainingSettings(), control=control)
    seen: list = []

    def drive():
        seen.extend(training.events())

    def reach(kind, count=1):
        for _ in range(2000):
            if sum(isinstance(event, kind) for event in list(log)) >= count:
                return
            threading.Event().wait(0.01)
        raise AssertionError(f"no {kind.__name__} in {log}")

    log: list = []
    original = training.events

    def logged():
        for event in original():
            log.append(event)
            yield event

    training.events = logged  # type: ignore[method-assign]
    thread = threading.Thread(target=drive, daemon=True)
    thread.start()
    reach(Progress)
    control.pause()
    reach(Paused)
    at = training.examples
    control.step(2)
    reach(Paused, 2)
    assert training.examples == at + 128
    control.set_learning_rate(0.02)
    reach(LearningRateChanged)
    control.resume()
    reach(Resumed)
    control.stop()
    thread.join(20)
    assert isinstance(seen[-1], Finished)
    assert seen[-1].stopped_because == "user"


@pytest.mark.parametrize("value", [0, -0.1, float("nan"), float("inf"), 101, "fast"])
def test_learning_rates_that_cannot_be_are_refused(value):
    with pytest.raises(SettingsError, match="learning rate"):
        MemoryControl().set_learning_rate(value)


def test_a_step_of_no_batches_is_refused():
    with pytest.raises(SettingsError, match="at least 1"):
        MemoryControl().step(0)
