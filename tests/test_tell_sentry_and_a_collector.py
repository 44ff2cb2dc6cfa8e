"""Errors to Sentry and traces to a collector, over real sockets: what is told, and what never leaves the house."""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from threading import Thread
from urllib.parse import quote

import brotli
import psycopg
import pytest
import requests
from django.conf import settings as configured
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.cluster import watch_later
from tests.processes import MANAGE, asking, environment, migrate, running
from tests.servers import wait_until

COMPANY = quote("삼성전자")


class Listener(ThreadingHTTPServer):
    """Takes what is posted, as Sentry and a collector do."""

    daemon_threads = True

    def __init__(self) -> None:
        self.got: list[tuple[str, bytes]] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def bodies(self, ending: str) -> list[bytes]:
        return [body for path, body in self.got if path.endswith(ending)]


class Handler(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            data = b""
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            data = self.rfile.read(int(self.headers["Content-Length"]))
        unpack = {"gzip": gzip.decompress, "br": brotli.decompress}.get(self.headers.get("Content-Encoding"), bytes)
        self.server.got.append((self.path.partition("?")[0], unpack(data)))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


@pytest.fixture
def listener() -> Iterator[Listener]:
    server = Listener()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def events(listener: Listener) -> list[dict]:
    """Return the events of all envelopes: a line of JSON says what the next one is."""
    found = []
    for envelope in listener.bodies("/envelope/"):
        lines = envelope.split(b"\n")
        found += [json.loads(body) for head, body in pairwise(lines) if b'"type":"event"' in head]
    return found


def spans(listener: Listener) -> list[tuple[str, dict[str, object]]]:
    found = []
    for body in listener.bodies("/v1/traces"):
        export = ExportTraceServiceRequest.FromString(body)
        for resource in export.resource_spans:
            for scope in resource.scope_spans:
                for one in scope.spans:
                    values = {item.key: item.value.string_value or item.value.int_value for item in one.attributes}
                    found.append((one.name, values))
    return found


def of_request(found: list[tuple[str, dict[str, object]]], request_id: str) -> list[dict[str, object]]:
    return [values for _, values in found if "http.route" in values and values.get("request_id") == request_id]


def test_an_unforeseen_error_is_told_without_what_a_client_sent(tmp_path, naver, listener):
    variables = {
        **asking(naver),
        "SENTRY_DSN": f"http://a-public-key@{listener.address}/7",
        "MONITORED_COMPANIES": "삼성전자",
    }
    migrate(tmp_path, **variables)
    with running(tmp_path, [*MANAGE, "serve"], **variables) as service:
        naver.refuse(401, {"errorCode": "024", "errorMessage": "no"})  # foreseen: it has a code, and is not told
        assert (
            requests.post(f"{service.url}/api/v1/search/news", json={"query": "반도체"}, timeout=30).status_code == 502
        )
        with sqlite3.connect(tmp_path / "news.sqlite3") as database:  # nobody foresees this
            database.execute("UPDATE dashboard_analysis SET summary = '[\"a-row-of-ours\"]'")
        answer = requests.get(
            f"{service.url}/api/v1/dashboard/companies/{COMPANY}/latest?word=a-query",
            headers={"X-API-Key": "a-clients-key", "User-Agent": "a-clients-agent"},
            cookies={"sessionid": "a-session"},
            timeout=30,
        )
        assert answer.status_code == 500
        wait_until(lambda: events(listener))

    [event] = events(listener)
    assert event["tags"]["request_id"] == answer.headers["X-Request-ID"]
    assert event["release"].startswith("news-service@")
    raised = event["exception"]["values"][-1]
    assert raised["type"] == "ValidationError"
    assert [frame for frame in raised["stacktrace"]["frames"] if frame["module"] == "dashboard.presenters"]
    told = b"".join(body for _, body in listener.got)
    for secret in ("a-query", "a-clients-key", "a-clients-agent", "a-session", "127.0.0.1:", naver.secret, naver.id):
        assert secret.encode() not in told.replace(listener.address.encode(), b""), secret
    assert "vars" not in raised["stacktrace"]["frames"][-1]


def test_a_workers_unforeseen_error_is_told_with_its_run_and_its_request(cluster, naver, listener):
    cluster.variables["SENTRY_DSN"] = f"http://a-public-key@{listener.address}/7"
    cluster.start_worker()
    wait_until(lambda: cluster.workers() == 1)
    watch_later(cluster, ["한빛전자"])
    naver.delay = 2
    asked = requests.post(f"{cluster.url}/dashboard/companies/{quote('한빛전자')}/trigger", timeout=30)
    wait_until(lambda: naver.calls)
    with psycopg.connect(cluster.database_url) as connection:
        connection.execute("DROP TABLE dashboard_judgedarticle")
    wait_until(lambda: events(listener))

    event = events(listener)[0]
    assert event["exception"]["values"][-1]["type"] == "ProgrammingError"
    assert event["tags"]["request_id"] == asked.headers["X-Request-ID"]
    assert event["tags"]["run"] == asked.json()["task_id"]


IN_ONE_PROCESS = """
import django
django.setup()
from django.conf import settings
from newsservice import observability
observability.start()
import sentry_sdk, logging
try:
    raise RuntimeError(f"told {settings.NAVER_CLIENT_SECRET}, {settings.SECRET_KEY} and {settings.REDIS_URL}")
except RuntimeError:
    logging.getLogger("test").exception("with %s", settings.NAVER_CLIENT_SECRET)
sentry_sdk.flush(10)
"""


def test_no_secret_is_told_wherever_it_stands(tmp_path, listener):
    secrets = {
        "NAVER_CLIENT_ID": "an-id-of-ours",
        "NAVER_CLIENT_SECRET": "a-very-secret-secret",
        "DJANGO_SECRET_KEY": "k" * 60,
        "REDIS_URL": "redis://:a-password-of-redis@127.0.0.1:1/1",
    }
    told = {
        "SENTRY_DSN": f"http://a-public-key@{listener.address}/7",
        "DJANGO_SETTINGS_MODULE": "newsservice.settings",
    }
    run(IN_ONE_PROCESS, tmp_path, **secrets, **told)

    [event] = events(listener)
    assert event["exception"]["values"][-1]["value"] == "told …, … and …"
    for value in ("a-very-secret-secret", "k" * 60, "a-password-of-redis"):
        assert value not in json.dumps(event)


def test_requests_runs_and_calls_of_the_provider_are_traced(tmp_path, naver, listener):
    variables = {
        **asking(naver),
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{listener.address}",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "MONITORED_COMPANIES": "한빛전자",
    }
    migrate(tmp_path, **variables)
    with running(tmp_path, [*MANAGE, "serve"], **variables) as service:
        answer = requests.post(f"{service.url}/api/v1/search/companies/{COMPANY}", timeout=30)
        # A request's call of the provider carries its id too, and may be told a batch before the request itself.
        wait_until(lambda: of_request(spans(listener), answer.headers["X-Request-ID"]))
        wait_until(lambda: "analysis run" in [name for name, _ in spans(listener)])

    found = spans(listener)
    [request] = of_request(found, answer.headers["X-Request-ID"])
    assert request["http.route"] == "/api/v1/search/companies/<company>"
    assert (request["http.request.method"], request["http.response.status_code"]) == ("POST", 200)
    [run_] = [values for name, values in found if name == "analysis run"]
    assert run_["trigger"] == "schedule"
    assert run_["run"]
    calls = [values for name, values in found if name == "provider call"]
    assert {(call["provider"], call["http.response.status_code"]) for call in calls} == {("naver", 200)}
    told = b"".join(listener.bodies("/v1/traces"))
    for secret in ("삼성전자", "한빛전자", naver.secret, naver.id, "127.0.0.1"):
        assert secret.encode() not in told, secret


NOT_IMPORTED = """
import sys
from newsservice.wsgi import application
# redis' client looks for OpenTelemetry's metrics where they are installed, and leaves them be.
ours = ("sentry_sdk", "opentelemetry.sdk.trace", "opentelemetry.exporter", "google.protobuf")
found = [name for name in sys.modules if name.startswith(ours)]
sys.exit(", ".join(found) or 0)
"""


def test_without_their_settings_neither_is_even_imported(tmp_path):
    run(NOT_IMPORTED, tmp_path)


MISSING = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("sentry_sdk", "opentelemetry"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", "check"])
"""


def test_a_setting_whose_library_is_missing_is_an_error_of_the_check(tmp_path):
    given = {"SENTRY_DSN": "http://key@127.0.0.1:1/1", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    outcome = run(MISSING, tmp_path, check=False, DJANGO_SETTINGS_MODULE="newsservice.settings", **given)
    assert outcome.returncode != 0
    assert "(system.E001) SENTRY_DSN is set, but sentry_sdk is not installed." in outcome.stderr
    assert "(system.E002) OTEL_EXPORTER_OTLP_ENDPOINT is set" in outcome.stderr
    assert "requirements/observability.txt" in outcome.stderr


def run(code: str, tmp_path, *, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
    variables = {**environment(tmp_path), "PYTHONPATH": os.fspath(configured.BASE_DIR), **variables}
    outcome = subprocess.run(
        [sys.executable, "-c", code],
        cwd=configured.BASE_DIR,
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert not check or outcome.returncode == 0, outcome.stderr
    return outcome
