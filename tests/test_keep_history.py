"""What search found is kept once, and comes back as it was; whoever else writes at the same time."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import connection
from django.utils import timezone

from dashboard import companies, history, records, selectors, services
from dashboard.models import Analysis, Article, Company, JudgedArticle, Revision
from tests.histories import MODELS, analysis, article, at_once, judged

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("successes_are_counted")]

Status = Analysis.Status
THREADS = 8


def keep(found, *, trigger: str = "schedule") -> Analysis:
    return Analysis.objects.get(pk=services.record_analysis(found, trigger=trigger))


def as_kept(found, run: Analysis):
    """The search's own stories are not kept; the id is the run's."""
    return replace(found, found=replace(found.found, stories=()), analysis_id=run.pk)


def test_an_analysis_comes_back_exactly_as_it_was_kept():
    unrelated = judged(3, label="none", keywords=(), published_at=None, summary="", publisher="신" * 300)
    relevance = replace(unrelated.story.relevance, score=0.0, verdict="unrelated", evidence="")
    unrelated = replace(unrelated, story=replace(unrelated.story, relevance=relevance))
    found = analysis([judged(2, copies=7, link="https://press.example/news/2"), judged(1), unrelated])

    run = keep(found)

    assert records.analysis_of(run) == as_kept(found, run)


def test_an_article_seen_in_48_runs_a_day_is_one_row_and_one_judgement():
    start = datetime(2026, 11, 1, tzinfo=UTC)
    for number in range(48):
        keep(analysis([judged(1, copies=1 + number % 3)], at=start + number * timedelta(minutes=30)))

    assert Analysis.objects.count() == 48
    assert (Article.objects.count(), JudgedArticle.objects.count(), Revision.objects.count()) == (1, 1, 1)


def test_a_new_revision_adds_a_judgement_and_overwrites_none():
    before = analysis([judged(1, label="S")])
    after = analysis([judged(1, label="G")], models=MODELS)
    runs = [keep(before), keep(after)]

    assert Article.objects.count() == 1
    assert sorted(JudgedArticle.objects.values_list("category", flat=True)) == ["G", "S"]
    assert records.analyses_of(runs) == [as_kept(before, runs[0]), as_kept(after, runs[1])]


def test_an_article_worded_anew_keeps_both_wordings():
    before = analysis([judged(1, title="새벽소프트 폐수 유출")])
    after = analysis([judged(1, title="[정정] 새벽소프트 폐수 정화", label="none")])
    runs = [keep(before), keep(after)]

    assert Article.objects.count() == 1
    assert records.analyses_of(runs) == [as_kept(before, runs[0]), as_kept(after, runs[1])]


def test_an_article_of_two_companies_is_one_row_with_the_keywords_of_each():
    ours = analysis([judged(1, keywords=("폐수", "가람은행"))])
    theirs = analysis([judged(1, keywords=("폐수", "새벽소프트"))], company="가람은행")
    runs = [keep(ours), keep(theirs)]

    assert Article.objects.count() == 1
    assert records.analyses_of(runs) == [as_kept(ours, runs[0]), as_kept(theirs, runs[1])]


def test_two_addresses_of_one_article_are_one_row():
    keep(analysis([judged(1)]))
    keep(analysis([judged(1, url="https://press.example/news/1?utm_source=portal")]))

    assert Article.objects.count() == 1


def test_a_story_whose_article_is_gone_is_left_out():
    found = analysis([judged(1), judged(2)])
    run = keep(found)
    Article.objects.get(title=article(1).title).delete()

    assert records.analysis_of(run) == as_kept(replace(found, judged=found.judged[1:]), run)


def test_what_failed_is_no_analysis():
    run = services.request_analysis("새벽소프트", trigger="manual")

    with pytest.raises(ValueError, match="did not succeed"):
        records.analysis_of(run)


def test_a_page_of_runs_is_one_query_however_many(django_assert_num_queries):
    for number in range(20):
        keep(analysis([judged(number + place) for place in range(5)]))
    _, ids = selectors.history(Company.objects.get(), since=None, until=None, offset=0, limit=20)
    runs = selectors.runs(ids)

    with django_assert_num_queries(1):
        analyses = records.analyses_of(runs)

    assert [len(one.judged) for one in analyses] == [5] * 20
    assert analyses[0].judged[0] is analyses[1].judged[1]  # shown alike: made once, to be presented once


def test_it_is_known_to_the_day_when_an_article_was_seen_last():
    now = timezone.now()
    keep(analysis([judged(1)], at=now - timedelta(days=3)))
    keep(analysis([judged(1)], at=now - timedelta(days=2, hours=1)))
    assert Article.objects.get().last_seen_at == now - timedelta(days=3)

    keep(analysis([judged(1)], at=now - timedelta(hours=1)))
    assert Article.objects.get().last_seen_at == now - timedelta(hours=1)


def test_history_counts_leafs_and_takes_times():
    start = datetime(2026, 11, 1, tzinfo=UTC)
    runs = [keep(analysis([judged(1)], at=start + timedelta(hours=hour))) for hour in range(10)]
    services.request_analysis("새벽소프트", trigger="manual")
    company = Company.objects.get()
    ids = [run.pk for run in runs]

    assert selectors.latest(company) == runs[-1]
    assert selectors.history(company, since=None, until=None, offset=2, limit=3) == (10, ids[7:4:-1])
    between = {"since": start + timedelta(hours=3), "until": start + timedelta(hours=6)}
    assert selectors.history(company, **between, offset=0, limit=20) == (3, ids[5:2:-1])
    assert selectors.history(company, since=None, until=None, offset=10, limit=20) == (10, [])


def test_the_number_of_successes_is_made_up_for_histories_that_kept_none():
    for number in range(3):
        keep(analysis([judged(number)]))
    keep(analysis([judged(1)], company="늘찬전자"))
    Company.objects.update(successes=0)

    migration = import_module("dashboard.migrations.0003_successes")
    migration.count_successes(apps, SimpleNamespace(connection=connection))

    assert dict(Company.objects.values_list("name", "successes")) == {"새벽소프트": 3, "늘찬전자": 1}


def test_a_company_saved_late_keeps_the_successes_that_came_meanwhile():
    keep(analysis([judged(1)]))
    company = Company.objects.get()
    keep(analysis([judged(2)]))
    company.is_watched = True
    company.save()

    company.refresh_from_db()
    assert (company.is_watched, company.successes) == (True, 2)


def test_a_run_that_is_deleted_is_counted_off_once():
    keep(analysis([judged(1)]))
    keep(analysis([judged(2)]))
    run, again = Analysis.objects.all()[0], Analysis.objects.all()[0]
    run.delete()
    again.delete()

    assert Company.objects.get().successes == Analysis.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_what_is_kept_deleted_and_recounted_at_once_is_counted_right():
    for number in range(THREADS):
        keep(analysis([judged(number)]))
    old = list(Analysis.objects.all())

    def work(number: int) -> None:
        keep(analysis([judged(100 + number)]))
        history.recount()
        old[number].delete()

    at_once(*[partial(work, number) for number in range(THREADS)])
    assert Company.objects.get().successes == Analysis.objects.count() == THREADS


def test_the_newest_is_the_last_kept_even_where_a_clock_was_set_back():
    now = timezone.now()
    keep(analysis([judged(1)], at=now + timedelta(hours=5)))
    last = keep(analysis([judged(2)], at=now))

    assert selectors.latest(Company.objects.get()) == last


@pytest.mark.django_db(transaction=True)
def test_workers_with_the_same_run_run_it_once(naver):
    run = services.request_analysis("한빛전자", trigger="manual")

    at_once(*[partial(services.run_analysis, run.pk, worker=f"host:{number}") for number in range(THREADS)])

    run.refresh_from_db()
    assert (run.status, run.attempts, len(naver.calls)) == (Status.SUCCESS, 1, 1)
    assert len(run.stories) == JudgedArticle.objects.count() > 0


@pytest.mark.django_db(transaction=True)
def test_everybody_who_asks_for_a_company_gets_its_one_open_run():

    asked = at_once(*[partial(services.request_analysis, "새벽소프트", trigger="manual")] * THREADS)

    assert {run.pk for run in asked} == {Analysis.objects.get().pk}


@pytest.mark.django_db(transaction=True)
def test_two_schedulers_queue_a_company_once():
    Company.objects.bulk_create(Company(name=f"회사{number}", is_watched=True) for number in range(10))

    queued = at_once(*[services.schedule_due_companies] * 2)

    assert sum(map(len, queued)) == Analysis.objects.count() == 10


@pytest.mark.django_db(transaction=True)
def test_an_analysis_of_a_company_deleted_meanwhile_is_not_kept():
    run = services.request_analysis("새벽소프트", trigger="manual")
    Analysis.objects.update(status=Status.RUNNING)
    Company.objects.update(is_watched=True)
    companies.remove("새벽소프트")

    services.complete_run(run, analysis([judged(1)]))

    assert not Analysis.objects.exists()
    assert not Article.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_completing_and_deleting_at_once_leaves_no_run_behind():
    for number in range(10):
        run = services.request_analysis("새벽소프트", trigger="manual")
        Analysis.objects.update(status=Status.RUNNING)
        found = analysis([judged(place) for place in range(number, number + 10)])
        at_once(partial(services.complete_run, run, found), partial(companies.remove, "새벽소프트"))

    assert not Analysis.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_runs_that_judge_the_same_articles_at_once_share_their_rows():
    keep(analysis([judged(999)]))  # so that nobody waits for the revision's row
    for first in range(0, 200, 40):
        numbers = range(first, first + 40)
        orders = [[*numbers[start:], *numbers[:start]] for start in range(0, 40, 5)]
        found = [
            analysis([judged(number) for number in order], company=f"회사{place}")
            for place, order in enumerate(orders)
        ]

        kept = at_once(*[partial(services.record_analysis, one, trigger="api") for one in found])

        runs = [Analysis.objects.get(pk=pk) for pk in kept]
        assert records.analyses_of(runs) == [as_kept(one, run) for one, run in zip(found, runs, strict=True)]
    assert (Article.objects.count(), JudgedArticle.objects.count(), Revision.objects.count()) == (201, 201, 1)


@pytest.mark.django_db(transaction=True)
def test_pruning_takes_no_article_from_a_run_that_sees_it_again(settings):
    settings.HISTORY_MAX_COUNT = 1
    long_ago = timezone.now() - timedelta(days=30)
    for number in range(10):
        stories = [judged(place) for place in range(30 * number, 30 * number + 30)]
        keep(analysis(stories, company="가람은행", at=long_ago))
        keep(analysis([], company="가람은행"))  # so that nothing shows them any more
        found = analysis(stories[::-1])
        kept, _, _ = at_once(partial(services.record_analysis, found, trigger="api"), history.prune, history.prune)

        assert len(records.analysis_of(Analysis.objects.get(pk=kept)).judged) == 30


def test_all_of_it_holds_on_postgres_too(postgres_url, tmp_path):
    run_again(
        "test_keep_history.py",
        "test_prune_history.py",
        "test_forget_a_company.py",
        "test_query_counts.py",
        url=postgres_url,
        directory=tmp_path,
    )


def test_what_is_run_and_shown_holds_on_postgres_too(postgres_url, tmp_path):
    run_again(
        "test_run_analyses.py",
        "test_take_over_a_run.py",
        "test_dashboard_api.py",
        "test_browse_the_admin.py",
        url=postgres_url,
        directory=tmp_path,
    )


def run_again(*files: str, url: str, directory: Path) -> None:
    """Run files of tests once more, all but those that run files again, none of them skipped."""
    root = Path(__file__).parent
    paths = [str(root / name) for name in files]
    command = [sys.executable, "-m", "pytest", "-n", "0", "-k", "not on_postgres_too", *paths]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {"DATA_DIR": str(directory), "REDIS_URL": "", "DATABASE_URL": url}

    done = subprocess.run(
        command, cwd=root.parent, env=environment, capture_output=True, text=True, timeout=540, check=False
    )

    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
