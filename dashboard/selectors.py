"""What is read: latest, history, status, the queue. Every query here has its index in models.py."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone

from dashboard import workers
from dashboard.errors import NotMonitored, UnknownTask
from dashboard.models import Analysis, Company
from search import services as search
from search.text import normalize_company

Status = Analysis.Status
QUEUE_PORTION = 1000
NAMES_SHOWN = 500  # in an error; a longer list helps nobody
# What is told of a company's newest runs.
SHOWN = ("status", "trigger", "started_at", "finished_at", "total", "error_code", "provider", "revision")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanyStatus:
    """A watched company, its newest success, and its newest run of any outcome."""

    company: Company
    latest: Analysis | None
    last: Analysis | None


def due_runs() -> list[int]:
    """Return the ids of the queued runs whose time has come, oldest first."""
    waiting = Analysis.objects.filter(status=Status.QUEUED, run_after__lte=timezone.now())
    return list(waiting.order_by("run_after", "pk").values_list("pk", flat=True)[:QUEUE_PORTION])


def companies_out_of_cache() -> list[str]:
    """Return the watched companies analysed before whose answer the cache has lost, or holds as stale."""
    options = search.Options(max_results=settings.ANALYSIS_MAX_RESULTS)
    answers = {name: search.kept_analysis(name, options) for name in monitored_names() if settings.CACHE_ENABLED}
    return [name for name, answer in answers.items() if answer is None or answer.is_stale]


def monitored() -> QuerySet[Company]:
    return Company.objects.filter(is_watched=True)


def monitored_names() -> list[str]:
    return list(monitored().values_list("name", flat=True))


def monitored_company(name: str) -> Company:
    """Return a watched company. Raises InvalidName, and NotMonitored with the names of those that are."""
    company = monitored().filter(name=normalize_company(name)).first()
    if company is None:
        raise NotMonitored(company=name, monitored_companies=monitored_names()[:NAMES_SHOWN])
    return company


def statuses(of: QuerySet[Company] | None = None, *, with_summaries: bool = True) -> list[CompanyStatus]:
    """Return every watched company, or those given, with its newest runs.

    Three queries, however many companies. The runs hold SHOWN, and what they found only with summaries:
    thousands of JSON values are what this costs.
    """
    companies = list(
        (monitored() if of is None else of).annotate(
            latest_id=Subquery(_newest(Analysis.objects.filter(status=Status.SUCCESS))),
            last_id=Subquery(_newest(Analysis.objects.all())),
        )
    )
    ids = {pk for company in companies for pk in (company.latest_id, company.last_id) if pk}
    columns = (*SHOWN, "found", "summary") if with_summaries else SHOWN
    runs = Analysis.objects.only(*columns).prefetch_related("revision").in_bulk(ids)
    return [
        CompanyStatus(company=company, latest=runs.get(company.latest_id), last=runs.get(company.last_id))
        for company in companies
    ]


def latest(company: Company) -> Analysis | None:
    """Return a company's newest success."""
    return _successes(company).first()


def history(
    company: Company, *, since: datetime | None, until: datetime | None, offset: int, limit: int
) -> tuple[int, list[Analysis]]:
    """Return how many successes there are, and a page of them, newest first.

    Counting and leafing stay in the index; only the page's own rows are read.
    """
    runs = _successes(company)
    if since:
        runs = runs.filter(finished_at__gte=since)
    if until:
        runs = runs.filter(finished_at__lt=until)
    page = list(runs.values_list("pk", flat=True)[offset : offset + limit])
    return runs.count(), list(_successes(company).filter(pk__in=page))


def run_by_task(task_id: UUID) -> Analysis:
    """Return the run a task id names. Raises UnknownTask."""
    run = Analysis.objects.select_related("company").filter(task_id=task_id).first()
    if run is None:
        raise UnknownTask(task_id=str(task_id))
    return run


def worker_count() -> int:
    return len(workers.alive())


def _successes(company: Company) -> QuerySet[Analysis]:
    return (
        Analysis.objects.filter(company=company, status=Status.SUCCESS)
        .select_related("revision", "company")
        .order_by("-pk")
    )


def _newest(runs: QuerySet[Analysis]) -> QuerySet[Analysis, int]:
    return runs.filter(company=OuterRef("pk")).order_by("-pk").values_list("pk", flat=True)[:1]
