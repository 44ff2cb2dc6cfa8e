"""A run taken from a worker that was thought dead and lives: what counts is what the second one makes, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from dashboard import services, workers
from dashboard.models import Analysis, Article, Company
from search.signals import company_asked_for

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("successes_are_counted")]

Status = Analysis.Status


@pytest.fixture
def run(naver) -> Analysis:
    return services.request_analysis("한빛전자", trigger="schedule")


@contextmanager
def meanwhile(work: Callable[[], object]) -> Iterator[None]:
    """Do this once, as soon as a run that is claimed asks for its company."""
    waiting = [work]

    def do(**kwargs: object) -> None:
        if waiting:
            waiting.pop()()

    company_asked_for.connect(do)
    try:
        yield
    finally:
        company_asked_for.disconnect(do)
        assert not waiting


def lose(run: Analysis) -> None:
    assert services.requeue_abandoned_runs({"there:2"}) == 1


def everything(run: Analysis) -> dict[str, object]:
    return Analysis.objects.filter(pk=run.pk).values().get()


def test_who_ends_first_after_losing_its_run_writes_nothing(run, caplog):
    def take_over():
        lose(run)
        assert services._claim(run.pk, worker="there:2")

    with meanwhile(take_over):
        services.run_analysis(run.pk, worker="here:1")
    run.refresh_from_db()

    assert (run.status, run.worker, run.attempts) == (Status.RUNNING, "there:2", 2)
    assert (run.revision, run.stories, run.done, run.total) == (None, [], 0, 0)
    assert Article.objects.count() == 0
    assert "taken over" in caplog.text


def test_who_ends_second_after_losing_its_run_changes_nothing(run, caplog):
    kept = []

    def take_over():
        lose(run)
        services.run_analysis(run.pk, worker="there:2")
        kept.append(everything(run))

    with meanwhile(take_over):
        services.run_analysis(run.pk, worker="here:1")

    assert [everything(run)] == kept
    assert (kept[0]["status"], kept[0]["worker"]) == (Status.SUCCESS, "there:2")
    assert Company.objects.get().successes == 1
    assert "taken over" in caplog.text


def test_a_clock_that_jumps_ahead_lets_a_run_count_once(run, settings):
    workers.say_alive("here:1")

    def jump():
        with time_machine.travel(timezone.now() + timedelta(seconds=settings.RUN_SECONDS + 100), tick=False):
            workers.say_alive("here:1")
            assert services.requeue_abandoned_runs(workers.alive()) == 1
            services.run_analysis(run.pk, worker="here:1")  # by the same worker, in another of its processes

    with meanwhile(jump):
        services.run_analysis(run.pk, worker="here:1")
    run.refresh_from_db()

    assert (run.status, run.attempts, Company.objects.get().successes) == (Status.SUCCESS, 2, 1)


@pytest.mark.parametrize("status", [400, 429])  # tried again later; waited out
def test_a_fault_of_who_lost_its_run_does_not_disturb_the_other(run, naver, status):
    def take_over():
        lose(run)
        assert services._claim(run.pk, worker="there:2")
        naver.refuse(status, {"errorCode": "SE99"})

    with meanwhile(take_over):
        services.run_analysis(run.pk, worker="here:1")
    run.refresh_from_db()

    assert (run.status, run.worker, run.attempts, run.error_code) == (Status.RUNNING, "there:2", 2, "")


def test_a_quota_that_gives_the_try_back_takes_no_run_from_who_comes_next(run, naver):
    """Attempts are counted down then, and no two claims may be taken for one all the same."""
    first = services._claim(run.pk, worker="here:1")
    lose(run)
    second = services._claim(run.pk, worker="there:2")
    naver.refuse(429, {"errorCode": "010"})
    services._run(second, ())
    Analysis.objects.update(run_after=timezone.now())
    third = services._claim(run.pk, worker="there:2")

    assert services._held(third).exists()
    assert not services._held(first).exists()


def test_what_one_worker_lost_is_not_taken_from_another(run):
    held = services._claim(run.pk, worker="there:2")
    services.release_run(run.pk, lost_by=["here:1"])
    assert services._held(held).exists()

    services.release_run(run.pk, lost_by=["here:1", "there:2"])
    assert Analysis.objects.get().status == Status.QUEUED


@pytest.mark.parametrize(
    "take_back",
    [
        lambda run: services.requeue_abandoned_runs(set()),
        lambda run: services.release_run(run.pk, lost_by={"here:1"}),
        lambda run: services.release_runs_of("here:1"),
    ],
)
def test_a_run_that_kills_whoever_runs_it_is_given_up_however_it_is_taken_back(run, settings, take_back):
    for attempt in range(1, settings.RUN_RETRIES + 2):
        claimed = services._claim(run.pk, worker="here:1")
        assert claimed.attempts == attempt
        take_back(run)
    run.refresh_from_db()

    assert (run.status, run.error_code, run.attempts) == (Status.ERROR, "WORKER_LOST", settings.RUN_RETRIES + 1)
    assert run.finished_at
