"""Two processes that learn together do what one does with a batch twice as large."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from fast_kit import SETTINGS, tiny_learning
from torch import distributed

from convolab.training.files import read_tensors

SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from fast_kit import SETTINGS, tiny_learning
from convolab.training.files import write_tensors
from pathlib import Path
work = tiny_learning(SETTINGS.changed(steps=3))
assert [event.kind for event in work.events()][-1] == "finished"
write_tensors(Path(sys.argv[2]), work.model.state_dict(), {})
"""


def test_two_processes_are_a_batch_of_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = tiny_learning(SETTINGS.changed(steps=3, batch_size=2))
    list(alone.events())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launched = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    launched["GLOO_SOCKET_IFNAME"] = "lo"
    file = tmp_path / "second.safetensors"
    second = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(Path(__file__).parent), str(file)],
        env={**os.environ, **launched, "RANK": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    for name, value in {**launched, "RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    try:
        first = tiny_learning(SETTINGS.changed(steps=3))
        list(first.events())
        _, said = second.communicate(timeout=120)
        assert second.returncode == 0, said
    finally:
        second.kill()
        if distributed.is_initialized():
            distributed.destroy_process_group()
    assert first.finished is not None
    assert first.finished.examples == 6
    other = read_tensors(file)
    for name, weight in alone.model.state_dict().items():
        assert torch.equal(first.model.state_dict()[name], other[name])
        assert torch.allclose(other[name], weight, atol=1e-5)
