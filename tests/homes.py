"""Homes of labs for tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock

CACHE = Path(__file__).resolve().parent.parent / ".cache"


def with_store(folder: Path) -> None:
    """Make a lab's home with the empty tables of this version of MLflow, made once for all tests."""
    template = CACHE / f"empty-mlflow-{version('mlflow-skinny')}.db"
    template.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(template.with_suffix(".lock")):
        if not template.exists():
            part = template.with_suffix(".part")
            part.unlink(missing_ok=True)
            code = "import sys; from mlflow.tracking import MlflowClient; MlflowClient(sys.argv[1])"
            subprocess.run(
                [sys.executable, "-c", code, f"sqlite:///{part}"],
                check=True,
                capture_output=True,
                cwd=template.parent,
            )
            part.replace(template)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(template, folder / "mlflow.db")
