"""An analysis asked for over HTTP where workers make it: the web process waits, and holds no model."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import asdict, replace

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from dashboard import records, tasks
from dashboard.errors import RunTooLong, WorkerUnavailable
from dashboard.models import Analysis
from dashboard.selectors import not_monitored
from dashboard.services import DATABASE_AWAY
from mlcore.errors import InferenceTimeout, ModelsUnavailable, TextRefused
from newsservice.errors import DomainError
from search import services as search
from search.cache import Answer
from search.errors import PROVIDER_ERRORS, ProviderError
from search.text import normalize_company
from search.types import Analysis as FoundAnalysis

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.05

Status = Analysis.Status


class AnalysisFailed(DomainError):
    """A worker failed in a way nobody foresaw; it is in the worker's log."""

    code = "INTERNAL_ERROR"
    status = 500
    text = _("Something went wrong on our side.")


FAILURES: dict[str, type[DomainError]] = {
    **PROVIDER_ERRORS,
    **{error.code: error for error in (ModelsUnavailable, TextRefused, InferenceTimeout, RunTooLong)},
}


def analysis_on_a_worker(
    name: str, options: search.Options, *, wait_seconds: float
) -> Answer[FoundAnalysis] | Analysis:
    """Return the kept analysis, else what a worker finds in time, else the run that goes on.

    A stale one is returned at once, and made anew if a worker is there. Where the provider fails, whatever is left is
    returned as stale. Raises InvalidName, WorkerUnavailable, what the run failed with, and NotMonitored where the
    company is deleted meanwhile.
    """
    company = normalize_company(name)
    deadline = time.monotonic() + wait_seconds
    if options.mode == "use" and (kept := search.kept_analysis(company, options, counts=True)):
        if kept.is_stale:
            _make_anew(company, options)
        return kept
    try:
        return _found_by_a_worker(company, options, deadline)
    except ProviderError as exc:
        if not (left := search.any_kept_analysis(company, options)):
            raise
        logger.warning("a stale answer is served: %s", exc)
        return left


def _make_anew(company: str, options: search.Options) -> None:
    """Queue what makes a stale analysis anew, unless the provider has just failed. It is served all the same."""
    if search.has_failed_lately(company, options):
        return
    asked = asdict(replace(options, mode="refresh"))
    try:
        tasks.enqueue_analysis(company, trigger=Analysis.Trigger.API, options=asked)
    except (WorkerUnavailable, *DATABASE_AWAY) as exc:
        logger.warning("a stale analysis is served and not made anew: %s", type(exc).__name__)


def _found_by_a_worker(company: str, options: search.Options, deadline: float) -> Answer[FoundAnalysis] | Analysis:
    """Have it found; return the run where it goes on beyond the deadline. Raises what analysis_on_a_worker does."""
    asked = asdict(options)
    while True:
        run = tasks.enqueue_analysis(company, trigger=Analysis.Trigger.API, options=asked)
        if not _has_ended(run, company, deadline):
            return run
        if found := search.kept_analysis(company, options):
            return replace(found, is_hit=False)
        if run.options == asked:  # the cache is away
            return Answer(value=records.analysis_of(run))
        # Somebody else's question was under way; now comes ours.


def _has_ended(run: Analysis, company: str, deadline: float) -> bool:
    """Wait for a run; whether it succeeded in time. Raises what it failed with, NotMonitored where it was deleted."""
    while True:
        try:
            run.refresh_from_db()
        except Analysis.DoesNotExist:  # with its company
            raise not_monitored(company) from None
        if run.status == Status.SUCCESS:
            return True
        if run.status == Status.ERROR or (run.error_code and run.run_after > timezone.now()):
            raise _failure(run)
        if time.monotonic() >= deadline:
            return False
        time.sleep(LOOK_SECONDS)


def _failure(run: Analysis) -> DomainError:
    """Return what a run failed with, in its words; one that waits for another try says how long."""
    waits = (run.run_after - timezone.now()).total_seconds() if run.is_open else 0
    kind = FAILURES.get(run.error_code, AnalysisFailed)
    error = kind.__new__(kind)  # as the worker's was, but for the details, which the row does not keep
    DomainError.__init__(error, retry_after=math.ceil(waits) if waits > 0 else None)
    error.text = run.error_message.replace("%", "%%") or error.text
    return error
