"""How many processor cores this process may really use: what it is pinned to, and what its container grants it."""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")

_sharers = 1  # processes that run models side by side on these cores


def share_cores(processes: int) -> None:
    """Say that this process is one of so many that run models side by side: each takes its part of the cores."""
    global _sharers
    _sharers = processes


def own_cores() -> int:
    """Return this process's part of the cores, at least 1."""
    return max(1, available_cores() // _sharers)


def available_cores(*, cgroups: Path = CGROUPS) -> int:
    """Return the number of cores, at least 1; a container's share is rounded up.

    A share is `cpu.max` of cgroup 2, "quota period" or "max period", else the quota files of cgroup 1
    (https://docs.kernel.org/admin-guide/cgroup-v2.html).
    """
    pinned = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    granted = _granted(cgroups)
    return max(1, pinned if granted is None else min(pinned, math.ceil(granted)))


def _granted(cgroups: Path) -> float | None:
    """Return the cores that the container may use at a time; None where nothing limits them."""
    first = cgroups / "cpu"
    for files in ([cgroups / "cpu.max"], [first / "cpu.cfs_quota_us", first / "cpu.cfs_period_us"]):
        words = [word for file in files for word in _read(file)]
        if len(words) == 2 and all(map(str.isdecimal, words)) and int(words[1]):  # "max" and -1 say: no limit
            return int(words[0]) / int(words[1])
    return None


def _read(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []
