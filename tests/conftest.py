"""Shared fixtures. Tests have lab homes of their own; fetched data sets are kept for the next time."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from homes import with_store

ROOT = Path(__file__).resolve().parent.parent

# Set before any convolab code runs, and inherited by worker processes and command-line calls.
os.environ.setdefault("CONVOLAB_DATA", str(ROOT / ".cache" / "datasets"))
os.environ.pop("MLFLOW_TRACKING_URI", None)
if "PYTEST_XDIST_WORKER" in os.environ:
    # Several processes share the cores: more threads in each only wait for one another (a tenth more work).
    for name in ("CONVOLAB_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")
os.environ.pop("CONVOLAB_SCHEDULER", None)


LONGEST_FIRST = ("browser", "runs", "cli", "style")
"""Folders whose files take long: begun last, they would leave the other processes with nothing to do."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).resolve().parent
    place = {name: number for number, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: place.get(Path(item.path).relative_to(here).parts[0], len(place)))


@pytest.fixture(scope="session", autouse=True)
def _session_home(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("home")
    with_store(folder)
    os.environ["CONVOLAB_HOME"] = str(folder)


@pytest.fixture(autouse=True)
def _same_random_numbers() -> None:
    """A test that fails once in a hundred runs cannot be mended; other numbers are drawn by other seeds."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh lab home for one test, with MLflow's empty tables: making them takes longer than most tests."""
    folder = tmp_path / "home"
    with_store(folder)
    monkeypatch.setenv("CONVOLAB_HOME", str(folder))
    return folder


@pytest.fixture
def new_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of somebody who starts the lab for the first time: nothing is there."""
    folder = tmp_path / "home"
    monkeypatch.setenv("CONVOLAB_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def shapes_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 3 classes × 60 small pictures that a network can really learn: bars, columns and discs."""
    import numpy as np
    from PIL import Image

    folder = tmp_path_factory.mktemp("shapes")
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[0:16, 0:16]
    for name in ("bars", "columns", "discs"):
        (folder / name).mkdir()
        for i in range(60):
            middle = random.integers(4, 12, 2)
            if name == "bars":
                drawn = abs(rows - middle[0]) < 2
            elif name == "columns":
                drawn = abs(columns - middle[1]) < 2
            else:
                drawn = (rows - middle[0]) ** 2 + (columns - middle[1]) ** 2 < 14
            picture = np.clip(drawn * 200 + random.normal(20, 15, (16, 16)), 0, 255).astype(np.uint8)
            Image.fromarray(picture).save(folder / name / f"{i}.png")
    return folder


@pytest.fixture
def shapes(home: Path, shapes_folder: Path) -> str:
    """The name of a small data set (1×16×16, 3 classes, 144 training and 36 test images) in a fresh home."""
    from convolab.datasets import import_images

    import_images(shapes_folder, "shapes", size=16, color=False)
    return "shapes"
