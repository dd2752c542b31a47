"""The command line as a user meets it: what it prints, what it leaves behind, how it refuses."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from convolab.cli import main

SMALL = ["--examples", "600", "--batch-size", "16", "--learning-rate", "0.05"]


def last_object(text: str) -> dict:
    return json.loads(text.strip().splitlines()[-1])


def test_help_and_import_load_neither_torch_nor_nicegui() -> None:
    code = (
        "import sys, convolab, convolab.cli as cli; cli.main(['--help']); cli.main(['train', '--help']);"
        "print(sorted({'torch', 'nicegui', 'mlflow', 'distributed'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "--learning-rate" in done.stdout
    assert "bold" in done.stdout  # the spec's own help text


def test_public_names_all_exist() -> None:
    import convolab

    for name in convolab.__all__:
        assert getattr(convolab, name) is not None
    assert set(convolab.__all__) <= set(dir(convolab))


def test_train_prints_one_json_object_last_and_records_the_run(
    shapes: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", shapes, *SMALL, "--seed", "3", "--name", "first", "--json"]) == 0
    end = last_object(capfd.readouterr().out)
    assert set(end) >= {
        "run_id", "dataset", "network", "parameters", "examples", "seconds", "examples_per_second",
        "train_accuracy", "test_accuracy", "test_loss", "precision", "device", "seed", "stopped_because",
    }  # fmt: skip
    assert (end["dataset"], end["examples"], end["seed"]) == ("shapes", 600, 3)
    assert end["stopped_because"] == "examples"
    assert end["test_accuracy"] > 0.6  # chance is a third

    assert main(["runs", "--json"]) == 0
    runs = json.loads(capfd.readouterr().out)
    assert [run["run_id"] for run in runs] == [end["run_id"]]
    assert runs[0]["test_accuracy"] == pytest.approx(end["test_accuracy"])

    assert main(["evaluate", "first", "--json"]) == 0
    measured = last_object(capfd.readouterr().out)
    assert measured["test_accuracy"] == pytest.approx(end["test_accuracy"])
    assert sum(map(sum, measured["confusion"])) == measured["total"] == 36


def test_training_can_begin_with_a_runs_weights(
    shapes: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", shapes, *SMALL, "--name", "first", "--json"]) == 0
    first = last_object(capfd.readouterr().out)
    assert main(["evaluate", "first", "--json"]) == 0
    loss = last_object(capfd.readouterr().out)["test_loss"]
    # One example at a tiny rate: what it has learned before is all still there.
    tiny = ["--examples", "1", "--learning-rate", "1e-9", "--json"]
    weights = tmp_path / "first.safetensors"
    assert main(["export", "first", "--weights", str(weights)]) == 0
    for origin in ("first", str(weights)):
        capfd.readouterr()
        assert main(["train", shapes, "--start-from", origin, *tiny]) == 0
        second = last_object(capfd.readouterr().out)
        assert second["test_loss"] == pytest.approx(loss, abs=1e-4)
        assert second["parameters"] == first["parameters"]
    assert main(["train", shapes, "--start-from", "first", "--network", "harley-mlp", *tiny]) == 2
    assert main(["train", shapes, "--start-from", "nowhere", *tiny]) == 2


def test_export_writes_code_network_and_weights(
    shapes: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", shapes, *SMALL, "--name", "mine", "--json"]) == 0
    parameters = last_object(capfd.readouterr().out)["parameters"]
    files = {kind: tmp_path / f"out.{kind}" for kind in ("py", "json", "safetensors")}
    written = ["--code", str(files["py"]), "--network", str(files["json"])]
    assert main(["export", "mine", *written, "--weights", str(files["safetensors"])]) == 0
    compile(files["py"].read_text(), "out.py", "exec")
    capfd.readouterr()
    assert main(["shapes", str(files["json"]), "--dataset", shapes, "--json"]) == 0
    assert last_object(capfd.readouterr().out)["parameters"] == parameters
    from convolab import load_weights

    network, model, _ = load_weights(files["safetensors"])
    assert sum(p.numel() for p in model.parameters()) == network.parameters == parameters


def test_shapes_of_the_presets_are_the_originals(capfd: pytest.CaptureFixture[str]) -> None:
    for arguments, parameters in (
        (["convolutional"], 11_274),
        (["fully-connected"], 104_938),
        (["convolutional", "--dataset", "cifar10"], 22_466),
    ):
        assert main(["shapes", *arguments, "--json"]) == 0
        assert last_object(capfd.readouterr().out)["parameters"] == parameters
    assert main(["shapes", "convolutional"]) == 0
    table = capfd.readouterr().out
    assert "28·28·8" in table
    assert "11,274" in table


def test_ctrl_c_stops_with_a_checkpoint_and_resume_goes_on(shapes: str) -> None:
    command = [sys.executable, "-m", "convolab", "train", shapes, "--budget", "8s", "--batch-size", "8"]
    process = subprocess.Popen(
        [*command, "--name", "long", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "examples" in line:
            break
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    end = last_object(out)
    assert end["stopped_because"] == "user"
    assert end["seconds"] < 8
    assert f"convolab resume {end['run_id'][:8]}" in err

    done = subprocess.run(
        [sys.executable, "-m", "convolab", "resume", "long", "--json"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    again = last_object(done.stdout)
    assert again["run_id"] == end["run_id"]
    assert again["stopped_because"] == "budget"
    assert again["examples"] > end["examples"]
    assert again["seconds"] >= 8


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "mnits"], ['"mnits"', 'Did you mean "mnist"?']),
        (["train", "mnist", "--network", "convolutonal"], ['Did you mean "convolutional"?']),
        (["train", "mnist", "--optimizer", "addam"], ['did you mean "adam"?']),
        (["train", "mnist", "--learning-rate", "0"], ["learning rate", "greater than 0"]),
        (["train", "mnist", "--learning-rate", "-1"], ["learning rate", "greater than 0"]),
        (["train", "mnist", "--learning-rate", "nan"], ["learning rate", "finite"]),
        (["train", "mnist", "--batch-size", "many"], ["--batch-size", "integer"]),
        (["train", "mnist", "--budget", "soon"], ["60s"]),
        (["train", "mnist", "--schedule", "cosine", "--target-accuracy", "0.9"], ["when training ends"]),
        (["trian"], ['Did you mean "train"?']),
        (["resume", "nothing-of-that-name"], ["nothing-of-that-name"]),
        (["evaluate", "nothing-of-that-name"], ["nothing-of-that-name"]),
        (["shapes", "no/such/file.json"], ["no/such/file.json"]),
    ],
)
def test_bad_arguments_get_one_sentence_and_exit_code_2(
    home: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], words: list[str]
) -> None:
    assert main(arguments) == 2
    said = capfd.readouterr().err.strip()
    assert len(said.splitlines()) == 1
    for word in words:
        assert word in said


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("{", "JSON"),
        ('{"convolab": 1, "input_shape": [1, 28, 28], "layers": [{"type": "Conv3d"}]}', "Conv2d"),
        (
            '{"convolab": 1, "input_shape": [1, 28, 28], "layers": [{"type": "Flatten"},'
            '{"type": "Linear", "out_features": 1000000000}]}',
            "1000000000",
        ),
        ('{"convolab": 1, "input_shape": [1, 28, 28], "layers": []}', "10"),
        (
            '{"convolab": 1, "input_shape": [1, 28, 28], "layers": [{"type": "Conv2d", "kernel_size": 3,'
            '"stride": 2}, {"type": "Flatten"}, {"type": "Linear", "out_features": 10}]}',
            "stride",
        ),
    ],
)
def test_a_bad_network_file_is_refused_before_anything_is_made(
    home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], text: str, word: str
) -> None:
    path = tmp_path / "network.json"
    path.write_text(text)
    assert main(["train", "mnist", "--network", str(path)]) == 2
    said = capfd.readouterr().err.strip()
    assert len(said.splitlines()) == 1
    assert word in said
    assert not list(home.glob("runs/*"))


def test_a_batch_larger_than_the_data_is_refused(shapes: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["train", shapes, "--batch-size", "512"]) == 2
    assert "144" in capfd.readouterr().err


def test_data_lists_imports_and_removes(
    home: Path, shapes_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "import", str(shapes_folder), "--name", "mine", "--size", "16", "--grey"]) == 0
    assert "144 training and 36 test images in 3 classes" in capfd.readouterr().out
    assert main(["data", "--json"]) == 0
    entries = {entry["name"]: entry for entry in json.loads(capfd.readouterr().out)}
    assert entries["mine"]["own"]
    assert entries["mine"]["input_shape"] == [1, 16, 16]
    assert {"mnist", "fashion-mnist", "cifar10"} <= set(entries)
    assert main(["data", "remove", "mine", "--yes"]) == 0
    capfd.readouterr()
    assert main(["data", "--json"]) == 0
    assert "mine" not in {entry["name"] for entry in json.loads(capfd.readouterr().out)}


def test_doctor_reports_what_is_here(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import torch

    assert main(["doctor", "--json"]) == 0
    report = last_object(capfd.readouterr().out)
    assert report["libraries"]["torch"] == torch.__version__
    assert report["precision"] in ("fp32", "bf16")
    assert report["precision_reason"]
    assert report["home"] == str(home)
    assert report["free_bytes"] > 0


@pytest.mark.data
@pytest.mark.parametrize(
    ("dataset", "examples", "reached"),
    [("mnist", 10_000, 0.95), ("fashion-mnist", 10_000, 0.72), ("cifar10", 10_000, 0.32)],
)
def test_the_assignments_networks_learn_the_real_data(
    home: Path, capfd: pytest.CaptureFixture[str], dataset: str, examples: int, reached: float
) -> None:
    arguments = ["train", dataset, "--network", "convolutional", "--examples", str(examples), "--json"]
    assert main(arguments) == 0
    assert last_object(capfd.readouterr().out)["test_accuracy"] >= reached
