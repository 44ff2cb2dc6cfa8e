"""What dashboard hears: an analysis was made, a company is asked for by a name, the schedule is changed."""

from __future__ import annotations

from django.db.models.signals import post_save, pre_save
from django.dispatch import receiver
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from dashboard import known, services
from dashboard.models import Analysis as Run
from dashboard.schedules import expires_after
from search.signals import analysis_completed, company_asked_for
from search.types import Analysis, KnownCompany


@receiver(analysis_completed)
def keep_analysis(
    sender: object, *, analysis: Analysis, trigger: str, asked_by: Run | None, **kwargs: object
) -> int | None:
    """Keep it in the run that asked for it, or add a finished one; return its id, None where it is not kept."""
    if asked_by is None:
        return services.record_analysis(analysis, trigger=trigger)
    return asked_by.pk if services.keep_found(asked_by, analysis) else None


@receiver(company_asked_for)
def name_company(sender: object, *, name: str, **kwargs: object) -> KnownCompany | None:
    return known.company(name)


@receiver(pre_save, sender=PeriodicTask)
def let_expire(sender: object, *, instance: PeriodicTask, **kwargs: object) -> None:
    instance.expire_seconds = expires_after(instance)


@receiver(post_save, sender=IntervalSchedule)
def let_all_expire(sender: object, *, instance: IntervalSchedule, **kwargs: object) -> None:
    """Another length of an interval is another one of every entry that goes by it."""
    for entry in instance.periodictask_set.all():
        entry.save()
