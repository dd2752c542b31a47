"""A run that was interrupted ends with bit for bit the weights of one that was not."""

import json

import pytest
import torch
from training_kit import Script, bars, make_dataset, make_network, of_kind

from convolab.datasets import Dataset
from convolab.errors import TrainingError
from convolab.training import (
    CheckpointError,
    Commands,
    Evaluated,
    Paused,
    Training,
    TrainingSettings,
)

EVERYTHING = {
    "examples": 5000,
    "flip": True,
    "shift": 2,
    "cutout": 3,
    "schedule": "one-cycle",
    "label_smoothing": 0.1,
    "weight_decay": 0.001,
    "seed": 7,
}


def interrupted(network, dataset, settings, path, at):
    """Train to each batch of ``at``, each time with a new Training from the checkpoint, then to the end."""
    for batch in at:
        so_far = 0
        if path.exists():
            so_far = Training(network, dataset, settings, checkpoint_path=path).position.batches
        control = Script({batch - so_far: Commands(release=True)})
        training = Training(network, dataset, settings, control=control, checkpoint_path=path)
        events = list(training.events())
        assert isinstance(events[-1], Paused)
        assert training.position.batches == batch
    training = Training.resume(path, network, dataset, settings)
    return training, list(training.events())


@pytest.mark.parametrize(
    "optimizer", ["sgd", "momentum", "nesterov", "rmsprop", "adagrad", "adadelta", "adam", "adamax", "adamw"]
)
def test_resumed_weights_are_bit_identical(optimizer, dataset, tmp_path):
    network = make_network(dropout=0.25)
    settings = TrainingSettings(
        optimizer=optimizer, learning_rate=0.01, momentum=0.9, gamma=0.9, **EVERYTHING
    )
    whole = Training(network, dataset, settings)
    end = list(whole.events())[-1]
    resumed, events = interrupted(network, dataset, settings, tmp_path / "c.safetensors", at=(16, 47))
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[name]), name
    assert events[-1].examples == 5000
    assert events[-1].batches == end.batches
    assert events[-1].test_accuracy == end.test_accuracy
    assert events[-1].train_accuracy == pytest.approx(end.train_accuracy, abs=0.05)


def test_the_clock_and_the_figures_go_on(network, dataset, tmp_path):
    settings = TrainingSettings(examples=1280, evaluate_every=640)
    path = tmp_path / "c.safetensors"
    training = Training(
        network, dataset, settings, control=Script({12: Commands(release=True)}), checkpoint_path=path
    )
    list(training.events())
    again = Training.resume(path, network, dataset, settings)
    assert again.position == training.position
    assert again.evaluation == training.evaluation
    events = list(again.events())
    assert [event.examples for event in of_kind(events, Evaluated)] == [1280]
    assert events[-1].seconds > training.position.seconds


def test_when_to_stop_may_change_and_a_finished_run_can_be_prolonged(network, dataset, tmp_path):
    path = tmp_path / "c.safetensors"
    short, long = TrainingSettings(examples=640), TrainingSettings(epochs=4)
    list(Training(network, dataset, short, checkpoint_path=path).events())
    finished_again = list(Training.resume(path, network, dataset, short).events())
    assert [event.kind for event in finished_again] == ["started", "finished"]
    prolonged = Training.resume(path, network, dataset, long)
    assert list(prolonged.events())[-1].examples == 1200
    whole = Training(network, dataset, long)
    list(whole.events())
    for a, b in zip(prolonged.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_periodic_checkpoints_while_training(network, dataset, tmp_path):
    path = tmp_path / "c.safetensors"
    training = Training(
        network, dataset, TrainingSettings(examples=1920), checkpoint_path=path, checkpoint_every=0.001
    )
    seen = []
    for event in training.events():
        if event.kind == "checkpointed":
            copy = Training.resume(path, network, dataset, training.settings)
            assert copy.examples == event.examples == training.examples
            for a, b in zip(copy.model.parameters(), training.model.parameters(), strict=True):
                assert torch.equal(a, b)
            seen.append(event.examples)
    assert len(seen) >= 10
    assert seen[-1] == 1920


def other_bars():
    return Dataset(
        "other", "Other", ("a", "b", "c", "d"), *bars(300, (1, 12, 12), 4, 5), *bars(50, (1, 12, 12), 4, 6)
    )


def test_a_checkpoint_of_another_run_is_refused_and_kept(network, dataset, tmp_path):
    path = tmp_path / "c.safetensors"
    settings = TrainingSettings(examples=128)
    list(Training(network, dataset, settings, checkpoint_path=path).events())
    content = path.read_bytes()
    for changed, sentence in (
        ((make_network(dropout=0.5), dataset, settings), "another network"),
        ((network, other_bars(), settings), "another data set"),
        ((network, make_dataset(train=200), settings), "another number of training images"),
        ((network, dataset, settings.changed(learning_rate=0.05)), "learning rate 0.1, not 0.05"),
        ((network, dataset, settings.changed(seed=3)), "seed 0, not 3"),
    ):
        with pytest.raises(TrainingError, match=sentence):
            Training(*changed, checkpoint_path=path)
    assert path.read_bytes() == content


def test_files_that_are_no_checkpoints_are_refused_with_a_sentence(network, dataset, tmp_path):
    path = tmp_path / "c.safetensors"
    settings = TrainingSettings(examples=128)
    with pytest.raises(CheckpointError, match="no checkpoint"):
        Training.resume(path, network, dataset, settings)
    list(Training(network, dataset, settings, checkpoint_path=path).events())
    whole = path.read_bytes()
    for content in (b"", b"PK\x03\x04 not ours", whole[:100], whole[:-1], b"\xff" * 64):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="damaged or cut short"):
            Training.resume(path, network, dataset, settings)
    training = Training(network, dataset, settings)
    training.save_weights(path)
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        Training.resume(path, network, dataset, settings)


def test_a_checkpoint_is_plain_safetensors_that_others_can_read(network, dataset, tmp_path):
    from safetensors import safe_open

    path = tmp_path / "c.safetensors"
    training = Training(
        network, dataset, TrainingSettings(examples=256, optimizer="adam"), checkpoint_path=path
    )
    list(training.events())
    with safe_open(path, "pt") as file:
        names = set(file.keys())
        record = json.loads(file.metadata()["record"])
        for name, tensor in training.model.state_dict().items():
            assert torch.equal(file.get_tensor(f"model.{name}"), tensor)
    assert {"random.cpu", "optimizer.0.exp_avg", "optimizer.0.exp_avg_sq", "optimizer.0.step"} <= names
    assert record["position"]["examples"] == 256
    assert record["settings"]["optimizer"] == "adam"
