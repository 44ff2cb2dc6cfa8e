"""What is decided and written: companies, runs, retention. Knows neither HTTP nor tasks."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import blake2b

from django.conf import settings
from django.db import IntegrityError, InterfaceError, OperationalError, transaction
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.db.models.functions import Least
from django.utils import timezone
from structlog.contextvars import bound_contextvars, get_contextvars

from dashboard import records
from dashboard.errors import RunTooLong
from dashboard.models import Analysis, Company
from dashboard.selectors import company_named
from mlcore.errors import InferenceTimeout
from newsservice.errors import DomainError
from newsservice.metrics import ANALYSES
from newsservice.observability import span
from search import services as search
from search import types
from search.cache import Answer
from search.errors import ProviderError, ProviderQuotaExceeded
from search.text import normalize_company

logger = logging.getLogger(__name__)

Status, Trigger = Analysis.Status, Analysis.Trigger
BY_A_PERSON = {Trigger.API, Trigger.MANUAL, Trigger.ADMIN, Trigger.COMMAND}
PROGRESS_EVERY_SECONDS = 1.0
SOONEST_SLOT = 0.5  # of an interval: the next run is that far away at least
CLOCK_TOLERANCE = timedelta(minutes=1)  # by which the clocks of several hosts may differ
DATABASE_AWAY = (OperationalError, InterfaceError)


def request_analysis(name: str, *, trigger: str, options: dict[str, object] | None = None) -> Analysis:
    """Queue an analysis of a company, which is created if it is new; return the open one where there is one.

    An alias asks for the company that goes by it.

    A person does not wait out a pause between two tries: what is queued for later is brought forward, and what the
    schedule has queued becomes theirs, who may use the quota's reserve.
    Raises InvalidName.
    """
    company = company_named(name) or Company.objects.get_or_create(name=normalize_company(name))[0]
    run = _queue(company, trigger=trigger, options=options)
    return run or request_analysis(name, trigger=trigger, options=options)


def _queue(company: Company, *, trigger: str, options: dict[str, object] | None = None) -> Analysis | None:
    """Queue an analysis of a company, or return the open one; None where that ended between the two statements."""
    now = timezone.now()
    try:
        with transaction.atomic():
            return Analysis.objects.create(
                company=company,
                trigger=trigger,
                options=options or {},
                request_id=_own_request_id(),
                queued_at=now,
                run_after=now,
            )
    except IntegrityError:
        if trigger in BY_A_PERSON:
            waiting = Analysis.objects.filter(company=company, status=Status.QUEUED)
            waiting.update(
                run_after=Least("run_after", now),
                trigger=_unless_a_persons("trigger", trigger),
                request_id=_unless_a_persons("request_id", _own_request_id()),
            )
        return Analysis.objects.filter(company=company, status__in=Analysis.OPEN).first()


def run_analysis(analysis_id: int, *, worker: str, stopped_by: tuple[type[Exception], ...] = ()) -> None:
    """Run a queued analysis and keep what it finds, or why it failed.

    Safe to call twice: only the caller who moves it out of the queue runs it, and only as long as nobody has taken it
    from them. A provider's fault puts it back, RUN_RETRIES times, and so do models with too much to read, and a run
    that takes too long; a quota does until its day is over, of which the last calls are kept for people. Whatever
    else goes wrong is recorded on the row before it is raised again. Only where the database is away (DATABASE_AWAY)
    the row stays running: release it and run it again. `stopped_by`: what is raised here after RUN_SECONDS, where
    anything is; else the run itself looks at the clock between two portions of texts.
    """
    if not (run := _claim(analysis_id, worker=worker)):
        return
    traced = {"request_id": run.request_id} if run.request_id else {}
    with bound_contextvars(run=str(run.task_id), **traced), span("analysis run", trigger=run.trigger):
        _run(run, stopped_by)


def _run(run: Analysis, stopped_by: tuple[type[Exception], ...]) -> None:
    try:
        answer = _analyze(run)
    except (ProviderError, InferenceTimeout, RunTooLong) as exc:
        _postpone_or_fail(run, exc)
    except stopped_by:
        _postpone_or_fail(run, RunTooLong(seconds=settings.RUN_SECONDS))
    except DomainError as exc:
        _fail(run, code=exc.code, message=exc.message)
    except DATABASE_AWAY:
        raise  # no word on the run, and nowhere to write one: whoever runs it takes it up again
    except Exception:
        _fail(run, code="INTERNAL_ERROR", message="")
        raise
    else:
        complete_run(run, answer.value)


def _unless_a_persons(column: str, value: str) -> Case:
    """Return what changes a column of what the schedule asked for, and leaves it where a person did."""
    return Case(When(trigger__in=BY_A_PERSON, then=F(column)), default=Value(value))


def _own_request_id() -> str:
    """Return the id of the request that is being answered, "" where none is. A client may have chosen it."""
    request_id = str(get_contextvars().get("request_id", ""))
    return request_id[:64] if request_id.isprintable() else ""


def _analyze(run: Analysis) -> Answer[types.Analysis]:
    """Analyse anew. Raises ProviderError, a quota's too where the schedule's share of it is used up."""
    if run.trigger not in BY_A_PERSON:
        search.check_reserve()
    options = search.Options(**{"max_results": settings.ANALYSIS_MAX_RESULTS, "mode": "refresh", **run.options})
    return search.analyze_company(
        run.company.name,
        options,
        trigger=run.trigger,
        asked_by=run,
        on_progress=_progress_of(run),
        serve_stale=False,  # which is no new analysis
    )


def keep_found(run: Analysis, analysis: types.Analysis) -> bool:
    """Keep what a running analysis found; it runs until its answer is cached too. Return whether it was kept.

    Nothing happens where the run was closed or taken away, or its company deleted, meanwhile.
    """
    with transaction.atomic():
        if is_held := _held(run).select_for_update().exists():
            count = len(analysis.judged)
            _held(run).update(done=count, total=count, **records.fields_of(analysis))
    return is_held


def complete_run(run: Analysis, analysis: types.Analysis) -> None:
    """Close a running analysis as a success, keeping what it found where another caller's computation found it."""
    if _held(run).filter(revision=None).exists():
        keep_found(run, analysis)
    with transaction.atomic():
        is_closed = _write(
            run, status=Status.SUCCESS, finished_at=analysis.analyzed_at, error_code="", error_message=""
        )
        if is_closed:
            Company.objects.filter(analyses=run).update(successes=F("successes") + 1)
    if is_closed:
        ANALYSES.labels("success").inc()


def record_analysis(analysis: types.Analysis, *, trigger: str) -> int | None:
    """Keep an analysis nobody queued; return its id. What finds nothing about an unknown company is not kept."""
    companies = Company.objects.filter(name=analysis.company)
    if not analysis.judged and not companies.exists():
        return None
    with transaction.atomic():
        company = _with_one_more_success(analysis.company)
        run = Analysis.objects.create(
            company=company,
            trigger=trigger,
            status=Status.SUCCESS,
            queued_at=analysis.analyzed_at,
            run_after=analysis.analyzed_at,
            started_at=analysis.analyzed_at,
            finished_at=analysis.analyzed_at,
            done=len(analysis.judged),
            total=len(analysis.judged),
            **records.fields_of(analysis),
        )
    return run.pk


def _with_one_more_success(name: str) -> Company:
    """Return a company, created if it is new or was deleted just now, that stays until this transaction ends."""
    company, _ = Company.objects.get_or_create(name=name)
    is_there = Company.objects.filter(pk=company.pk).update(successes=F("successes") + 1)
    return company if is_there else _with_one_more_success(name)


def schedule_due_companies(*, now: datetime | None = None) -> list[Analysis]:
    """Queue each watched company whose time has come; return the runs.

    A clock that was set back leaves no company waiting for longer than it may.
    """
    now = now or timezone.now()
    due = Company.objects.filter(Q(next_run_at__lte=now) | Q(next_run_at=None) | _too_far(now))
    return _schedule(due.order_by(F("next_run_at").asc(nulls_first=True)), now)


def schedule_at_once(names: Iterable[str]) -> list[Analysis]:
    """Queue the watched ones of these companies, as their turn of the schedule, whenever that was; return the runs."""
    return _schedule(Company.objects.filter(name__in=list(names)).order_by("pk"), timezone.now())


def _schedule(companies: QuerySet[Company], now: datetime) -> list[Analysis]:
    """Queue the watched ones of these companies; return the runs.

    Whoever moves a company's next run forward queues it: two schedulers queue it once, or, where either fails, not
    yet.
    """
    runs = []
    for company in companies.filter(is_watched=True):
        with transaction.atomic():
            run = _queue(company, trigger=Trigger.SCHEDULE)  # before the company, as whoever closes a run: no deadlock
            unchanged = Company.objects.filter(pk=company.pk, next_run_at=company.next_run_at, is_watched=True)
            if run and unchanged.update(next_run_at=next_slot(company, now)):
                runs.append(run)
            else:
                transaction.set_rollback(True)
    return runs


def request_watched(company: Company) -> Analysis | None:
    """Queue an analysis of a company for the schedule, whatever it is called by now; None where nobody watches it."""
    with transaction.atomic():
        run = _queue(company, trigger=Trigger.SCHEDULE)
        if run and Company.objects.select_for_update().filter(pk=company.pk, is_watched=True).exists():
            return run
        transaction.set_rollback(True)
    return None


def _too_far(now: datetime) -> Q:
    """Say which companies wait for longer than they may: no slot is that far, so the clock was set back."""
    far = Q()
    intervals = Company.objects.filter(is_watched=True).order_by("interval_minutes")
    for minutes in intervals.values_list("interval_minutes", flat=True).distinct():
        wait = (1 + SOONEST_SLOT) * timedelta(minutes=minutes or settings.ANALYSIS_SCHEDULE_MINUTES)
        far |= Q(interval_minutes=minutes, next_run_at__gt=now + wait)
    return far


def next_slot(company: Company, now: datetime) -> datetime:
    """Return the next time of a company: a fixed offset, its own, into every interval, so that companies spread.

    It is SOONEST_SLOT away at least: what was analysed at a start, or late, is not analysed again a moment after.
    """
    seconds = 60 * (company.interval_minutes or settings.ANALYSIS_SCHEDULE_MINUTES)
    offset = int.from_bytes(blake2b(company.name.encode(), digest_size=4).digest()) % seconds
    soonest = seconds * SOONEST_SLOT
    return now + timedelta(seconds=soonest + (offset - now.timestamp() - soonest) % seconds)


def requeue_abandoned_runs(alive: set[str]) -> int:
    """Put back what workers that are no more were running; return how many. They may run again at once."""
    too_long = timezone.now() - timedelta(seconds=settings.RUN_SECONDS + 60)
    # One filter, the status outside of the OR: inside, SQLite would read the table and not the index of what runs.
    return _take_back(
        Analysis.objects.filter(~Q(worker__in=alive) | Q(started_at__lt=too_long), status=Status.RUNNING)
    )


def bring_back_from_the_future() -> int:
    """Let run what was queued by a clock that was set back since; return how many."""
    now = timezone.now()
    late = Analysis.objects.filter(status=Status.QUEUED, queued_at__gt=now + CLOCK_TOLERANCE)
    return late.update(queued_at=now, run_after=now)


def release_run(run_id: int, *, lost_by: Iterable[str]) -> None:
    """Put back a run that one of these workers is known to have lost; another's stays with it."""
    _take_back(Analysis.objects.filter(pk=run_id, status=Status.RUNNING, worker__in=lost_by))


def release_runs_of(worker: str) -> None:
    """Put back what a worker that runs one at a time, and runs none now, has lost."""
    _take_back(Analysis.objects.filter(worker=worker, status=Status.RUNNING))


def _take_back(lost: QuerySet[Analysis]) -> int:
    """Queue running analyses again, but give up what was lost RUN_RETRIES times before; return how many are queued."""
    now = timezone.now()
    given_up = lost.filter(attempts__gt=settings.RUN_RETRIES).update(
        status=Status.ERROR, finished_at=now, error_code="WORKER_LOST"
    )
    ANALYSES.labels("error").inc(given_up)
    requeued = lost.update(status=Status.QUEUED, worker="", run_after=now)
    if given_up or requeued:
        logger.warning("workers lost what they ran: %d analyses are queued again, %d given up", requeued, given_up)
    return requeued


def _claim(analysis_id: int, *, worker: str) -> Analysis | None:
    """Move a run out of the queue; return it as it was claimed. None where it is not queued, not due, or deleted."""
    queued = Analysis.objects.filter(pk=analysis_id, status=Status.QUEUED, run_after__lte=timezone.now())
    with transaction.atomic():  # both or neither, so that the attempt read here is the one begun here
        is_claimed = queued.update(
            status=Status.RUNNING,
            started_at=timezone.now(),
            worker=worker,
            attempts=F("attempts") + 1,
            done=0,
            total=0,
            revision=None,
            error_code="",
            error_message="",
        )
        return Analysis.objects.select_related("company").get(pk=analysis_id) if is_claimed else None


def _held(run: Analysis) -> QuerySet[Analysis]:
    """Select a run as long as nobody has taken it from who claimed it: each claim is another attempt."""
    return Analysis.objects.filter(pk=run.pk, status=Status.RUNNING, attempts=run.attempts)


def _write(run: Analysis, **changes: object) -> bool:
    """Change a run that is held; where it is held no more, log that nothing of this attempt is kept. Return which."""
    is_held = bool(_held(run).update(**changes))
    if not is_held:
        logger.warning(
            "analysis %d was closed, deleted or taken over meanwhile: attempt %d ends unheard", run.pk, run.attempts
        )
    return is_held


def _progress_of(run: Analysis) -> search.Progress:
    """Return what writes progress onto the row, once a second at most, and raises RunTooLong after RUN_SECONDS.

    A run in a thread is ended by nobody else; one that is done with its texts is not ended any more.
    """
    written_at = 0.0
    deadline = time.monotonic() + settings.RUN_SECONDS

    def write(done: int, total: int) -> None:
        nonlocal written_at
        if done < total and time.monotonic() >= deadline:
            raise RunTooLong(seconds=settings.RUN_SECONDS)
        if time.monotonic() - written_at >= PROGRESS_EVERY_SECONDS:
            written_at = time.monotonic()
            _held(run).update(done=done, total=total)

    return write


def _postpone_or_fail(run: Analysis, exc: DomainError) -> None:
    """Queue a run for later; a quota's fault waits for the quota and costs no try."""
    is_quota = isinstance(exc, ProviderQuotaExceeded)
    if not is_quota and run.attempts > settings.RUN_RETRIES:
        _fail(run, code=exc.code, message=exc.message)
        return
    wait = exc.retry_after or settings.RUN_RETRY_SECONDS * 2 ** (run.attempts - 1)
    _write(
        run,
        status=Status.QUEUED,
        worker="",
        run_after=timezone.now() + timedelta(seconds=wait),
        attempts=run.attempts - is_quota,
        error_code=exc.code,
        error_message=exc.message,
    )


def _fail(run: Analysis, *, code: str, message: str) -> None:
    if _write(run, status=Status.ERROR, finished_at=timezone.now(), error_code=code, error_message=message):
        ANALYSES.labels("error").inc()
