"""Retention: how much of the past is kept (HISTORY_MAX_COUNT, HISTORY_EXPIRE_DAYS)."""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Exists, Model, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from dashboard.models import Analysis, Article, Company, JudgedArticle
from dashboard.records import SEEN_EVERY

logger = logging.getLogger(__name__)

PORTION = 500  # rows of one statement, so that no lock and no list lasts
RUNS_READ = 20  # runs whose stories are held at once

Status = Analysis.Status
Portion = tuple[type[Model], int]  # of which rows how many went


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """How many rows went."""

    analyses: int
    articles: int
    companies: int


def prune(*, seconds: float = math.inf) -> Pruned:
    """Delete runs beyond either limit, then articles no run shows, then companies nobody watches or asked for.

    A company's newest run stays, and its newest success with what it shows. Failures are counted apart: a provider
    that is down for a day pushes no success out. Safe beside running analyses, and twice at once. Time grows with the
    companies and with what is deleted, not with what is kept; memory holds one portion of rows, and one id for each
    company whose newest success has expired. After so many seconds it ends with the portion it is at: what is left
    goes the next time.
    """
    until = time.monotonic() + seconds
    gone: Counter[type[Model]] = Counter()
    for model, count in _prune():
        gone[model] += count
        if time.monotonic() >= until:
            logger.info("history: %g seconds are over, the rest is pruned the next time", seconds)
            break
    pruned = Pruned(analyses=gone[Analysis], articles=gone[Article], companies=gone[Company])
    logger.info(
        "history pruned: %d analyses, %d articles, %d companies", pruned.analyses, pruned.articles, pruned.companies
    )
    return pruned


def _prune() -> Iterator[Portion]:
    """Prune in an order that may end after any portion: an article goes once all is spared that has to be."""
    expired = timezone.now() - timedelta(days=settings.HISTORY_EXPIRE_DAYS)
    yield from _delete(_expired(expired))
    for runs in _surplus():
        yield from _delete(runs)
    horizon = expired - SEEN_EVERY  # what a run within the limits shows was seen later than this
    yield from _spare_articles_of_last_successes(horizon)
    yield from _delete(Article.objects.filter(last_seen_at__lt=horizon))
    yield from _delete(_forgotten(expired))


def delete_runs_of(company: Company) -> int:
    """Delete a company's finished runs, oldest first; return how many went."""
    finished = Analysis.objects.filter(company=company, status__in=(Status.SUCCESS, Status.ERROR))
    return sum(count for _, count in _delete(finished.order_by("pk")))


def _expired(before: datetime) -> QuerySet[Analysis]:
    failed_before = Q(_newer_run(), status=Status.ERROR)
    going = Analysis.objects.filter(_newer_success() | failed_before, finished_at__lt=before)
    return going.order_by("finished_at")  # by its index; newest first, every run that is kept would be read


def _surplus() -> Iterator[QuerySet[Analysis]]:
    """Yield what lies beyond HISTORY_MAX_COUNT, company by company."""
    for status in (Status.SUCCESS, Status.ERROR):
        newest = Analysis.objects.filter(company=OuterRef("pk"), status=status).order_by("-pk").values("pk")
        first = Subquery(newest[settings.HISTORY_MAX_COUNT : settings.HISTORY_MAX_COUNT + 1])
        found = Company.objects.annotate(first_surplus=first).exclude(first_surplus=None)
        for company, run in list(found.values_list("pk", "first_surplus")):
            yield Analysis.objects.filter(company=company, status=status, pk__lte=run)


def _spare_articles_of_last_successes(horizon: datetime) -> Iterator[Portion]:
    """Count as seen today what a company's newest success shows though nobody has searched for it since."""
    lasting = Analysis.objects.filter(~_newer_success(), status=Status.SUCCESS, finished_at__lt=horizon + SEEN_EVERY)
    for runs in _portions(list(lasting.order_by("finished_at").values_list("pk", flat=True)), RUNS_READ):
        shown = Analysis.objects.filter(pk__in=runs).order_by().values_list("stories", flat=True)
        for rows in _portions([row_id for stories in shown for row_id, _ in stories], PORTION):
            articles = JudgedArticle.objects.filter(pk__in=rows).values("article")
            Article.objects.filter(pk__in=articles, last_seen_at__lt=horizon).update(last_seen_at=timezone.now())
        yield Article, 0


def _forgotten(before: datetime) -> QuerySet[Company]:
    """Return the companies nobody watches, declared or has asked for: whoever asks leaves a run."""
    asked_for = Analysis.objects.filter(company=OuterRef("pk"))
    return Company.objects.filter(~Exists(asked_for), is_watched=False, was_declared=False, created_at__lt=before)


def _newer_success() -> Exists:
    return Exists(Analysis.objects.filter(company=OuterRef("company"), status=Status.SUCCESS, pk__gt=OuterRef("pk")))


def _newer_run() -> Exists:
    return Exists(Analysis.objects.filter(company=OuterRef("company"), pk__gt=OuterRef("pk")))


def _count_off(going: Sequence[int]) -> None:
    """Take the successes among runs that go from the number that each company keeps of them."""
    successes = Analysis.objects.filter(pk__in=going, status=Status.SUCCESS).order_by()
    for company, count in successes.values_list("company").annotate(Count("pk")).order_by("company"):
        Company.count_off(company, count)


def recount() -> int:
    """Count each company's successes anew; return how many companies kept a wrong number.

    Safe beside running analyses: whoever adds or takes one changes the company's row in the same transaction, and
    waits for the lock held here.
    """
    wrong = 0
    for pk in list(Company.objects.values_list("pk", flat=True)):
        with transaction.atomic():
            for company in Company.objects.select_for_update().filter(pk=pk):
                count = Analysis.objects.filter(company=pk, status=Status.SUCCESS).order_by().count()
                if company.successes != count:
                    wrong += Company.objects.filter(pk=pk).update(successes=count)
    return wrong


def _delete(rows: QuerySet[Analysis] | QuerySet[Article] | QuerySet[Company]) -> Iterator[Portion]:
    """Delete a portion at a time.

    A row is locked, then looked at again: whoever used it in between keeps it.
    """
    locked = [0]
    while locked:
        with transaction.atomic():
            locked = list(rows.select_for_update(skip_locked=True).values_list("pk", flat=True)[:PORTION])
            going = list(rows.filter(pk__in=locked).values_list("pk", flat=True))
            if rows.model is Analysis:
                _count_off(going)
            rows.model._default_manager.filter(pk__in=going).delete()
        yield rows.model, len(going)


def _portions(ids: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
