"""What dashboard hears of search: an analysis was made, so it is kept; a company is asked for, so it is named."""

from __future__ import annotations

from django.dispatch import receiver

from dashboard import known, services
from dashboard.models import Analysis as Run
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
