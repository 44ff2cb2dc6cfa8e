"""One request id through all processes: from the answer's header to the lines of whoever runs the analysis."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests
import structlog

from dashboard import services
from dashboard.models import Analysis
from tests.cluster import watch_later
from tests.processes import MANAGE, asking, migrate, running
from tests.servers import wait_until

TRIGGER = "dashboard/companies/한빛전자/trigger"


def lines(text: str) -> list[dict]:
    """Return the log lines that are JSON."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def about_the_search(text: str) -> list[dict]:
    return [
        line for line in lines(text) if line["logger"] == "search.services" and "analysis '한빛전자'" in line["event"]
    ]


def test_a_workers_lines_carry_the_id_of_the_request_that_asked(cluster):
    cluster.start_worker()
    wait_until(lambda: cluster.workers() == 1)
    watch_later(cluster, ["한빛전자"])
    log = Path(cluster.tmp_path, "log2")  # after web and beat
    asked = requests.post(f"{cluster.url}/{TRIGGER}", timeout=30)
    assert asked.status_code == 202
    request_id = asked.headers["X-Request-ID"]
    wait_until(lambda: about_the_search(log.read_text()))

    [line] = about_the_search(log.read_text())
    assert (line["request_id"], line["run"]) == (request_id, asked.json()["task_id"])
    taken = [line for line in lines(log.read_text()) if line["event"] == "task_started"]
    assert request_id in [line.get("request_id") for line in taken if line["task"] == "dashboard.tasks.run_analysis"]
    assert (request_id,) in cluster.rows("SELECT request_id FROM dashboard_analysis")


def test_so_do_the_lines_of_the_embedded_worker(tmp_path, naver):
    variables = {**asking(naver), "MONITORED_COMPANIES": "한빛전자", "LOG_FORMAT": "json"}
    migrate(tmp_path, **variables)
    with running(tmp_path, [*MANAGE, "serve", "--no-analysis"], **variables) as service:
        wait_until(lambda: about_the_search(service.output()))  # by the schedule, which has no id
        assert "request_id" not in about_the_search(service.output())[0]
        asked = requests.post(f"{service.url}/api/v1/{TRIGGER}", timeout=30)
        ours = asked.headers["X-Request-ID"]
        wait_until(lambda: ours in [line.get("request_id") for line in about_the_search(service.output())])


@pytest.mark.django_db
@pytest.mark.parametrize(("sent", "kept"), [("x" * 300, "x" * 64), ("a\x00b", ""), ("plain", "plain")])
def test_what_a_client_calls_its_request_is_bounded(sent, kept):
    with structlog.contextvars.bound_contextvars(request_id=sent):
        services.request_analysis("한빛전자", trigger="manual")
    assert Analysis.objects.get().request_id == kept


@pytest.mark.django_db
def test_who_takes_over_the_schedules_run_gives_it_their_id():
    services.request_analysis("한빛전자", trigger="schedule")
    for name in ("first", "second"):
        with structlog.contextvars.bound_contextvars(request_id=name):
            services.request_analysis("한빛전자", trigger="manual")
    assert Analysis.objects.get().request_id == "first"
