"""Threads are as many as the cores a process may really use, in a container too."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlcore.cores import available_cores

PINNED = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("limit", "cores"),
    [
        ("max 100000", PINNED),
        ("100000 100000", 1),
        ("150000 100000", min(2, PINNED)),
        ("20000 100000", 1),
        ("6400000 100000", PINNED),
        ("", PINNED),
        ("nonsense", PINNED),
    ],
)
def test_a_share_of_cgroup_2_is_rounded_up(tmp_path: Path, limit: str, cores: int) -> None:
    (tmp_path / "cpu.max").write_text(limit)

    assert available_cores(cgroups=tmp_path) == cores


@pytest.mark.parametrize(("quota", "cores"), [("100000", 1), ("-1", PINNED)])
def test_a_share_of_cgroup_1_too(tmp_path: Path, quota: str, cores: int) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota)
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000")

    assert available_cores(cgroups=tmp_path) == cores


def test_without_limits_it_is_what_the_process_is_pinned_to(tmp_path: Path) -> None:
    assert available_cores(cgroups=tmp_path) == PINNED
