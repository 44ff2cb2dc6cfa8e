"""What was kept, in the shape of docs/api.md."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard import records, selectors
from dashboard.briefs import milliseconds, present_briefs
from dashboard.models import Analysis, Company
from dashboard.selectors import CompanyStatus, Listed
from mlcore.labels import korean
from newsservice.version import VERSION
from search import store
from search.cache import Answer
from search.inventory import COMPANY_KINDS, Entry
from search.presenters import present_analysis, present_stories, service_status
from search.quota import Quota
from search.types import Summary
from search.usage import Usage

Json = dict[str, object]

TYPICAL_RUN = timedelta(seconds=10)


def present_latest(company: Company, run: Analysis | None) -> Json:
    """Present a company's newest success with its articles."""
    if run is None:
        return {"company": company.name, "status": "no_data", "analyzed_at": None}
    [presented] = _present_full([run])
    return presented


def present_history(company: Company, *, total: int, ids: Sequence[int], is_full: bool) -> Json:
    """Present a page of a company's successes; as many queries however many there are."""
    shown = _present_full(selectors.runs(ids)) if is_full else _present_brief(company, ids)
    return {"company": company.name, "total_count": total, "returned_count": len(shown), "history": shown}


def present_company(company: Company | Listed) -> Json:
    return {
        "company": company.name,
        "aliases": company.aliases,
        "stock_code": company.stock_code,
        "is_watched": company.is_watched,
        "interval_minutes": company.interval_minutes or settings.ANALYSIS_SCHEDULE_MINUTES,
        "next_analysis_at": company.next_run_at,
    }


def present_companies(statuses: Sequence[CompanyStatus]) -> Json:
    return {
        "companies": [status.company.name for status in statuses],
        "total_count": len(statuses),
        "analysis_interval": settings.ANALYSIS_SCHEDULE_MINUTES,
        "results": [{**present_company(status.company), **_outcome(status)} for status in statuses],
    }


def present_status(statuses: Sequence[CompanyStatus], *, usage: Usage, workers: int, quota: Quota | None) -> Json:
    outcomes = {status.company.name: _outcome(status) for status in statuses}
    said = [outcome["status"] for outcome in outcomes.values()]
    finished = [status.latest.finished_at for status in statuses if status.latest and status.latest.finished_at]
    next_runs = [status.company.next_run_at for status in statuses if status.company.next_run_at]
    return {
        "status": "running" if finished else "no_data",
        "version": VERSION,
        "redis_connected": bool(settings.REDIS_URL) and store.is_connected(),
        "cache_enabled": settings.CACHE_ENABLED,
        "monitored_companies": list(outcomes),
        "last_analysis_at": max(finished, default=None),
        "next_analysis_at": min(next_runs, default=None),
        "analysis_results": outcomes,
        "total_success": said.count("success"),
        "total_error": said.count("error"),
        "performance": {
            "cache_hit_rate": round(usage.hit_rate, 4),
            "avg_response_time_ms": usage.average_ms,
        },
        "workers": workers,
        "provider_quota": quota and present_quota(quota),
    }


def present_quota(quota: Quota) -> Json:
    return {
        "provider": "naver",
        "limit": quota.limit,
        "used": quota.used,
        "remaining": quota.remaining,
        "reserve": quota.reserve,
        "resets_at": quota.resets_at,
    }


def present_all_latest(statuses: Sequence[CompanyStatus]) -> Json:
    """Present every company's newest success without its articles."""
    newest = {status.company.name: status.latest for status in statuses}
    presented = present_briefs((name, run) for name, run in newest.items() if run)
    return {
        "companies": list(newest),
        "results": {
            name: (run and presented.get((name, run))) or {"company": name, "status": "no_data", "analyzed_at": None}
            for name, run in newest.items()
        },
        "retrieved_at": timezone.now(),
    }


def present_task(run: Analysis) -> Json:
    return {
        "task_id": str(run.task_id),
        "company": run.company.name,
        "status": run.status,
        "trigger": run.trigger,
        "progress": {"done": run.done, "total": run.total},
        "queued_at": run.queued_at,
        "run_after": run.run_after,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "attempts": run.attempts,
        "error": {"error_code": run.error_code, "message": run.error_message} if run.error_code else None,
        "analysis_id": run.pk if run.status == Analysis.Status.SUCCESS else None,
        "status_url": status_url(run),
    }


def present_requested(run: Analysis) -> Json:
    """Present a run that was asked for and is not finished."""
    return {
        "company": run.company.name,
        "status": "requested",
        "message": _("An analysis of %(company)s is on its way.") % {"company": run.company.name},
        "task_id": str(run.task_id),
        "status_url": status_url(run),
        "estimated_completion": max(run.run_after, timezone.now()) + TYPICAL_RUN,
    }


def present_running(run: Analysis) -> Json:
    return {"status": "running", "task_id": str(run.task_id), "status_url": status_url(run)}


def present_cache(entries: Sequence[Entry], *, usage: Usage) -> Json:
    by_company: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.kind in COMPANY_KINDS:
            by_company[entry.subject].append(entry)
    return {
        "total_cached_companies": len(by_company),
        "cache_size_mb": round(sum(entry.size_bytes for entry in entries) / 1e6, 3),
        "hit_rate_24h": round(usage.hit_rate, 4),
        "hits_24h": usage.hits,
        "misses_24h": usage.misses,
        "companies": [_cached_company(name, kept) for name, kept in by_company.items()],
        "cache_settings": {
            "enabled": settings.CACHE_ENABLED,
            "backend": "redis" if settings.REDIS_URL else "local memory",
            "search_seconds": settings.SEARCH_CACHE_SECONDS,
            "analysis_seconds": settings.ANALYSIS_CACHE_SECONDS,
            "stale_seconds": settings.STALE_CACHE_SECONDS,
        },
    }


def present_cleared(deleted: int, message: str) -> Json:
    return {"status": "cleared", "deleted_keys": deleted, "message": message}


def status_url(run: Analysis) -> str:
    return reverse("dashboard-task", args=[run.task_id])


def _present_brief(company: Company, ids: Sequence[int]) -> list[msgspec.Raw]:
    runs = selectors.briefs(ids)
    named = [(company.name, runs[pk]) for pk in ids if pk in runs]
    presented = present_briefs(named)
    return [presented[run] for run in named if run in presented]


def _present_full(runs: Sequence[Analysis]) -> list[Json]:
    """Present successes with their articles. One query for them all; what several runs show is written once."""
    analyses = records.analyses_of(runs)
    stories = {key: msgspec.Raw(msgspec.json.encode(story)) for key, story in present_stories(analyses).items()}
    return [
        {
            "company": analysis.company,
            "status": "success",
            "analyzed_at": run.finished_at,
            **present_analysis(Answer(value=analysis, is_hit=True), elapsed_ms=milliseconds(run), stories=stories),
        }
        for run, analysis in zip(runs, analyses, strict=True)
    ]


def _outcome(status: CompanyStatus) -> Json:
    """Return how a company's newest run went, and what its newest success found."""
    latest, last = status.latest, status.last
    has_failed = bool(last and last.status == Analysis.Status.ERROR)
    return {
        "status": "error" if has_failed else "success" if latest else "no_data",
        "analyzed_at": latest and latest.finished_at,
        "news_count": latest.total if latest else 0,
        "analysis_method": latest and service_status(latest.revisions, judged=latest.total),
        "error": last.error_code if last and has_failed else None,
    }


def _cached_company(name: str, entries: Sequence[Entry]) -> Json:
    newest = max(entry.stored_at for entry in entries)
    left = max(entry.fresh_until for entry in entries) - time.time()
    return {
        "company": name,
        "entries": len(entries),
        "last_cached": datetime.fromtimestamp(newest, UTC),
        "cache_size_kb": round(sum(entry.size_bytes for entry in entries) / 1e3, 2),
        "hit_count": sum(entry.hits for entry in entries),
        "ttl_seconds": max(0, round(left)),
    }


def present_summary_line(run: Analysis) -> str:
    """Say a finished run in one line, for a terminal."""
    summary = msgspec.convert(run.summary, Summary)
    distributions = (summary.categories, summary.sentiments)
    counts = " ".join(f"{korean(label)} {count}" for counted in distributions for label, count in counted.items())
    return f"{run.total} stories: {counts}"
