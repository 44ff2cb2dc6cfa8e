"""Redis mode by plain processes: a worker killed or stopped, Redis and Postgres restarted, a beat too many."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psycopg
import pytest
import redis
import requests
from django.conf import settings

from tests.cluster import CELERY, DONE, THREADS, trigger, watch_later
from tests.processes import MANAGE, environment
from tests.servers import free_port, restart_postgres, wait_until

PROCESSES_OR_THREADS = pytest.mark.parametrize("pool", [(), THREADS], ids=["processes", "threads"])
COMPANIES = int(os.environ.get("COMPANIES", "40"))


def test_a_worker_killed_half_way_costs_no_analysis(cluster, naver):
    victim, other = cluster.start_worker(), cluster.start_worker()
    wait_until(lambda: cluster.workers() == 2)
    naver.delay = 0.3
    names = [f"회사{number}" for number in range(COMPANIES)]
    watch_later(cluster, names)

    with ThreadPoolExecutor(8) as pool:
        tasks = list(pool.map(partial(trigger, cluster), names))
        again = trigger(cluster, names[-1])
    assert again["task_id"] == tasks[-1]["task_id"]

    done = "SELECT count(*) FROM dashboard_analysis WHERE status = 'success'"
    wait_until(lambda: cluster.rows(done)[0][0] >= COMPANIES // 4)
    os.killpg(victim.pid, signal.SIGKILL)
    wait_until(lambda: cluster.rows(done)[0][0] >= COMPANIES)

    by_company = cluster.rows(
        "SELECT company_id, count(*), min(status), min(worker) FROM dashboard_analysis GROUP BY company_id"
    )
    assert len(by_company) == COMPANIES
    assert {(count, status) for _, count, status, _ in by_company} == {(1, "success")}
    assert other.poll() is None
    shown, articles = cluster.rows(
        "SELECT max(jsonb_array_length(stories)), (SELECT count(*) FROM dashboard_article) FROM dashboard_analysis"
    )[0]
    assert shown == articles  # every company's news are the same: each article is one row
    answer = requests.get(cluster.url + tasks[0]["status_url"].removeprefix("/api/v1"), timeout=60).json()
    assert (answer["status"], answer["progress"]) == ("success", {"done": shown, "total": shown})


def test_an_analysis_that_kills_its_process_time_and_again_is_given_up(cluster, naver):
    cluster.variables["RUN_RETRIES"] = "1"
    worker = cluster.start_worker()
    wait_until(lambda: cluster.workers() == 1)
    naver.delay = 5
    watch_later(cluster, ["한빛전자", "가람은행"])
    trigger(cluster, "한빛전자")
    for asked in (1, 2):
        wait_until(lambda asked=asked: len(naver.calls) == asked)
        for child in children(worker):
            os.kill(child, signal.SIGKILL)

    ended = "SELECT status, error_code, attempts FROM dashboard_analysis"
    wait_until(lambda: cluster.rows(ended) == [("error", "WORKER_LOST", 2)])
    assert worker.poll() is None
    naver.delay = 0
    trigger(cluster, "가람은행")
    wait_until(lambda: cluster.rows(DONE) == [(1,)])


def test_an_analysis_whose_process_is_killed_is_taken_up_by_another_worker(cluster, naver):
    first, second = cluster.start_worker(), cluster.start_worker()
    wait_until(lambda: cluster.workers() == 2)
    naver.delay = 5
    watch_later(cluster, ["한빛전자"])
    trigger(cluster, "한빛전자")
    wait_until(lambda: naver.calls)
    naver.delay = 0
    [(name,)] = cluster.rows("SELECT worker FROM dashboard_analysis")
    holder = next(worker for worker in (first, second) if f":{worker.pid}:" in name)
    for child in children(holder):
        os.kill(child, signal.SIGKILL)

    wait_until(lambda: cluster.rows(DONE) == [(1,)])
    assert cluster.rows("SELECT attempts FROM dashboard_analysis") == [(2,)]
    assert holder.poll() is None


def test_a_sweep_goes_before_the_analyses_that_wait(cluster, naver, redis_server):
    cluster.start_worker()
    wait_until(lambda: cluster.workers() == 1)
    naver.delay = 6
    names = [f"회사{number}" for number in range(20)]
    watch_later(cluster, names)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(partial(trigger, cluster), names))
    wait_until(lambda: naver.calls)
    with psycopg.connect(cluster.database_url) as connection:
        connection.execute(
            "UPDATE dashboard_analysis SET status = 'running', worker = 'gone:1', started_at = now()"
            " WHERE id = (SELECT max(id) FROM dashboard_analysis WHERE status = 'queued')"
        )
    sweep = [*CELERY, "call", "dashboard.tasks.sweep_runs", "--expires", "40"]
    subprocess.run(sweep, cwd=settings.BASE_DIR, env=cluster.variables, check=True, capture_output=True)

    wait_until(lambda: cluster.rows("SELECT 1 FROM dashboard_analysis WHERE worker = 'gone:1'") == [])
    assert cluster.rows("SELECT count(*) FROM dashboard_analysis WHERE status = 'queued'")[0][0] > 5
    broker = redis.Redis(port=redis_server.port)
    waiting = [json.loads(message) for key in broker.scan_iter("celery*") for message in broker.lrange(key, 0, -1)]
    asked = [one["headers"] for one in waiting if one["headers"]["task"] == "dashboard.tasks.run_analysis"]
    assert asked
    assert all(headers["expires"] for headers in asked)  # or every sweep would add as many as wait


def children(process: subprocess.Popen[bytes]) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True)
    return [int(pid) for pid in found.stdout.split()]


@PROCESSES_OR_THREADS
def test_a_worker_asked_to_stop_finishes_what_it_runs(cluster, naver, pool):
    worker = cluster.start_worker(*pool)
    wait_until(lambda: cluster.workers() == 1)
    naver.delay = 3
    watch_later(cluster, ["한빛전자", "두빛전자", "세빛전자", "네빛전자", "다섯빛전자", "여섯빛전자"])
    for name in ("한빛전자", "두빛전자", "세빛전자", "네빛전자", "다섯빛전자", "여섯빛전자"):
        trigger(cluster, name)
    by_status = "SELECT count(*) FROM dashboard_analysis WHERE status = '{}'"
    wait_until(lambda: cluster.rows(by_status.format("running"))[0][0] > 0)

    worker.terminate()
    assert worker.wait(timeout=180) == 0
    assert cluster.rows(by_status.format("running"))[0][0] == 0
    finished = cluster.rows(by_status.format("success"))[0][0]
    assert 0 < finished < 6  # what it had begun, no more

    cluster.start_worker()
    wait_until(lambda: cluster.rows(by_status.format("success"))[0][0] == 6)
    assert cluster.rows("SELECT max(attempts) FROM dashboard_analysis") == [(1,)]


def test_a_redis_restarted_with_tasks_queued_loses_none(cluster, naver, redis_server):
    cluster.start_worker()
    wait_until(lambda: cluster.workers() == 1)
    naver.delay = 1
    names = [f"회사{number}" for number in range(6)]
    watch_later(cluster, names)
    for name in names:
        trigger(cluster, name)
    wait_until(lambda: naver.calls)
    redis_server.stop()  # its memory goes, and every message in it
    time.sleep(1)
    redis_server.start()

    wait_until(lambda: cluster.rows(DONE)[0][0] == 6)
    assert cluster.rows("SELECT count(*) FROM dashboard_analysis")[0][0] == 6


@PROCESSES_OR_THREADS
def test_a_postgres_restarted_mid_run_loses_none(cluster, naver, postgres_url, pool):
    cluster.start_worker(*pool)
    wait_until(lambda: cluster.workers() == 1)
    naver.delay = 2
    watch_later(cluster, ["한빛전자", "가람은행"])
    for name in ("한빛전자", "가람은행"):
        trigger(cluster, name)
    wait_until(lambda: naver.calls)
    restart_postgres(postgres_url)

    wait_until(lambda: cluster.rows(DONE)[0][0] == 2, failing_with=psycopg.Error)
    assert cluster.rows("SELECT count(*) FROM dashboard_analysis")[0][0] == 2
    assert requests.get(f"{cluster.url}/dashboard/status", timeout=60).json()["total_success"] == 2


def test_two_beats_by_mistake_analyse_a_company_once(cluster, naver):
    cluster.start(*CELERY, "beat", "--loglevel", "INFO")
    cluster.start_worker()
    cluster.start_worker()
    names = [f"회사{number}" for number in range(10)]
    watch_later(cluster, names, minutes=-1)

    wait_until(lambda: cluster.rows(DONE)[0][0] == 10)
    time.sleep(20)  # another round of both beats
    assert cluster.rows("SELECT max(n) FROM (SELECT count(*) n FROM dashboard_analysis GROUP BY company_id) x") == [
        (1,)
    ]


def test_a_worker_that_never_reached_redis_stops_without_a_fault(tmp_path):
    variables = environment(tmp_path, REDIS_URL=f"redis://127.0.0.1:{free_port()}/1")
    subprocess.run([*MANAGE, "migrate", "--verbosity", "0"], cwd=settings.BASE_DIR, env=variables, check=True)
    log = tmp_path / "log"
    with log.open("wb") as out:
        worker = subprocess.Popen(
            [*CELERY, "worker", "--loglevel", "INFO"], cwd=settings.BASE_DIR, env=variables, stdout=out, stderr=out
        )
    try:
        wait_until(lambda: "Trying again" in log.read_text())
        worker.terminate()
        worker.wait(timeout=180)
    finally:
        worker.kill()
    assert "before it is started" not in log.read_text()
