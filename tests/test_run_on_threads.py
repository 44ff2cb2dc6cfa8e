"""A worker whose analyses are threads of one process: one pair of models for all of them."""

from __future__ import annotations

import sys

import requests

from tests.cluster import DONE, THREADS, Cluster, trigger, watch_later
from tests.models import make_pair
from tests.servers import frozen_postgres, wait_until

NAMES = ["한빛전자", "두빛전자", "세빛전자", "네빛전자", "다섯빛전자", "여섯빛전자"]
RUNNING = "SELECT count(*) FROM dashboard_analysis WHERE status = 'running'"
RUNS = "SELECT DISTINCT status, attempts FROM dashboard_analysis"


def start_worker_with(cluster: Cluster, models_dir, **variables: str) -> None:
    make_pair(models_dir, "test123")
    cluster.variables |= {"MODELS_DIR": str(models_dir), "MODEL_NAME": "test123", **variables}
    cluster.processes[0].terminate()
    cluster.processes[0].wait()
    cluster.start(sys.executable, "-m", "gunicorn")
    cluster.start_worker(*THREADS)
    wait_until(lambda: cluster.workers() == 1, failing_with=requests.ConnectionError)


def test_analyses_at_once_share_one_pair(tmp_path, cluster, naver):
    start_worker_with(cluster, tmp_path / "models")
    naver.delay = 2
    watch_later(cluster, NAMES)
    for name in NAMES:
        trigger(cluster, name)

    wait_until(lambda: cluster.rows(RUNNING) == [(4,)])
    wait_until(lambda: cluster.rows(DONE) == [(len(NAMES),)])
    assert cluster.rows(RUNS) == [("success", 1)]
    judged_by = "SELECT DISTINCT split_part(category, '@', 1), split_part(sentiment, '@', 1) FROM dashboard_revision"
    assert cluster.rows(judged_by) == [("test123_category", "test123_sentiment")]
    for axis in ("category", "sentiment"):
        assert cluster.logs().count(f"모델 로드 완료: test123_{axis}") == 1


def test_a_database_that_hangs_holds_no_thread_for_longer_than_a_run_may_take(tmp_path, cluster, naver, postgres_url):
    # A run that is slow, or waited just less than its time, is put off as one that took too long: for a moment here.
    start_worker_with(cluster, tmp_path / "models", RUN_SECONDS="10", RUN_RETRY_SECONDS="1", RUN_RETRIES="9")
    naver.delay = 2
    watch_later(cluster, NAMES)
    for name in NAMES:
        trigger(cluster, name)
    wait_until(lambda: cluster.rows(RUNNING) == [(4,)])

    with frozen_postgres(postgres_url):
        wait_until(lambda: cluster.logs().count("has not answered for 10 s") >= 4)
    # What nobody takes up again the sweep does, RUN_SECONDS and a minute later, and once more half a minute after.
    wait_until(lambda: cluster.rows(DONE) == [(len(NAMES),)])
    assert cluster.workers() == 1
