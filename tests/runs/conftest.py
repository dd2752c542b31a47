from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Here and in the processes that are started: these networks are too small to be shared by two cores."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONVOLAB_THREADS", "1")
        yield


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory, shapes_folder: Path) -> Path:
    """A home with the small data set and MLflow's tables, to be copied: making these takes seconds."""
    from convolab.datasets import import_images
    from convolab.runs import tracking

    folder = tmp_path_factory.mktemp("empty") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONVOLAB_HOME", str(folder))
        import_images(shapes_folder, "shapes", size=16, color=False)
        tracking.client()
    return folder


@pytest.fixture(scope="session")
def runs_home(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that these tests share."""
    folder = tmp_path_factory.mktemp("runs") / "home"
    return Path(shutil.copytree(empty_home, folder))


@pytest.fixture
def shapes(runs_home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A small data set (1×16×16, 3 classes, 144 training and 36 test images) in the shared home."""
    monkeypatch.setenv("CONVOLAB_HOME", str(runs_home))
    return "shapes"


@pytest.fixture
def fresh(new_home: Path, empty_home: Path) -> str:
    """The same data set in a home of this test's own, without runs."""
    shutil.copytree(empty_home, new_home)
    with sqlite3.connect(new_home / "mlflow.db") as database:
        database.execute("UPDATE experiments SET artifact_location = ?", [(new_home / "artifacts").as_uri()])
    database.close()
    return "shapes"


@pytest.fixture
def python() -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Start a Python process with some code; it is killed when the test ends."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
