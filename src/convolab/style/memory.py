"""How much memory this process has used at most."""

from __future__ import annotations

import sys

import psutil


def peak_memory_mb() -> float:
    """The most that was resident at once since the process began, in MB (decimal); 0.0 where nobody knows."""
    try:
        import resource
    except ImportError:  # Windows
        info = psutil.Process().memory_info()
        return float(getattr(info, "peak_wset", info.rss)) / 1e6
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6
