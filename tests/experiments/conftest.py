from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def lab_to_copy(tmp_path_factory: pytest.TempPathFactory, shapes_folder: Path) -> Path:
    """A home with the small data set and the tables of MLflow and Optuna: making these takes seconds."""
    from convolab.datasets import import_images
    from convolab.experiments.sweep_store import database_url, open_study
    from convolab.runs import tracking

    folder = tmp_path_factory.mktemp("lab") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONVOLAB_HOME", str(folder))
        import_images(shapes_folder, "shapes", size=16, color=False)
        tracking.client()
        open_study(database_url(), "none", seed=0, prune=False, make=True)
    return folder


@pytest.fixture(scope="module", autouse=True)
def lab(lab_to_copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home of each module, with the data set ``shapes`` (1×16×16, 3 classes, 144 and 36 images) no runs."""
    home = tmp_path_factory.mktemp("module") / "home"
    shutil.copytree(lab_to_copy, home)
    with sqlite3.connect(home / "mlflow.db") as database:
        database.execute("UPDATE experiments SET artifact_location = ?", [(home / "artifacts").as_uri()])
    database.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONVOLAB_HOME", str(home))
        patch.setenv("CONVOLAB_THREADS", "1")
        patch.setenv("CONVOLAB_CHECKPOINT_SECONDS", "0.2")
        yield home
