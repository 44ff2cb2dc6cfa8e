"""What dashboard hears of search: an analysis was made, so it is kept; a company is asked for, so it is named."""

from __future__ import annotations

from django.dispatch import receiver

from dashboard import known, services
from search.signals import analysis_completed, company_asked_for
from search.types import Analysis, KnownCompany


@receiver(analysis_completed)
def keep_analysis(sender: object, *, analysis: Analysis, trigger: str, **kwargs: object) -> int | None:
    """Complete the run that asked for it, or add a finished one; return its id."""
    if analysis.analysis_id is None:
        return services.record_analysis(analysis, trigger=trigger)
    services.keep_found(analysis.analysis_id, analysis)
    return analysis.analysis_id


@receiver(company_asked_for)
def name_company(sender: object, *, name: str, **kwargs: object) -> KnownCompany | None:
    return known.company(name)
