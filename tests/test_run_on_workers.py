"""Redis mode by plain processes: web, two workers, beat; and what happens when one is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
import redis
import requests
from django.conf import settings

from tests.models import make_pair
from tests.servers import free_port, restart_postgres, wait_until
from tests.stand_ins import NaverStandIn
from tests.test_run_the_service import asking, environment

COMPANIES = int(os.environ.get("COMPANIES", "40"))
MANAGE = [sys.executable, "manage.py"]
CELERY = [sys.executable, "-m", "celery", "-A", "newsservice"]


class Cluster:
    """Web, workers and beat on one Redis and one Postgres."""

    def __init__(self, tmp_path: Path, variables: dict[str, str], database_url: str) -> None:
        self.tmp_path, self.variables, self.database_url = tmp_path, variables, database_url
        self.url = f"http://127.0.0.1:{variables['PORT']}/api/v1"
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.tmp_path / f"log{len(self.processes)}").open("wb") as log:
            process = subprocess.Popen(
                command, cwd=settings.BASE_DIR, env=self.variables, stdout=log, stderr=log, start_new_session=True
            )
        self.processes.append(process)
        return process

    def start_worker(self) -> subprocess.Popen[bytes]:
        return self.start(*CELERY, "worker", "--loglevel", "INFO")

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def rows(self, query: str) -> list[tuple]:
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(query).fetchall()

    def workers(self) -> int:
        return requests.get(f"{self.url}/dashboard/status", timeout=10).json()["workers"]

    def logs(self) -> str:
        return "\n".join(path.read_text() for path in self.tmp_path.glob("log*"))


@pytest.fixture
def cluster(tmp_path, naver: NaverStandIn, redis_server, postgres_url) -> Iterator[Cluster]:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        name = f"cluster{free_port()}"
        connection.execute(f"CREATE DATABASE {name}")
    database_url = postgres_url.rpartition("/")[0] + f"/{name}"
    variables = environment(
        tmp_path,
        PORT=str(free_port()),
        DATABASE_URL=database_url,
        REDIS_URL=redis_server.url,
        MONITORED_COMPANIES=",",
        RUN_SECONDS="60",
        NAVER_CALLS_PER_SECOND="100",
        **asking(naver),
    )
    subprocess.run([*MANAGE, "migrate", "--verbosity", "0"], cwd=settings.BASE_DIR, env=variables, check=True)
    subprocess.run([*MANAGE, "sync_schedule"], cwd=settings.BASE_DIR, env=variables, check=True)
    redis.Redis(port=redis_server.port).flushall()
    cluster = Cluster(tmp_path, variables, database_url)
    with ExitStack() as stack:
        stack.callback(cluster.stop)
        cluster.start(sys.executable, "-m", "gunicorn")
        cluster.start(*CELERY, "beat", "--loglevel", "INFO")
        wait_until(lambda: cluster.workers() == 0, seconds=60)
        yield cluster


def watch_later(cluster: Cluster, names: list[str], *, minutes: int = 20) -> None:
    """Watch companies whose time by schedule comes later."""
    with psycopg.connect(cluster.database_url) as connection:
        for name in names:
            connection.execute(
                "INSERT INTO dashboard_company (name, aliases, stock_code, is_watched, next_run_at, created_at)"
                " VALUES (%s, '[]', '', true, now() + %s * interval '1 minute', now())",
                [name, minutes],
            )


def trigger(cluster: Cluster, name: str) -> dict:
    response = requests.post(f"{cluster.url}/dashboard/companies/{quote(name)}/trigger", timeout=30)
    assert response.status_code == 202, response.text
    return response.json()


def test_without_a_worker_a_trigger_says_so_at_once(cluster, naver):
    watch_later(cluster, ["한빛전자"])
    for path in ("dashboard/companies/한빛전자/trigger", "search/companies/다른회사/analyze"):
        started = time.monotonic()
        response = requests.post(f"{cluster.url}/{path}", timeout=10)

        assert response.status_code == 503
        assert response.json()["error_code"] == "WORKER_UNAVAILABLE"
        assert time.monotonic() - started < 1


@pytest.mark.timeout(300)
def test_a_worker_killed_half_way_costs_no_analysis(cluster, naver):
    victim, other = cluster.start_worker(), cluster.start_worker()
    wait_until(lambda: cluster.workers() == 2, seconds=60)
    naver.delay = 0.3
    names = [f"회사{number}" for number in range(COMPANIES)]
    watch_later(cluster, names)

    with ThreadPoolExecutor(8) as pool:
        tasks = list(pool.map(partial(trigger, cluster), names))
        again = trigger(cluster, names[-1])
    assert again["task_id"] == tasks[-1]["task_id"]

    done = "SELECT count(*) FROM dashboard_analysis WHERE status = 'success'"
    wait_until(lambda: cluster.rows(done)[0][0] >= COMPANIES // 4, seconds=90)
    os.killpg(victim.pid, signal.SIGKILL)
    wait_until(lambda: cluster.rows(done)[0][0] >= COMPANIES, seconds=120)

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
    answer = requests.get(cluster.url + tasks[0]["status_url"].removeprefix("/api/v1"), timeout=10).json()
    assert (answer["status"], answer["progress"]) == ("success", {"done": shown, "total": shown})


def test_a_worker_asked_to_stop_finishes_what_it_runs(cluster, naver):
    worker = cluster.start_worker()
    wait_until(lambda: cluster.workers() == 1, seconds=60)
    naver.delay = 3
    watch_later(cluster, ["한빛전자", "두빛전자", "세빛전자", "네빛전자", "다섯빛전자", "여섯빛전자"])
    for name in ("한빛전자", "두빛전자", "세빛전자", "네빛전자", "다섯빛전자", "여섯빛전자"):
        trigger(cluster, name)
    by_status = "SELECT count(*) FROM dashboard_analysis WHERE status = '{}'"
    wait_until(lambda: cluster.rows(by_status.format("running"))[0][0] > 0, seconds=30)

    worker.terminate()
    assert worker.wait(timeout=60) == 0
    assert cluster.rows(by_status.format("running"))[0][0] == 0
    finished = cluster.rows(by_status.format("success"))[0][0]
    assert 0 < finished < 6  # what it had begun, no more

    cluster.start_worker()
    wait_until(lambda: cluster.rows(by_status.format("success"))[0][0] == 6, seconds=60)
    assert cluster.rows("SELECT max(attempts) FROM dashboard_analysis") == [(1,)]


def test_the_web_process_waits_for_the_worker_and_holds_no_model(cluster, naver):
    cluster.start_worker()
    wait_until(lambda: cluster.workers() == 1, seconds=60)
    first = requests.post(f"{cluster.url}/search/companies/한빛전자/analyze", timeout=60).json()
    second = requests.post(f"{cluster.url}/search/companies/한빛전자/analyze", timeout=10).json()

    assert first["deduplication"]["original_count"] == 30
    assert first["analysis_metadata"]["analysis_id"] == second["analysis_metadata"]["analysis_id"]
    assert (first["analysis_metadata"]["cache_hit"], second["analysis_metadata"]["cache_hit"]) == (False, True)
    assert len(naver.calls) == 1

    cleared = requests.delete(f"{cluster.url}/dashboard/cache/한빛전자", timeout=10).json()
    assert cleared["deleted_keys"] > first["analysis_metadata"]["analyzed_count"]
    third = requests.post(f"{cluster.url}/search/companies/한빛전자/analyze", timeout=60).json()
    assert third["analysis_metadata"]["cache_hit"] is False
    assert len(naver.calls) == 2

    web = cluster.processes[0].pid
    pids = subprocess.run(["pgrep", "-g", str(web)], capture_output=True, text=True, check=True).stdout.split()
    for pid in pids:
        loaded = Path(f"/proc/{pid}/maps").read_text()
        assert "libtorch" not in loaded
        assert "kiwi" not in loaded


def test_an_analysis_that_outlasts_the_wait_goes_on(tmp_path, cluster, naver):
    cluster.start_worker()
    wait_until(lambda: cluster.workers() == 1, seconds=60)
    naver.delay = 3
    cluster.processes[0].terminate()
    cluster.processes[0].wait()
    cluster.variables["ANALYZE_WAIT_SECONDS"] = "0.5"
    cluster.start(sys.executable, "-m", "gunicorn")
    wait_until(lambda: cluster.workers() == 1, seconds=60)
    response = requests.post(f"{cluster.url}/search/companies/한빛전자/analyze", timeout=10)

    assert response.status_code == 202
    body = response.json()
    assert body["status"] == "running"
    task = cluster.url + body["status_url"].removeprefix("/api/v1")
    wait_until(lambda: requests.get(task, timeout=10).json()["status"] == "success", seconds=60)
    assert requests.post(f"{cluster.url}/search/companies/한빛전자/analyze", timeout=10).status_code == 200


def test_a_provider_that_refuses_is_told_through_the_worker(cluster, naver):
    cluster.start_worker()
    wait_until(lambda: cluster.workers() == 1, seconds=60)
    naver.refuse(401, {"errorCode": "024", "errorMessage": "no"})
    response = requests.post(f"{cluster.url}/search/companies/한빛전자/analyze", timeout=60)

    assert response.status_code == 502
    assert response.json()["error_code"] == "PROVIDER_AUTH_ERROR"
    assert naver.secret not in cluster.logs()


DONE = "SELECT count(*) FROM dashboard_analysis WHERE status = 'success'"


@pytest.mark.timeout(300)
def test_a_redis_restarted_with_tasks_queued_loses_none(cluster, naver, redis_server):
    cluster.start_worker()
    wait_until(lambda: cluster.workers() == 1, seconds=60)
    naver.delay = 1
    names = [f"회사{number}" for number in range(6)]
    watch_later(cluster, names)
    for name in names:
        trigger(cluster, name)
    wait_until(lambda: naver.calls, seconds=30)
    redis_server.stop()  # its memory goes, and every message in it
    time.sleep(1)
    redis_server.start()

    wait_until(lambda: cluster.rows(DONE)[0][0] == 6, seconds=120)
    assert cluster.rows("SELECT count(*) FROM dashboard_analysis")[0][0] == 6


@pytest.mark.timeout(300)
def test_a_postgres_restarted_mid_run_loses_none(cluster, naver, postgres_url):
    cluster.start_worker()
    wait_until(lambda: cluster.workers() == 1, seconds=60)
    naver.delay = 2
    watch_later(cluster, ["한빛전자", "가람은행"])
    for name in ("한빛전자", "가람은행"):
        trigger(cluster, name)
    wait_until(lambda: naver.calls, seconds=30)
    restart_postgres(postgres_url)

    wait_until(lambda: cluster.rows(DONE)[0][0] == 2, failing_with=psycopg.Error, seconds=120)
    assert cluster.rows("SELECT count(*) FROM dashboard_analysis")[0][0] == 2
    assert requests.get(f"{cluster.url}/dashboard/status", timeout=10).json()["total_success"] == 2


JUDGED_BY = (
    "SELECT split_part(category, '_', 1) FROM dashboard_analysis JOIN dashboard_revision"
    " ON dashboard_revision.id = revision_id ORDER BY finished_at"
)


@pytest.mark.timeout(300)
def test_a_worker_follows_a_switch_of_models_and_no_run_fails(tmp_path, cluster, naver):
    """Runs in a stream, a switch and a rollback in the midst of it; the worker is not restarted."""
    make_pair(tmp_path / "models", "test123")
    make_pair(tmp_path / "models", "next", category=("기타", "G", "S", "E"))
    cluster.variables |= {"MODELS_DIR": str(tmp_path / "models"), "MODEL_NAME": "test123"}
    cluster.processes[0].terminate()
    cluster.processes[0].wait()
    cluster.start(sys.executable, "-m", "gunicorn")
    worker = cluster.start_worker()
    wait_until(lambda: cluster.workers() == 1, seconds=90, failing_with=requests.ConnectionError)
    children = worker_processes(worker)
    names = [f"회사{number}" for number in range(400)]
    watch_later(cluster, names, minutes=100)
    waiting = iter(names)

    def run_until_judged_by(pair: str) -> None:
        """Keep a few runs queued, as a busy service has them, until the newest was judged by the pair."""
        deadline = time.monotonic() + 90
        while not (rows := cluster.rows(JUDGED_BY)) or rows[-1] != (pair,):
            assert time.monotonic() < deadline, rows[-3:]
            trigger(cluster, next(waiting))
            time.sleep(0.2)

    def switch(*arguments: str) -> None:
        subprocess.run(
            [*MANAGE, "switch_model", *arguments],
            cwd=settings.BASE_DIR,
            env=cluster.variables,
            check=True,
            capture_output=True,
        )

    run_until_judged_by("test123")
    switch("next")
    run_until_judged_by("next")
    switch("--rollback")
    run_until_judged_by("test123")

    open_runs = "SELECT count(*) FROM dashboard_analysis WHERE status IN ('queued', 'running')"
    wait_until(lambda: cluster.rows(open_runs) == [(0,)], seconds=60)
    assert cluster.rows("SELECT DISTINCT status, attempts FROM dashboard_analysis") == [("success", 1)]
    mixed = (
        "SELECT count(*) FROM dashboard_revision WHERE split_part(category, '_', 1) != split_part(sentiment, '_', 1)"
    )
    assert cluster.rows(mixed) == [(0,)]  # one pair judges a run
    turns = [name for name, _ in groupby(name for (name,) in cluster.rows(JUDGED_BY))]
    assert turns == ["test123", "next", "test123"]
    assert worker_processes(worker) == children  # the processes that began


def worker_processes(worker: subprocess.Popen[bytes]) -> set[str]:
    return set(subprocess.run(["pgrep", "-g", str(worker.pid)], capture_output=True, text=True).stdout.split())


@pytest.mark.timeout(300)
def test_two_beats_by_mistake_analyse_a_company_once(cluster, naver):
    cluster.start(*CELERY, "beat", "--loglevel", "INFO")
    cluster.start_worker()
    cluster.start_worker()
    names = [f"회사{number}" for number in range(10)]
    watch_later(cluster, names, minutes=-1)

    wait_until(lambda: cluster.rows(DONE)[0][0] == 10, seconds=120)
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
        wait_until(lambda: "Trying again" in log.read_text(), seconds=60)
        worker.terminate()
        worker.wait(timeout=60)
    finally:
        worker.kill()
    assert "before it is started" not in log.read_text()
