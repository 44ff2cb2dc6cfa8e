"""The dashboard API as docs/api.md says it."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import quote
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from dashboard import known, services, workers
from dashboard.models import Analysis, Company, Worker
from search.services import Options, analyze_company

pytestmark = pytest.mark.django_db

BASE = "/api/v1/dashboard"


def path(company: str, end: str = "") -> str:
    return f"{BASE}/companies/{quote(company, safe='')}{end}"


@pytest.fixture
def company(naver) -> Company:
    return Company.objects.create(name="한빛전자", is_watched=True, next_run_at=timezone.now() + timedelta(minutes=9))


@pytest.fixture
def worker() -> None:
    workers.say_alive(workers.own_name())


def analyze(count: int = 1) -> None:
    for _ in range(count):
        analyze_company("한빛전자", Options(max_results=50, mode="refresh"), trigger="schedule")


def test_before_the_first_run_there_is_no_data(client, company):
    assert client.get(path("한빛전자", "/latest")).json() == {
        "company": "한빛전자",
        "status": "no_data",
        "analyzed_at": None,
    }
    assert client.get(path("한빛전자", "/history")).json()["history"] == []
    status = client.get(f"{BASE}/status").json()
    assert status["status"] == "no_data"
    assert status["analysis_results"]["한빛전자"]["status"] == "no_data"


def test_the_latest_is_the_analysis_as_the_search_gave_it(client, company):
    live = client.post("/api/v1/search/companies/한빛전자/analyze").json()
    latest = client.get(path("한빛전자", "/latest")).json()

    assert latest["status"] == "success"
    assert latest["analysis_metadata"]["analysis_id"] == live["analysis_metadata"]["analysis_id"]
    for part in ("analyzed_news", "summary", "deduplication"):
        assert latest[part] == live[part]


def test_history_is_newest_first_and_paged(client, company):
    analyze(5)
    body = client.get(path("한빛전자", "/history"), {"limit": 2, "offset": 1}).json()
    ids = [entry["analysis_metadata"]["analysis_id"] for entry in body["history"]]

    assert (body["total_count"], body["returned_count"]) == (5, 2)
    assert ids == sorted(Analysis.objects.values_list("pk", flat=True), reverse=True)[1:3]
    assert "analyzed_news" not in body["history"][0]
    assert body["history"][0]["summary"]["total_analyzed"] > 0


def test_analyses_without_articles_tell_of_themselves_what_the_search_told(client, company):
    live = client.post("/api/v1/search/companies/한빛전자/analyze").json()["analysis_metadata"]
    [entry] = client.get(path("한빛전자", "/history")).json()["history"]
    of_all = client.get(f"{BASE}/latest").json()["results"]["한빛전자"]

    assert entry["analysis_metadata"] == of_all["analysis_metadata"]
    for field in ("company", "analysis_id", "analyzed_count", "analysis_time", "ml_service_status", "models"):
        assert entry["analysis_metadata"][field] == live[field]


def test_an_analysis_that_found_nothing_was_judged_by_nobody(client, company, naver):
    naver.items = []
    analyze(1)

    [entry] = client.get(path("한빛전자", "/history")).json()["history"]
    assert entry["analysis_metadata"]["ml_service_status"] == "no_data"
    assert client.get(f"{BASE}/status").json()["analysis_results"]["한빛전자"]["analysis_method"] == "no_data"


def test_history_in_full_has_the_articles(client, company):
    analyze(1)
    body = client.get(path("한빛전자", "/history"), {"detail": "full"}).json()

    assert body["history"][0]["analyzed_news"]


def test_history_of_a_time(client, company):
    analyze(3)
    oldest = Analysis.objects.order_by("pk").first()
    Analysis.objects.filter(pk=oldest.pk).update(finished_at=timezone.now() - timedelta(days=3))
    yesterday = (timezone.now() - timedelta(days=1)).isoformat()

    assert client.get(path("한빛전자", "/history"), {"from": yesterday}).json()["total_count"] == 2
    assert client.get(path("한빛전자", "/history"), {"to": yesterday}).json()["total_count"] == 1


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 51}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"offset": -1}, "offset"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-11-22T00:00:00Z", "to": "2026-11-21T00:00:00Z"}, "from"),
        ({"detail": "all"}, "detail"),
    ],
)
def test_a_query_out_of_bounds_is_named(client, company, query, field):
    response = client.get(path("한빛전자", "/history"), query)

    assert response.status_code == 400
    assert list(response.json()["details"]) == [field]


@pytest.mark.parametrize("end", ["/latest", "/history"])
def test_what_did_not_change_is_not_sent_again(client, company, end):
    analyze(1)
    first = client.get(path("한빛전자", end))
    again = client.get(path("한빛전자", end), HTTP_IF_NONE_MATCH=first["ETag"])
    analyze(1)
    changed = client.get(path("한빛전자", end), HTTP_IF_NONE_MATCH=first["ETag"])

    assert (first.status_code, again.status_code, changed.status_code) == (200, 304, 200)


@pytest.mark.parametrize(("method", "end"), [("get", "/latest"), ("get", "/history"), ("post", "/trigger")])
def test_a_company_not_monitored_is_a_404_with_those_that_are(client, company, worker, method, end):
    Company.objects.create(name="지나간회사", is_watched=False)
    for name in ("모르는회사", "지나간회사"):
        response = getattr(client, method)(path(name, end))
        assert response.status_code == 404
        assert response.json()["error_code"] == "NOT_FOUND"
        assert response.json()["details"]["monitored_companies"] == ["한빛전자"]


def test_a_trigger_names_a_task_one_can_ask_after(client, company, worker):
    response = client.post(path("한빛전자", "/trigger"))
    body = response.json()
    waiting = client.get(body["status_url"]).json()
    services.run_analysis(Analysis.objects.get(task_id=body["task_id"]).pk, worker="here:1")
    done = client.get(body["status_url"]).json()

    assert response.status_code == 202
    assert body["status"] == "requested"
    assert waiting["status"] == "queued"
    assert done["status"] == "success"
    assert done["progress"]["done"] == done["progress"]["total"] > 0
    latest = client.get(path("한빛전자", "/latest")).json()
    assert done["analysis_id"] == latest["analysis_metadata"]["analysis_id"]


def test_a_second_trigger_names_the_task_under_way(client, company, worker):
    first = client.post(path("한빛전자", "/trigger")).json()
    second = client.post(path("한빛전자", "/trigger")).json()

    assert second["task_id"] == first["task_id"]
    assert Analysis.objects.count() == 1


def test_without_a_worker_a_trigger_is_a_503(client, company):
    response = client.post(path("한빛전자", "/trigger"))

    assert response.status_code == 503
    assert response.json()["error_code"] == "WORKER_UNAVAILABLE"
    assert not Analysis.objects.exists()


def test_an_unknown_task_is_a_404(client):
    assert client.get(f"{BASE}/tasks/{uuid4()}").json()["error_code"] == "NOT_FOUND"
    assert client.get(f"{BASE}/tasks/not-an-id").status_code == 404


def test_a_failed_run_says_why(client, company, worker, naver):
    naver.refuse(401, {"errorCode": "024"})
    task = client.post(path("한빛전자", "/trigger")).json()
    run = Analysis.objects.get(task_id=task["task_id"])
    for _ in range(10):
        services.run_analysis(run.pk, worker="here:1")
        Analysis.objects.filter(pk=run.pk).update(run_after=timezone.now())
    body = client.get(task["status_url"]).json()
    status = client.get(f"{BASE}/status").json()

    assert body["status"] == "error"
    assert body["error"]["error_code"] == "PROVIDER_AUTH_ERROR"
    assert status["analysis_results"]["한빛전자"]["error"] == "PROVIDER_AUTH_ERROR"
    assert (status["total_success"], status["total_error"]) == (0, 1)


def test_status_has_real_numbers(client, company, worker):
    for _ in range(4):
        client.post("/api/v1/search/companies/한빛전자/analyze")
    status = client.get(f"{BASE}/status").json()

    assert status["status"] == "running"
    assert status["workers"] == 1
    assert status["monitored_companies"] == ["한빛전자"]
    assert status["next_analysis_at"] is not None
    assert status["analysis_results"]["한빛전자"]["news_count"] > 0
    assert status["analysis_results"]["한빛전자"]["analysis_method"] == "keyword_fallback"
    assert status["performance"]["cache_hit_rate"] == pytest.approx(3 / 4)  # the first was live
    assert status["performance"]["avg_response_time_ms"] > 0


def test_a_worker_that_fell_silent_does_not_count(client, company):
    workers.say_alive("elsewhere:1")
    assert client.get(f"{BASE}/status").json()["workers"] == 1
    Worker.objects.update(seen_at=timezone.now() - timedelta(minutes=1))
    assert client.get(f"{BASE}/status").json()["workers"] == 0


def test_companies_are_added_changed_and_removed(client, naver):
    added = client.post(f"{BASE}/companies", {"name": "ＬＧ 전자", "interval_minutes": 5}, format="json")
    assert added.status_code == 201
    assert added.json()["company"] == "LG 전자"
    listed = client.get(f"{BASE}/companies").json()
    assert (listed["companies"], listed["results"][0]["interval_minutes"]) == (["LG 전자"], 5)

    changed = client.patch(path("LG 전자"), {"name": "LG전자", "interval_minutes": None}, format="json").json()
    assert (changed["company"], changed["interval_minutes"]) == ("LG전자", 30)

    assert client.delete(path("LG전자")).status_code == 204
    assert client.get(f"{BASE}/companies").json()["total_count"] == 0
    assert client.delete(path("LG전자")).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": " "}, "name"),
        ({"name": "가" * 51}, "name"),
        ({"name": "한빛", "interval_minutes": 0}, "interval_minutes"),
        ({"name": "한빛", "interval_minutes": 100_000}, "interval_minutes"),
        ({"name": "한빛", "aliases": "x"}, "aliases"),
        ({"name": "한빛", "stock_code": "<b>"}, "stock_code"),
    ],
)
def test_a_bad_company_is_named(client, body, field):
    response = client.post(f"{BASE}/companies", body, format="json")

    assert response.status_code == 400
    assert list(response.json()["details"]) == [field]
    assert not Company.objects.exists()


def test_a_name_that_is_taken_is_refused(client, company):
    Company.objects.create(name="가람은행", is_watched=True)
    again = client.post(f"{BASE}/companies", {"name": "한빛전자"}, format="json")
    renamed = client.patch(path("한빛전자"), {"name": "가람은행"}, format="json")

    assert (again.status_code, renamed.status_code) == (400, 400)
    assert {answer.json()["error_code"] for answer in (again, renamed)} == {"VALIDATION_ERROR"}
    assert set(Company.objects.values_list("name", flat=True)) == {"한빛전자", "가람은행"}


def test_who_is_no_longer_watched_waits_for_nothing(client, company):
    """Neither then, nor when its interval is changed; watched again, it is analysed at once."""

    def change(body: dict[str, object]) -> dict[str, object]:
        return client.patch(path("한빛전자"), body, format="json").json()

    assert change({"is_watched": False})["next_analysis_at"] is None
    assert change({"interval_minutes": 60})["next_analysis_at"] is None
    company.refresh_from_db()
    assert (company.is_watched, company.next_run_at, company.interval_minutes) == (False, None, 60)

    again = change({"is_watched": True})
    assert abs(datetime.fromisoformat(again["next_analysis_at"]) - timezone.now()) < timedelta(seconds=30)
    assert change({"stock_code": "000001"})["next_analysis_at"] == again["next_analysis_at"]


def test_a_company_that_is_added_without_being_watched_waits_for_nothing(client):
    added = client.post(f"{BASE}/companies", {"name": "한빛전자", "is_watched": False}, format="json").json()

    assert (added["is_watched"], added["next_analysis_at"]) == (False, None)


def test_all_latest_in_one_call(client, company):
    Company.objects.create(name="가람은행", is_watched=True)
    analyze(1)
    body = client.get(f"{BASE}/latest").json()

    assert body["companies"] == ["가람은행", "한빛전자"]
    assert body["results"]["가람은행"]["status"] == "no_data"
    assert body["results"]["한빛전자"]["summary"]["total_analyzed"] > 0


def test_cache_info_tells_the_truth(client, company):
    for _ in range(3):
        client.post("/api/v1/search/companies/한빛전자/analyze")
    body = client.get(f"{BASE}/cache/info").json()
    (kept,) = body["companies"]

    assert body["total_cached_companies"] == 1
    assert kept["company"] == "한빛전자"
    assert kept["entries"] == 2  # the search and the analysis
    assert kept["hit_count"] == 2
    assert 0 < kept["ttl_seconds"] <= 24 * 3600
    assert kept["cache_size_kb"] > 1
    assert (body["hits_24h"], body["misses_24h"]) == (2, 1)


def test_the_cache_is_judged_by_what_people_ask_and_not_by_what_workers_make(client, company):
    for _ in range(3):
        analyze(1)
    client.post("/api/v1/search/companies/한빛전자/analyze", {"force_refresh": True}, format="json")
    asked = client.get(f"{BASE}/cache/info").json()
    assert (asked["hits_24h"], asked["misses_24h"]) == (0, 0)

    client.post("/api/v1/search/companies/한빛전자/analyze", {"max_results": 5}, format="json")
    client.post("/api/v1/search/companies/한빛전자", {"max_results": 5}, format="json")
    client.post("/api/v1/search/companies/가람은행/analyze")
    asked = client.get(f"{BASE}/cache/info").json()
    assert (asked["hits_24h"], asked["misses_24h"]) == (2, 1)


def test_a_kept_answer_is_a_hit_where_workers_make_them(client, company, worker, settings):
    analyze(1)
    settings.BACKGROUND = "celery"
    assert client.post("/api/v1/search/companies/한빛전자/analyze").json()["analysis_metadata"]["cache_hit"] is True
    asked = client.get(f"{BASE}/cache/info").json()

    assert (asked["hits_24h"], asked["misses_24h"]) == (1, 0)


@pytest.fixture
def stale(client, company, settings) -> str:
    """The address of an analysis that is kept, has expired, and is a worker's to make anew."""
    settings.ANALYSIS_CACHE_SECONDS = 0
    analyze(1)
    settings.BACKGROUND = "celery"
    return "/api/v1/search/companies/한빛전자/analyze"


def test_a_stale_answer_is_made_anew_by_a_worker(client, stale, worker):
    assert client.post(stale).json()["search_metadata"]["stale"] is True
    assert Analysis.objects.get(status="queued").options["mode"] == "refresh"


def test_a_stale_answer_is_served_where_no_worker_is_there_to_make_it_anew(client, stale):
    response = client.post(stale)

    assert response.status_code == 200
    assert response.json()["search_metadata"]["stale"] is True
    assert not Analysis.objects.filter(status="queued").exists()


def test_a_provider_that_has_just_failed_is_not_asked_again_for_a_stale_answer(client, stale, worker, naver):
    client.post(stale)
    run = Analysis.objects.get(status="queued")
    naver.refuse(429, {"errorCode": "012", "errorMessage": "quota"})
    services.run_analysis(run.pk, worker="here:1")
    run.refresh_from_db()
    assert (run.status, run.error_code) == ("queued", "PROVIDER_QUOTA_EXCEEDED")  # waits for the next day
    waits_until, asked = run.run_after, len(naver.calls)

    assert client.post(stale).json()["search_metadata"]["stale"] is True
    run.refresh_from_db()
    assert (run.run_after, len(naver.calls)) == (waits_until, asked)


@pytest.mark.parametrize("fault", services.DATABASE_AWAY)
def test_a_stale_answer_is_served_while_the_database_is_away(client, stale, worker, fault, monkeypatch):
    def fail(*args: object) -> None:
        raise fault("the database is away")

    monkeypatch.setattr(known, "_away_until", 0.0)
    with connection.execute_wrapper(fail):
        response = client.post(stale)

    assert response.status_code == 200
    assert response.json()["search_metadata"]["stale"] is True


def test_deleting_a_company_clears_every_layer_of_it_and_nothing_else(client, company, naver):
    for name in ("한빛전자", "가람은행"):
        client.post(f"/api/v1/search/companies/{name}/analyze")
    calls = len(naver.calls)
    body = client.delete(f"{BASE}/cache/한빛전자").json()

    assert body["status"] == "cleared"
    assert body["deleted_keys"] > 2
    assert [kept["company"] for kept in client.get(f"{BASE}/cache/info").json()["companies"]] == ["가람은행"]
    assert client.post("/api/v1/search/companies/가람은행/analyze").json()["analysis_metadata"]["cache_hit"] is True
    assert client.post("/api/v1/search/companies/한빛전자").json()["search_metadata"]["cache_hit"] is False
    assert len(naver.calls) == calls + 1
    assert Analysis.objects.filter(company=company).exists()


def test_deleting_all_leaves_history_and_what_others_keep(client, company, redis):
    from django.core.cache import cache

    cache.client.get_client().set("celery-task-of-somebody", "x")
    client.post("/api/v1/search/companies/한빛전자/analyze")
    body = client.delete(f"{BASE}/cache/all").json()

    assert body["status"] == "cleared"
    assert client.get(f"{BASE}/cache/info").json()["total_cached_companies"] == 0
    assert cache.client.get_client().get("celery-task-of-somebody") == b"x"
    assert Analysis.objects.count() == 1
