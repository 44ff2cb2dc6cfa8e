"""How often one may ask: by key, by person, by an address nobody can make up; counted once over all processes."""

from __future__ import annotations

import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client, RequestFactory
from rest_framework.test import APIClient

from system import keys, probes, throttles
from system.addresses import client_address, neighbourhood

pytestmark = pytest.mark.django_db

STATUS = "/api/v1/dashboard/status"
NEWS = "/api/v1/search/news"
INTEGRATION = "/api/v1/system/test/integration"
ANALYZE = "/api/v1/search/companies/한빛전자/analyze"


@pytest.fixture(autouse=True)
def _limits(settings, monkeypatch):
    settings.API_KEYS_REQUIRED = settings.RATE_LIMITS = True
    settings.RATE_PER_KEY, settings.RATE_PER_ADDRESS, settings.RATE_LIVE = 5, 3, 2
    monkeypatch.setattr(throttles.time, "time", lambda: 1_800_000_010.0)  # no minute ends within a test
    keys.forget()


def bearing(name: str) -> APIClient:
    return APIClient(SERVER_NAME="localhost", headers={"X-API-Key": keys.create(name, scope="write").token})


def statuses(client: Client, count: int, **extra: str) -> list[int]:
    return [client.get(STATUS, **extra).status_code for _ in range(count)]


def test_a_key_that_asks_too_often_waits_and_another_does_not():
    busy, calm = bearing("busy"), bearing("calm")

    assert statuses(busy, 6) == [200] * 5 + [429]
    assert statuses(calm, 1) == [200]
    refused = busy.get(STATUS)
    assert refused.json()["error_code"] == "RATE_LIMITED"
    assert refused.headers["Retry-After"] == "50"
    assert refused.json()["details"] == {"retry_after": 50}


def test_the_next_minute_begins_anew(monkeypatch):
    client = bearing("busy")
    assert statuses(client, 6)[-1] == 429
    monkeypatch.setattr(throttles.time, "time", lambda: 1_800_000_060.0)
    assert statuses(client, 1) == [200]


def test_what_is_costly_has_a_limit_of_its_own():
    client = bearing("busy")
    asked = {"query": "한빛전자", "force_refresh": True}

    assert client.post(ANALYZE).status_code == 200
    assert client.post(NEWS, asked, format="json").status_code == 200
    assert client.post(NEWS, asked, format="json").status_code == 429
    assert client.post(NEWS, {**asked, "force_refresh": False}, format="json").status_code == 200


def test_head_runs_the_probes_too_and_counts_like_get(monkeypatch):
    runs: list[int] = []
    monkeypatch.setattr(probes, "thorough_probes", lambda: runs.append(1) or probes.quick_probes()[1:3])
    client = bearing("busy")
    assert [client.head(INTEGRATION).status_code for _ in range(4)] == [200, 200, 429, 429]
    assert client.get(INTEGRATION).status_code == 429
    assert len(runs) == 2


def test_each_search_of_a_batch_counts():
    client = bearing("busy")
    batch = [{"query": f"한빛전자 {number}"} for number in range(4)]
    assert client.post("/api/v1/search/batch", batch, format="json").status_code == 200
    assert statuses(client, 2) == [200, 429]


def test_a_body_that_cannot_be_read_is_refused_as_ever():
    client = bearing("busy")
    assert client.post(NEWS, b"{", content_type="application/json").json()["error_code"] == "VALIDATION_ERROR"
    assert client.post(NEWS, "query=x", content_type="text/plain").status_code == 415


@pytest.mark.parametrize(
    ("body", "type_", "refusal"), [(b"{", "application/json", 400), (b"query=x", "text/plain", 415)]
)
def test_a_body_that_cannot_be_read_counts_as_a_call(body, type_, refusal):
    client = bearing("busy")
    tries = [client.generic("POST", NEWS, body, content_type=type_).status_code for _ in range(6)]
    assert tries == [refusal] * 5 + [429]


def test_guesses_at_keys_are_counted_by_address_and_good_keys_pass(client):
    guesses = [client.get(STATUS, headers={"X-API-Key": f"nsk_{number}"}).status_code for number in range(5)]
    assert guesses == [401] * 3 + [429] * 2
    assert statuses(bearing("good"), 1) == [200]


def test_probes_are_never_refused(client):
    assert {client.get("/health").status_code for _ in range(10)} == {200}
    assert {client.get("/api/v1/system/ready").status_code for _ in range(4)} == {200}


def test_who_is_signed_in_is_counted_as_one(client):
    person = Client(SERVER_NAME="localhost")
    person.force_login(User.objects.create_superuser("operator"))
    assert statuses(person, 6, REMOTE_ADDR="192.0.2.1")[-1] == 429
    assert statuses(person, 1, REMOTE_ADDR="192.0.2.2") == [429]


def test_the_open_mode_counts_by_address_once_told_to(client, settings):
    settings.API_KEYS_REQUIRED = False
    forged = [client.get(STATUS, headers={"X-Forwarded-For": f"192.0.2.{n}"}).status_code for n in range(4)]
    assert forged == [200] * 3 + [429]
    assert statuses(client, 1, REMOTE_ADDR="192.0.2.9") == [200]
    settings.RATE_LIMITS = False
    assert statuses(client, 10) == [200] * 10


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, "192.0.2.7", "10.0.0.1"),  # nobody of ours wrote it
        (1, "192.0.2.7", "192.0.2.7"),
        (1, "192.0.2.66, 192.0.2.7", "192.0.2.7"),  # the first is made up
        (2, "192.0.2.66, 192.0.2.7, 10.0.0.2", "192.0.2.7"),
        (2, "192.0.2.66", "10.0.0.1"),  # did not come by both
        (1, "unknown", "10.0.0.1"),
        (1, "", "10.0.0.1"),
    ],
)
def test_a_header_is_believed_as_far_as_our_proxies_wrote_it(settings, proxies, forwarded, expected):
    settings.NUM_PROXIES = proxies
    request = RequestFactory().get("/", headers={"X-Forwarded-For": forwarded}, REMOTE_ADDR="10.0.0.1")
    assert client_address(request) == expected


def test_the_log_names_the_same_address(client, caplog):
    caplog.set_level(logging.INFO)
    client.get("/health", headers={"X-Forwarded-For": "192.0.2.66"}, REMOTE_ADDR="192.0.2.1")
    assert "192.0.2.1'" in caplog.text
    assert "192.0.2.66" not in caplog.text


def test_an_address_of_ipv6_stands_for_its_network():
    assert neighbourhood("2001:db8:1:2:3:4:5:6") == neighbourhood("2001:db8:1:2::9")
    assert neighbourhood("::ffff:192.0.2.7") == "192.0.2.7"
    assert neighbourhood("a socket") == "a socket"


# As another process counts.
COUNT = """
from concurrent.futures import ThreadPoolExecutor
import django
django.setup()
from system import throttles
throttles.time.time = lambda: 1_800_000_010.0
with ThreadPoolExecutor(8) as pool:
    print(sum(pool.map(lambda _: throttles.is_over("call:shared", 100), range(100))))
"""


def test_processes_and_threads_count_together_in_redis(redis):
    command = [sys.executable, "-c", COUNT]
    settings_ = {"DJANGO_SETTINGS_MODULE": "tests.settings", "REDIS_URL": redis.url, "PYTHONPATH": "."}
    processes = [subprocess.Popen(command, env=settings_, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    refused = sum(int(process.communicate(timeout=300)[0]) for process in processes)
    assert refused == 100  # of 200, exactly as many as one process would have refused


def test_threads_count_together_in_local_memory():
    with ThreadPoolExecutor(8) as pool:
        refused = sum(pool.map(lambda _: throttles.is_over("call:shared", 100), range(200)))
    assert refused == 100
    assert cache.get("rate:call:shared:30000000") == 200


def test_without_redis_nothing_is_refused(redis):
    client = bearing("busy")
    redis.stop()
    assert statuses(client, 7) == [200] * 7
