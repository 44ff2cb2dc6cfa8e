"""A company goes with all its history, however long: in portions, and from where the last try ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

import pytest
from django.db import OperationalError, connection
from django.urls import reverse
from django.utils import timezone

from dashboard import companies, history, services
from dashboard.models import Analysis, Company
from tests.histories import analysis, at_once, judged

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("successes_are_counted")]

Status = Analysis.Status
RUNS = 3_000  # of the company; every third failed
PATH = "/api/v1/dashboard/companies/한빛전자"


def company_with_runs(name: str, count: int) -> Company:
    company = Company.objects.create(name=name, is_watched=True)
    at = timezone.now() - timedelta(days=1)
    Analysis.objects.bulk_create(
        Analysis(
            company=company,
            trigger="schedule",
            status=Status.SUCCESS if number % 3 else Status.ERROR,
            queued_at=at,
            run_after=at,
            finished_at=at,
        )
        for number in range(count)
    )
    history.recount()
    return company


@pytest.fixture
def company() -> Company:
    company_with_runs("가람은행", 10)
    return company_with_runs("한빛전자", RUNS)


def delete_over_the_api(client, admin_client, company: Company) -> int:
    return client.delete(PATH).status_code


def delete_in_the_admin(client, admin_client, company: Company) -> int:
    path = reverse("admin:dashboard_company_delete", args=[company.pk])
    return admin_client.post(path, {"post": "yes"}).status_code


def delete_as_chosen(client, admin_client, company: Company) -> int:
    chosen = {"action": "delete_selected", "_selected_action": [company.pk], "post": "yes"}
    return admin_client.post(reverse("admin:dashboard_company_changelist"), chosen).status_code


@pytest.mark.parametrize("delete", [delete_over_the_api, delete_in_the_admin, delete_as_chosen])
def test_a_long_history_goes_in_short_transactions(client, admin_client, company, delete):
    deleted: list[int] = []

    def watch(execute: Callable[..., object], sql: str, params: object, many: bool, context: dict) -> object:
        result = execute(sql, params, many, context)
        if sql.startswith('DELETE FROM "dashboard_analysis"'):
            deleted.append(context["cursor"].rowcount)
            assert not any(connection.savepoint_ids)  # the portion's own transaction, not one around them all
        return result

    with connection.execute_wrapper(watch):
        assert delete(client, admin_client, company) in (204, 302)

    assert list(Company.objects.values_list("name", flat=True)) == ["가람은행"]
    assert Analysis.objects.count() == 10
    assert sum(deleted) == RUNS
    assert max(deleted) <= history.PORTION


def rename_over_the_api(client, admin_client, company: Company) -> int:
    return client.patch(PATH, {"name": "두빛전자"}, format="json").status_code


def rename_in_the_admin(client, admin_client, company: Company) -> int:
    path = reverse("admin:dashboard_company_change", args=[company.pk])
    return admin_client.post(path, {"name": "두빛전자", "aliases": "볕들"}).status_code


def ask_for_it_and_another(client) -> Company:
    """Have answers kept of a company, by its alias, and of another; return the company."""
    company = Company.objects.create(name="한빛전자", aliases=["볕들"])
    for name in ("볕들", "가람은행"):
        client.post(f"/api/v1/search/companies/{name}/analyze")
        client.post(f"/api/v1/search/companies/{name}", {"sort": "date"}, format="json")
    return company


@pytest.mark.parametrize("rename", [rename_over_the_api, rename_in_the_admin])
def test_what_is_cached_under_a_name_goes_with_the_name_and_nothing_else(client, admin_client, naver, rename):
    company = ask_for_it_and_another(client)
    assert rename(client, admin_client, company) in (200, 302)

    cached = client.get("/api/v1/dashboard/cache/info").json()["companies"]
    assert [kept["company"] for kept in cached] == ["가람은행"]
    assert Analysis.objects.filter(company__name="두빛전자").count() == 1


@pytest.mark.parametrize("delete", [delete_over_the_api, delete_in_the_admin, delete_as_chosen])
def test_what_is_cached_of_a_company_goes_with_it_and_nothing_else(client, admin_client, naver, delete):
    company = ask_for_it_and_another(client)
    assert delete(client, admin_client, company) in (204, 302)

    cached = client.get("/api/v1/dashboard/cache/info").json()["companies"]
    assert [kept["company"] for kept in cached] == ["가람은행"]
    again = client.post("/api/v1/search/companies/한빛전자/analyze").json()["analysis_metadata"]
    assert again["cache_hit"] is False
    assert Analysis.objects.filter(pk=again["analysis_id"], company__name="한빛전자").exists()


def test_what_fails_half_way_leaves_the_newest_runs_and_is_gone_on_with(client, company):
    going_on = 2

    def fail_third(execute: Callable[..., object], sql: str, params: object, many: bool, context: dict) -> object:
        nonlocal going_on
        if sql.startswith('DELETE FROM "dashboard_analysis"'):
            if not going_on:
                raise OperationalError("the database is away")
            going_on -= 1
        return execute(sql, params, many, context)

    newest = Analysis.objects.filter(company=company).order_by("-pk").values_list("pk", flat=True)
    kept = list(newest)[: RUNS - 2 * history.PORTION]
    with connection.execute_wrapper(fail_third):
        assert client.delete(PATH).status_code == 503

    company.refresh_from_db()
    assert not company.is_watched
    assert list(newest.all()) == kept
    assert company.successes == Analysis.objects.filter(company=company, status=Status.SUCCESS).count()
    assert client.delete(PATH).status_code == 204
    assert not Company.objects.filter(pk=company.pk).exists()
    assert Analysis.objects.count() == 10
    assert client.delete(PATH).status_code == 404


def test_an_open_run_goes_with_its_company(client, company):
    now = timezone.now()
    Analysis.objects.create(company=company, trigger="api", status=Status.RUNNING, queued_at=now, run_after=now)

    assert client.delete(PATH).status_code == 204
    assert Analysis.objects.count() == 10


@contextmanager
def in_between(statement: str, work: Callable[[], object]) -> Iterator[list[str]]:
    """Have another thread do this before the first such statement here: a server lets it, a file has it wait.

    Yields such statements, as they come.
    """
    doing: list[Future] = []
    seen: list[str] = []

    def watch(execute: Callable[..., object], sql: str, params: object, many: bool, context: dict) -> object:
        if sql.startswith(statement):
            seen.append(sql)
            if not doing:
                doing.append(pool.submit(at_once, work))
                wait(doing, timeout=1)
        return execute(sql, params, many, context)

    with ThreadPoolExecutor() as pool:
        with connection.execute_wrapper(watch):
            yield seen
        doing[0].result()


def keep_analysis(company: Company) -> None:
    assert services.record_analysis(analysis([judged(1)], company=company.name), trigger="api")


@pytest.mark.parametrize("before", ['SELECT %s AS "a" FROM "dashboard_company"', 'DELETE FROM "dashboard_company"'])
def test_an_analysis_kept_while_its_company_is_deleted_stops_nothing(client, company, before):
    """Neither before the company is locked nor after; and one try is enough."""
    with in_between(before, partial(keep_analysis, company)) as tries:
        assert client.delete(PATH).status_code == 204

    assert len(tries) == 1
    assert not Company.objects.filter(pk=company.pk).exists()


def test_a_company_deleted_while_its_analysis_is_kept_stops_nothing(company):
    with in_between('UPDATE "dashboard_company"', partial(companies.remove, company.name)):
        keep_analysis(company)

    assert not Company.objects.filter(pk=company.pk).exists()
