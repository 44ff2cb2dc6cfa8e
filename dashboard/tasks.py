"""The ways a queued run reaches whoever runs it: a message to a worker, or a bell in this process.

The rows are the truth. A message that is lost costs the wait for the next sweep; one that comes twice costs a
look at the row.
"""

from __future__ import annotations

import contextvars
import logging
import threading
import time
import uuid
from collections.abc import Sequence
from typing import Any

from celery import Task, shared_task
from celery.exceptions import OperationalError, SoftTimeLimitExceeded
from celery.signals import worker_init, worker_process_init, worker_ready, worker_shutdown
from celery.utils.time import get_exponential_backoff_interval
from django.conf import settings
from django.db import transaction
from django.utils.translation import get_language

from dashboard import history, selectors, selftest, services, trial, workers
from dashboard.errors import WorkerUnavailable
from dashboard.models import Analysis
from mlcore import cores
from mlcore.following import start_following
from newsservice.database import patience

logger = logging.getLogger(__name__)

PRUNE_SECONDS = 300  # of one pruning at most, and half of RUN_SECONDS, by which Celery would end it
ANNOUNCED_SECONDS = 90  # a message holds: until the next sweep, by clocks that differ by a minute
DATABASE_WAIT_SECONDS = 60  # at most, between two tries of a run while the database is away

bell = threading.Event()  # rung for the worker thread of the embedded mode


_heart = workers.Heart()


@worker_init.connect
def take_name(**kwargs: object) -> None:
    workers.take_name()


@worker_ready.connect
def start_heart(**kwargs: object) -> None:
    _heart.start()


@worker_process_init.connect
def share_cores(**kwargs: object) -> None:
    """Each process of a worker runs models of its own: together they use every core once."""
    cores.share_cores(settings.WORKER_CONCURRENCY)


@worker_process_init.connect
@worker_ready.connect
def follow_models(**kwargs: object) -> None:
    """Each process of a worker, or the one of a pool without processes, takes up what models are switched to."""
    start_following()


@worker_shutdown.connect
def stop_heart(**kwargs: object) -> None:
    _heart.stop()


def enqueue_analysis(name: str, *, trigger: str, options: dict[str, object] | None = None) -> Analysis:
    """Queue an analysis, tell a worker once this transaction commits; return the run, an open one if there is.

    Raises InvalidName, and WorkerUnavailable at once where nobody is there to run it.
    """
    if not workers.alive():
        raise WorkerUnavailable
    run = services.request_analysis(name, trigger=trigger, options=options)
    # Behind the caller's back: a broker that is away takes seconds to say so, and the row is safe already.
    within = contextvars.copy_context()  # the request's id goes along
    transaction.on_commit(threading.Thread(target=within.run, args=(announce, run.pk), daemon=True).start)
    return run


def announce(run_id: int, *, lost_by: Sequence[str] = ()) -> None:
    """Tell a worker that a run waits. A broker that is down is logged: the next sweep tells again.

    The message expires, or where more waits than can be run every sweep would add its own; but for one that
    living workers have lost, which the sweep takes to be running.
    """
    if settings.BACKGROUND == "embedded":
        bell.set()
        return
    try:
        if lost_by:
            run_analysis.delay(run_id, list(lost_by))
        else:
            run_analysis.apply_async((run_id,), expires=ANNOUNCED_SECONDS)
    except OperationalError as exc:
        logger.warning("the broker is down: analysis %d waits for the next sweep: %s", run_id, type(exc).__name__)


class BoundedTask(Task[..., Any]):
    """A task that waits RUN_SECONDS at most for a database that hangs: where tasks are threads nothing ends one."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with patience(settings.RUN_SECONDS):
            return self.run(*args, **kwargs)  # the base's own __call__ would put another request before this one


def start_self_test() -> selftest.SelfTest:
    """Send a sentence the way of every task. Raises WorkerUnavailable where the broker is down."""
    test = selftest.open_test()
    if settings.BACKGROUND == "embedded":
        selftest.waiting.put((test.task_id, test.queued_at))
        bell.set()
    else:
        try:
            run_self_test.delay(test.task_id, test.queued_at)
        except OperationalError as exc:
            raise WorkerUnavailable from exc
    return test


@shared_task(base=BoundedTask, expires=selftest.KEPT_SECONDS)
def run_self_test(task_id: str, queued_at: float) -> None:
    selftest.run(task_id, queued_at=queued_at)


def start_switch(name: str) -> str:
    """Have a worker try a pair of models and switch to it, while somebody waits; return the id of the outcome.

    Raises WorkerUnavailable.
    """
    if not workers.alive():
        raise WorkerUnavailable
    task_id = str(uuid.uuid4())
    try:
        switch_models.delay(task_id, name, get_language(), time.time() + trial.SECONDS)
    except OperationalError as exc:
        raise WorkerUnavailable from exc
    return task_id


# Limits of its own: RUN_SECONDS may be less.
@shared_task(base=BoundedTask, expires=trial.SECONDS, soft_time_limit=trial.SECONDS + 5, time_limit=trial.SECONDS + 10)
def switch_models(task_id: str, name: str, language: str, until: float) -> None:
    trial.run(task_id, name, language=language, until=until)


class RunTask(BoundedTask):
    Request = "dashboard.messages:RunRequest"  # by its name: a worker's part, which a web process does without
    reject_on_worker_lost = False  # it announces anew, and says who lost it


@shared_task(bind=True, base=RunTask, max_retries=20)
def run_analysis(self: RunTask, run_id: int, lost_by: Sequence[str] = ()) -> None:
    """Run it. `lost_by`: workers that live, but ran it no further: their process died, or the database was away.

    What a whole worker takes along with it, the sweep puts back.
    """
    try:
        if lost_by:
            services.release_run(run_id, lost_by=lost_by)
        services.run_analysis(run_id, worker=workers.own_name(), stopped_by=(SoftTimeLimitExceeded,))
    except services.DATABASE_AWAY as exc:
        wait = get_exponential_backoff_interval(2, self.request.retries, DATABASE_WAIT_SECONDS, full_jitter=True)
        again = (run_id, sorted({*lost_by, workers.own_name()}))
        raise self.retry(exc=exc, args=again, countdown=wait, expires=None) from exc  # type: ignore[arg-type]  # never


@shared_task(base=BoundedTask)
def schedule_companies() -> None:
    for run in services.schedule_due_companies():
        announce(run.pk)


@shared_task(base=BoundedTask)
def sweep_runs() -> None:
    """Put back what died with its worker, and announce every run whose time has come."""
    services.requeue_abandoned_runs(workers.alive())
    services.bring_back_from_the_future()
    workers.forget_dead()
    for run_id in selectors.due_runs():
        announce(run_id)


@shared_task(base=BoundedTask)
def prune_history() -> None:
    history.prune(seconds=min(PRUNE_SECONDS, settings.RUN_SECONDS / 2))


@shared_task(base=BoundedTask)
def refresh_cache() -> None:
    """Have watched companies analysed again that the schedule has missed and the cache has lost: a few at a time."""
    for company in selectors.companies_out_of_cache():
        if run := services.request_watched(company):
            announce(run.pk)
