"""How many queries each call of the dashboard costs: as many for 30 companies as for 3."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

import pytest
from django.utils import timezone

from dashboard import briefs, services, workers
from dashboard.models import Analysis, Company
from tests.histories import analysis, judged

pytestmark = pytest.mark.django_db

BASE = "/api/v1/dashboard"
OURS = f"{BASE}/companies/{quote('회사0')}"


@pytest.fixture(params=[3, 30])
def companies(request: pytest.FixtureRequest) -> list[Company]:
    """Watched companies with a history of 3 successes, a failure, and a run that waits."""
    later = timezone.now() + timedelta(minutes=9)
    watched = [Company(name=f"회사{number}", is_watched=True, next_run_at=later) for number in range(request.param)]
    for company in Company.objects.bulk_create(watched):
        for number in range(3):
            found = analysis([judged(number), judged(number + 1)], company=company.name)
            services.record_analysis(found, trigger="schedule")
        failed = services.request_analysis(company.name, trigger="schedule")
        Analysis.objects.filter(pk=failed.pk).update(status="error", finished_at=timezone.now(), error_code="X")
        services.request_analysis(company.name, trigger="schedule")
    workers.say_alive(workers.own_name())
    return watched


@pytest.mark.parametrize(
    ("path", "queries"),
    [
        (f"{BASE}/status", 3),  # workers; companies with their newest ids; runs
        (f"{BASE}/companies", 2),
        (f"{BASE}/latest", 3),  # the same, and what was found
        (f"{OURS}/latest", 3),  # the company, the run, its articles
        (f"{OURS}/history", 4),  # the company with how many there are, the page's ids, the page, what was found
        (f"{OURS}/history?limit=1&detail=full", 4),
        (f"{OURS}/history?from=2020-01-01&to=2050-01-01", 5),  # between two times they are counted
        (f"{BASE}/cache/info", 0),
    ],
)
def test_reading_costs_as_many_queries_for_30_companies_as_for_3(
    client, companies, django_assert_num_queries, path, queries
):
    with django_assert_num_queries(queries):
        response = client.get(path)

    assert response.status_code == 200


@pytest.mark.parametrize(("path", "queries"), [(f"{BASE}/latest", 2), (f"{OURS}/history", 3)])
def test_what_finished_runs_found_is_read_once(client, companies, django_assert_num_queries, path, queries):
    first = client.get(path).json()
    with django_assert_num_queries(queries):
        again = client.get(path).json()

    assert {**again, "retrieved_at": ""} == {**first, "retrieved_at": ""}


def test_what_is_kept_of_finished_runs_is_bounded(client, companies, monkeypatch):
    monkeypatch.setattr(briefs, "KEPT", 2)
    whole = client.get(f"{BASE}/latest").json()["results"]

    assert len(briefs._kept) == 2
    assert client.get(f"{BASE}/latest").json()["results"] == whole
    assert client.get(f"{OURS}/history").json()["returned_count"] == 3


def test_a_renamed_company_is_shown_by_its_new_name(client, companies):
    client.get(f"{BASE}/latest")
    client.patch(OURS, {"name": "새벽소프트"}, format="json")

    assert client.get(f"{BASE}/latest").json()["results"]["새벽소프트"]["company"] == "새벽소프트"


def test_a_task_costs_one_query(client, companies, django_assert_num_queries):
    run = Analysis.objects.filter(status="queued").last()

    with django_assert_num_queries(1):
        assert client.get(f"{BASE}/tasks/{run.task_id}").status_code == 200


def test_an_unknown_company_costs_three_queries(client, companies, django_assert_num_queries):
    with django_assert_num_queries(3):  # the company; companies with aliases; the names of those that are watched
        assert client.get(f"{BASE}/companies/{quote('없는회사')}/latest").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "queries"),
    [
        ("post", f"{OURS}/trigger", None, 10),
        ("post", f"{BASE}/companies", {"name": "새벽소프트", "interval_minutes": 60}, 7),
        ("patch", OURS, {"interval_minutes": 60}, 4),
        ("delete", OURS, None, 18),  # a portion of its history, a look for another; the company, locked, with the rest
        ("delete", f"{BASE}/cache/{quote('회사0')}", None, 1),
        ("delete", f"{BASE}/cache/all", None, 0),
    ],
)
def test_writing_costs_as_many_queries_for_30_companies_as_for_3(
    client, companies, django_assert_num_queries, method, path, body, queries
):
    with django_assert_num_queries(queries):
        response = getattr(client, method)(path, body, format="json")

    assert response.status_code < 300, response.content
