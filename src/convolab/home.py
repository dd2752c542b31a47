"""Where the lab keeps what it fetched and what the user made: one folder, movable by CONVOLAB_HOME."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def home() -> Path:
    """The lab's own folder: ``CONVOLAB_HOME``, else the platform's place for user data."""
    chosen = os.environ.get("CONVOLAB_HOME")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_data_dir("convolab", False))


def datasets_dir() -> Path:
    """Folder of the converted data sets: ``CONVOLAB_DATA``, else ``home()/datasets``.

    It can be set on its own because data sets can be fetched again and shared, runs cannot.
    """
    chosen = os.environ.get("CONVOLAB_DATA")
    return Path(chosen).expanduser() if chosen else home() / "datasets"


def runs_dir() -> Path:
    """Folder with one subfolder per run."""
    return home() / "runs"


def transfers_dir() -> Path:
    """Folder with one subfolder per style transfer of the lab's queue."""
    return home() / "transfers"


def styles_dir() -> Path:
    """Folder with the user's own learned styles, one file each."""
    return home() / "styles"


def learning_dir() -> Path:
    """Folder with one subfolder per style that is, or was, being learned."""
    return home() / "learning"


def pictures_dir() -> Path:
    """Folder with one subfolder per picture that was brought to the room Transfer."""
    return home() / "pictures"


def experiments_dir() -> Path:
    """Folder with one subfolder per experiment: variants, repeats, sweeps."""
    return home() / "experiments"


def tracking_uri() -> str:
    """Where MLflow keeps the runs: ``MLFLOW_TRACKING_URI``, else an SQLite file in the lab's home."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home() / 'mlflow.db'}"
