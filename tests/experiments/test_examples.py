"""The worked examples run as they are, at a small size."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SMALL = {
    "q1_learning_rate.py": ["shapes", "--examples", "60", "--keys", "learning_rate", "batches"],
    "q2_kernel_stride_filters.py": [
        "shapes",
        "--examples",
        "40",
        "--keys",
        "layer1.stride",
        "layer3.kernel_size",
    ],
    "q3_why_cifar10.py": ["shapes", "--examples", "300"],
    "q4_more_layers.py": ["shapes", "--examples", "60", "--layers", "1", "2", "3", "--seeds", "1"],
    "q5_challenge.py": ["--dataset", "shapes", "--minutes", "0.005"],
    "q6_statistics.py": ["shapes", "--examples", "100"],
}


def test_every_example_is_run_here() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(SMALL)


@pytest.mark.parametrize("name", SMALL)
def test_example(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from convolab.experiments import challenge

    begin = challenge.challenge_settings()
    monkeypatch.setattr(challenge, "challenge_settings", lambda: begin.changed(batch_size=32))
    monkeypatch.setattr("convolab.experiments.speed.convolution_speed", lambda *_: 1.0)
    monkeypatch.setattr(sys, "argv", [name, *SMALL[name]])
    source = (EXAMPLES / name).read_text(encoding="utf-8")
    assert 20 <= len(source.splitlines()) <= 60
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    printed = capsys.readouterr().out
    tables = [line for line in printed.splitlines() if line.startswith("|")]
    assert len(tables) >= 4
    assert len({line.count("|") for line in tables}) <= 2  # the columns of one or two tables
    assert "%" in printed
