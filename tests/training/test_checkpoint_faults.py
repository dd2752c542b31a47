"""What can go wrong while a checkpoint is written: a full disk, a killed process, weights gone to NaN."""

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from training_kit import Script, of_kind

from convolab.errors import TrainingError
from convolab.training import (
    Checkpointed,
    CheckpointError,
    Commands,
    Finished,
    MemoryControl,
    Paused,
    Training,
    TrainingSettings,
)

HERE = Path(__file__).parent


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 KiB of its own; only root may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(
            "mounting a small file system needs root; the test with a file size limit covers the same"
        )
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(folder):
    """Use up all that is left on the disk."""
    with (folder / "filler").open("wb", buffering=0) as file:
        while True:
            try:
                file.write(b"\0" * 1024)
            except OSError:
                return


def test_a_full_disk_pauses_the_run_and_keeps_the_previous_checkpoint(network, dataset, small_disk):
    path = small_disk / "c.safetensors"
    control = MemoryControl()
    settings = TrainingSettings(examples=640)
    training = Training(
        network, dataset, settings, control=control, checkpoint_path=path, checkpoint_every=0.0001
    )
    events, seen = training.events(), []
    for event in events:
        seen.append(event)
        if isinstance(event, Checkpointed) and event.examples == 128:
            fill(small_disk)
        if isinstance(event, Paused):
            break
    pause = seen[-1]
    assert pause.reason.startswith("The disk is full")
    assert "from 128 examples, is kept" in pause.reason
    assert pause.examples == 192
    assert sorted(p.name for p in small_disk.iterdir()) == ["c.safetensors", "filler"]
    assert Training.resume(path, network, dataset, settings).examples == 128

    control.resume()  # no room has been made: it says so again
    assert [next(events).kind, next(events).kind] == ["resumed", "paused"]
    (small_disk / "filler").unlink()
    control.resume()
    rest = list(events)
    assert [event.kind for event in rest[:2]] == ["resumed", "checkpointed"]
    assert isinstance(rest[-1], Finished)
    assert rest[-1].stopped_because == "examples"
    assert Training.resume(path, network, dataset, settings).examples == 640


def child(script: str, *arguments: object) -> subprocess.CompletedProcess:
    preamble = f"""
        import sys
        sys.path.insert(0, {str(HERE)!r})
        from training_kit import make_dataset, make_network
        from convolab.training import *
        from pathlib import Path
        path = Path(sys.argv[1])
        network, dataset, settings = make_network(), make_dataset(), TrainingSettings(examples=640)
    """
    code = textwrap.dedent(preamble) + textwrap.dedent(script)
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=120
    )


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="this system has no limit on the size of files")
def test_a_limit_on_the_size_of_files_pauses_the_run_as_well(network, dataset, tmp_path):
    path = tmp_path / "c.safetensors"
    done = child(
        """
        import resource
        training = Training(network, dataset, settings, checkpoint_path=path, checkpoint_every=0.0001)
        for event in training.events():
            if event.kind == "checkpointed" and event.examples == 128:
                resource.setrlimit(resource.RLIMIT_FSIZE, (1024, -1))
            if event.kind == "paused":
                print(event.reason)
                training.control.stop()
            if event.kind == "finished":
                print(event.stopped_because, event.message)
        """,
        path,
    )
    assert done.returncode == 0, done.stderr
    pause, end = done.stdout.strip().splitlines()
    assert "could not be written" in pause
    assert "from 128 examples, is kept" in pause
    assert end == "user Training was stopped after 192 examples. Its last checkpoint could not be written."
    assert Training.resume(path, network, dataset, TrainingSettings(examples=640)).examples == 128
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_killed_between_writing_and_replacing_leaves_the_old_checkpoint_whole(network, dataset, tmp_path):
    path = tmp_path / "c.safetensors"
    done = child(
        """
        import os, signal
        training = Training(network, dataset, settings, checkpoint_path=path, checkpoint_every=0.0001)
        for event in training.events():
            if event.kind == "checkpointed" and event.examples == 256:
                os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        """,
        path,
    )
    assert done.returncode == -signal.SIGKILL
    settings = TrainingSettings(examples=640)
    resumed = Training.resume(path, network, dataset, settings)
    assert resumed.examples == 256
    list(resumed.events())
    whole = Training(network, dataset, settings)
    list(whole.events())
    for a, b in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]  # what was left behind has been cleared away


def test_killed_in_mid_training_loses_only_what_came_after_the_last_checkpoint(network, dataset, tmp_path):
    path = tmp_path / "c.safetensors"
    done = child(
        """
        import os, signal
        settings = TrainingSettings()
        training = Training(network, dataset, settings, checkpoint_path=path, checkpoint_every=0.05)
        saved = 0
        for event in training.events():
            saved += event.kind == "checkpointed"
            if saved == 3 and event.kind == "progress":
                os.kill(os.getpid(), signal.SIGKILL)
        """,
        path,
    )
    assert done.returncode == -signal.SIGKILL
    assert Training.resume(path, network, dataset, TrainingSettings()).examples > 0


def test_weights_that_are_not_finite_never_reach_a_checkpoint(network, dataset, tmp_path):
    path = tmp_path / "c.safetensors"
    training = Training(
        network,
        dataset,
        TrainingSettings(examples=1920),
        checkpoint_path=path,
        control=Script({5: Commands(paused=True), 8: Commands()}),
    )
    seen = []
    for event in training.events():
        seen.append(event)
        if isinstance(event, Paused):
            with torch.no_grad():
                next(training.model.parameters())[0] = float("nan")
    assert [event.examples for event in of_kind(seen, Checkpointed)] == [320]
    assert seen[-1].stopped_because == "not finite"
    assert "last good checkpoint is from 320 examples" in seen[-1].message
    kept = Training.resume(path, network, dataset, training.settings)
    assert all(torch.isfinite(p).all() for p in kept.model.parameters())


def test_a_folder_that_may_not_be_written_to_is_one_sentence(network, dataset, tmp_path):
    (tmp_path / "file").write_text("in the way")
    training = Training(network, dataset, TrainingSettings(examples=64))
    with pytest.raises(CheckpointError, match="could not be written"):
        training.save(tmp_path / "file" / "c.safetensors")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_saving_by_hand_refuses_weights_that_are_not_finite(network, dataset, tmp_path):
    path = tmp_path / "c.safetensors"
    training = Training(network, dataset, TrainingSettings(examples=64))
    training.save(path)
    content = path.read_bytes()
    with torch.no_grad():
        next(training.model.parameters())[0] = float("inf")
    with pytest.raises(TrainingError, match="no longer finite"):
        training.save(path)
    assert path.read_bytes() == content
