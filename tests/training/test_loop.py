import math

import numpy as np
import pytest
import torch
from torch.nn import functional
from training_kit import make_dataset, make_network, of_kind

from convolab.errors import NetworkError, SettingsError, TrainingError
from convolab.training import (
    Evaluated,
    Finished,
    Progress,
    Started,
    Training,
    TrainingSettings,
    train,
)
from convolab.training.data import TrainingData


def run(network, dataset, settings, **options):
    training = Training(network, dataset, settings, **options)
    return training, list(training.events())


def same_weights(one, two):
    a, b = one.state_dict(), two.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_weights_are_those_of_a_plain_pytorch_loop(network, dataset):
    settings = TrainingSettings(
        examples=700, batch_size=50, learning_rate=0.05, momentum=0.6, weight_decay=0.01, label_smoothing=0.1
    )
    training, _ = run(network, dataset, settings)

    model = network.build(0).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.6, weight_decay=0.01)
    order = []
    for epoch in range(3):
        state = np.random.SeedSequence([0, 1, epoch]).generate_state(1, np.uint64)[0]
        order += torch.randperm(
            300, generator=torch.Generator().manual_seed(int(state >> np.uint64(1)))
        ).tolist()
    for start in range(0, 700, 50):
        index = order[start : start + 50]
        images = (torch.tensor(dataset.train_images[index]).float() - 127.5) / 127.5
        loss = functional.cross_entropy(
            model(images), torch.tensor(dataset.train_labels[index]), label_smoothing=0.1
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for found, expected in zip(training.model.parameters(), model.parameters(), strict=True):
        assert torch.equal(found, expected)


def test_a_last_batch_that_is_cut_short_takes_a_step_as_much_shorter(dataset):
    """16 of 64 examples: a quarter of the learning rate, so that each example counts as much as any other."""
    network = make_network()
    settings = TrainingSettings(examples=80, optimizer="sgd", learning_rate=0.1)
    training, _ = run(network, dataset, settings)
    model = network.build(0).to(memory_format=torch.channels_last)
    data = TrainingData(dataset, settings, torch.device("cpu"))
    for start, count, rate in ((0, 64, 0.1), (64, 16, 0.025)):
        images, labels = data.take(start, count)
        model.zero_grad()
        functional.cross_entropy(model(images), labels).backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= rate * parameter.grad
    for found, expected in zip(training.model.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)


def test_it_learns_and_its_events_tell_the_story(network, dataset):
    training, events = run(network, dataset, TrainingSettings(examples=3000, learning_rate=0.1))
    assert isinstance(events[0], Started)
    assert (events[0].train_size, events[0].test_size, events[0].planned_examples) == (300, 100, 3000)
    assert isinstance(events[1], Evaluated)
    assert events[1].examples == 0
    assert isinstance(events[-1], Finished)
    last = of_kind(events, Evaluated)[-1]
    assert last.examples == events[-1].examples == training.examples == 3000
    assert last.test_accuracy == events[-1].test_accuracy > 0.95
    assert sum(map(sum, last.confusion)) == last.total == 100
    assert sum(row[i] for i, row in enumerate(last.confusion)) == last.correct
    assert events[-1].train_accuracy > 0.9
    positions = [event.examples for event in events]
    assert positions == sorted(positions)
    progress = of_kind(events, Progress)[-1]
    assert (progress.examples, progress.batches, progress.epoch, progress.fraction) == (3000, 47, 10, 1)


def test_reported_loss_and_accuracy_are_means_over_the_examples_since_the_last_report(dataset):
    """With a learning rate of nearly nothing, they can be worked out from the initial weights."""
    network = make_network()
    layers = tuple(layer for layer in network.layers if layer.type != "BatchNorm2d")
    network = network.changed(layers=layers)
    training, events = run(network, dataset, TrainingSettings(epochs=1, learning_rate=1e-12))
    model = network.build(0).eval()
    with torch.no_grad():
        logits = model(torch.tensor(dataset.train_images).float() / 127.5 - 1)
    labels = torch.tensor(dataset.train_labels)
    reports, before = of_kind(events, Progress), 0
    loss = right = 0.0
    for report in reports:
        loss += report.loss * (report.examples - before)
        right += report.train_accuracy * (report.examples - before)
        before = report.examples
    assert before == 300
    assert loss / 300 == pytest.approx(float(functional.cross_entropy(logits, labels)), rel=1e-4)
    assert round(right) == int((logits.argmax(1) == labels).sum())
    assert training.finished.train_accuracy == pytest.approx(right / 300)


def test_evaluated_figures_are_those_of_the_model_at_that_moment(network, dataset):
    training = Training(network, dataset, TrainingSettings(examples=500, evaluate_every=128))
    images = torch.tensor(dataset.test_images).float() / 127.5 - 1
    seen = []
    for event in training.events():
        if isinstance(event, Evaluated):
            with torch.no_grad():
                guesses = training.model.eval()(images).argmax(1).numpy()
            assert event.correct == int((guesses == dataset.test_labels).sum())
            seen.append(event.examples)
    assert seen == [0, 128, 256, 384, 500]


@pytest.mark.parametrize(
    ("settings", "examples", "batches", "reason"),
    [
        ({"examples": 100}, 100, 2, "examples"),
        ({"examples": 1}, 1, 1, "examples"),
        ({"batches": 3}, 192, 3, "batches"),
        ({"epochs": 1.5}, 450, 8, "epochs"),
        ({"epochs": 2, "batches": 4}, 256, 4, "batches"),
        ({"epochs": 0.5, "examples": 1000, "batches": 10}, 150, 3, "epochs"),
    ],
)
def test_it_stops_exactly_where_it_should(network, dataset, settings, examples, batches, reason):
    _, events = run(network, dataset, TrainingSettings(**settings))
    end = events[-1]
    assert (end.examples, end.batches, end.stopped_because) == (examples, batches, reason)
    assert f"{examples:,} examples" in end.message


def test_a_time_budget_counts_training_only_and_drives_the_schedule(network, dataset):
    settings = TrainingSettings(budget=0.4, schedule="linear", learning_rate=0.1)
    training = Training(network, dataset, settings)
    rates = []
    for event in training.events():
        if isinstance(event, Progress):
            rates.append((event.seconds, event.learning_rate))
            torch.randn(400, 400) @ torch.randn(400, 400)  # the watcher's time does not count
    end = training.finished
    assert end.stopped_because == "budget"
    assert end.seconds >= 0.4
    assert rates == [(seconds, pytest.approx(0.1 * max(0, 1 - seconds / 0.4))) for seconds, _ in rates]


def test_a_target_accuracy_ends_it_at_the_evaluation_that_reaches_it(network, dataset):
    _, events = run(
        network, dataset, TrainingSettings(target_accuracy=0.8, examples=100_000, evaluate_every=64)
    )
    assert events[-1].stopped_because == "target accuracy"
    figures = [event.test_accuracy for event in of_kind(events, Evaluated)]
    assert figures[-1] >= 0.8 > max(figures[:-1])
    assert events[-1].examples < 100_000


def test_same_seed_same_weights_other_seed_other_weights(dataset):
    network = make_network(dropout=0.3)
    settings = TrainingSettings(examples=640, flip=True, shift=2, cutout=3)
    one, _ = run(network, dataset, settings)
    two, _ = run(network, dataset, settings)
    other, _ = run(network, dataset, settings.changed(seed=1))
    assert same_weights(one.model, two.model)
    assert not same_weights(one.model, other.model)


def test_a_weights_seed_gives_the_same_start_and_another_course(network, dataset):
    settings = TrainingSettings(examples=640, seed=5, weights_seed=0)
    start = Training(network, dataset, settings)
    assert same_weights(start.model, network.build(0))
    one, _ = run(network, dataset, settings)
    other, _ = run(network, dataset, TrainingSettings(examples=640, seed=0))
    assert not same_weights(one.model, other.model)


def test_initial_weights_can_be_given(network, dataset, tmp_path):
    learned, _ = run(network, dataset, TrainingSettings(examples=2000))
    _, events = run(
        network, dataset, TrainingSettings(examples=64), initial_weights=learned.model.state_dict()
    )
    assert of_kind(events, Evaluated)[0].test_accuracy == learned.finished.test_accuracy
    learned.save_weights(tmp_path / "weights.safetensors")
    _, events = run(
        network, dataset, TrainingSettings(examples=64), initial_weights=tmp_path / "weights.safetensors"
    )
    assert of_kind(events, Evaluated)[0].test_accuracy == learned.finished.test_accuracy
    with pytest.raises(TrainingError, match="another network"):
        Training(
            make_network(classes=4, shape=(1, 8, 8)),
            make_dataset(shape=(1, 8, 8)),
            TrainingSettings(),
            initial_weights=learned.model.state_dict(),
        )


def test_evaluating_often_and_a_watcher_that_draws_random_numbers_change_nothing(dataset):
    network = make_network(dropout=0.4)
    settings = TrainingSettings(examples=960, shift=2, evaluate_every=10**6)
    undisturbed, _ = run(network, dataset, settings)
    watched = Training(network, dataset, settings.changed(evaluate_every=64))
    torch.manual_seed(123)
    before = torch.get_rng_state()
    for event in watched.events():
        torch.rand(7)
        watched.model.eval()
        if isinstance(event, Started):
            torch.set_rng_state(before)
    assert same_weights(undisturbed.model, watched.model)


def test_it_leaves_the_random_numbers_of_others_alone(dataset):
    torch.manual_seed(9)
    before = torch.get_rng_state()
    list(train(make_network(dropout=0.4), dataset, TrainingSettings(examples=128)))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("schedule", ["step", "cosine", "one-cycle", "linear"])
def test_the_schedule_is_followed(network, dataset, schedule):
    from convolab.training import schedule_factor

    settings = TrainingSettings(examples=6400, schedule=schedule, learning_rate=0.02)
    _, events = run(network, dataset, settings)
    for event in of_kind(events, Progress):
        expected = 0.02 * schedule_factor(settings, event.examples / 6400)
        assert event.learning_rate == pytest.approx(expected)


LINEAR = ("Conv2d", "Flatten", "Linear")


@pytest.mark.parametrize(
    ("settings", "cause"),
    [
        ({"learning_rate": 100.0}, "learning rate 100 is probably too large; try 10"),
        ({"learning_rate": 10.0, "normalization": "none"}, "pixels go in as 0 to 255"),
        ({"learning_rate": 10.0, "weight_decay": 5.0}, "weight decay 5"),
        ({"learning_rate": 50.0, "momentum": 0.999}, "momentum 0.999"),
    ],
)
def test_a_loss_that_is_not_finite_ends_it_with_the_likely_cause(dataset, settings, cause):
    # Without activations in between nothing holds the weights back (units behind ReLU just die).
    network = make_network()
    network = network.changed(layers=tuple(layer for layer in network.layers if layer.type in LINEAR))
    _, events = run(network, dataset, TrainingSettings(examples=20_000, **settings))
    end = events[-1]
    assert end.stopped_because == "not finite"
    assert cause in end.message
    assert "no checkpoint" in end.message
    for event in events:
        figures = [value for value in event.to_dict().values() if isinstance(value, float)]
        assert all(math.isfinite(value) for value in figures)


def test_bad_combinations_are_refused_at_once_with_a_sentence(network, dataset):
    with pytest.raises(
        SettingsError, match="Batch size 512 is larger than the 300 training images; choose 300"
    ):
        train(network, dataset, TrainingSettings(batch_size=512))
    with pytest.raises(NetworkError):
        train(network, make_dataset(classes=3), TrainingSettings())
    with pytest.raises(NetworkError):
        train(network, make_dataset(shape=(3, 12, 12)), TrainingSettings())
    with pytest.raises(SettingsError, match="no device"):
        train(
            network,
            dataset,
            TrainingSettings(device="mps" if not torch.backends.mps.is_available() else "cuda"),
        )


def test_one_image_per_batch_and_batch_normalisation_over_one_value(dataset):
    from convolab.networks import Network
    from convolab.networks.layers import BatchNorm2d, Conv2d, Flatten, Linear

    layers = (Conv2d(out_channels=4, kernel_size=12), BatchNorm2d(), Flatten(), Linear(out_features=4))
    training = Training(
        Network(input_shape=(1, 12, 12), layers=layers), dataset, TrainingSettings(batch_size=1)
    )
    with pytest.raises(TrainingError, match="batch size of 2 or more"):
        list(training.events())


def test_one_training_cannot_be_driven_twice_at_once(network, dataset):
    training = Training(network, dataset, TrainingSettings(examples=128))
    events = training.events()
    next(events)
    with pytest.raises(TrainingError, match="under way"):
        next(training.events())
    assert isinstance(list(events)[-1], Finished)


@pytest.mark.data
def test_mnist_reaches_95_percent_after_10_000_examples():
    import convolab

    data = convolab.load("mnist")
    network = convolab.preset("convolutional", data.input_shape, len(data.classes))
    end = list(train(network, data, TrainingSettings(examples=10_000)))[-1]
    assert end.examples == 10_000
    assert end.test_accuracy >= 0.95
