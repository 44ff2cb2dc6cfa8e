"""Readiness, the integration test, a worker's self test, the doctor; what they ask frozen, dead or missing."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from io import StringIO

import pytest
import requests
from django.conf import settings as configured
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from dashboard import selftest, workers
from system import keys, probes
from system.models import ApiKey
from tests.processes import MANAGE, environment, migrate, running
from tests.servers import free_port, wait_until

READY = "/api/v1/system/ready"
INTEGRATION = "/api/v1/system/test/integration"


def state(reports: list[probes.Report]) -> dict[str, str]:
    return {report.name: report.state for report in reports}


@pytest.mark.django_db(transaction=True)
def test_all_is_ready_where_a_worker_lives(client):
    workers.say_alive(workers.own_name())
    answer = client.get(READY)
    assert answer.status_code == 200
    body = answer.json()
    assert body["status"] == "ready"
    assert {name: check["status"] for name, check in body["checks"].items()} == {
        "database": "ok",
        "cache": "ok",
        "broker": "not_used",
        "workers": "ok",
        "models": "keyword_fallback",
        "provider": "ok",
    }


@pytest.mark.django_db(transaction=True)
def test_without_a_worker_it_is_degraded_and_still_serves(client):
    answer = client.get(READY)
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["checks"]["workers"]["status"] == "failed"


@pytest.mark.django_db(transaction=True)
def test_a_migration_that_is_missing_is_unavailable(client):
    MigrationRecorder(connection).record_unapplied("dashboard", "0001_history")
    try:
        answer = client.get(READY, headers={"Accept-Language": "en"})
    finally:
        MigrationRecorder(connection).record_applied("dashboard", "0001_history")
    assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
    assert answer.json()["checks"]["database"]["detail"] == "1 migrations are missing: manage.py migrate"


@pytest.mark.django_db(transaction=True)
def test_models_that_may_not_fall_back_are_needed(client, settings):
    settings.MLCORE_FALLBACK = False
    assert client.get(READY).status_code == 503


@pytest.fixture
def asked(monkeypatch) -> list[None]:
    """Each time the quick probes are asked."""
    times: list[None] = []
    quick = probes.quick_probes
    monkeypatch.setattr(probes, "quick_probes", lambda: times.append(None) or quick()[1:])
    return times


@pytest.mark.django_db
def test_who_asks_within_a_second_is_told_the_same(client, asked, monkeypatch):
    answers = [client.get(READY).json() for _ in range(5)]
    assert len(asked) == 1
    assert answers[1:] == answers[:-1]
    assert client.get(READY, headers={"Accept-Language": "en"}).json() != answers[0]  # the details are in English
    monkeypatch.setattr(probes, "SHARED_SECONDS", 0)
    probes._shared.clear()
    client.get(READY)
    client.get(READY)
    assert len(asked) == 4


def test_who_asks_meanwhile_waits_for_the_same_answer(monkeypatch):
    times: list[float] = []

    def slow() -> probes.Finding:
        times.append(time.monotonic())
        time.sleep(0.3)
        return probes.Finding(state="ok", detail="")

    monkeypatch.setattr(probes, "quick_probes", lambda: [probes.Probe(name="slow", ask=slow, seconds=20)])
    with ThreadPoolExecutor(16) as pool:
        reports = list(pool.map(lambda _: probes.readiness(), range(16)))
    assert len(times) == 1
    assert all(report == reports[0] for report in reports)


@pytest.mark.django_db(transaction=True)
def test_details_are_for_who_may_read(client, settings):
    settings.API_KEYS_REQUIRED = True
    keys.forget()
    workers.say_alive(workers.own_name())
    good = client.get(READY, headers={"X-API-Key": keys.create("monitor", scope="read").token}).json()
    assert workers.own_name() in good["checks"]["workers"]["detail"]

    person = Client(SERVER_NAME="localhost")
    person.force_login(User.objects.create_superuser("operator"))
    assert workers.own_name() in person.get(READY).content.decode()

    states = {name: {"status": check["status"], "needed": check["needed"]} for name, check in good["checks"].items()}
    for headers in ({}, {"X-API-Key": "nsk_bad"}):
        answer = client.get(READY, headers=headers)
        assert (answer.status_code, answer.json()) == (200, {"status": "ready", "checks": states})
    person.force_login(User.objects.create_user("nobody", is_staff=True))
    assert person.get(READY).json()["checks"] == states


@pytest.mark.django_db(transaction=True)
def test_where_no_key_can_be_looked_up_the_states_are_told(client, settings):
    settings.API_KEYS_REQUIRED = True
    keys.forget()
    with connection.schema_editor() as editor:
        editor.delete_model(ApiKey)
    try:
        answer = client.get(READY, headers={"X-API-Key": "nsk_any"})
    finally:
        with connection.schema_editor() as editor:
            editor.create_model(ApiKey)
    assert answer.status_code == 200
    assert "detail" not in answer.json()["checks"]["database"]


@pytest.mark.django_db(transaction=True)
def test_a_redis_that_hangs_or_is_gone_costs_the_cache_alone(client, redis, monkeypatch):
    monkeypatch.setattr(probes, "SHARED_SECONDS", 0)
    assert client.get(READY).json()["checks"]["cache"]["status"] == "ok"
    redis.freeze()
    started = time.monotonic()
    answer = client.get(READY)
    took = time.monotonic() - started
    redis.thaw()
    assert (answer.status_code, answer.json()["checks"]["cache"]["status"]) == (200, "failed")
    assert took < 15
    redis.stop()
    assert client.get(READY).json()["checks"]["cache"]["status"] == "failed"


def test_a_probe_that_hangs_or_breaks_stops_no_other():
    released = threading.Event()

    def hang() -> probes.Finding:
        released.wait(30)
        return probes.Finding(state="ok", detail="")

    def broken() -> probes.Finding:
        raise KeyError("a-secret")

    asked = [
        probes.Probe(name="hangs", ask=hang, seconds=0.2, is_needed=True),
        probes.Probe(name="breaks", ask=broken, seconds=20),
        probes.Probe(name="fine", ask=lambda: probes.Finding(state="ok", detail=""), seconds=20),
    ]
    started = time.monotonic()
    reports = probes.run(asked)
    assert time.monotonic() - started < 15
    released.set()
    assert state(reports) == {"hangs": "failed", "breaks": "failed", "fine": "ok"}
    assert reports[1].detail == "KeyError"
    assert not probes.is_ready(reports)


def test_the_provider_is_reached_without_a_search(naver):
    assert probes.reach_provider().state == "ok"
    assert naver.calls == []


def test_a_provider_that_is_not_there_is_said(naver, settings):
    settings.NAVER_SEARCH_URL = f"http://127.0.0.1:{free_port()}/search"
    assert probes.reach_provider().state == "failed"


@pytest.mark.django_db(transaction=True)
def test_the_doctor_says_what_is_missing_by_its_exit_code():
    said = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("doctor", "--json", stdout=said)
    assert ended.value.code == 2  # no worker, which is not needed
    assert json.loads(said.getvalue())["status"] == "degraded"
    workers.say_alive(workers.own_name())
    call_command("doctor", stdout=said)
    assert "keyword_fallback" in said.getvalue()


def test_the_doctor_of_an_empty_database_ends_with_1(tmp_path):
    outcome = subprocess.run(
        [*MANAGE, "doctor"], cwd=configured.BASE_DIR, env=environment(tmp_path), capture_output=True, timeout=60
    )
    assert outcome.returncode == 1
    assert b"manage.py migrate" in outcome.stdout


def test_a_database_that_is_away_is_no_fault_of_the_models_and_the_log_says_why(tmp_path):
    nowhere = f"postgres://news:secret-word@127.0.0.1:{free_port()}/news"
    variables = environment(tmp_path, DATABASE_URL=nowhere, BACKGROUND="embedded", LANGUAGE_CODE="en")
    outcome = subprocess.run(
        [*MANAGE, "doctor", "--json"],
        cwd=configured.BASE_DIR,
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
    )
    checks = json.loads(outcome.stdout)["checks"]
    assert outcome.returncode == 1
    assert checks["database"]["detail"] == "no connection: OperationalError"
    assert checks["models"]["status"] == "keyword_fallback"
    assert "probe database failed: connection failed" in outcome.stderr
    assert "Connection refused" in outcome.stderr
    assert "secret-word" not in outcome.stdout + outcome.stderr


def test_an_unknown_self_test_is_404(client):
    url = "/api/v1/system/test/result?task_id="
    assert client.get(f"{url}7f4cb6ba-7bd2-4ef0-9c47-a2b5f2c48f2c").status_code == 404
    assert client.get(f"{url}7").status_code == 400


def test_a_self_test_that_cannot_judge_says_why(settings):
    settings.MLCORE_FALLBACK = False
    test = selftest.open_test()
    selftest.run(test.task_id, queued_at=test.queued_at)
    found = selftest.known(test.task_id)
    assert found.status == "error"
    assert "test123_category" in found.error


def test_the_embedded_worker_takes_up_the_self_test(tmp_path):
    migrate(tmp_path)
    with running(tmp_path, [*MANAGE, "serve", "--no-analysis"]) as service:
        asked = requests.post(f"{service.url}/api/v1/system/test/celery", timeout=60)
        assert asked.status_code == 202
        answer = requests.get(f"{service.url}{INTEGRATION}", timeout=60).json()
        assert answer["status"] == "success", answer
        assert answer["checks"]["worker"]["status"] == "keyword_fallback"
        result = requests.get(service.url + asked.json()["result_url"], timeout=60).json()
        assert result["status"] == "success"
        assert result["labels"].keys() == {"category", "sentiment"}


def test_a_task_goes_through_the_broker_and_frozen_servers_are_told_in_time(cluster, redis_server):
    system = f"{cluster.url}/system"
    ready = requests.get(f"{system}/ready", timeout=30).json()
    assert ready["checks"]["workers"]["status"] == "failed"
    worker = cluster.start_worker()
    wait_until(lambda: requests.get(f"{system}/ready", timeout=30).json()["status"] == "ready")

    answer = requests.get(f"{system}/test/integration", timeout=70).json()
    assert answer["status"] == "success", answer
    assert str(worker.pid) in answer["checks"]["worker"]["detail"]

    time.sleep(probes.SHARED_SECONDS)  # what was found before is still told
    redis_server.freeze()
    started = time.monotonic()
    ready = requests.get(f"{system}/ready", timeout=30)
    took = time.monotonic() - started
    redis_server.thaw()
    assert ready.status_code == 200
    assert {name for name, check in ready.json()["checks"].items() if check["status"] == "failed"} >= {
        "cache",
        "broker",
    }
    assert took < 20
