"""Metrics: added up over processes, bounded labels, nothing left of the dead that can lie."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from django.conf import settings as configured
from prometheus_client.parser import text_string_to_metric_families

from newsservice import metrics
from tests.test_run_the_service import COMPANY, MANAGE, asking, environment, migrate, running

PATH = "/api/v1/system/metrics"


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Return each sample by its name and its labels' values, in the order of their names."""
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.django_db
def test_no_label_holds_what_a_client_made_up(client):
    client.post("/api/v1/search/companies/가상회사이름")
    client.get("/api/v1/made-up-route")
    client.generic("BREW", "/health")
    text = client.get(PATH).content.decode()
    assert "가상회사이름" not in text
    assert "made-up" not in text
    assert "BREW" not in text
    found = samples(text)
    assert found["news_requests_total", "POST", "/api/v1/search/companies/<company>", "200"] >= 1
    assert found["news_requests_total", "GET", "other", "404"] >= 1
    assert found["news_cache_looks_total", "search", "miss"] >= 1


@pytest.mark.django_db
def test_what_is_asked_now_is_what_is_so_now(client):
    found = samples(client.get(PATH).content.decode())
    assert found["news_queue_analyses", "queued"] == 0
    assert found["news_workers",] == 0


def test_several_processes_are_added_up_and_retries_are_calls(tmp_path, naver):
    naver.refuse(500, b"", times=2)
    variables = {**asking(naver), "WEB_WORKERS": "3", "BACKGROUND": "embedded", "MONITORED_COMPANIES": ","}
    migrate(tmp_path, **variables)
    with running(tmp_path, [*MANAGE, "serve", "--no-analysis"], **variables) as service:
        for _ in range(30):  # each on a connection of its own, whichever process takes it
            requests.get(f"{service.url}/health", timeout=30)
        requests.post(service.url + COMPANY, timeout=30)
        counted = {
            samples(requests.get(service.url + PATH, timeout=30).text)["news_requests_total", "GET", "/health", "200"]
            for _ in range(9)
        }
        found = samples(requests.get(service.url + PATH, timeout=30).text)
    assert min(counted) == max(counted) >= 30
    assert found["news_provider_calls_total", "retried", "naver"] == 2
    assert found["news_provider_calls_total", "ok", "naver"] == len(naver.calls) - 2 == 1


def test_the_files_of_the_dead_are_removed_and_no_others(tmp_path):
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    host = metrics.own_identifier().rpartition("~")[0]
    dead = tmp_path / f"counter_{host}~{int(ended.stdout)}.db"
    ours = tmp_path / f"counter_{metrics.own_identifier()}.db"
    other_host = tmp_path / "counter_elsewhere~1.db"
    long_gone = tmp_path / "counter_long-gone~1.db"
    for path in (dead, ours, other_host, long_gone):
        path.touch()
    os.utime(long_gone, (0, 0))
    assert metrics.forget_dead(tmp_path) == 2
    assert set(tmp_path.iterdir()) == {ours, other_host}


def test_a_command_that_counts_nothing_leaves_no_file(tmp_path):
    subprocess.run(
        [*MANAGE, "migrate", "--verbosity", "0"], cwd=configured.BASE_DIR, env=environment(tmp_path), check=True
    )
    assert list(Path(tmp_path, "metrics").iterdir()) == []
