"""PostgreSQL stopped in its tracks, or gone: every call of the API answers in time, and all is well afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from statistics import median
from urllib.parse import quote

import pytest
import requests

from tests.processes import MANAGE, ROOT, Service, environment, migrate, running
from tests.servers import frozen_postgres, stopped_postgres, wait_until

DATABASE_SECONDS = 1
# The database's time, and as long for a connection; the rest is work. What asks other things too has its own time.
BOUND = 2 * DATABASE_SECONDS + 10
LONGER = {"/api/v1/system/ready": 6 + 10, "/api/v1/system/test/integration": 60 + 10}
NEEDS_NO_DATABASE = {
    ("POST", "/api/v1/search/news"),
    ("POST", "/api/v1/search/batch"),
    ("POST", "/api/v1/search/companies/{company}"),
    ("POST", "/api/v1/search/companies/{company}/analyze"),
    ("GET", "/api/v1/system/health"),
    ("GET", "/api/v1/dashboard/cache/info"),
}


@pytest.fixture
def service(tmp_path, database_url) -> Iterator[Service]:
    variables = {
        "DATABASE_URL": database_url,
        "DATABASE_SECONDS": str(DATABASE_SECONDS),
        "BACKGROUND": "embedded",
    }
    migrate(tmp_path, **variables)
    with running(tmp_path, [*MANAGE, "serve"], **variables) as service:
        yield service


def operations(service: Service) -> list[tuple[str, str]]:
    """Return every call of the schema."""
    schema = requests.get(f"{service.url}/api/v1/schema", timeout=30).json()
    return [(method.upper(), path) for path, calls in schema["paths"].items() for method in calls]


def ask(service: Service, method: str, path: str) -> requests.Response:
    filled = path.format(company=quote("삼성전자"), task_id=uuid.uuid4())
    body: object = {
        "/api/v1/search/news": {"query": "반도체"},
        "/api/v1/search/batch": [{"query": "반도체"}],
        "/api/v1/dashboard/companies": {"name": "가람은행"},
    }.get(path, {})
    query = {"task_id": str(uuid.uuid4())} if path.endswith("/test/result") else {}
    return requests.request(method, service.url + filled, json=body, params=query, timeout=90)


def test_every_call_answers_within_its_time_and_all_goes_on_afterwards(service, postgres_url):
    calls = operations(service)
    assert set(calls) >= NEEDS_NO_DATABASE
    ask(service, "POST", "/api/v1/search/companies/{company}")
    took, answers = {}, {}
    with frozen_postgres(postgres_url):
        for call in calls:
            started = time.monotonic()
            answers[call] = ask(service, *call)
            took[call] = time.monotonic() - started
        health = []
        for _ in range(10):
            started = time.monotonic()
            assert requests.get(f"{service.url}/health", timeout=60).status_code == 200
            health.append(time.monotonic() - started)

    late = {call: round(seconds, 1) for call, seconds in took.items() if seconds > LONGER.get(call[1], BOUND)}
    assert not late
    assert median(health) < DATABASE_SECONDS
    said = {call: (answer.status_code, answer.text[:200]) for call, answer in answers.items()}
    assert not [one for one in said.items() if one[1][0] == 500]
    for call in NEEDS_NO_DATABASE:
        assert said[call][0] == 200, said[call]
    refused = answers["GET", "/api/v1/dashboard/status"]
    assert (refused.status_code, refused.json()["error_code"]) == (503, "DATABASE_UNAVAILABLE")
    assert int(refused.headers["Retry-After"]) > 0

    wait_until(lambda: ask(service, "GET", "/api/v1/dashboard/status").status_code == 200)
    assert ask(service, "GET", "/api/v1/dashboard/companies/{company}/latest").json()["status"] == "success"


def test_a_database_that_was_away_for_long_is_asked_as_soon_as_it_is_back(service, postgres_url):
    def status() -> int:
        return ask(service, "GET", "/api/v1/dashboard/status").status_code

    with stopped_postgres(postgres_url):
        away_until = time.monotonic() + 17  # seconds after 1, 3, 7 and 15 there would be a try, and no other before 31
        while time.monotonic() < away_until:
            assert status() == 503
    wait_until(lambda: status() == 200, seconds=11)


def test_health_asks_neither_redis_nor_the_database(tmp_path, postgres_url, database_url, redis):
    variables = {"DATABASE_URL": database_url, "REDIS_URL": redis.url, "BACKGROUND": "embedded"}
    migrate(tmp_path, **variables)
    variables["DATABASE_SECONDS"] = "30"
    with running(tmp_path, [*MANAGE, "serve", "--no-analysis"], **variables) as service:
        assert requests.get(f"{service.url}/health", timeout=60).json()["redis_connected"] is True
        with frozen_postgres(postgres_url):
            redis.freeze()
            for _ in range(20):
                started = time.monotonic()
                answer = requests.get(f"{service.url}/health", timeout=60)
                assert (answer.status_code, answer.json()["status"]) == (200, "healthy")
                assert time.monotonic() - started < 20  # the database alone would cost thirty
                time.sleep(0.2)
        assert answer.json()["redis_connected"] is False  # seen behind its back
        redis.thaw()


CONNECTED = """
import json, os, socket
import django
django.setup()
from django.db import connection
connection.ensure_connection()
peer = socket.socket(fileno=os.dup(connection.connection.fileno()))
print(json.dumps([peer.getsockopt(*option) for option in (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    *((socket.IPPROTO_TCP, option) for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_USER_TIMEOUT)),
)]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Other systems name these options otherwise, or have none.")
@pytest.mark.parametrize(("said", "kept"), [("", [1, 10, 10, 30_000]), ("?tcp_user_timeout=9000", [1, 10, 10, 9000])])
def test_a_connection_to_a_host_that_vanishes_ends_by_itself(tmp_path, database_url, said, kept):
    variables = environment(tmp_path, DATABASE_URL=database_url + said, DJANGO_SETTINGS_MODULE="newsservice.settings")
    script = subprocess.run([sys.executable, "-c", CONNECTED], cwd=ROOT, env=variables, capture_output=True, text=True)
    assert script.returncode == 0, script.stderr
    assert json.loads(script.stdout.splitlines()[-1]) == kept
