"""What is asked every few seconds, and each night, finds its rows by an index: nothing reads a table whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from dashboard import embedded, history, services, tasks, workers
from dashboard.models import Analysis
from tests.histories import analysis, judged

pytestmark = pytest.mark.django_db

# What holds open runs alone may be read from one end to the other.
WHOLE = re.compile(r"SCAN (?!dashboard_company|dashboard_worker)\S+(?!.* INDEX analysis_(queue|running))")


@pytest.fixture(autouse=True)
def _history(settings) -> None:
    """Runs of every kind, old and new, so that every statement has something to find."""
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL plans by how much there is, and reads little tables whole")
    settings.HISTORY_MAX_COUNT = 3
    for days in (90, 60, 40, 3, 2, 1, 0):
        at = timezone.now() - timedelta(days=days)
        services.record_analysis(analysis([judged(days)], at=at), trigger="schedule")
    services.record_analysis(
        analysis([judged(500)], company="해담조선", at=timezone.now() - timedelta(days=90)), trigger="api"
    )
    for number in range(6):
        run = services.request_analysis(f"회사{number}", trigger="schedule")
        if number < 4:
            lost = "gone:1" if number % 2 else workers.own_name()
            Analysis.objects.filter(pk=run.pk).update(status="running", worker=lost, started_at=timezone.now())
    workers.say_alive(workers.own_name())


@contextmanager
def plans() -> Iterator[dict[str, list[str]]]:
    """Note how SQLite goes about each statement, its parameters bound as Django binds them."""
    found: dict[str, list[str]] = {}

    def explain(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(("SELECT", "UPDATE", "DELETE")):
            asked = connection.connection.execute(f"EXPLAIN QUERY PLAN {sql}".replace("%s", "?"), params or ())
            found[sql] = [step[3] for step in asked.fetchall()]
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        yield found


def read_whole(found: dict[str, list[str]]) -> list[tuple[str, str]]:
    assert found
    return [(step, sql) for sql, steps in found.items() for step in steps if WHOLE.search(step)]


def test_the_sweep_reads_open_runs_alone():
    with plans() as found:
        tasks.sweep_runs.run()

    assert read_whole(found) == []


def test_taking_up_what_a_process_lost_reads_open_runs_alone():
    run = Analysis.objects.filter(status="running").first()
    with plans() as found:
        services.release_runs_of(workers.own_name())
        services.release_run(run.pk, lost_by={"gone:1"})
        embedded.selectors.due_runs()

    assert read_whole(found) == []


def test_pruning_reads_what_has_expired_and_not_what_is_kept():
    with plans() as found:
        pruned = history.prune()

    assert pruned.analyses > 3
    assert read_whole(found) == []


def test_a_scrape_reads_open_runs_alone(client):
    with plans() as found:
        text = client.get("/api/v1/system/metrics").content.decode()

    assert 'news_queue_analyses{status="queued"} 2.0' in text
    assert read_whole(found) == []


def test_the_page_of_what_runs_reads_open_runs_alone(admin_client):
    with plans() as found:
        assert admin_client.get("/admin/dashboard/analysis/running/").status_code == 200

    assert read_whole({sql: steps for sql, steps in found.items() if "dashboard_" in sql}) == []
