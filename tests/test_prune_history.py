"""Retention: both limits hold, and what a company's newest success shows is never lost."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dashboard import history, records, selectors, services
from dashboard.models import Analysis, Article, Company, JudgedArticle
from tests.histories import analysis, at_once, judged

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("successes_are_counted")]

Status = Analysis.Status


@pytest.fixture(autouse=True)
def _limits(settings) -> None:
    settings.HISTORY_MAX_COUNT, settings.HISTORY_EXPIRE_DAYS = 5, 7


def days_ago(days: float) -> datetime:
    return timezone.now() - timedelta(days=days)


def keep(days: float, *numbers: int, company: str = "새벽소프트") -> Analysis:
    found = analysis([judged(number) for number in numbers or (1,)], company=company, at=days_ago(days))
    return Analysis.objects.get(pk=services.record_analysis(found, trigger="schedule"))


def fail(days: float, company: str = "새벽소프트") -> Analysis:
    run = services.request_analysis(company, trigger="schedule")
    Analysis.objects.filter(pk=run.pk).update(
        status=Status.ERROR, finished_at=days_ago(days), queued_at=days_ago(days), error_code="PROVIDER_ERROR"
    )
    return run


def kept() -> list[int]:
    return sorted(Analysis.objects.values_list("pk", flat=True))


def test_runs_beyond_the_count_go_oldest_first():
    runs = [keep(1 - number / 100) for number in range(8)]

    assert history.prune().analyses == 3
    assert kept() == [run.pk for run in runs[3:]]


def test_runs_beyond_the_days_go():
    keep(8)
    keep(7.1)
    recent = [keep(6.9), keep(1)]

    assert history.prune().analyses == 2
    assert kept() == [run.pk for run in recent]


def test_the_newest_success_stays_however_old_it_is():
    keep(400)
    newest = keep(300)
    fail(200)
    recent = fail(1)

    history.prune()

    assert kept() == [newest.pk, recent.pk]


def test_failures_push_no_success_out_and_have_the_same_limits():
    runs = [keep(2), keep(2)]
    failures = [fail(1) for _ in range(9)]

    history.prune()

    assert kept() == [run.pk for run in (*runs, *failures[4:])]


def test_a_company_of_failures_alone_keeps_the_recent_ones():
    fail(8)
    recent = fail(1)

    history.prune()

    assert kept() == [recent.pk]


def test_open_runs_stay_however_long_they_wait():
    keep(1)
    queued = services.request_analysis("새벽소프트", trigger="manual")
    running = services.request_analysis("가람은행", trigger="manual")
    Analysis.objects.filter(pk=running.pk).update(status=Status.RUNNING)
    Analysis.objects.filter(pk__in=[queued.pk, running.pk]).update(queued_at=days_ago(90), run_after=days_ago(90))

    assert history.prune().analyses == 0


def test_each_company_has_the_limits_of_its_own():
    for company in ("새벽소프트", "가람은행"):
        for number in range(6):
            keep(1 - number / 100, company=company)
    only = keep(100, company="해담조선")

    assert history.prune().analyses == 2
    assert only.pk in kept()


def test_articles_nothing_shows_any_more_go_with_their_judgements():
    keep(20, 1, 2)
    keep(1, 2, 3)

    assert history.prune().articles == 1
    assert Article.objects.count() == JudgedArticle.objects.count() == 2


def test_every_run_that_is_kept_still_has_all_its_articles(settings):
    settings.HISTORY_MAX_COUNT = 50
    for hours in range(14 * 24, 0, -12):
        keep(hours / 24, *range(hours, hours + 40))

    assert history.prune().articles > 0
    runs = list(Analysis.objects.all())
    assert len(runs) == 13
    assert all(len(one.judged) == 40 for one in records.analyses_of(runs))


def test_what_the_newest_success_shows_outlasts_every_pruning():
    run = keep(100, 1, 2, 3)
    for months in range(6):
        with time_machine.travel(timezone.now() + timedelta(days=30 * months), tick=False):
            assert history.prune().articles == 0

    assert len(records.analysis_of(run).judged) == 3


def test_an_article_of_a_deleted_company_goes_in_time():
    keep(3)
    Company.objects.get().delete()
    assert history.prune().articles == 0

    with time_machine.travel(timezone.now() + timedelta(days=9)):
        assert history.prune().articles == 1


def test_companies_nobody_watches_or_asked_for_go():
    names = ("watched", "asked for lately", "known by an analysis", "known by failures", "declared", "forgotten")
    Company.objects.bulk_create(
        Company(name=name, is_watched=name == "watched", was_declared=name == "declared") for name in names
    )
    Company.objects.exclude(name="asked for lately").update(created_at=days_ago(30))
    keep(100, company="known by an analysis")
    fail(1, company="known by failures")

    assert history.prune().companies == 1
    assert not Company.objects.filter(name="forgotten").exists()
    assert Company.objects.count() == 5


def test_the_newest_run_stays_whatever_became_of_it_and_its_company_too():
    fail(400)
    newest = fail(300)
    success = keep(300, company="가람은행")
    fail(200, company="가람은행")
    failed = fail(100, company="가람은행")
    Company.objects.update(created_at=days_ago(400))

    pruned = history.prune()

    assert (pruned.analyses, pruned.companies) == (2, 0)
    assert kept() == [newest.pk, success.pk, failed.pk]


def test_a_company_whose_last_run_was_deleted_goes():
    fail(30)
    Company.objects.update(created_at=days_ago(30))
    Analysis.objects.get().delete()

    assert history.prune().companies == 1


def test_pruning_that_takes_too_long_ends_after_a_portion_and_goes_on_the_next_time(monkeypatch):
    """Whatever portion it ends at, nothing is lost that is shown, and in the end all is gone that has to go."""
    monkeypatch.setattr(history, "PORTION", 4)
    monkeypatch.setattr(history, "RUNS_READ", 1)
    lasting = [keep(20, number, company=company) for number, company in enumerate(("해담조선", "가람은행"), start=50)]
    for number in range(10):
        keep(20, number)
    newest = keep(0, 99)
    assert history.prune(seconds=0) == history.Pruned(analyses=4, articles=0, companies=0)
    for portions in range(12):
        for _ in islice(history._prune(), portions):
            pass
        assert all(len(records.analysis_of(run).judged) == 1 for run in (*lasting, newest))

    assert kept() == sorted(run.pk for run in (*lasting, newest))
    assert Article.objects.count() == 3


def test_a_second_pruning_finds_nothing():
    for number in range(9):
        keep(number, number)
    history.prune()

    assert history.prune() == history.Pruned(analyses=0, articles=0, companies=0)


def test_portions_are_small_and_all_are_done(monkeypatch):
    monkeypatch.setattr(history, "PORTION", 4)
    monkeypatch.setattr(history, "RUNS_READ", 2)
    keep(20, *range(100, 150), company="해담조선")  # the newest of its company
    for number in range(30):
        keep(20, number)
    newest = keep(0, 99)

    with CaptureQueriesContext(connection) as captured:
        pruned = history.prune()

    assert (pruned.analyses, pruned.articles) == (30, 30)
    assert newest.pk in kept()
    assert len(selectors.latest(Company.objects.get(name="해담조선")).stories) == 50
    assert Article.objects.count() == 51
    assert max(len(query["sql"]) for query in captured.captured_queries) < 1500


def test_pruning_costs_no_more_queries_for_more_companies(django_assert_num_queries):
    for number in range(3):
        keep(1, number, company=f"회사{number}")
    with CaptureQueriesContext(connection) as few:
        history.prune()
    for number in range(3, 30):
        keep(1, number, company=f"회사{number}")

    with django_assert_num_queries(len(few)):
        history.prune()


def test_the_command_says_what_went(capsys):
    keep(20, 1)
    keep(1, 2)

    call_command("prune_history")

    assert "1 analyses and 1 articles deleted" in capsys.readouterr().out


@pytest.mark.django_db(transaction=True)
def test_pruning_twice_at_once_is_pruning_once():
    for number in range(40):
        keep(20 - number / 10, number)

    pruned = at_once(history.prune, history.prune)

    assert sum(one.analyses for one in pruned) == 39
    assert Analysis.objects.count() == 1
    assert len(records.analysis_of(Analysis.objects.get()).judged) == 1


def test_a_wrong_number_of_successes_is_counted_anew_and_stops_no_pruning():
    for number in range(8):
        keep(1 - number / 100)
    Company.objects.update(successes=2)
    assert history.prune().analyses == 3
    assert Company.objects.get().successes == 0

    assert history.recount() == 1
    assert Company.objects.get().successes == 5
    assert history.recount() == 0


def test_the_command_recounts_and_deletes_nothing(capsys):
    for number in range(8):
        keep(1 - number / 100)
    Company.objects.update(successes=100)

    call_command("prune_history", recount=True)

    assert capsys.readouterr().out == "1 companies kept a wrong number of analyses.\n"
    assert Company.objects.get().successes == len(kept()) == 8
