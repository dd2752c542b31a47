"""What stands beside a pin: its settings, and commands that really make it again in another lab."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from convolab.app.report.origin import origin
from convolab.cli import main
from convolab.datasets import import_images
from convolab.errors import RunError
from convolab.experiments import (
    Driver,
    Here,
    Sweep,
    parse_dimension,
    recipe_of,
    start_repeats,
    start_variation,
    wait_for,
)
from convolab.networks import Network
from convolab.report import pin_network
from convolab.report.origins import of_experiment, of_model, of_run, of_runs, of_sweep
from convolab.runs import RunFolder, create_run, execute
from convolab.runs.store import runs_here
from convolab.training.settings import TrainingSettings

LAYERS = [{"type": "Flatten"}, {"type": "Linear", "out_features": 3}]
SETTINGS = TrainingSettings(examples=200, batch_size=20, learning_rate=0.03, flip=True, device="cpu")


NETWORK = Network.model_validate({"input_shape": (1, 16, 16), "layers": LAYERS, "name": "flat"})


@pytest.fixture(scope="module", autouse=True)
def lab(tmp_path_factory: pytest.TempPathFactory, shapes_folder: Path) -> Iterator[None]:
    """One lab for all tests of this module, with the small data set."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONVOLAB_HOME", str(tmp_path_factory.mktemp("origins") / "home"))
        import_images(shapes_folder, "shapes", size=16, color=False)
        yield


@pytest.fixture(scope="module")
def run_id(lab: None) -> str:
    made = create_run("shapes", NETWORK, SETTINGS, name="mine")
    execute(made)
    return made


def ends() -> dict[str, float | None]:
    """The test losses of the present lab's finished runs, by what is special about each."""
    found = {}
    for info in runs_here():
        settings, state = RunFolder(info.run_id).spec().settings, RunFolder(info.run_id).state()
        if state.state == "finished" and settings.batches is None:
            key = f"rate {settings.learning_rate:.5g}, seed {settings.seed}, {settings.examples} examples"
            found[key] = state.figures.test_loss
    return found


def test_the_commands_of_pins_make_things_again_in_another_lab(
    run_id: str, tmp_path: Path, shapes_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Here() as here:
        varied = start_variation(run_id, "learning_rate", (0.001, 0.1), examples=100, executor=here)
        repeated = start_repeats(run_id, 2, executor=here)
        space = [parse_dimension("learning_rate=0.001..0.1:log", recipe_of(run_id))]
        sweep = Sweep.new(run_id, space, trials=2, examples=60, prune=False)
        wait_for([*varied.run_ids, *repeated.run_ids])
        assert Driver(sweep, here).run(every=0.05)
    before = ends()
    assert len(before) == 1 + 2 + 1 + 2
    single, variants, repeats = of_run(run_id), of_experiment(varied), of_experiment(repeated)
    searched = of_sweep(sweep.id)
    assert (single.settings["run"], single.settings["learning_rate"]) == ("mine", 0.03)
    assert (variants.settings["varied"], variants.settings["values"]) == ("Learning rate", "0.001, 0.1")
    # Variants and repeats begin with the same run, which has to be made only once.
    commands = [*variants.reproduce.split("; "), repeats.reproduce.split("; ")[-1]]
    commands += [single.reproduce, *searched.reproduce.replace("base", "start").split("; ")]

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONVOLAB_HOME", str(tmp_path / "another"))
    import_images(shapes_folder, "shapes", size=16, color=False)
    for found in (single, variants, repeats, searched):
        for name, content in found.files.items():
            Path(name).write_bytes(content)
    for command in commands:
        assert main(shlex.split(command)[1:]) == 0
    assert ends() == pytest.approx(before)


def test_several_runs_share_the_files_of_equal_networks(run_id: str) -> None:
    other = create_run("shapes", NETWORK.changed(name="another"), SETTINGS.changed(seed=3), name="other")
    third = create_run("shapes", NETWORK, SETTINGS.changed(flip=False), name="third")
    found = of_runs([run_id, other, third, "gone"])
    assert list(found.settings) == ["mine", "other", "third"]
    assert list(found.files) == ["network-1.json", "network-2.json"]
    commands = found.reproduce.split("; ")
    assert [command.split()[4] for command in commands] == [
        "network-1.json",
        "network-2.json",
        "network-1.json",
    ]
    assert ("--flip" in commands[0], "--flip" in commands[2]) == (True, False)
    with pytest.raises(RunError):
        of_run("gone")


def test_a_preset_is_named_and_one_that_was_changed_is_a_file() -> None:
    from convolab.networks import preset

    plain = preset("convolutional", (1, 16, 16), 3)
    assert of_model("shapes", plain, SETTINGS).files == {}
    found = of_model("shapes", plain.changed_layer(0, out_channels=3), SETTINGS)
    assert list(found.files) == ["network.json"]
    assert "--network network.json" in found.reproduce
    made = pin_network("shapes", plain, SETTINGS)
    assert made.files == ("layers.csv", "network.json", "train.py")
    assert made.reproduce.startswith("convolab train shapes --network convolutional --learning-rate 0.03")


def test_the_address_of_a_room_tells_where_a_pin_comes_from(run_id: str) -> None:
    trained = origin(f"/build?data=shapes&run={run_id}", {})
    assert (trained.run_id, trained.title) == (run_id, "mine")
    draft = origin("/build?data=mnist&net=fully-connected&examples=900", {})
    assert draft.reproduce == "convolab train mnist --network fully-connected --examples 900"
    view = origin("/look?network=harley-cnn&test=7&unit=conv1:0:3:4", {})
    assert view.reproduce == (
        "convolab look mnist:test:7 --network harley-cnn --unit conv1:0:3:4 -o view.png"
    )
    assert "input.png --as-drawn" in origin("/look?network=harley-cnn", {}).reproduce
    own = origin(f"/look?run={run_id}&test=3", {})
    assert own.reproduce.endswith("--name pinned; convolab look shapes:test:3 --network pinned -o view.png")


def test_what_a_panel_says_counts_more_than_the_address(run_id: str) -> None:
    found = origin("/experiments?runs=x", {"runs": [run_id], "dataset": "shapes"})
    assert found.settings["measured on"] == "shapes"
    assert found.reproduce.endswith("--name pinned; convolab evaluate pinned --dataset shapes")
    both = origin("/experiments", {"runs": [run_id, run_id], "dataset": "shapes"})
    assert both.run_id == run_id  # the same twice is one
    own = origin("/restyle", {"settings": {"strength": 0.5}, "reproduce": "convolab stylize photo.jpg"})
    assert (own.settings, own.reproduce) == ({"strength": "0.5"}, "convolab stylize photo.jpg")


@pytest.mark.parametrize(
    ("address", "about"),
    [
        ("/experiments?view=runs", {}),
        ("/build?run=../../etc", {}),
        ("/transfer?job=transfer-gone", {}),
        ("/look?network=nothing", {}),
        ("/experiments", {"runs": ["gone"]}),
        ("/experiments", {"experiment": "gone"}),
        ("/experiments", {"sweep": "gone"}),
        ("/experiments", {"scores": ["gone"]}),
    ],
)
def test_what_is_gone_leaves_the_way_back(address: str, about: dict[str, object]) -> None:
    found = origin(address, about)
    assert (found.settings, found.files) == ({}, {})
    assert found.reproduce == f"Open {address} in the lab."
