"""How many processor cores this process may really use: what it is pinned to, and what its container grants it."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")

_sharers = 1  # processes that run models side by side on these cores


def share_cores(processes: int) -> None:
    """Say that this process is one of so many that run models side by side: each takes its part of the cores."""
    global _sharers
    _sharers = processes


def own_cores() -> int:
    """Return this process's part of the cores, at least 1."""
    return max(1, available_cores() // _sharers)


def model_threads(wanted: int) -> int:
    """Return how many threads all models together take: those wanted, else OMP_NUM_THREADS, else own_cores()."""
    said = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return wanted or (int(said) if said.isdecimal() else 0) or own_cores()


def available_cores(*, cgroups: Path = CGROUPS, membership: Path = MEMBERSHIP) -> int:
    """Return the number of cores, at least 1; a share is rounded up.

    A share is `cpu.max` of cgroup 2, "quota period" or "max period", or the quota files of cgroup 1: the least that
    the process's own group (a service of systemd has one) and those above it (of a container only the root is seen)
    grant (https://docs.kernel.org/admin-guide/cgroup-v2.html).
    """
    pinned = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min([pinned, *_shares(cgroups, membership)])))


def _shares(cgroups: Path, membership: Path) -> Iterator[float]:
    """Yield how many cores at a time each of the process's groups grants, where it limits them."""
    for line in _read(membership).splitlines():
        _, controllers, group = line.split(":", 2)
        if not controllers:
            root, names = cgroups, ["cpu.max"]
        elif "cpu" in controllers.split(","):
            root, names = cgroups / "cpu", ["cpu.cfs_quota_us", "cpu.cfs_period_us"]
        else:
            continue
        own = Path(group.lstrip("/"))
        for directory in (own, *own.parents):
            words = [word for name in names for word in _read(root / directory / name).split()]
            if len(words) == 2 and all(map(str.isdecimal, words)) and int(words[1]):  # "max" and -1 say: no limit
                yield int(words[0]) / int(words[1])


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
