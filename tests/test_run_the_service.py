"""The service as a user runs it: processes, sockets, signals."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from system import keys
from tests.processes import COMPANY, MANAGE, ROOT, asking, environment, migrate, running
from tests.servers import wait_until


def test_make_run_serves_analyses_and_says_what_it_runs_on(tmp_path):
    with running(tmp_path, ["make", "--silent", "run"]) as service:
        shown = service.output()
        for line in ("provider  archive (sample)", "device    cpu", "cache     local memory", "worker    in the web"):
            assert line in shown
        assert re.search(r"engine    category keyword@\w+ · sentiment keyword@\w+", shown)
        for number, company in enumerate(("삼성전자", "LG전자"), start=1):
            assert re.search(rf"\[{number}/2\] {company} \.\.\. .*\d+ stories: E \d+", shown, re.DOTALL)
        assert "News Service v2.0 시작 완료" in shown

        curl = re.search(r"curl -X POST (\S+)", shown)
        assert curl
        answer = requests.post(curl[1], timeout=60).json()
        assert answer["analysis_metadata"]["cache_hit"] is True
        assert answer["analysis_metadata"]["analyzed_count"] > 20

        service.stop()
        with pytest.raises(requests.ConnectionError):
            requests.get(service.url, timeout=1)
        with pytest.raises(ProcessLookupError):
            os.killpg(service.process.pid, 0)


def test_a_port_that_is_taken_is_said(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        outcome = subprocess.run(
            [*MANAGE, "serve", "--no-analysis"],
            cwd=ROOT,
            env=environment(tmp_path, PORT=str(taken.getsockname()[1])),
            capture_output=True,
            text=True,
            timeout=60,
        )

    assert outcome.returncode != 0
    assert "in use" in outcome.stderr


def test_a_provider_that_refuses_does_not_stop_the_start(tmp_path, naver):
    naver.refuse(401, {"errorCode": "024", "errorMessage": "Authentication failed"})
    migrate(tmp_path)
    with running(tmp_path, [*MANAGE, "serve"], **asking(naver)) as service:
        assert "PROVIDER_AUTH_ERROR" in service.output()
        assert naver.secret not in service.output()
        assert requests.get(f"{service.url}/health", timeout=60).json()["provider"] == "naver"


def test_in_production_settings_on_postgres_and_redis(tmp_path, naver, redis_server, database_url):
    production = {
        "DJANGO_DEBUG": "false",
        "DJANGO_SECRET_KEY": "k" * 60,
        "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
        "HTTPS_ONLY": "false",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_server.url,
        "WEB_WORKERS": "2",
        "MONITORED_COMPANIES": "한빛전자",
        **asking(naver),
    }
    migrate(tmp_path, **production)
    key = subprocess.run(
        [*MANAGE, "create_api_key", "a test"],
        cwd=ROOT,
        env=environment(tmp_path, **production),
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    headers = {"X-API-Key": key}
    with running(tmp_path, [*MANAGE, "serve"], **production) as service:
        assert "database  postgresql" in service.output()
        assert "cache     redis" in service.output()
        assert len(naver.calls) == 1

        naver.delay = 0.5
        with ThreadPoolExecutor(20) as pool:
            answers = list(
                pool.map(lambda _: requests.post(service.url + COMPANY, headers=headers, timeout=30).json(), range(20))
            )

        assert {answer["search_metadata"]["returned_count"] for answer in answers} == {len(answers[0]["items"])}
        assert len(naver.calls) == 2  # one walk for twenty callers in two processes
        assert requests.get(f"{service.url}/health", timeout=60).json()["redis_connected"] is True
        assert requests.get(f"{service.url}/nothing", timeout=60).json()["error_code"] == "NOT_FOUND"
        assert requests.post(service.url + COMPANY, timeout=60).json()["error_code"] == "AUTHENTICATION_ERROR"
        assert key not in service.output()
        [listening] = [line for line in service.output().splitlines() if "Listening at" in line]
        assert json.loads(listening)["logger"] == "gunicorn.error"

        def statuses() -> set[int]:
            """Of ten connections, so that either process answers some."""
            answers = [requests.get(f"{service.url}/api/v1/schema", headers=headers, timeout=30) for _ in range(10)]
            return {answer.status_code for answer in answers}

        assert statuses() == {200}
        revoke = [*MANAGE, "revoke_api_key", "a test"]
        subprocess.run(revoke, cwd=ROOT, env=environment(tmp_path, **production), check=True)
        revoked_at = time.monotonic()
        wait_until(lambda: statuses() == {401})
        assert time.monotonic() - revoked_at < keys.KNOWN_SECONDS + 20  # for what this machine is busy with


def test_runs_queued_or_under_way_at_a_kill_finish_after_the_next_start(tmp_path, naver):
    companies = "한빛전자,가람은행,누리제약"
    variables = {**asking(naver), "MONITORED_COMPANIES": companies, "PROVIDER_READ_SECONDS": "20"}
    migrate(tmp_path, **variables)
    naver.delay = 3
    with running(tmp_path, [*MANAGE, "serve", "--no-analysis"], **variables) as service:
        for company in companies.split(","):
            requests.post(f"{service.url}/api/v1/dashboard/companies/{company}/trigger", timeout=60)
        wait_until(lambda: naver.calls)
        os.killpg(service.process.pid, signal.SIGKILL)
        service.process.wait()
    naver.delay = 0
    with running(tmp_path, [*MANAGE, "serve", "--no-analysis"], **variables) as service:
        status = f"{service.url}/api/v1/dashboard/status"
        wait_until(lambda: requests.get(status, timeout=60).json()["total_success"] == 3)


def test_a_web_process_without_models_holds_no_torch(tmp_path):
    migrate(tmp_path)
    with running(tmp_path, [*MANAGE, "serve"], until="[2/2] LG전자") as service:
        children = subprocess.run(
            ["pgrep", "-g", str(service.process.pid)], capture_output=True, text=True, check=True
        ).stdout.split()
        for child in children:
            assert "libtorch" not in Path(f"/proc/{child}/maps").read_text()
