"""The exported script trains the same network with the same settings, without convolab."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from convolab.datasets import Dataset, normalizer
from convolab.errors import ConvolabError
from convolab.home import datasets_dir
from convolab.networks import PRESETS, Network, preset
from convolab.networks.layers import (
    GELU,
    LENET5_CONNECTIONS,
    BatchNorm2d,
    ConstantPad2d,
    Conv2d,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    Linear,
    MaxPool2d,
    ReLU,
    Reshape,
    Residual,
    Scale,
    ScaledTanh,
    Tanh,
)
from convolab.training.events import Finished
from convolab.training.loop import train
from convolab.training.optimizers import make_optimizer
from convolab.training.schedules import schedule_factor
from convolab.training.settings import TrainingSettings

SHAPE = (1, 14, 14)
PARTS = ("train_images", "train_labels", "test_images", "test_labels")


def make_dataset(
    shape: tuple[int, int, int] = SHAPE, train_size: int = 2000, test_size: int = 1000
) -> Dataset:
    """Ten kinds of blurred blots, each moved a little and drowned in noise: learnable, not trivial."""
    rng = np.random.default_rng(5)
    channels, height, width = shape
    coarse = rng.normal(size=(10, channels, 7, 7)).repeat(-(-height // 7), 2).repeat(-(-width // 7), 3)
    prototypes = coarse[:, :, :height, :width]

    def pictures(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = rng.integers(0, 10, count)
        moved = np.stack([np.roll(prototypes[k], tuple(rng.integers(-1, 2, 2)), axis=(1, 2)) for k in labels])
        noisy = moved + rng.normal(scale=0.9, size=moved.shape)
        return np.clip(110 + 40 * noisy, 0, 255).astype(np.uint8), labels.astype(np.int64)

    train_images, train_labels = pictures(train_size)
    test_images, test_labels = pictures(test_size)
    names = tuple(str(k) for k in range(10))
    return Dataset("blots", "Blots", names, train_images, train_labels, test_images, test_labels)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return make_dataset()


@pytest.fixture(scope="module")
def folder(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("blots")
    for part in PARTS:
        np.save(path / f"{part}.npy", getattr(dataset, part))
    return path


def script(
    tmp_path: Path, network: Network, settings: TrainingSettings | None = None, **options: Any
) -> Path:
    path = tmp_path / "exported.py"
    path.write_text(network.to_code(settings, **options), encoding="utf-8")
    return path


def names(path: Path) -> dict[str, Any]:
    """What the script defines, without running its main part."""
    return runpy.run_path(str(path), run_name="exported")


def run(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # -I: isolated; nothing but what the script itself imports, and convolab made unfindable.
    block = "import sys, runpy; sys.modules['convolab'] = None; sys.argv = sys.argv[1:]; "
    program = block + "runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-I", "-c", program, str(path), *arguments]
    # One thread: several busy test processes on few cores would wait for each other's threads.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=250, env=environment)


def printed_accuracy(path: Path, folder: Path) -> float:
    result = run(path, "--data", str(folder))
    assert result.returncode == 0, result.stderr
    found = re.search(r"^Test accuracy: (0\.\d+|1\.0+) on [\d,]+ images$", result.stdout, re.MULTILINE)
    assert found, result.stdout
    return float(found[1])


def lab_accuracy(network: Network, dataset: Dataset, settings: TrainingSettings) -> float:
    finished = [event for event in train(network, dataset, settings) if isinstance(event, Finished)]
    assert finished[0].test_accuracy is not None
    return finished[0].test_accuracy


RESIDUAL = Network(
    input_shape=SHAPE,
    layers=(
        Conv2d(out_channels=8, kernel_size=3, stride=2, padding=1, bias=False),
        BatchNorm2d(),
        ReLU(),
        Residual(
            layers=(
                Conv2d(out_channels=16, kernel_size=3, stride=2, padding=1, bias=False),
                BatchNorm2d(),
                ReLU(),
                Conv2d(out_channels=16, kernel_size=3, padding=1, bias=False),
                BatchNorm2d(),
            )
        ),
        ReLU(),
        Residual(layers=(Conv2d(out_channels=16, padding=1), GELU())),
        GlobalAvgPool2d(),
        Linear(out_features=10),
    ),
    floor=True,
)

TABLE = Network(
    input_shape=SHAPE,
    layers=(
        Conv2d(out_channels=6, kernel_size=3),
        ScaledTanh(),
        MaxPool2d(kernel_size=2, stride=2),
        Conv2d(out_channels=16, kernel_size=3, connections=LENET5_CONNECTIONS),
        ScaledTanh(),
        Flatten(),
        Linear(out_features=10),
        ScaledTanh(),
    ),
)

RECIPE = Network(
    input_shape=SHAPE,
    layers=(
        Conv2d(out_channels=8, kernel_size=2, whitening=True),
        GELU(),
        Conv2d(out_channels=16, kernel_size=3, stride=2, bias=False),
        BatchNorm2d(scale=False),
        GELU(),
        Conv2d(out_channels=16, kernel_size=3, stride=2, bias=False),
        BatchNorm2d(scale=False),
        GELU(),
        GlobalAvgPool2d(),
        Linear(out_features=10, bias=False),
        Scale(factor=0.5),
    ),
    floor=True,
    initialization="dirac",
)

# In the middle of training accuracy is measured now and then; once at the end is enough here.
RUNS = {
    "convolutional": (
        preset("convolutional", SHAPE, 10),
        TrainingSettings(examples=6_000, evaluate_every=10**6),
    ),
    "connection table": (
        TABLE,
        TrainingSettings(
            examples=6_000, learning_rate=0.05, normalization="per-channel", evaluate_every=10**6
        ),
    ),
    "residual": (
        RESIDUAL.changed(initialization="pytorch"),
        TrainingSettings(
            optimizer="nesterov",
            momentum=0.9,
            learning_rate=0.05,
            weight_decay=5e-4,
            epochs=3,
            evaluate_every=10**6,
            schedule="one-cycle",
            label_smoothing=0.1,
            shift=1,
            cutout=4,
            weights_seed=3,
        ),
    ),
    "recipe": (
        RECIPE,
        TrainingSettings(
            optimizer="muon",
            momentum=0.9,
            learning_rate=0.05,
            weight_decay=0.01,
            norm_rate=4.0,
            average=0.8,
            epochs=5,
            evaluate_every=10**6,
            schedule="cosine",
            flip=True,
            alternate_flip=True,
            start_size=0.6,
            whitening_until=0.5,
        ),
    ),
}


@pytest.mark.parametrize("case", RUNS)
def test_the_script_reaches_the_accuracy_of_the_lab(
    case: str, dataset: Dataset, folder: Path, tmp_path: Path
) -> None:
    network, settings = RUNS[case]
    exported = printed_accuracy(script(tmp_path, network, settings), folder)
    here = lab_accuracy(network, dataset, settings)
    assert here > 0.8  # the task is learned at all
    assert exported == pytest.approx(here, abs=0.06)


@pytest.mark.data
def test_the_script_learns_mnist_from_the_labs_own_folder(tmp_path: Path) -> None:
    from convolab.datasets import load

    load("mnist")
    path = script(tmp_path, preset("convolutional", (1, 28, 28), 10), TrainingSettings(examples=10_000))
    assert names(path)["default_folder"]() == datasets_dir() / "mnist"
    assert printed_accuracy(path, datasets_dir() / "mnist") > 0.94


LAYERS = Network(
    input_shape=(2, 12, 12),
    layers=(
        ConstantPad2d(padding=1, value=-0.5),
        Reshape(shape=(8, 7, 7)),
        Conv2d(out_channels=4, kernel_size=3, stride=2, connections=((0, 7), (1,), (2, 3, 4), (5,))),
        Tanh(),
        Dropout(p=0.2),
        Residual(layers=(Residual(layers=(MaxPool2d(kernel_size=3, padding=1),)), GELU())),
        Reshape(shape=(36,)),
        Linear(out_features=5, bias=False),
    ),
)


@pytest.mark.parametrize(
    "network",
    [LAYERS, RESIDUAL, *(preset(name, (1, 28, 28), 10) for name in PRESETS)],
    ids=["layers", "residual", *PRESETS],
)
def test_the_script_makes_the_same_network(network: Network, tmp_path: Path) -> None:
    model = network.build(1).eval()
    theirs = names(script(tmp_path, network))["make_network"]().eval()
    state = model.state_dict()
    for key, value in theirs.state_dict().items():
        table = next((m for name, m in model.named_modules() if key == f"{name}.weight"), None)
        if hasattr(table, "dense_weight"):
            state[key] = table.dense_weight()
        elif key.endswith(".mask"):
            state[key] = value
    theirs.load_state_dict(state)
    x = torch.randn(4, *network.input_shape)
    assert torch.allclose(theirs(x), model(x), atol=1e-6)


@pytest.mark.parametrize("how", ["original", "pytorch", "dirac"])
def test_the_script_begins_with_weights_of_the_same_kind(how: str, tmp_path: Path) -> None:
    layers = (
        Conv2d(out_channels=60, kernel_size=5),
        Conv2d(
            out_channels=60,
            kernel_size=3,
            connections=tuple((i, 59 - i, 30) for i in range(29)) + ((0,),) * 31,
        ),
        Flatten(),
        Linear(out_features=40),
    )
    network = Network(input_shape=(60, 8, 8), layers=layers, initialization=how)
    defined = names(script(tmp_path, network))
    torch.manual_seed(0)
    theirs = defined["make_network"]()
    if "initialize" in defined:
        defined["initialize"](theirs)
    ours = network.build()
    for index in (0, 1, 3):
        mine = ours[index].weight.detach().flatten()
        other = theirs[index].weight.detach()
        if index == 1:
            other = other[(theirs[1].mask > 0).expand_as(other)]
        other = other.flatten()
        assert other.numel() == mine.numel()
        for a, b in ((mine.std(), other.std()), (mine.abs().max(), other.abs().max())):
            assert a.item() == pytest.approx(b.item(), rel=0.1)


OPTIMIZERS = [
    {"optimizer": "sgd"},
    {"optimizer": "momentum", "momentum": 0.7, "weight_decay": 0.01},
    {"optimizer": "nesterov", "momentum": 0.7},
    {"optimizer": "nesterov", "momentum": 0.0},
    {"optimizer": "rmsprop", "gamma": 0.3, "momentum": 0.2},
    {"optimizer": "adagrad", "weight_decay": 0.1},
    {"optimizer": "adadelta", "gamma": 0.3},
    {"optimizer": "adam", "beta1": 0.8, "beta2": 0.99},
    {"optimizer": "adamax", "beta1": 0.8, "beta2": 0.99},
    {"optimizer": "adamw", "beta1": 0.8, "beta2": 0.99},
    {"optimizer": "adamw", "weight_decay": 0.2},
]


@pytest.mark.parametrize("choice", OPTIMIZERS, ids=str)
def test_the_script_uses_the_same_optimizer(choice: dict[str, Any]) -> None:
    settings = TrainingSettings(learning_rate=0.0123, **choice)
    line = re.search(r"optimizer = (torch.*)", preset("fully-connected", SHAPE, 10).to_code(settings))
    model = torch.nn.Linear(2, 2)
    theirs = eval(line[1], {"torch": torch, "model": model, "LEARNING_RATE": settings.learning_rate})
    ours = make_optimizer(model.parameters(), settings)
    assert type(theirs) is type(ours)
    assert theirs.defaults == ours.defaults


@pytest.mark.parametrize("schedule", ["step", "cosine", "linear", "one-cycle"])
def test_the_script_uses_the_same_schedule(schedule: str, tmp_path: Path) -> None:
    settings = TrainingSettings(schedule=schedule, examples=100, step_factor=0.3, warmup=0.2)
    theirs = names(script(tmp_path, preset("fully-connected", SHAPE, 10), settings))["schedule"]
    for done in np.linspace(0, 1, 41):
        assert theirs(float(done)) == pytest.approx(schedule_factor(settings, float(done)))


@pytest.mark.parametrize("normalization", ["[-1, 1]", "[0, 1]", "none", "per-channel"])
def test_the_script_normalises_alike(normalization: str, tmp_path: Path) -> None:
    data = make_dataset((3, 14, 14), 200, 10)
    settings = TrainingSettings(normalization=normalization)
    images = torch.tensor(data.train_images)
    theirs = names(script(tmp_path, preset("fully-connected", (3, 14, 14), 10), settings))["normalizer"]
    mean, std = (torch.tensor(v).view(-1, 1, 1) for v in normalizer(data, normalization))
    result = theirs(images)(images[:50])
    assert result.dtype == torch.float32
    assert torch.allclose(result, (images[:50] - mean) / std, atol=1e-4)


def test_the_script_augments_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = preset("fully-connected", (3, 8, 10), 10)
    flip = names(script(tmp_path, network, TrainingSettings(flip=True)))["augment"]
    images = torch.rand(200, 3, 8, 10)
    flipped = flip(images.clone())
    mirrored = (flipped == images.flip(3)).flatten(1).all(1)
    same = (flipped == images).flatten(1).all(1)
    assert (mirrored | same).all()
    assert 60 < mirrored.sum() < 140

    shift = names(script(tmp_path, network, TrainingSettings(shift=2)))["augment"](images.clone())
    padded = torch.nn.functional.pad(images, [2] * 4, mode="reflect")
    windows = torch.stack([padded[:, :, y : y + 8, x : x + 10] for y in range(5) for x in range(5)])
    found = (windows == shift).flatten(2).all(2)
    assert found.any(0).all()
    assert found.any(1).all()  # every move occurs

    square = torch.rand(5, 3, 10, 10)
    turn = names(script(tmp_path, network, TrainingSettings(rotation=90)))["augment"]
    thicken = names(script(tmp_path, network, TrainingSettings(stroke=1.0)))["augment"]
    with monkeypatch.context() as patch:  # the largest turn and the thickest stroke are drawn
        patch.setattr(torch, "rand", torch.ones)
        torch.testing.assert_close(turn(square), square.rot90(1, (2, 3)), atol=1e-4, rtol=0)
        torch.testing.assert_close(thicken(square), torch.nn.functional.max_pool2d(square, 3, 1, 1))

    cut = names(script(tmp_path, network, TrainingSettings(cutout=3)))["augment"]
    colour = torch.tensor([2.0, 3.0, 4.0]).view(1, 3, 1, 1)
    blank = (cut(images, colour) == colour).all(1)
    assert blank.flatten(1).sum(1).max() == 9
    assert blank.any(0).all()  # every place is covered now and then


def test_every_way_to_end_ends(dataset: Dataset, tmp_path: Path) -> None:
    network = preset("fully-connected", SHAPE, 10)
    images, labels = torch.tensor(dataset.train_images[:300]), torch.tensor(dataset.train_labels[:300])

    def count(expected: str, **settings: Any) -> int:
        code = network.to_code(TrainingSettings(batch_size=64, **settings))
        assert expected in code
        path = tmp_path / "ends.py"
        path.write_text(code, encoding="utf-8")
        defined = names(path)
        seen = 0

        def normalize(batch: torch.Tensor) -> torch.Tensor:
            nonlocal seen
            seen += len(batch)
            return batch / 255

        defined["train"](defined["make_network"](), images, labels, normalize, lambda: 0.95)
        return seen

    assert count("EXAMPLES = 150", examples=150) == 150
    assert count("BATCHES = 3", batches=3) == 192
    assert count("EPOCHS = 2.0", epochs=2) == 600
    assert count("EPOCHS = 2.0", epochs=2, examples=100) == 100
    assert count("TARGET_ACCURACY = 0.9", target_accuracy=0.9, evaluate_every=200) == 256
    assert count("BUDGET = 0.2", budget=0.2) > 0
    assert "EXAMPLES = 60000  # the settings name no end" in network.to_code()


def test_the_learning_rate_follows_schedule_and_a_short_last_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = []

    class Recorder(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            rates.append(self.param_groups[0]["lr"])
            return super().step(closure)

    monkeypatch.setattr(torch.optim, "SGD", Recorder)
    network = preset("fully-connected", (1, 6, 6), 3)
    settings = TrainingSettings(examples=80, batch_size=32, schedule="linear", learning_rate=0.5)
    defined = names(script(tmp_path, network, settings))
    images, labels = torch.zeros(50, 1, 6, 6), torch.zeros(50, dtype=torch.int64)
    defined["train"](defined["make_network"](), images, labels, lambda batch: batch, lambda: 0.0)
    assert rates == pytest.approx([0.5, 0.5 * (1 - 0.4), 0.5 * (1 - 0.8) * 0.5])


def test_what_the_script_says_when_there_are_no_data(tmp_path: Path, folder: Path) -> None:
    path = script(tmp_path, preset("convolutional", (3, 32, 32), 10))
    missing = run(path, "--data", str(tmp_path / "nowhere"))
    assert missing.returncode == 1
    assert missing.stderr.count("\n") == 1
    assert "train_images.npy cannot be read: No such file or directory" in missing.stderr
    assert "--data" in missing.stderr
    load = names(path)["load"]
    with pytest.raises(SystemExit, match=r"takes pictures of \(3, 32, 32\)"):
        load(folder)
    (tmp_path / "train_images.npy").write_bytes(b"not an array")
    with pytest.raises(SystemExit, match="it is not such a file"):
        load(tmp_path)


def test_the_script_finds_data_where_the_lab_keeps_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from convolab.datasets.store import own_dir

    find = names(script(tmp_path, preset("fully-connected", SHAPE, 10), dataset="mine"))["default_folder"]
    for name, value in (("CONVOLAB_DATA", tmp_path / "data"), ("CONVOLAB_HOME", tmp_path / "home")):
        monkeypatch.setenv(name, str(value))
    assert find() == datasets_dir() / "mine"
    (own_dir() / "mine").mkdir(parents=True)
    assert find() == own_dir() / "mine"
    (datasets_dir() / "mine").mkdir(parents=True)
    assert find() == datasets_dir() / "mine"
    for name in ("CONVOLAB_DATA", "CONVOLAB_HOME"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert find() == datasets_dir() / "mine"


CHANGED = TrainingSettings(epochs=1, rotation=10, scaling=0.1, stroke=0.3, schedule="step")


@pytest.mark.parametrize(
    "settings", [None, CHANGED, *(choice[1] for choice in RUNS.values())], ids=["default", "changed", *RUNS]
)
def test_the_script_is_clean_code_without_convolab(settings: TrainingSettings | None, tmp_path: Path) -> None:
    for network in (RESIDUAL, LAYERS.changed(initialization="dirac"), preset("lenet-5", (1, 28, 28), 10)):
        path = script(tmp_path, network, settings)
        assert "import convolab" not in path.read_text(encoding="utf-8")
        command = [sys.executable, "-m", "ruff", "check", "--isolated", "--line-length", "120"]
        result = subprocess.run([*command, str(path)], capture_output=True, text=True)
        assert result.returncode == 0, result.stdout


def test_names_cannot_break_the_script(tmp_path: Path) -> None:
    evil = 'a"""\nraise SystemExit(3)\n"""\\ {x} %s'
    network = preset("fully-connected", SHAPE, 10).changed(name=evil)
    defined = names(script(tmp_path, network, dataset=evil))
    assert defined["DATASET"] == evil


def test_a_network_with_an_error_has_no_script() -> None:
    with pytest.raises(ConvolabError, match="Layer 1"):
        Network(input_shape=SHAPE, layers=(Linear(),)).to_code()
