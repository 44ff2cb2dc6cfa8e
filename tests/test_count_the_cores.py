"""Threads are as many as the cores a process may really use, in a container too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlcore.cores import available_cores
from tests.models import make_pair

ROOT = Path(__file__).resolve().parent.parent
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

    assert available_cores(cgroups=tmp_path, membership=member_of(tmp_path, "0::/")) == cores


@pytest.mark.parametrize(("quota", "cores"), [("100000", 1), ("-1", PINNED)])
def test_a_share_of_cgroup_1_too(tmp_path: Path, quota: str, cores: int) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota)
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000")

    assert available_cores(cgroups=tmp_path, membership=member_of(tmp_path, "4:cpu,cpuacct:/docker/1f2e")) == cores


@pytest.mark.parametrize("limited", ["system.slice/news service", "system.slice", "."])
def test_the_group_of_a_service_counts_and_so_do_those_above_it(tmp_path: Path, limited: str) -> None:
    (tmp_path / "system.slice" / "news service").mkdir(parents=True)
    (tmp_path / "system.slice" / "cpu.max").write_text("max 100000")
    (tmp_path / limited / "cpu.max").write_text("50000 100000")

    membership = member_of(tmp_path, "1:name=systemd:/", "0::/system.slice/news service")
    assert available_cores(cgroups=tmp_path, membership=membership) == 1


def test_without_limits_it_is_what_the_process_is_pinned_to(tmp_path: Path) -> None:
    assert available_cores(cgroups=tmp_path, membership=member_of(tmp_path, "0::/")) == PINNED
    assert available_cores(cgroups=tmp_path, membership=tmp_path / "missing") == PINNED


def member_of(directory: Path, *lines: str) -> Path:
    membership = directory / "membership"
    membership.write_text("\n".join(lines))
    return membership


IN_A_POOL = """
import django
django.setup()
from celery.signals import worker_process_init
from dashboard import tasks
from mlcore.pair import Pair
worker_process_init.send(sender=None)
assert Pair("test123").models
import torch
print(torch.get_num_threads())
"""


@pytest.mark.parametrize(
    ("variables", "threads"),
    [
        ({"WORKER_CONCURRENCY": "1"}, available_cores()),
        ({"WORKER_CONCURRENCY": "2"}, max(1, available_cores() // 2)),
        ({"WORKER_CONCURRENCY": "64"}, max(1, available_cores() // 64)),
        ({"WORKER_CONCURRENCY": "64", "TORCH_NUM_THREADS": "3"}, 3),
    ],
)
def test_the_processes_of_a_worker_share_the_cores(tmp_path: Path, variables: dict[str, str], threads: int) -> None:
    make_pair(tmp_path / "models", "test123")
    kept = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    places = {"DATA_DIR": str(tmp_path), "MODELS_DIR": str(tmp_path / "models"), "DATABASE_URL": "", "REDIS_URL": ""}
    done = subprocess.run(
        [sys.executable, "-c", IN_A_POOL],
        cwd=ROOT,
        env=kept | places | {"DJANGO_SETTINGS_MODULE": "tests.settings"} | variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) == threads
