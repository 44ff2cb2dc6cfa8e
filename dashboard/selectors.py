"""What is read: latest, history, status, the queue. Every query here has its index in models.py."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from django.conf import settings
from django.db.models import OuterRef, QuerySet, Subquery, TextField
from django.db.models.functions import Cast
from django.utils import timezone

from dashboard import workers
from dashboard.errors import NotMonitored, UnknownTask
from dashboard.models import Analysis, Article, Company
from search import services as search
from search.companies import squeeze
from search.text import normalize_company
from search.types import KnownCompany

Status = Analysis.Status
QUEUE_PORTION = 1000
REFRESHED_AT_ONCE = 20  # companies out of the cache, every ten minutes: what all have lost is made anew over hours
NAMES_SHOWN = 500  # in an error; a longer list helps nobody
IDS_AT_ONCE = 30_000  # that one statement may name: SQLite takes 32,766


class Brief(NamedTuple):
    """A run as far as lists tell it, but for what it found. A tuple: a model's row costs five times as much."""

    pk: int
    status: str
    trigger: str
    started_at: datetime | None
    finished_at: datetime | None
    total: int
    error_code: str
    provider: str
    category: str | None  # revision that answered
    sentiment: str | None

    @property
    def revisions(self) -> list[str]:
        """What judged, on either axis; nothing where the run failed."""
        return [revision for revision in (self.category, self.sentiment) if revision]


class Listed(NamedTuple):
    """A company as lists show it."""

    pk: int
    name: str
    stock_code: str
    is_watched: bool
    interval_minutes: int | None
    next_run_at: datetime | None
    aliases: list[str]


class CompanyStatus(NamedTuple):
    """A company, its newest success, and its newest run of any outcome."""

    company: Listed
    latest: Brief | None
    last: Brief | None


def due_runs() -> list[int]:
    """Return the ids of the queued runs whose time has come, oldest first."""
    waiting = Analysis.objects.filter(status=Status.QUEUED, run_after__lte=timezone.now())
    return list(waiting.order_by("run_after", "pk").values_list("pk", flat=True)[:QUEUE_PORTION])


def companies_out_of_cache() -> list[Company]:
    """Return the watched companies whose analysis the cache has lost or holds as stale, REFRESHED_AT_ONCE of them.

    Those tried longest ago come first. A company is left to the schedule for as long as its interval, and for good
    where nothing was ever found: what is empty is kept for minutes, and would be asked for again and again.
    """
    if not settings.CACHE_ENABLED:
        return []
    overdue = [status for status in statuses() if _is_overdue(status)]
    known = [KnownCompany(name=one.company.name, aliases=tuple(one.company.aliases)) for one in overdue]
    fresh_until = search.kept_until(known, search.Options(max_results=settings.ANALYSIS_MAX_RESULTS))
    out = [one for one in overdue if _is_out(one, fresh_until.get(one.company.name))]
    out.sort(key=lambda one: one.last.pk if one.last else 0)
    chosen = [one.company.pk for one in out[:REFRESHED_AT_ONCE]]
    companies = Company.objects.in_bulk(chosen)
    return [companies[pk] for pk in chosen if pk in companies]


def monitored() -> QuerySet[Company]:
    return Company.objects.filter(is_watched=True)


def monitored_names() -> list[str]:
    return list(monitored().values_list("name", flat=True))


def company_named(name: str) -> Company | None:
    """Return the company of a name or an alias. Raises InvalidName.

    A watched company's own name goes before another's alias, and that before the name of one nobody watches. Blanks
    and capitals of an alias do not matter; of several companies that share one, the first by name has it.
    """
    wanted = normalize_company(name)
    own = Company.objects.filter(name=wanted).first()
    if own and own.is_watched:
        return own
    with_aliases = Company.objects.exclude(aliases=[])
    return next((one for one in with_aliases if squeeze(wanted) in map(squeeze, one.aliases)), own)


def monitored_company(name: str) -> Company:
    """Return a watched company by its name or an alias.

    Raises InvalidName, and NotMonitored with the names of those that are watched.
    """
    company = company_named(name)
    if company is None or not company.is_watched:
        raise not_monitored(name)
    return company


def not_monitored(name: str) -> NotMonitored:
    """Return what says that nobody watches a company, with the names of those that are watched."""
    return NotMonitored(company=name, monitored_companies=monitored_names()[:NAMES_SHOWN])


def statuses(of: QuerySet[Company] | None = None) -> list[CompanyStatus]:
    """Return every watched company, or those given, with its newest runs: two queries, however many companies."""
    companies = (monitored() if of is None else of).values_list(
        *Listed._fields[:-1],
        Cast("aliases", TextField()),
        Subquery(_newest(Analysis.objects.filter(status=Status.SUCCESS))),
        Subquery(_newest(Analysis.objects.all())),
    )
    rows = [
        (Listed._make((*row, msgspec.json.decode(aliases))), latest, last) for *row, aliases, latest, last in companies
    ]
    runs = briefs({pk for _, *ids in rows for pk in ids if pk})
    return [CompanyStatus(company, runs.get(latest), runs.get(last)) for company, latest, last in rows]


def latest(company: Company) -> Analysis | None:
    """Return a company's newest success."""
    return _successes(company).first()


def history(
    company: Company, *, since: datetime | None, until: datetime | None, offset: int, limit: int
) -> tuple[int, list[int]]:
    """Return how many successes there are, and the ids of a page of them, newest first.

    Their number is kept with the company; between two times they are counted and leafed in an index, which takes as
    long as there are many between the two.
    """
    runs, total = _successes(company), company.successes
    if since or until:
        runs = runs.order_by("-finished_at", "-pk")
        runs = runs.filter(finished_at__gte=since) if since else runs
        runs = runs.filter(finished_at__lt=until) if until else runs
        total = runs.count()
    return total, list(runs.values_list("pk", flat=True)[offset : offset + limit])


def runs(ids: Sequence[int]) -> list[Analysis]:
    """Return successes with all they found, in the order of their ids; one deleted meanwhile is left out."""
    found = Analysis.objects.select_related("revision", "company").in_bulk(ids)
    return [found[pk] for pk in ids if pk in found]


def briefs(ids: Iterable[int]) -> dict[int, Brief]:
    """Return runs by their ids."""
    columns = [*Brief._fields[:-2], "revision__category", "revision__sentiment"]
    return {row[0]: Brief._make(row) for row in _rows(ids, *columns)}


def found_by(ids: Iterable[int]) -> dict[int, tuple[str, str]]:
    """Return what runs found, and its summary, as the JSON they are, by the runs' ids."""
    columns = [Cast(name, TextField()) for name in ("found", "summary")]
    return {pk: (found, summary) for pk, found, summary in _rows(ids, "pk", *columns)}


def run_by_task(task_id: UUID) -> Analysis:
    """Return the run a task id names. Raises UnknownTask."""
    run = Analysis.objects.select_related("company").filter(task_id=task_id).first()
    if run is None:
        raise UnknownTask(task_id=str(task_id))
    return run


def newest_articles(count: int) -> list[Article]:
    """Return the articles that were published last; those without a date are not among them."""
    dated = Article.objects.filter(published_at__isnull=False)
    return list(dated.only("title", "summary").order_by("-published_at", "-id")[:count])


def worker_count() -> int:
    return len(workers.alive())


def _is_overdue(status: CompanyStatus) -> bool:
    """Whether a company's newest success is older than its interval."""
    minutes = status.company.interval_minutes or settings.ANALYSIS_SCHEDULE_MINUTES
    found_at = status.latest and status.latest.finished_at
    return bool(found_at and timezone.now() - found_at > timedelta(minutes=minutes))


def _is_out(status: CompanyStatus, fresh_until: float | None) -> bool:
    """Whether the cache has lost a company's answer, or holds one with stories as stale."""
    if fresh_until is None:
        return True
    return fresh_until <= time.time() and bool(status.latest and status.latest.total)


def _successes(company: Company) -> QuerySet[Analysis]:
    return (
        Analysis.objects.filter(company=company, status=Status.SUCCESS)
        .select_related("revision", "company")
        .order_by("-pk")
    )


def _newest(runs: QuerySet[Analysis]) -> QuerySet[Analysis, int]:
    return runs.filter(company=OuterRef("pk")).order_by("-pk").values_list("pk", flat=True)[:1]


def _rows(ids: Iterable[int], *columns: str | Cast) -> Iterator[tuple[Any, ...]]:
    for portion in portions(ids):
        yield from Analysis.objects.filter(pk__in=portion).order_by().values_list(*columns)


def portions(ids: Iterable[int]) -> Iterator[list[int]]:
    """Yield ids, as many at once as one statement may name."""
    waiting = iter(ids)
    while portion := list(islice(waiting, IDS_AT_ONCE)):
        yield portion
