"""Runs: folders that tell how a run stands, MLflow that remembers all of them, a queue that executes them."""

from __future__ import annotations

from convolab.lazy import lazily

# Names are imported when first used: listing runs has to do without PyTorch, executing them without Dask.
_HOME_OF = {
    "Curves": "history",
    "Figures": "folder",
    "FolderControl": "control",
    "Job": "overview",
    "Queue": "queue",
    "Recorder": "recorder",
    "RunFolder": "folder",
    "RunInfo": "store",
    "RunSpec": "folder",
    "RunState": "folder",
    "Wishes": "control",
    "create_run": "store",
    "curves": "history",
    "delete": "store",
    "execute": "execution",
    "find": "store",
    "load_network": "store",
    "rename": "store",
    "runs": "store",
    "sync": "feeding",
}

__all__ = [*_HOME_OF]

__getattr__, __dir__ = lazily(__name__, _HOME_OF)
