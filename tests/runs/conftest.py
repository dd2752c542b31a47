from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def runs_home(tmp_path_factory: pytest.TempPathFactory, shapes_folder: Path) -> Path:
    """A home with the small data set, shared by these tests: making MLflow's tables takes a second or two."""
    from convolab.datasets import import_images

    folder = tmp_path_factory.mktemp("runs") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONVOLAB_HOME", str(folder))
        import_images(shapes_folder, "shapes", size=16, color=False)
    return folder


@pytest.fixture
def shapes(runs_home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A small data set (1×16×16, 3 classes, 144 training and 36 test images) in the shared home."""
    monkeypatch.setenv("CONVOLAB_HOME", str(runs_home))
    return "shapes"


@pytest.fixture
def fresh(home: Path, shapes_folder: Path) -> str:
    """The same data set in a home of this test's own."""
    from convolab.datasets import import_images

    import_images(shapes_folder, "shapes", size=16, color=False)
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
