"""Shared fixtures. Every test session has a lab home of its own; fetched data sets are kept between sessions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Set before any convolab code runs, and inherited by worker processes and command-line calls.
os.environ.setdefault("CONVOLAB_DATA", str(ROOT / ".cache" / "datasets"))
os.environ.pop("MLFLOW_TRACKING_URI", None)
os.environ.pop("CONVOLAB_SCHEDULER", None)


@pytest.fixture(scope="session", autouse=True)
def _session_home(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["CONVOLAB_HOME"] = str(tmp_path_factory.mktemp("home"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh lab home for one test."""
    folder = tmp_path / "home"
    monkeypatch.setenv("CONVOLAB_HOME", str(folder))
    return folder
