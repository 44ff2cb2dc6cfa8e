"""What the service does for its callers: HTTP, tasks, commands, the admin."""

from __future__ import annotations

import contextvars
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from django.conf import settings

from mlcore.engine import engine_revisions, get_engine
from mlcore.types import Judgement
from newsservice.errors import DomainError
from search import cache, collected, pipeline, predictions
from search.cache import Answer, Mode, Slot
from search.providers import current_provider
from search.signals import analysis_completed
from search.text import normalize_company, normalize_query
from search.trending import TrendingKeyword
from search.types import Analysis, SearchQuery, SearchResult, Sort

logger = logging.getLogger(__name__)

MAX_BATCH = 10

Outcome = Answer[SearchResult] | DomainError


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a caller wants news to be searched."""

    max_results: int
    start: int = 1
    sort: Sort = "sim"
    remove_duplicates: bool = True
    similarity_threshold: float = field(default_factory=lambda: settings.SIMILARITY_THRESHOLD)
    mode: Mode = "use"


def search_news(text: str, options: Options) -> Answer[SearchResult]:
    """Search by words. Raises InvalidName, ProviderError."""
    return _search(_query(normalize_query(text), options, is_company=False), options)


def search_company(name: str, options: Options) -> Answer[SearchResult]:
    """Search a company's news. Raises InvalidName, ProviderError."""
    return _search(_query(normalize_company(name), options, is_company=True), options)


def analyze_company(name: str, options: Options, *, trigger: str = "api") -> Answer[Analysis]:
    """Search a company's news and judge each story, or return the kept analysis.

    Raises InvalidName, ProviderError, ModelsUnavailable.
    """
    company = normalize_company(name)
    query = _query(company, options, is_company=True)
    revisions = engine_revisions()
    started = time.perf_counter()
    answer = cache.recall(
        Slot(
            key=cache.key("analysis", company, _parts(query), current_provider().name, sorted(revisions.items())),
            type=Analysis,
            fresh_seconds=lambda analysis: (
                settings.ANALYSIS_CACHE_SECONDS if analysis.judged else settings.EMPTY_CACHE_SECONDS
            ),
            # A model found unusable only when it was loaded leaves its word to the lexicons: not this slot's.
            belongs=lambda analysis: analysis.models == revisions,
        ),
        lambda: _analyze(query, options, trigger=trigger),
        suffices=lambda analysis: analysis.is_complete or len(analysis.judged) >= options.max_results,
        mode=options.mode,
    )
    _log("analysis", company, answer, started)
    return replace(answer, value=_first(answer.value, options.max_results))


def search_batch(requests: Sequence[tuple[str, Options]]) -> list[Outcome]:
    """Search by words, all at once; a search that fails leaves its error in its place."""

    def search(request: tuple[str, Options]) -> Outcome:
        try:
            return search_news(*request)
        except DomainError as exc:
            return exc

    with ThreadPoolExecutor(max_workers=max(1, min(MAX_BATCH, len(requests)))) as pool:
        tasks = [pool.submit(contextvars.copy_context().run, search, request) for request in requests]
        return [task.result() for task in tasks]


def trending_keywords(*, category: str | None, hours: int, limit: int) -> list[TrendingKeyword]:
    """Rank what the last hours' news speak of against the days before; `category` is a code, None for all."""
    return collected.rank(category=category, hours=hours, limit=limit)


def _query(text: str, options: Options, *, is_company: bool) -> SearchQuery:
    return SearchQuery(
        text=text,
        is_company=is_company,
        sort=options.sort,
        start=options.start,
        remove_duplicates=options.remove_duplicates,
        similarity_threshold=options.similarity_threshold,
    )


def _parts(query: SearchQuery) -> tuple[object, ...]:
    """Return all of a query that can change the answer, for a key."""
    return (
        query.is_company,
        query.sort,
        query.start,
        query.remove_duplicates,
        query.remove_duplicates and round(query.similarity_threshold, 4),
    )


def _search(query: SearchQuery, options: Options, *, serve_stale: bool = True) -> Answer[SearchResult]:
    """Return all known stories of a query: at least `max_results`, unless there are no more."""
    provider = current_provider()
    started = time.perf_counter()
    answer = cache.recall(
        Slot(
            key=cache.key("search", query.text, _parts(query), provider.name),
            type=SearchResult,
            fresh_seconds=lambda found: (
                settings.SEARCH_CACHE_SECONDS if found.stories else settings.EMPTY_CACHE_SECONDS
            ),
        ),
        lambda: pipeline.find_stories(provider, query, wanted=options.max_results),
        suffices=lambda found: found.is_exhausted or len(found.stories) >= options.max_results,
        mode=options.mode,
        serve_stale=serve_stale,
    )
    _log("search", query.text, answer, started)
    return answer


def _analyze(query: SearchQuery, options: Options, *, trigger: str) -> Analysis:
    found = _search(query, options, serve_stale=False).value
    judged = pipeline.judge_stories(
        found.stories[: options.max_results],
        company=query.text,
        classify=get_engine().classify if options.mode == "bypass" else _classify,
    )
    collected.remember(judged)
    analysis = Analysis(
        company=query.text,
        analysis_id=None,
        analyzed_at=datetime.now(UTC),
        models=engine_revisions(),
        found=found,
        judged=judged,
        summary=pipeline.summarize(judged),
    )
    return replace(analysis, analysis_id=_announce(analysis, trigger=trigger))


def _first(analysis: Analysis, count: int) -> Analysis:
    """Return the analysis of the first stories alone."""
    if len(analysis.judged) <= count:
        return analysis
    judged = analysis.judged[:count]
    return replace(analysis, judged=judged, summary=pipeline.summarize(judged))


def _classify(texts: Sequence[str]) -> list[Judgement]:
    """Classify what no model of these revisions has seen before; the rest is remembered."""
    known = predictions.recall(texts, engine_revisions())
    new = list(dict.fromkeys(text for text in texts if text not in known))
    judgements = dict(zip(new, get_engine().classify(new), strict=True)) if new else {}
    predictions.keep(judgements, engine_revisions())
    return [known[text] if text in known else judgements[text] for text in texts]


def _announce(analysis: Analysis, *, trigger: str) -> int | None:
    """Tell who keeps history; return the id it is kept under. A listener's failure costs the id alone."""
    ids: list[int] = []
    for listener, outcome in analysis_completed.send_robust(Analysis, analysis=analysis, trigger=trigger):
        if isinstance(outcome, Exception):
            logger.error("an analysis was not kept by %s", listener, exc_info=outcome)
        elif isinstance(outcome, int):
            ids.append(outcome)
    return ids[0] if ids else None


def _log(kind: str, subject: str, answer: Answer[SearchResult] | Answer[Analysis], started: float) -> None:
    elapsed = 1000 * (time.perf_counter() - started)
    logger.info("%s %r cache_hit=%s stale=%s %.1f ms", kind, subject, answer.is_hit, answer.is_stale, elapsed)
