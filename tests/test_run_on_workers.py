"""Redis mode by plain processes: what web, worker and beat do together."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

import psycopg
import requests
from django.conf import settings

from tests.cluster import trigger, watch_later
from tests.models import edit_weights, make_pair
from tests.processes import MANAGE, Operator
from tests.servers import wait_until
from tests.stand_ins import news_item


def test_without_a_worker_a_trigger_says_so_at_once(cluster, naver):
    watch_later(cluster, ["한빛전자"])
    for path in ("dashboard/companies/한빛전자/trigger", "search/companies/다른회사/analyze"):
        started = time.monotonic()
        response = requests.post(f"{cluster.url}/{path}", timeout=30)

        assert response.status_code == 503
        assert response.json()["error_code"] == "WORKER_UNAVAILABLE"
        assert time.monotonic() - started < 10  # a worker would be waited for longer


def test_the_web_process_waits_for_the_worker_and_holds_no_model(cluster, naver):
    cluster.start_worker()
    wait_until(lambda: cluster.workers() == 1)
    first = requests.post(f"{cluster.url}/search/companies/한빛전자/analyze", timeout=60).json()
    second = requests.post(f"{cluster.url}/search/companies/한빛전자/analyze", timeout=60).json()

    assert first["deduplication"]["original_count"] == 30
    assert first["analysis_metadata"]["analysis_id"] == second["analysis_metadata"]["analysis_id"]
    assert (first["analysis_metadata"]["cache_hit"], second["analysis_metadata"]["cache_hit"]) == (False, True)
    assert len(naver.calls) == 1

    cleared = requests.delete(f"{cluster.url}/dashboard/cache/한빛전자", timeout=60).json()
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
    wait_until(lambda: cluster.workers() == 1)
    naver.delay = 3
    cluster.processes[0].terminate()
    cluster.processes[0].wait()
    cluster.variables["ANALYZE_WAIT_SECONDS"] = "0.5"
    cluster.start(sys.executable, "-m", "gunicorn")
    wait_until(lambda: cluster.workers() == 1)
    response = requests.post(f"{cluster.url}/search/companies/한빛전자/analyze", timeout=60)

    assert response.status_code == 202
    body = response.json()
    assert body["status"] == "running"
    task = cluster.url + body["status_url"].removeprefix("/api/v1")
    wait_until(lambda: requests.get(task, timeout=60).json()["status"] == "success")
    assert requests.post(f"{cluster.url}/search/companies/한빛전자/analyze", timeout=60).status_code == 200


def test_a_provider_that_refuses_is_told_through_the_worker(cluster, naver):
    cluster.start_worker()
    wait_until(lambda: cluster.workers() == 1)
    naver.refuse(401, {"errorCode": "024", "errorMessage": "no"})
    response = requests.post(f"{cluster.url}/search/companies/한빛전자/analyze", timeout=60)

    assert response.status_code == 502
    assert response.json()["error_code"] == "PROVIDER_AUTH_ERROR"
    assert naver.secret not in cluster.logs()


def test_what_is_kept_is_served_as_stale_where_the_provider_fails_the_worker(cluster, naver):
    naver.items = [news_item(number) for number in range(150)]
    cluster.start_worker()
    wait_until(lambda: cluster.workers() == 1)
    path = f"{cluster.url}/search/companies/한빛전자/analyze"
    kept = requests.post(path, json={"max_results": 10}, timeout=60).json()
    naver.refuse(503, b"down")
    for asked in ({"max_results": 10, "force_refresh": True}, {"max_results": 120}):
        response = requests.post(path, json=asked, timeout=60)

        assert response.status_code == 200, response.text
        answer = response.json()
        assert answer["analysis_metadata"]["analysis_id"] == kept["analysis_metadata"]["analysis_id"]
        assert (answer["search_metadata"]["cache_hit"], answer["search_metadata"]["stale"]) == (True, True)
    other = requests.post(f"{cluster.url}/search/companies/다른회사/analyze", timeout=60)
    assert (other.status_code, other.json()["error_code"]) == (502, "PROVIDER_ERROR")


def test_what_a_run_failed_with_is_told_as_it_was(cluster, naver):
    cluster.variables["MLCORE_FALLBACK"] = "false"
    cluster.start_worker()
    wait_until(lambda: cluster.workers() == 1)
    response = requests.post(f"{cluster.url}/search/companies/한빛전자/analyze", timeout=60)

    assert (response.status_code, response.json()["error_code"]) == (503, "MODELS_UNAVAILABLE")
    assert "MLCORE_FALLBACK" in response.json()["message"]


def test_a_company_deleted_while_somebody_waits_for_it_is_a_404(cluster, naver):
    cluster.start_worker()
    wait_until(lambda: cluster.workers() == 1)
    naver.delay = 3
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(requests.post, f"{cluster.url}/search/companies/한빛전자/analyze", timeout=60)
        wait_until(lambda: naver.calls)
        assert requests.delete(f"{cluster.url}/dashboard/companies/한빛전자", timeout=60).status_code == 204
        response = waiting.result()

    assert (response.status_code, response.json()["error_code"]) == (404, "NOT_FOUND")
    wait_until(lambda: "ends unheard" in cluster.logs())
    assert "Traceback" not in cluster.logs()
    assert cluster.rows("SELECT count(*) FROM dashboard_analysis") == [(0,)]


JUDGED_BY = (
    "SELECT split_part(category, '_', 1) FROM dashboard_analysis JOIN dashboard_revision"
    " ON dashboard_revision.id = revision_id ORDER BY finished_at"
)


def test_a_worker_follows_a_switch_of_models_and_no_run_fails(tmp_path, cluster, naver):
    """Runs in a stream, a switch and a rollback in the midst of it; the worker is not restarted."""
    make_pair(tmp_path / "models", "test123")
    make_pair(tmp_path / "models", "next", category=("기타", "G", "S", "E"))
    cluster.variables |= {"MODELS_DIR": str(tmp_path / "models"), "MODEL_NAME": "test123"}
    cluster.processes[0].terminate()
    cluster.processes[0].wait()
    cluster.start(sys.executable, "-m", "gunicorn")
    worker = cluster.start_worker()
    wait_until(lambda: cluster.workers() == 1, failing_with=requests.ConnectionError)
    children = worker_processes(worker)
    names = [f"회사{number}" for number in range(400)]
    watch_later(cluster, names)
    waiting = iter(names)

    def run_until_judged_by(pair: str) -> None:
        """Keep a few runs queued, as a busy service has them, until the newest was judged by the pair."""
        deadline = time.monotonic() + 180
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
    wait_until(lambda: cluster.rows(open_runs) == [(0,)])
    assert cluster.rows("SELECT DISTINCT status, attempts FROM dashboard_analysis") == [("success", 1)]
    mixed = (
        "SELECT count(*) FROM dashboard_revision WHERE split_part(category, '_', 1) != split_part(sentiment, '_', 1)"
    )
    assert cluster.rows(mixed) == [(0,)]  # one pair judges a run
    turns = [name for name, _ in groupby(name for (name,) in cluster.rows(JUDGED_BY))]
    assert turns == ["test123", "next", "test123"]
    assert worker_processes(worker) == children  # the processes that began


def test_a_person_switches_in_an_admin_that_has_no_torch(tmp_path, cluster, naver):
    """On a worker, before the analyses that wait; the web process is as in the image without torch."""
    make_pair(tmp_path / "models", "test123")
    make_pair(tmp_path / "models", "next", category=("기타", "G", "S", "E"))
    make_pair(tmp_path / "models", "broken")
    edit_weights(tmp_path / "models/broken_category", lambda w: w["classifier.dense.weight"].fill_(float("nan")))
    cluster.variables |= {"MODELS_DIR": str(tmp_path / "models"), "MODEL_NAME": "test123"}
    (tmp_path / "without/torch").mkdir(parents=True)
    (tmp_path / "without/torch/__init__.py").write_text("raise ImportError")
    cluster.processes[0].terminate()
    cluster.processes[0].wait()
    cluster.variables["PYTHONPATH"] = str(tmp_path / "without")
    cluster.start(sys.executable, "-m", "gunicorn")
    del cluster.variables["PYTHONPATH"]
    wait_until(lambda: cluster.workers() == 0, failing_with=requests.ConnectionError)
    operator = Operator(cluster.url.removesuffix("/api/v1"), cluster.variables)
    page = "/admin/dashboard/analysis/models/"

    def judged_by() -> str:
        response = requests.post(f"{cluster.url}/search/companies/한빛전자/analyze", timeout=90)
        return response.json()["analysis_metadata"]["models"]["category"].partition("_")[0]

    assert "No worker is there" in operator.send(page, name="next")
    cluster.start_worker()
    wait_until(lambda: cluster.workers() == 1)
    assert judged_by() == "test123"

    names = [f"회사{number}" for number in range(100)]
    watch_later(cluster, names)
    naver.delay = 1
    for name in names:
        trigger(cluster, name)
    refused = operator.send(page, name="broken")
    assert "its weights hold NaN" in refused
    assert "Nothing was changed" in refused
    assert "Switched." in operator.send(page, name="next")
    assert cluster.rows("SELECT count(*) FROM dashboard_analysis WHERE status = 'queued'")[0][0] > 0
    wait_until(lambda: cluster.rows(JUDGED_BY)[-1] == ("next",))
    with psycopg.connect(cluster.database_url) as connection:
        connection.execute("DELETE FROM dashboard_analysis WHERE status = 'queued'")
    assert judged_by() == "next"


def worker_processes(worker: subprocess.Popen[bytes]) -> set[str]:
    return set(subprocess.run(["pgrep", "-g", str(worker.pid)], capture_output=True, text=True).stdout.split())
