import pytest
import torch
from training_kit import make_dataset, make_network, of_kind

from convolab.networks import Network
from convolab.networks.layers import Conv2d, GlobalAvgPool2d, Linear, ReLU
from convolab.training import (
    Started,
    Training,
    TrainingSettings,
    choose_precision,
    number_formats,
    precision,
    usable_cores,
)
from convolab.training.precision import make_forward

CPU = torch.device("cpu")


def heavy_network():
    """About 10 million multiply-adds in its second convolution."""
    layers = (
        Conv2d(out_channels=32, kernel_size=3, padding=1),
        ReLU(),
        Conv2d(out_channels=32, kernel_size=3, padding=1),
        GlobalAvgPool2d(),
        Linear(out_features=4),
    )
    return Network(input_shape=(3, 32, 32), layers=layers)


@pytest.fixture
def bf16_here(monkeypatch):
    """A processor of which it is known how fast and how exact its bf16 is."""

    def arrange(speed, error=0.0):
        honest = precision._once

        def once(convolution, images, slope, dtype, device):
            _, results = honest(convolution, images, slope, torch.float32, device)
            if dtype is torch.bfloat16:
                return 1.0 / speed, [result * (1 + error) for result in results]
            return 1.0, results

        monkeypatch.setattr(precision, "_once", once)

    return arrange


@pytest.mark.parametrize(
    ("speed", "error", "name", "reason"),
    [
        (2.0, 0.004, "bf16", "2.0 times as fast as fp32 here, and verified to agree within 0.4%"),
        (1.25, 0.0, "bf16", "1.2 times as fast"),
        (1.1, 0.0, "fp32", "only 1.1 times as fast"),
        (0.1, 0.0, "fp32", "10 times slower"),
        (2.0, 0.1, "fp32", "wrong results on this machine (relative error 0.1)"),
        (2.0, float("nan"), "fp32", "wrong results"),
    ],
)
def test_bf16_only_where_it_pays_and_agrees(home, bf16_here, speed, error, name, reason):
    bf16_here(speed, error)
    chosen = choose_precision(heavy_network().build(0), (64, 3, 32, 32), CPU)
    assert chosen.name == name
    assert reason in chosen.reason


def test_a_job_that_was_tried_once_keeps_its_number_format(home, bf16_here):
    def chosen(batch):
        return choose_precision(heavy_network().build(0), (batch, 3, 32, 32), CPU).name

    bf16_here(1.25)
    assert chosen(64) == "bf16"
    bf16_here(1.15)  # the same machine, a little busier
    assert chosen(64) == "bf16"
    assert chosen(32) == "fp32"
    (home / number_formats.FILE).unlink()
    assert chosen(64) == "fp32"


@pytest.mark.parametrize("text", ["", "[]", '{"x": 1}', '{"x": {"name": "int8", "reason": ""}}'])
def test_a_damaged_memory_of_number_formats_is_replaced(home, bf16_here, text):
    (home / number_formats.FILE).write_text(text)
    for speed in (2.0, 0.5):
        bf16_here(speed)
        assert choose_precision(heavy_network().build(0), (64, 3, 32, 32), CPU).name == "bf16"


def test_a_home_that_cannot_be_written_to_is_no_reason_to_change_ones_mind(tmp_path, monkeypatch, bf16_here):
    (tmp_path / "file").touch()
    monkeypatch.setenv("CONVOLAB_HOME", str(tmp_path / "file" / "home"))
    for speed in (2.0, 0.5):
        bf16_here(speed)
        assert choose_precision(heavy_network().build(0), (48, 3, 32, 32), CPU).name == "bf16"


def test_never_for_networks_where_it_cannot_matter(bf16_here):
    bf16_here(100.0)
    chosen = choose_precision(make_network().build(0), (64, 1, 12, 12), CPU)
    assert chosen.name == "fp32"
    assert "too small" in chosen.reason


def test_what_the_settings_say_is_done():
    for wanted in ("fp32", "bf16"):
        assert choose_precision(make_network().build(0), (64, 1, 12, 12), CPU, wanted).name == wanted


def test_choosing_on_this_very_machine_changes_neither_model_nor_random_numbers():
    model = heavy_network().build(0)
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    before = torch.get_rng_state()
    chosen = choose_precision(model, (8, 3, 32, 32), CPU)
    assert chosen.name in ("fp32", "bf16")
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_bf16_keeps_the_first_layer_the_weights_and_the_logits_in_fp32():
    model = make_network().build(0)
    seen = []
    for layer in model:
        layer.register_forward_hook(lambda layer, inputs, output: seen.append((layer, output.dtype)))
    logits = make_forward(model, "bf16", CPU)(torch.randn(2, 1, 12, 12))
    convolutions = [dtype for layer, dtype in seen if isinstance(layer, torch.nn.Conv2d)]
    assert convolutions == [torch.float32, torch.bfloat16]
    assert logits.dtype == torch.float32
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


def test_training_in_bf16_learns_as_well_and_says_so():
    dataset = make_dataset()
    training = Training(make_network(), dataset, TrainingSettings(examples=2000, precision="bf16"))
    events = list(training.events())
    assert of_kind(events, Started)[0].precision == "bf16"
    assert events[-1].test_accuracy > 0.95


def test_a_resumed_run_keeps_its_precision(tmp_path, home, bf16_here):
    bf16_here(2.0)
    path, dataset = tmp_path / "c.safetensors", make_dataset(train=64, test=8, shape=(3, 32, 32))
    settings = TrainingSettings(examples=8, batch_size=8)
    list(Training(heavy_network(), dataset, settings, checkpoint_path=path).events())
    bf16_here(0.5)
    (home / number_formats.FILE).unlink()
    longer = settings.changed(examples=16)
    events = list(Training.resume(path, heavy_network(), dataset, longer).events())
    assert of_kind(events, Started)[0].precision == "bf16"


def test_threads_are_those_this_process_may_use(monkeypatch, dataset, network):
    monkeypatch.delenv("CONVOLAB_THREADS")
    torch.set_num_threads(1)  # as in a job worker
    started = next(Training(network, dataset, TrainingSettings(examples=64)).events())
    assert started.threads == torch.get_num_threads() == usable_cores() >= 1
    monkeypatch.setenv("CONVOLAB_THREADS", "1")
    assert usable_cores() == 1
