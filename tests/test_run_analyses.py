"""Runs: queued, claimed, retried, swept, scheduled. The row says what happened."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from types import SimpleNamespace

import pytest
import time_machine
from celery.exceptions import SoftTimeLimitExceeded
from django.apps import apps
from django.db import connection
from django.db.models.signals import post_init, post_save, pre_save
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from dashboard import companies, embedded, selectors, services, tasks, workers
from dashboard.models import Analysis, Article, Company, JudgedArticle
from dashboard.schedules import ENTRIES, sync_schedule
from search import inventory
from search.services import Options, analyze_company
from search.signals import company_asked_for
from search.text import normalize_company

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("successes_are_counted")]

Status = Analysis.Status


@pytest.fixture
def run(naver) -> Analysis:
    return services.request_analysis("한빛전자", trigger="schedule")


def do(run: Analysis) -> Analysis:
    services.run_analysis(run.pk, worker="here:1")
    run.refresh_from_db()
    return run


def test_a_run_keeps_what_it_found(run):
    do(run)

    assert run.status == Status.SUCCESS
    assert run.worker == "here:1"
    assert run.total == run.done == len(run.stories) == JudgedArticle.objects.count() > 0
    assert run.provider == "naver"
    assert run.summary["total"] + run.summary["left_out"] == run.total


def test_what_the_background_found_answers_the_live_call(run, client, naver):
    do(run)
    body = client.post("/api/v1/search/companies/한빛전자/analyze").json()

    assert body["analysis_metadata"]["cache_hit"] is True
    assert body["analysis_metadata"]["analysis_id"] == run.pk
    assert len(naver.calls) == 1


def test_a_live_analysis_is_history_too_with_its_trigger(client, naver):
    body = client.post("/api/v1/search/companies/한빛전자/analyze").json()
    kept = Analysis.objects.get()

    assert kept.pk == body["analysis_metadata"]["analysis_id"]
    assert (kept.trigger, kept.status) == ("api", Status.SUCCESS)


def test_a_run_is_run_once_however_often_it_is_asked_for(run, naver):
    do(run)
    do(run)

    assert run.attempts == 1
    assert len(naver.calls) == 1


def test_a_company_has_one_open_run(run):
    again = services.request_analysis("한빛전자", trigger="manual")
    do(run)
    after = services.request_analysis("한빛전자", trigger="manual")

    assert again.pk == run.pk
    assert after.pk != run.pk


def test_a_providers_fault_is_tried_again_later_and_then_given_up(run, naver, settings):
    settings.RUN_RETRIES, settings.RUN_RETRY_SECONDS = 2, 100
    settings.ERROR_CACHE_SECONDS = 1
    naver.refuse(400, {"errorCode": "SE99"})
    waits = []
    now = timezone.now()
    for _ in range(3):
        with time_machine.travel(now, tick=False):
            do(run)
            waits.append((run.run_after - now).total_seconds())
        now = run.run_after + timedelta(seconds=1)

    assert waits[:2] == pytest.approx([100, 200])
    assert run.status == Status.ERROR
    assert run.error_code == "PROVIDER_ERROR"
    assert run.attempts == 3


def test_a_quota_is_waited_for_and_costs_no_try(run, naver):
    naver.refuse(429, {"errorCode": "010"})
    do(run)

    assert (run.status, run.attempts, run.error_code) == (Status.QUEUED, 0, "PROVIDER_QUOTA_EXCEEDED")
    assert timezone.now() < run.run_after <= timezone.now() + timedelta(days=1)


def test_a_run_that_waits_is_not_run_before_its_time(run, naver):
    Analysis.objects.update(run_after=timezone.now() + timedelta(minutes=5))
    do(run)

    assert run.status == Status.QUEUED
    assert naver.calls == []


def test_a_person_does_not_wait_out_the_pause(run):
    Analysis.objects.update(run_after=timezone.now() + timedelta(hours=5), error_code="PROVIDER_ERROR")
    services.request_analysis("한빛전자", trigger="schedule")
    assert do(run).status == Status.QUEUED
    services.request_analysis("한빛전자", trigger="manual")
    assert do(run).status == Status.SUCCESS


def test_a_run_does_not_hide_a_failure_behind_a_stale_answer(run, naver):
    analyze_company("한빛전자", Options(max_results=100))
    naver.refuse(500, b"down")
    do(run)

    assert (run.status, run.error_code) == (Status.QUEUED, "PROVIDER_ERROR")


def test_what_nobody_foresaw_is_on_the_row_and_raised(run, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("the secret reason")

    monkeypatch.setattr("search.services.analyze_company", fail)
    with pytest.raises(RuntimeError):
        do(run)
    run.refresh_from_db()

    assert (run.status, run.error_code, run.error_message) == (Status.ERROR, "INTERNAL_ERROR", "")


def test_a_run_that_takes_too_long_says_so_and_is_tried_again(run, monkeypatch, settings):
    settings.RUN_RETRIES, settings.RUN_SECONDS = 1, 60

    def fail(*args, **kwargs):
        raise SoftTimeLimitExceeded

    monkeypatch.setattr("search.services.analyze_company", fail)
    tasks.run_analysis.run(run.pk)
    run.refresh_from_db()
    assert (run.status, run.error_code) == (Status.QUEUED, "TIME_LIMIT")
    assert "60" in run.error_message
    assert run.run_after > timezone.now()

    Analysis.objects.update(run_after=timezone.now())
    tasks.run_analysis.run(run.pk)
    run.refresh_from_db()
    assert (run.status, run.error_code, run.attempts) == (Status.ERROR, "TIME_LIMIT", 2)


def test_a_run_that_no_time_limit_ends_looks_at_the_clock_itself(run, naver, settings):
    settings.RUN_SECONDS, naver.delay = 0.2, 0.3
    do(run)
    assert (run.status, run.error_code) == (Status.QUEUED, "TIME_LIMIT")

    Analysis.objects.update(run_after=timezone.now())
    settings.RUN_SECONDS = 60
    do(run)
    assert (run.status, run.error_code) == (Status.SUCCESS, "")


@pytest.mark.parametrize("fault", services.DATABASE_AWAY)
def test_a_database_that_was_away_costs_no_run(run, monkeypatch, fault):
    def fail(*args, **kwargs):
        raise fault("the connection is closed")

    with monkeypatch.context() as away:
        away.setattr("search.services.analyze_company", fail)
        with pytest.raises(fault):
            do(run)
    run.refresh_from_db()
    assert (run.status, run.error_code) == (Status.RUNNING, "")
    services.release_run(run.pk, lost_by={"here:1"})

    assert do(run).status == Status.SUCCESS


def test_a_dead_workers_run_is_queued_again(run):
    Analysis.objects.update(status=Status.RUNNING, worker="gone:1", started_at=timezone.now(), attempts=1)
    Company.objects.create(name="가람은행")
    services.requeue_abandoned_runs({"here:1"})

    assert do(run).status == Status.SUCCESS


def test_a_living_workers_run_is_left_alone_unless_it_takes_too_long(run, settings):
    Analysis.objects.update(status=Status.RUNNING, worker="here:1", started_at=timezone.now())
    assert services.requeue_abandoned_runs({"here:1"}) == 0
    Analysis.objects.update(started_at=timezone.now() - timedelta(seconds=settings.RUN_SECONDS + 100))
    assert services.requeue_abandoned_runs({"here:1"}) == 1


def test_a_run_that_kills_its_workers_is_given_up(run, settings):
    Analysis.objects.update(
        status=Status.RUNNING, worker="gone:1", started_at=timezone.now(), attempts=settings.RUN_RETRIES + 1
    )
    services.requeue_abandoned_runs(set())
    run.refresh_from_db()

    assert (run.status, run.error_code) == (Status.ERROR, "WORKER_LOST")


def test_a_run_closed_meanwhile_changes_nothing(run, monkeypatch):
    answer = analyze_company("한빛전자", Options(max_results=100))
    Analysis.objects.filter(pk=run.pk).update(status=Status.ERROR, error_code="WORKER_LOST")
    services.complete_run(run, answer.value)
    run.refresh_from_db()

    assert (run.status, run.stories) == (Status.ERROR, [])


def test_a_company_deleted_while_its_run_runs_ends_quietly(run, naver):
    claimed = services._claim(run.pk, worker="here:1")
    answer = analyze_company("한빛전자", Options(max_results=100))
    Company.objects.filter(name="한빛전자").delete()
    services.complete_run(claimed, answer.value)

    assert not Analysis.objects.filter(pk=run.pk).exists()


@pytest.mark.parametrize("lost_by", [(), ("here:1",)])
def test_a_task_for_a_company_deleted_meanwhile_does_nothing(run, client, naver, lost_by):
    assert client.delete("/api/v1/dashboard/companies/한빛전자").status_code == 204
    tasks.run_analysis.run(run.pk, lost_by)

    assert naver.calls == []
    assert not Company.objects.exists()
    assert not Analysis.objects.exists()


def test_an_article_is_one_row_however_often_it_is_seen(naver):
    for _ in range(3):
        analyze_company("한빛전자", Options(max_results=50, mode="refresh"))

    assert Analysis.objects.count() == 3
    assert Article.objects.count() == JudgedArticle.objects.count() == len(Analysis.objects.first().stories)


def test_due_companies_are_queued_once_and_spread_over_the_interval(naver, settings):
    for number in range(30):
        Company.objects.create(name=f"회사{number}", is_watched=True)
    Company.objects.create(name="안 보는 회사", is_watched=False)
    now = timezone.now()
    first = services.schedule_due_companies(now=now)
    second = services.schedule_due_companies(now=now)
    next_runs = list(Company.objects.filter(is_watched=True).values_list("next_run_at", flat=True))

    assert (len(first), len(second)) == (30, 0)
    assert all(timedelta(minutes=15) <= at - now < timedelta(minutes=45) for at in next_runs)
    assert len({at.replace(second=0, microsecond=0) for at in next_runs}) > 10


def test_a_company_renamed_while_it_is_scheduled_does_not_come_back_under_its_old_name(naver):
    """Renamed, or no longer watched, between the look at who is due and the turn of the company."""
    for name in ("가람은행", "새벽소프트", "해담조선"):
        Company.objects.create(name=name, is_watched=True)
    last = Company.objects.get(name="해담조선")
    others = [
        lambda: companies.change("새벽소프트", name="노을소프트"),
        lambda: companies.change("해담조선", is_watched=False),
    ]

    def change_the_others(sender, created, **kwargs):
        while others:
            others.pop()()

    post_save.connect(change_the_others, sender=Analysis)
    try:
        runs = services.schedule_due_companies()
    finally:
        post_save.disconnect(change_the_others, sender=Analysis)

    assert {run.company_id for run in runs} == set(Company.objects.exclude(pk=last.pk).values_list("pk", flat=True))
    assert set(Company.objects.values_list("name", flat=True)) == {"가람은행", "노을소프트", "해담조선"}
    assert not Analysis.objects.filter(company=last).exists()


def test_a_scheduler_that_fails_half_way_leaves_the_company_due(naver):
    company = Company.objects.create(name="한빛전자", is_watched=True)

    def fail(**kwargs):
        raise RuntimeError("killed")

    post_save.connect(fail, sender=Analysis)
    try:
        with pytest.raises(RuntimeError):
            services.schedule_due_companies()
    finally:
        post_save.disconnect(fail, sender=Analysis)
    company.refresh_from_db()

    assert company.next_run_at is None
    assert [run.company for run in services.schedule_due_companies()] == [company]


def test_what_the_cache_lost_is_asked_for_by_the_companys_new_name(naver):
    known = Company.objects.create(name="한빛전자", is_watched=True)
    gone = Company.objects.create(name="가람은행", is_watched=True)
    companies.change("한빛전자", name="두빛전자")
    gone.delete()

    assert services.request_watched(known).company_id == known.pk
    assert services.request_watched(Company(pk=known.pk + 100, name="가람은행")) is None
    assert list(Company.objects.values_list("name", flat=True)) == ["두빛전자"]


def test_a_company_renamed_while_its_run_runs_keeps_what_it_finds(run):
    Company.objects.update(is_watched=True)

    def rename(**kwargs):
        company_asked_for.disconnect(rename)
        companies.change("한빛전자", name="두빛전자")

    company_asked_for.connect(rename)
    do(run)

    assert run.status == Status.SUCCESS
    assert [(one.name, one.successes) for one in Company.objects.all()] == [("두빛전자", 1)]


def test_a_company_deleted_while_it_is_changed_is_not_found_and_watched_anew_if_that_was_asked(client, naver):
    """The other's DELETE comes between the look at the company and what is written."""
    Company.objects.create(name="한빛전자", is_watched=True)
    Company.objects.create(name="가람은행", is_watched=False)
    names: list[str] = []

    def delete_what_is_read(sender, instance, **kwargs):
        if instance.name in names:
            names.remove(instance.name)
            Company.objects.filter(pk=instance.pk).delete()

    post_init.connect(delete_what_is_read, sender=Company)
    try:
        names.append("한빛전자")
        changed = client.patch("/api/v1/dashboard/companies/한빛전자", {"stock_code": "000001"}, format="json")
        names.append("가람은행")
        watched = client.post("/api/v1/dashboard/companies", {"name": "가람은행"}, format="json")
    finally:
        post_init.disconnect(delete_what_is_read, sender=Company)

    assert (changed.status_code, changed.json()["error_code"]) == (404, "NOT_FOUND")
    assert "한빛전자" in changed.json()["message"]
    assert (watched.status_code, list(Company.objects.values_list("name", "is_watched"))) == (
        201,
        [("가람은행", True)],
    )


def test_a_change_of_one_thing_writes_no_other_back(client, admin_client, naver):
    """A form or a call that read the company before the schedule moved it."""
    company = Company.objects.create(name="한빛전자", is_watched=True, next_run_at=timezone.now())
    later = timezone.now() + timedelta(minutes=30)

    def move_on(sender, **kwargs):
        Company.objects.update(next_run_at=later)

    pre_save.connect(move_on, sender=Company)
    try:
        client.patch("/api/v1/dashboard/companies/한빛전자", {"stock_code": "000001"}, format="json")
        company.refresh_from_db()
        assert (company.stock_code, company.next_run_at) == ("000001", later)

        Company.objects.update(next_run_at=None)
        form = {"name": "한빛전자", "is_watched": "on", "interval_minutes": "", "stock_code": "000002", "aliases": ""}
        admin_client.post(f"/admin/dashboard/company/{company.pk}/change/", form)
    finally:
        pre_save.disconnect(move_on, sender=Company)
    company.refresh_from_db()
    assert (company.stock_code, company.next_run_at) == ("000002", later)


def test_what_was_analysed_at_a_start_waits_for_half_an_interval_at_least(naver):
    company = Company.objects.create(name="한빛전자", is_watched=True)
    Company.objects.create(name="가람은행", is_watched=False)
    begin = timezone.now().replace(second=0, microsecond=0)
    for seconds in range(0, 1800, 30):
        now = begin + timedelta(seconds=seconds)
        next_run_at = services.next_slot(company, now)
        assert timedelta(minutes=15) <= next_run_at - now < timedelta(minutes=45)
        assert services.next_slot(company, next_run_at) - next_run_at == timedelta(minutes=30)

    assert [run.company for run in services.schedule_at_once(["가람은행", "한빛전자"])] == [company]
    Analysis.objects.all().delete()
    assert services.schedule_due_companies() == []


def test_a_companys_own_interval_is_obeyed():
    company = Company.objects.create(name="한빛전자", is_watched=True, interval_minutes=1)
    now = timezone.now()
    services.schedule_due_companies(now=now)
    company.refresh_from_db()

    assert timedelta(seconds=30) <= company.next_run_at - now < timedelta(seconds=90)


def test_a_clock_set_back_leaves_nobody_waiting(naver):
    company = Company.objects.create(name="한빛전자", is_watched=True)
    services.schedule_due_companies(now=timezone.now() + timedelta(days=365))
    Analysis.objects.all().delete()
    services.schedule_due_companies()
    company.refresh_from_db()

    assert company.next_run_at <= timezone.now() + timedelta(minutes=45)


def test_a_clock_set_back_leaves_nobody_with_an_interval_of_its_own_waiting(naver):
    company = Company.objects.create(name="한빛전자", is_watched=True, interval_minutes=5)
    hourly = Company.objects.create(name="가람은행", is_watched=True, interval_minutes=60)
    services.schedule_due_companies(now=timezone.now() + timedelta(hours=2))
    Analysis.objects.all().delete()
    services.schedule_due_companies()
    company.refresh_from_db()
    hourly.refresh_from_db()

    assert company.next_run_at <= timezone.now() + timedelta(minutes=7.5)
    assert hourly.next_run_at <= timezone.now() + timedelta(minutes=90)


def test_what_a_clock_ahead_queued_runs_once_it_is_set_back(naver):
    with time_machine.travel(timezone.now() + timedelta(days=2), tick=False):
        run = services.request_analysis("한빛전자", trigger="schedule")
    tasks.sweep_runs.run()

    assert do(run).status == Status.SUCCESS


def test_a_worker_heard_in_the_future_is_not_taken_for_alive(naver):
    with time_machine.travel(timezone.now() + timedelta(days=2), tick=False):
        workers.say_alive("elsewhere:1")
    assert workers.alive() == set()
    workers.say_alive("elsewhere:1")
    assert workers.alive() == {"elsewhere:1"}


@pytest.mark.django_db(transaction=True)  # a connection that is closed between two looks is opened anew
def test_the_embedded_schedule_goes_on_when_the_clock_is_set_back(naver, monkeypatch):
    sync_schedule()
    Company.objects.create(name="한빛전자", is_watched=True)
    monkeypatch.setattr(embedded, "TICK_SECONDS", 0.0)
    PeriodicTask.objects.update(last_run_at=timezone.now() + timedelta(days=2))
    embedded.run_due_tasks()
    embedded.prune_when_due()

    assert Analysis.objects.filter(company__name="한빛전자").exists()
    entries = PeriodicTask.objects.filter(task__startswith="dashboard.")
    assert all(entry.last_run_at <= timezone.now() for entry in entries)


def test_an_entry_whose_interval_an_operator_changes_expires_with_it():
    sync_schedule()
    entry = PeriodicTask.objects.get(task="dashboard.tasks.refresh_cache")
    entry.interval, _ = IntervalSchedule.objects.get_or_create(every=1, period=IntervalSchedule.MINUTES)
    entry.save()
    entry.refresh_from_db()
    assert entry.expire_seconds == 60

    entry.interval.every = 2
    entry.interval.save()
    entry.refresh_from_db()
    assert entry.expire_seconds == 120

    PeriodicTask.objects.update(expire_seconds=600)  # as it was before the expiry followed
    sync_schedule()
    entry.refresh_from_db()
    assert entry.expire_seconds == 120


@pytest.mark.django_db(transaction=True)  # a connection that is closed between two looks is opened anew
def test_the_embedded_schedule_does_not_wait_for_pruning(naver, monkeypatch):
    sync_schedule()
    Company.objects.create(name="한빛전자", is_watched=True)
    Company.objects.create(name="forgotten")
    Company.objects.update(created_at=timezone.now() - timedelta(days=90))
    monkeypatch.setattr(embedded, "TICK_SECONDS", 0.0)
    embedded.run_due_tasks()
    assert Analysis.objects.filter(company__name="한빛전자").exists()
    assert Company.objects.filter(name="forgotten").exists()

    embedded.prune_when_due()
    assert not Company.objects.filter(name="forgotten").exists()


def test_a_provider_down_for_an_hour_loses_no_company(client, naver, settings):
    """Run by the minute as the schedule and the sweep would; stale answers go on, and the rows say what happened."""
    settings.ERROR_CACHE_SECONDS = 1
    start = timezone.now()
    Company.objects.create(name="한빛전자", is_watched=True, next_run_at=start)
    analyze_company("한빛전자", Options(max_results=50))
    naver.refuse(503, b"down")

    def live(minutes: range) -> None:
        for minute in minutes:
            with time_machine.travel(start + timedelta(minutes=minute), tick=False):
                services.schedule_due_companies()
                for run_id in selectors.due_runs():
                    services.run_analysis(run_id, worker="here:1")
                assert Analysis.objects.filter(status__in=Analysis.OPEN).count() <= 1
                answer = client.post("/api/v1/search/companies/한빛전자/analyze")
                assert answer.status_code == 200

    live(range(61))
    failed = Analysis.objects.filter(status=Status.ERROR)
    assert [(run.error_code, run.attempts) for run in failed] == [("PROVIDER_ERROR", settings.RUN_RETRIES + 1)]
    naver.recover()
    live(range(61, 100))

    newest = Analysis.objects.filter(company__name="한빛전자").order_by("-pk")[0]
    assert (newest.status, newest.trigger) == (Status.SUCCESS, "schedule")
    assert Analysis.objects.filter(status=Status.ERROR).count() == 1


def test_a_company_deleted_over_the_api_while_its_run_asks_the_provider(client, run, naver):
    """The run ends unheard: no row, no error, nobody left open."""
    Company.objects.update(is_watched=True)
    deleted: list[int] = []
    original = services.keep_found

    def delete_first(run, analysis):
        deleted.append(client.delete("/api/v1/dashboard/companies/한빛전자").status_code)
        return original(run, analysis)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(services, "keep_found", delete_first)
        services.run_analysis(run.pk, worker="here:1")

    assert deleted[0] == 204
    assert not Analysis.objects.exists()
    assert not Company.objects.exists()


def test_the_schedule_is_declared_without_losing_an_operators_edits(settings):
    settings.MONITORED_COMPANIES = ["삼성전자", "LG전자"]
    entries, companies = sync_schedule()
    assert (len(entries), companies) == (len(ENTRIES), ["삼성전자", "LG전자"])

    PeriodicTask.objects.filter(task="dashboard.tasks.prune_history").update(enabled=False)
    Company.objects.filter(name="LG전자").update(is_watched=False, interval_minutes=7)
    assert sync_schedule() == ([], [])

    assert not PeriodicTask.objects.get(task="dashboard.tasks.prune_history").enabled
    assert Company.objects.get(name="LG전자").interval_minutes == 7
    assert not Company.objects.get(name="LG전자").is_watched
    for entry in PeriodicTask.objects.filter(task__startswith="dashboard."):
        every = entry.interval.every if entry.interval else 24 * 3600
        assert 0 < entry.expire_seconds <= every  # gone before the next one comes


def test_a_company_that_settings_name_later_is_watched_though_somebody_analysed_it_before(client, naver, settings):
    settings.MONITORED_COMPANIES = ["삼성전자"]
    sync_schedule()
    client.post("/api/v1/search/companies/한빛전자/analyze")
    settings.MONITORED_COMPANIES += ["한빛전자"]

    assert sync_schedule() == ([], ["한빛전자"])
    assert Company.objects.get(name="한빛전자").is_watched

    companies.change("한빛전자", is_watched=False)
    assert sync_schedule() == ([], [])
    assert not Company.objects.get(name="한빛전자").is_watched


def test_an_upgrade_watches_nobody_whom_an_operator_stopped_watching(settings):
    """Who was declared is known since the upgrade alone: all that settings name then."""
    settings.MONITORED_COMPANIES = ["삼성 전자", "LG전자"]
    Company.objects.create(name=normalize_company("삼성 전자"), is_watched=False)

    migration = import_module("dashboard.migrations.0004_was_declared")
    migration.mark_declared(apps, SimpleNamespace(connection=connection))

    assert sync_schedule()[1] == ["LG전자"]


def refreshed() -> list[str]:
    """Return the companies that a round of refreshing the cache queues, in the order of the queue."""
    tasks.refresh_cache.run()
    queued = Analysis.objects.filter(status=Status.QUEUED).order_by("pk")
    names = list(queued.values_list("company__name", flat=True))
    queued.delete()
    return names


def analyzed(name: str, *, ago: timedelta) -> Company:
    """Return a watched company whose one analysis, found in the cache too, is so old."""
    company, _ = Company.objects.get_or_create(name=name)
    Company.objects.filter(pk=company.pk).update(is_watched=True)
    analyze_company(name, Options(max_results=100, mode="refresh"))
    Analysis.objects.filter(company=company).update(finished_at=timezone.now() - ago)
    return company


HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def test_the_cache_is_refreshed_where_it_lost_a_company_the_schedule_has_missed(naver):
    analyzed("한빛전자", ago=HOUR)
    assert refreshed() == []
    inventory.forget_subject("한빛전자")

    assert refreshed() == ["한빛전자"]


def test_a_company_with_aliases_is_looked_for_under_its_own_key(naver):
    Company.objects.create(name="한빛전자", aliases=["한빛 일렉트로닉스", "HBE"])
    analyzed("한빛전자", ago=HOUR)

    assert refreshed() == []


def test_refreshing_the_cache_leaves_a_company_to_its_own_interval(naver):
    company = analyzed("한빛전자", ago=HOUR)
    Company.objects.filter(pk=company.pk).update(interval_minutes=24 * 60)
    inventory.forget_subject("한빛전자")
    assert refreshed() == []

    Analysis.objects.filter(company=company).update(finished_at=timezone.now() - DAY - HOUR)
    assert refreshed() == ["한빛전자"]


def test_a_company_never_analysed_is_the_schedules(naver):
    Company.objects.create(name="한빛전자", is_watched=True)

    assert refreshed() == []


def test_an_empty_analysis_is_not_made_anew_because_it_is_stale(naver, settings):
    naver.items = []
    settings.EMPTY_CACHE_SECONDS = 0
    analyzed("한빛전자", ago=HOUR)

    assert refreshed() == []


def test_a_stale_analysis_with_stories_is_made_anew(naver, settings):
    settings.ANALYSIS_CACHE_SECONDS = 0
    analyzed("한빛전자", ago=HOUR)

    assert refreshed() == ["한빛전자"]


def test_what_all_have_lost_is_refreshed_a_few_at_a_time_and_in_turn(naver, monkeypatch):
    monkeypatch.setattr(selectors, "REFRESHED_AT_ONCE", 2)
    for name in ("가람은행", "나래항공", "다온물산"):
        analyzed(name, ago=HOUR)
    inventory.forget_all()
    assert refreshed() == ["가람은행", "나래항공"]

    for name in ("가람은행", "나래항공"):
        run = services.request_analysis(name, trigger="schedule")
        Analysis.objects.filter(pk=run.pk).update(status=Status.ERROR, finished_at=timezone.now())
    assert refreshed() == ["다온물산", "가람은행"]


def test_refreshing_the_cache_costs_as_many_queries_for_many_companies_as_for_one(
    naver, django_assert_max_num_queries
):
    for number in range(5):
        analyzed(f"회사{number}", ago=HOUR)
    with django_assert_max_num_queries(4):
        assert selectors.companies_out_of_cache() == []


def test_a_worker_on_this_host_whose_process_is_gone_is_dead():
    workers.say_alive(workers.own_name())
    host, pid, _ = workers.own_name().split(":")
    workers.say_alive(f"{host}:4194303:0a1b2c3d")
    workers.say_alive(f"{host}:{pid}:0a1b2c3d")  # a container that started again: its old self
    workers.say_alive(f"{host}:{pid}")  # named as before an upgrade

    assert workers.alive() == {workers.own_name()}
