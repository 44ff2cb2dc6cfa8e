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
from tests.cluster import trigger, watch_later
from tests.models import make_pair
from tests.processes import COMPANY, MANAGE, asking, environment, migrate, running
from tests.servers import wait_until

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


@pytest.mark.django_db
def test_a_file_that_was_begun_and_holds_nothing_stops_no_scrape(client):
    begun = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]) / f"counter_{metrics.own_identifier()}0.db"
    begun.touch()
    try:
        assert client.get(PATH).status_code == 200
    finally:
        begun.unlink()


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


def total(found: dict[tuple[str, ...], float], name: str, *labels: str) -> float:
    """Add up a metric's samples that have these labels, wherever they stand."""
    return sum(value for key, value in found.items() if key[0] == name and set(labels) <= set(key[1:]))


def test_what_two_workers_did_is_told_by_the_web_process(cluster, naver, tmp_path):
    make_pair(tmp_path / "models", "test123")
    cluster.variables |= {"MODELS_DIR": str(tmp_path / "models"), "RUN_RETRIES": "0", "NAVER_QUOTA_RESERVE": "100"}
    workers = [cluster.start_worker() for _ in range(2)]
    wait_until(lambda: cluster.workers() == 2)

    def scrape() -> dict[tuple[str, ...], float]:
        return samples(requests.get(f"{cluster.url}/system/metrics", timeout=30).text)

    names = [f"회사{number}" for number in range(6)]
    watch_later(cluster, names)
    for name in names:
        trigger(cluster, name)
    wait_until(lambda: total(scrape(), "news_analyses_total", "success") == 6)
    naver.refuse(400, {"errorCode": "SE99"})
    trigger(cluster, names[0])
    wait_until(lambda: total(scrape(), "news_analyses_total", "error") == 1)
    found = scrape()
    judged = cluster.rows("SELECT DISTINCT worker FROM dashboard_analysis WHERE status = 'success'")
    assert len(judged) == len(workers)  # both had a share in it

    assert total(found, "news_provider_calls_total") == len(naver.calls) == 7
    assert total(found, "news_provider_calls_total", "400") == 1
    assert found["news_provider_quota_remaining", "naver"] == 25_000 - len(naver.calls)
    assert (found["news_queue_analyses", "queued"], found["news_queue_analyses", "running"]) == (0, 0)
    assert found["news_workers",] == 2

    batches, tokens = "news_inference_batches_total", "news_inference_tokens_total"
    for axis in ("category", "sentiment"):
        assert found[batches, axis] == found["news_inference_seconds_count", axis] >= 2
        assert found[tokens, axis] > 30 * 5  # thirty texts of more than five words each
        assert found["news_inference_seconds_sum", axis] > 0
    assert found[tokens, "category"] == found[tokens, "sentiment"]

    # Each text of the same thirty was judged at least once, and told from the cache to all later runs.
    looks = "news_cache_looks_total"
    assert found[looks, "predictions", "miss"] > 0
    assert found[looks, "predictions", "hit"] > 0
    assert total(found, looks, "analysis") == total(found, looks, "search") == 0  # a run looks for no answer
    assert total(found, "news_requests_total", "/api/v1/dashboard/companies/<company>/trigger", "202") == 7
    seconds = found["news_request_seconds_count", "/api/v1/dashboard/companies/<company>/trigger"]
    assert seconds == 7


@pytest.mark.django_db
def test_the_layers_of_the_cache_are_told_apart(client, naver):
    before = samples(client.get(PATH).content.decode())
    for path in (COMPANY, COMPANY, f"{COMPANY}/analyze", f"{COMPANY}/analyze"):
        assert client.post(path).status_code == 200
    after = samples(client.get(PATH).content.decode())

    def added(*labels: str) -> float:
        return after.get(("news_cache_looks_total", *labels), 0) - before.get(("news_cache_looks_total", *labels), 0)

    assert (added("search", "miss"), added("search", "hit")) == (1, 2)  # the second, and the analysis' own
    assert (added("analysis", "miss"), added("analysis", "hit")) == (1, 1)
    assert added("predictions", "miss") > 0
