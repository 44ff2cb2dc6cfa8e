"""The schedule as settings declare it: entries of django-celery-beat, and the companies watched."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from dashboard.models import Company
from search.text import normalize_company


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    name: str
    task: str
    seconds: int = 0  # every so many
    hour: int = 0  # or, where 0 seconds: once a day


ENTRIES = (
    Entry(name="Analyse watched companies", task="dashboard.tasks.schedule_companies", seconds=15),
    Entry(name="Requeue what died, announce what waits", task="dashboard.tasks.sweep_runs", seconds=30),
    Entry(name="Refresh the cache", task="dashboard.tasks.refresh_cache", seconds=600),
    Entry(name="Prune history", task="dashboard.tasks.prune_history", hour=4),
)


def sync_schedule() -> tuple[list[str], list[str]]:
    """Declare the schedule and the watched companies; return the (entries, companies) that were new.

    What was declared before stays as the operator left it: an entry's times, whether it is on, a company's
    interval, whether it is watched. A company's row may be there though nobody declared it: somebody analysed it.
    An entry's message expires when its next one comes, so that nothing piles up.
    """
    entries = [entry.name for entry in ENTRIES if _declare(entry)]
    companies = []
    for name in map(normalize_company, settings.MONITORED_COMPANIES):
        Company.objects.get_or_create(name=name)
        if Company.objects.filter(name=name, was_declared=False).update(was_declared=True, is_watched=True):
            companies.append(name)
    return entries, companies


def _declare(entry: Entry) -> bool:
    """Create an entry, or point the existing one at its task; return whether it is new."""
    timing: dict[str, object] = {}
    if entry.seconds:
        every, period = entry.seconds, IntervalSchedule.SECONDS
        timing["interval"], _ = IntervalSchedule.objects.get_or_create(every=every, period=period)
    else:
        timing["crontab"], _ = CrontabSchedule.objects.get_or_create(
            minute="0", hour=str(entry.hour), timezone=settings.TIME_ZONE
        )
        timing["expire_seconds"] = 3600
    known, is_new = PeriodicTask.objects.get_or_create(name=entry.name, defaults={"task": entry.task, **timing})
    if known.task != entry.task or expires_after(known) != known.expire_seconds:
        known.task = entry.task
        known.save()
    return bool(is_new)


def expires_after(entry: PeriodicTask) -> int | None:
    """Return after how many seconds a message of an entry expires: ours, at intervals, when the next one comes."""
    if entry.task in {one.task for one in ENTRIES} and entry.interval:
        return max(1, int(entry.interval.schedule.run_every.total_seconds()))
    return entry.expire_seconds  # type: ignore[no-any-return]
