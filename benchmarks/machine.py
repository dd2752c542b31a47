"""What all benchmarks share: a description of the machine, the printed table, the file of results."""

from __future__ import annotations

import contextlib
import ctypes
import datetime
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"


def ordinary_priorities() -> None:
    """What is started from here on cannot put itself before others.

    As root, Chromium gives its processes priority −8 and displaces the lab on the same cores; for any other
    user Linux does not let it. Without Linux, or without root, nothing changes.
    """
    drop_from_bounding_set, may_change_priorities = 24, 23  # PR_CAPBSET_DROP and CAP_SYS_NICE of Linux
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(drop_from_bounding_set, may_change_priorities, 0, 0, 0)


def machine() -> dict[str, Any]:
    """Processor, cores, memory, load, versions and date: what one has to know to read a figure."""
    import torch

    from convolab.training import usable_cores

    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": _processor(),
        "vector instructions": torch.backends.cpu.get_cpu_capability(),
        "bf16": _bf16(),
        "cores": usable_cores(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        # Above 0 before a benchmark begins, something else is running: its single times mean little.
        "load_before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "convolab": version("convolab"),
    }


def _bf16() -> str:
    """The instructions for bf16 that this processor has: tiles (AMX), vectors (AVX512), or none."""
    import torch

    for name, check in (("AMX", "_is_amx_tile_supported"), ("AVX512", "_is_avx512_bf16_supported")):
        if getattr(torch.cpu, check, bool)():
            return name
    return "none"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def where_and_when() -> str:
    """The machine and the time in one line, for rows that are measured on different evenings."""
    about = machine()
    return f"{about['processor']}, bf16: {about['bf16']}, {about['date']}"


def earlier_rows(name: str) -> list[dict[str, Any]]:
    """The rows that `report` wrote last; none if it never did."""
    path = RESULTS / f"{name}.json"
    rows: list[dict[str, Any]] = json.loads(path.read_text())["rows"] if path.exists() else []
    return rows


def report(name: str, rows: list[dict[str, Any]], **more: Any) -> None:
    """Print ``rows`` as a table and write them with the machine (and ``more``) to ``results/<name>.json``."""
    about = machine()
    table = Table(title=name.replace("_", " "), title_justify="left")
    for column in rows[0]:
        table.add_column(column, justify="left" if isinstance(rows[0][column], str) else "right")
    for row in rows:
        table.add_row(*(_shown(value) for value in row.values()))
    console = Console(width=max(140, Console().width))
    console.print(table)
    for text in more.values():
        if isinstance(text, str):
            console.print(text)
    console.print(
        f"{about['processor']}, {about['cores']} cores, load {about['load_before']} · "
        f"torch {about['torch']} · {about['date']}"
    )
    RESULTS.mkdir(exist_ok=True)
    content = {"machine": about, **more, "rows": rows}
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(_shown(item) for item in value)
    return f"{value:,}" if isinstance(value, int) else str(value)
