"""`convolab doctor`: what is here, what was chosen for this machine and why."""

from __future__ import annotations

import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from convolab.cli.networks import JSON_OPTION
from convolab.cli.output import print_json, size

LIBRARIES = ("convolab", "torch", "numpy", "nicegui", "distributed", "mlflow-skinny", "safetensors", "pillow")
ROOM = 2_000_000_000
"""Bytes of free disk under which the doctor warns: the three data sets and many runs fit in it."""


def doctor(json: JSON_OPTION = False) -> int:
    """Say what is installed, which device and precision are used and why, which data is here, free disk."""
    report = _examine()
    if json:
        print_json(report)
        return 0
    print(f"Python {report['python']} on {report['machine']}")
    print("  " + " · ".join(f"{name} {number}" for name, number in report["libraries"].items()))
    print(f"Device: {report['device']}, {report['threads']} threads")
    print(f"Precision: {report['precision']}: {report['precision_reason']}")
    print("Data sets:")
    for name, state in report["datasets"].items():
        print(f"  {name}: {state}")
    print(f"Home: {report['home']} ({report['runs']} runs), {size(report['free_bytes'])} free on its disk")
    for sentence in report["problems"]:
        print(f"! {sentence}")
    if not report["problems"]:
        print("Everything the lab needs is here.")
    return 0


def _examine() -> dict[str, Any]:
    import psutil

    from convolab.datasets import catalogue
    from convolab.home import home, runs_dir, tracking_uri
    from convolab.networks import preset
    from convolab.training.precision import choose_device, choose_precision

    device = choose_device("auto")
    chosen = choose_precision(preset("convolutional", (3, 32, 32), 10).build(), (64, 3, 32, 32), device)
    nearest_folder = home()
    while not nearest_folder.exists():
        nearest_folder = nearest_folder.parent
    free = shutil.disk_usage(nearest_folder).free
    entries = catalogue()
    problems = []
    if free < ROOM:
        problems.append(f"Only {size(free)} of disk are free; move the lab with CONVOLAB_HOME or make room.")
    absent = [entry.name for entry in entries if not entry.present]
    if absent:
        problems.append(f"Not fetched yet: {', '.join(absent)}. 'convolab data fetch all' fetches them.")
    return {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {psutil.cpu_count()} processors, "
        f"{size(psutil.virtual_memory().total)} memory",
        "libraries": {name: _version(name) for name in LIBRARIES},
        "device": str(device),
        "threads": len(psutil.Process().cpu_affinity()) if hasattr(psutil.Process(), "cpu_affinity") else 0,
        "precision": chosen.name,
        "precision_reason": chosen.reason,
        "datasets": {
            entry.name: f"here, {size(entry.bytes)}" if entry.present else "not fetched" for entry in entries
        },
        "home": str(home()),
        "tracking": tracking_uri(),
        "runs": sum(1 for _ in runs_dir().iterdir()) if runs_dir().exists() else 0,
        "free_bytes": free,
        "problems": problems,
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"
