"""The one event dashboard hears: an analysis was made, so it is kept."""

from __future__ import annotations

from django.dispatch import receiver

from dashboard import services
from search.signals import analysis_completed
from search.types import Analysis


@receiver(analysis_completed)
def keep_analysis(sender: object, *, analysis: Analysis, trigger: str, **kwargs: object) -> int | None:
    """Complete the run that asked for it, or add a finished one; return its id."""
    if analysis.analysis_id is None:
        return services.record_analysis(analysis, trigger=trigger)
    services.keep_found(analysis.analysis_id, analysis)
    return analysis.analysis_id
