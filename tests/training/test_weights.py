import json
import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file
from training_kit import make_dataset, make_network

from convolab.errors import ConvolabError, NetworkError, TrainingError
from convolab.training import Training, TrainingSettings, load_weights, save_weights


@pytest.fixture
def saved(network, dataset, tmp_path):
    training = Training(network, dataset, TrainingSettings(examples=640, normalization="per-channel"))
    list(training.events())
    path = tmp_path / "weights.safetensors"
    training.save_weights(path)
    return training, path


def test_one_file_is_enough_to_use_the_network(saved, dataset):
    training, path = saved
    network, model, info = load_weights(path)
    assert network == training.network
    assert not model.training
    for name, tensor in training.model.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor)
    assert (info.dataset, info.classes, info.normalization) == ("bars", dataset.classes, "per-channel")
    assert info.figures["examples"] == 640
    assert info.figures["test_accuracy"] == training.evaluation.accuracy
    assert info.figures["settings"]["normalization"] == "per-channel"
    images = torch.tensor(dataset.test_images).permute(0, 2, 3, 1)
    guesses = model(info.normalize()(images)).argmax(1)
    assert int((guesses == torch.tensor(dataset.test_labels)).sum()) == training.evaluation.correct


def change(path, *, tensors=None, **values):
    """Rewrite a file of weights with another description or other tensors."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        metadata = dict(file.metadata())
    record = {**json.loads(metadata["record"]), **values}
    save_file(tensors or load_file(path), path, {**metadata, "record": json.dumps(record)})


def test_files_that_are_not_ours_or_not_whole_are_refused_with_a_sentence(saved, tmp_path):
    _, path = saved
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 2], whole[:-1], pickle.dumps({"a": 1}), b"\x00" * 5000):
        path.write_bytes(content)
        with pytest.raises(NetworkError, match=r"weights\.safetensors cannot be read"):
            load_weights(path)
    save_file({"a": torch.zeros(3)}, path)
    with pytest.raises(NetworkError, match="holds no weights saved by convolab"):
        load_weights(path)
    with pytest.raises(NetworkError, match="There is no file"):
        load_weights(tmp_path / "absent.safetensors")


@pytest.mark.parametrize(
    "values",
    [
        {"network": "{"},
        {"network": 7},
        {"classes": None},
        {"classes": ["a"]},
        {"mean": ["x"]},
        {"figures": 3},
    ],
)
def test_a_description_that_makes_no_sense_is_refused_with_a_sentence(saved, values):
    _, path = saved
    change(path, **values)
    with pytest.raises(NetworkError) as caught:
        load_weights(path)
    assert "\n" not in str(caught.value)


def test_weights_of_another_shape_are_refused_with_a_sentence(saved):
    _, path = saved
    tensors = load_file(path)
    name = next(name for name in tensors if tensors[name].ndim == 4)
    change(path, tensors={**tensors, name: torch.zeros(9, 1, 3, 3)})
    with pytest.raises(NetworkError, match="belong to another network"):
        load_weights(path)
    missing = {key: value for key, value in tensors.items() if key != name}
    change(path, tensors={**missing, "extra": torch.zeros(100_000)})
    with pytest.raises(NetworkError, match="is missing there"):
        load_weights(path)


def test_a_small_file_that_promises_a_giant_network_is_refused_before_it_is_built(saved, monkeypatch):
    from convolab.networks import Network
    from convolab.networks.layers import Flatten, Linear

    _, path = saved
    giant = Network(
        input_shape=(1, 12, 12),
        layers=(Flatten(), Linear(out_features=10_000), Linear(out_features=10_000), Linear(out_features=4)),
    )
    change(path, network=giant.to_json())
    monkeypatch.setattr(Network, "build", lambda *_: pytest.fail("it was built"))
    with pytest.raises(NetworkError, match="fewer weights than its network"):
        load_weights(path)


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    network, dataset = make_network(), make_dataset()
    model = network.build(0)
    with torch.no_grad():
        next(model.parameters())[0] = float("inf")
    with pytest.raises(TrainingError, match="no longer finite"):
        save_weights(tmp_path / "weights.safetensors", model, network, dataset)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_to_is_one_sentence(saved, tmp_path):
    training, path = saved
    with pytest.raises(ConvolabError, match="could not be written"):
        training.save_weights(path / "inside-a-file.safetensors")
