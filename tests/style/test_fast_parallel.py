"""Processes that learn together do what one does with a larger batch, also taken up again and as a job."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from fast_kit import SETTINGS, TINY, tiny_learning
from style_kit import stripes
from torch import distributed

from convolab.style.control import MemoryTransferControl
from convolab.style.fast.events import LearnStep
from convolab.style.fast.learning import Learning
from convolab.training.files import read_tensors

SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from fast_kit import SETTINGS, tiny_learning
from convolab.training.files import write_tensors
from pathlib import Path
work = tiny_learning(SETTINGS.changed(steps=6))
first, *_, last = work.events()
write_tensors(Path(sys.argv[2]), work.model.state_dict(), {})
print(first.step, last.kind)
"""

COMMAND = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from fast_kit import photos
from style_kit import tiny_network
from convolab.style import weights
from convolab.style.fast import learner, photo_sources
from convolab.cli import main
learner.load_network = lambda *_: tiny_network()
weights.fetch_weights = lambda *_: None
photo_sources.gather = lambda *_: photos()
sys.exit(main(sys.argv[1:]))
"""


def launched() -> dict[str, str]:
    """What PyTorch's launcher tells two processes on this machine, but for their places."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return {**found, "GLOO_SOCKET_IFNAME": "lo"}


def start(code: str, environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, str(Path(__file__).parent), *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def with_a_second(file: Path, begins: int, ends: str) -> Iterator[None]:
    """Be the first of two processes; the other one writes its weights to a file."""
    environment = launched()
    second = start(SCRIPT, {**environment, "RANK": "1"}, str(file))
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {**environment, "RANK": "0"}.items():
                patch.setenv(name, value)
            yield
        out, said = second.communicate(timeout=120)
        assert second.returncode == 0, said
        assert out.split() == [str(begins), ends]
    finally:
        second.kill()
        if distributed.is_initialized():
            distributed.destroy_process_group()


def same(first: Learning, other: Path, alone: Learning) -> None:
    """Both processes have the same weights, which are those of one with a batch of two."""
    second = read_tensors(other)
    for name, weight in alone.model.state_dict().items():
        assert torch.equal(first.model.state_dict()[name], second[name])
        assert torch.allclose(second[name], weight, atol=1e-5)


def test_two_processes_are_a_batch_of_two_also_when_they_are_taken_up_again(tmp_path: Path) -> None:
    alone = tiny_learning(SETTINGS.changed(steps=6, batch_size=2))
    list(alone.events())
    # Only the first process finds what was saved.
    checkpoint, file = tmp_path / "c.safetensors", tmp_path / "second.safetensors"
    with with_a_second(file, 0, "paused"):
        control = MemoryTransferControl()
        first = tiny_learning(SETTINGS.changed(steps=6), control=control, checkpoint_path=checkpoint)
        for event in first.events():
            if isinstance(event, LearnStep) and event.step == 3:
                control.release()
    assert first.step == 3
    with with_a_second(file, 3, "finished"):
        first = tiny_learning(SETTINGS.changed(steps=6), checkpoint_path=checkpoint)
        list(first.events())
    assert first.finished is not None
    assert (first.finished.step, first.finished.examples) == (6, 12)
    same(first, file, alone)


def test_from_the_command_line_only_the_first_process_has_a_job(tmp_path: Path) -> None:
    painting = tmp_path / "stripes.png"
    stripes().save(painting)
    environment = launched()
    options = ["--architecture", TINY, "--content-layer", "relu2_1", "--style-layers", "relu1_1"]
    options += ["--crop", "32", "--steps", "3", "--start", "none", "--precision", "fp32", "--json"]
    homes = [tmp_path / "first", tmp_path / "second"]
    workers = [
        start(
            COMMAND,
            {**environment, "RANK": str(place), "CONVOLAB_HOME": str(home)},
            *("learn-style", str(painting), *options),
        )
        for place, home in enumerate(homes)
    ]
    try:
        told = [worker.communicate(timeout=120) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    assert [worker.returncode for worker in workers] == [0, 0], told
    found = json.loads(told[0][0].splitlines()[-1])
    assert (found["step"], found["examples"], found["name"]) == (3, 6, "stripes")
    assert told[1] == ("", "")
    assert (homes[0] / "styles" / "stripes.safetensors").is_file()
    assert not list(homes[1].rglob("*.safetensors")) + list(homes[1].rglob("learning.json"))
