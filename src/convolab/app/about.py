"""What "about this machine" says: versions, processors, device, where data and runs are kept."""

from __future__ import annotations

import platform
import shutil
from importlib.metadata import version

from convolab.home import datasets_dir, home, runs_dir, tracking_uri


def facts() -> list[tuple[str, str]]:
    """Pairs of a name and what there is to say. Imports torch: call it off the event loop."""
    import psutil
    import torch

    from convolab.training.device import choose_device

    memory = psutil.virtual_memory()
    folder = home()
    while not folder.exists():
        folder = folder.parent
    return [
        ("convolab", version("convolab")),
        ("Python, PyTorch", f"{platform.python_version()}, {torch.__version__}"),
        ("Page", f"NiceGUI {version('nicegui')}"),
        ("System", f"{platform.system()} {platform.release()}, {platform.machine()}"),
        ("Processors", str(psutil.cpu_count())),
        ("Device", str(choose_device("auto"))),
        ("Memory", f"{memory.total / 1e9:.1f} GB, {memory.available / 1e9:.1f} GB free"),
        ("Disk", f"{shutil.disk_usage(folder).free / 1e9:.1f} GB free"),
        ("Data sets", str(datasets_dir())),
        ("Runs", str(runs_dir())),
        ("Tracking", tracking_uri()),
        ("Network", "The lab talks to nobody but this browser; only fetching a data set uses the internet."),
    ]
