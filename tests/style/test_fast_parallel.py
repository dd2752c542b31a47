"""Two processes that learn together do what one does with a batch twice as large."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import torch
from fast_kit import SETTINGS, tiny_learning

from convolab.training.files import read_tensors

SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
import torch
torch.set_num_threads(1)
from fast_kit import SETTINGS, tiny_learning
from convolab.training.files import write_tensors
from pathlib import Path
work = tiny_learning(SETTINGS.changed(steps=3))
kinds = [event.kind for event in work.events()]
assert kinds[-1] == "finished", kinds
write_tensors(Path(sys.argv[2]), work.model.state_dict(), {"examples": str(work.finished.examples)})
"""


def test_two_processes_are_a_batch_of_two(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = []
    for rank in (0, 1):
        environment = {
            **os.environ, "RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo", "CONVOLAB_THREADS": "1",
        }  # fmt: skip
        command = [
            sys.executable,
            "-c",
            SCRIPT,
            str(Path(__file__).parent),
            str(tmp_path / f"{rank}.safetensors"),
        ]
        processes.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
    for process in processes:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    first, second = (read_tensors(tmp_path / f"{rank}.safetensors") for rank in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    alone = tiny_learning(SETTINGS.changed(steps=3, batch_size=2))
    list(alone.events())
    for name, weight in alone.model.state_dict().items():
        assert torch.allclose(first[name], weight, atol=1e-5), name
