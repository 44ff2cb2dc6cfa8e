"""The embedded mode: worker and scheduler as threads of the web process, without a broker."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from celery import current_app
from django.db import close_old_connections, connection
from django.db.models import QuerySet
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from dashboard import selectors, selftest, services, tasks, workers
from mlcore.following import start_following

logger = logging.getLogger(__name__)

LOOK_SECONDS = 2.0  # between two looks at the queue when nobody rings
TICK_SECONDS = 1.0
FAULT_SECONDS = 5.0  # pause after a fault of the database


def start() -> None:
    """Start the threads; they end with the process. What was running when it died runs again."""
    heart = workers.Heart()
    heart.start()
    services.requeue_abandoned_runs(workers.alive())
    connection.close()
    for work in (run_queued, run_due_tasks, prune_when_due):
        threading.Thread(target=_forever, args=(work,), name=work.__name__, daemon=True).start()
    start_following()


def run_queued() -> None:
    """Run everything that waits, oldest first; then wait for the bell, or a while."""
    tasks.bell.clear()
    services.release_runs_of(workers.own_name())  # of this thread, before the database failed it
    selftest.run_waiting()
    for run_id in selectors.due_runs():
        services.run_analysis(run_id, worker=workers.own_name())
    close_old_connections()
    tasks.bell.wait(LOOK_SECONDS)


def run_due_tasks() -> None:
    """Do what beat would: call the tasks of the schedule whose time has come, in this thread."""
    _run_due(PeriodicTask.objects.exclude(task=tasks.prune_history.name))


def prune_when_due() -> None:
    """Prune in a thread of its own: it may take minutes, in which others are scheduled and swept."""
    _run_due(PeriodicTask.objects.filter(task=tasks.prune_history.name))


def _run_due(entries: QuerySet[PeriodicTask]) -> None:
    for entry in entries.filter(enabled=True).select_related("interval", "crontab"):
        last_run_at = entry.last_run_at or entry.date_changed
        was_set_back = last_run_at > timezone.now()  # the clock, since: do it, and go by the new one
        if entry.last_run_at is None or was_set_back or entry.schedule.is_due(last_run_at).is_due:
            PeriodicTask.objects.filter(pk=entry.pk).update(
                last_run_at=timezone.now(), total_run_count=entry.total_run_count + 1
            )
            current_app.tasks[entry.task].run()
    close_old_connections()
    time.sleep(TICK_SECONDS)


def _forever(work: Callable[[], None]) -> None:
    while True:
        try:
            work()
        except services.DATABASE_AWAY:
            logger.exception("%s: the database is away", work.__name__)
            connection.close()
            time.sleep(FAULT_SECONDS)
        except Exception:  # one bad run or entry must not end the thread; it is on its row, and in the log
            logger.exception("%s failed", work.__name__)
            time.sleep(TICK_SECONDS)
