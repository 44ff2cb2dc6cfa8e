"""What the service does for its callers: HTTP, tasks, commands, the admin."""

from __future__ import annotations

import contextvars
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from django.conf import settings

from mlcore.engine import Pin, engine_revisions, get_engine
from mlcore.errors import TextRefused
from mlcore.types import Judgement
from newsservice.errors import DomainError
from newsservice.metrics import CACHE_LOOKS
from search import cache, collected, pipeline, predictions, quota, usage
from search.cache import Answer, Mode, Slot
from search.providers import current_provider
from search.quota import Quota
from search.signals import analysis_completed, company_asked_for
from search.text import normalize_company, normalize_query
from search.trending import TrendingKeyword
from search.types import Analysis, KnownCompany, SearchQuery, SearchResult, Sort, Story

logger = logging.getLogger(__name__)

MAX_BATCH = 10
PORTION = 64  # texts judged between two words of progress

Progress = Callable[[int, int], None]  # texts judged, texts to judge

Outcome = Answer[SearchResult] | DomainError


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a caller wants news to be searched."""

    max_results: int
    start: int = 1
    sort: Sort = "sim"
    remove_duplicates: bool = True
    similarity_threshold: float = field(default_factory=lambda: settings.SIMILARITY_THRESHOLD)
    # 0..1; stories below are not shown. None: all are, and an analysis counts only those about the company.
    min_relevance: float | None = None
    mode: Mode = "use"

    def admits(self, story: Story) -> bool:
        """Whether a story is relevant enough to be shown."""
        return self.min_relevance is None or story.relevance.score >= self.min_relevance


def search_news(text: str, options: Options) -> Answer[SearchResult]:
    """Search by words. Raises InvalidName, ProviderError."""
    return _answer(_query(normalize_query(text), options, is_company=False), options)


def search_company(name: str, options: Options) -> Answer[SearchResult]:
    """Search a company's news. Raises InvalidName, ProviderError."""
    return _answer(_company_query(name, options), options)


def analyze_company(
    name: str,
    options: Options,
    *,
    trigger: str = "api",
    asked_by: object = None,
    on_progress: Progress = lambda done, total: None,
    serve_stale: bool = True,
) -> Answer[Analysis]:
    """Search a company's news and judge each story, or return the kept analysis.

    `asked_by`: the run that asks, where one does; whoever keeps the analysis is told. `on_progress` is told how many
    texts are judged. `serve_stale=False`: not an expired one, whether or not the provider fails.
    Raises InvalidName, ProviderError, ModelsUnavailable, InferenceTimeout; TextRefused where no story can be judged.
    """
    query = _company_query(name, options)
    started = time.perf_counter()
    answer = cache.recall(
        _analysis_slot(query),
        lambda: _analyze(query, options, trigger=trigger, asked_by=asked_by, on_progress=on_progress),
        suffices=lambda kept: _analysis_suffices(kept, options),
        mode=options.mode,
        serve_stale=serve_stale,
    )
    _log("analysis", query.text, answer, options.mode, started)
    _count(answer, options.mode, started)
    return replace(answer, value=_shown(answer.value, options))


def kept_analysis(name: str, options: Options, *, counts: bool = False) -> Answer[Analysis] | None:
    """Return a company's analysis if the cache holds one, fresh or stale; ask nobody. Raises InvalidName.

    `counts`: it answers somebody, so that a hit is one of the cache's; a miss is counted by who then makes it.
    """
    query = _company_query(name, options)
    started = time.perf_counter()
    answer = cache.peek(_analysis_slot(query), suffices=lambda kept: _analysis_suffices(kept, options))
    if answer and counts:
        _log("analysis", query.text, answer, options.mode, started)
        _count(answer, options.mode, started)
    return answer and replace(answer, value=_shown(answer.value, options))


def any_kept_analysis(name: str, options: Options) -> Answer[Analysis] | None:
    """Return whatever analysis of a company the cache holds, as stale: what is served where the provider fails.

    Raises InvalidName.
    """
    answer = cache.peek(_analysis_slot(_company_query(name, options)), suffices=lambda kept: True)
    return answer and replace(answer, value=_shown(answer.value, options), is_stale=True)


def has_failed_lately(name: str, options: Options) -> bool:
    """Whether the provider failed this analysis moments ago: it need not be asked again yet. Raises InvalidName."""
    return cache.has_failed_lately(_analysis_slot(_company_query(name, options)))


def kept_until(companies: Sequence[KnownCompany], options: Options) -> dict[str, float]:
    """Return until when the analysis that the cache holds of each company is fresh, seconds since the epoch.

    A company whose analysis it has lost is missing. Asks nobody, and reads no analysis but its head.
    """
    slots = {_analysis_slot(_query_of(company, options)).key: company.name for company in companies}
    return {slots[key]: head.fresh_until for key, head in cache.heads(list(slots)).items()}


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


def provider_quota() -> Quota | None:
    """Return how the day's calls to the provider stand; None where it is one that counts none."""
    return quota.state() if current_provider().name == "naver" else None


def check_reserve() -> None:
    """Raise ProviderQuotaExceeded where what is left of the day's calls is kept for people: before scheduled work."""
    if current_provider().name == "naver":
        quota.check_reserve()


def known_company(name: str) -> KnownCompany:
    """Return the company that goes by a name or an alias, as whoever keeps companies calls it. Raises InvalidName.

    They are asked each time: an alias that was changed changes the next answer, in every process.
    """
    company = normalize_company(name)
    for listener, outcome in company_asked_for.send_robust(KnownCompany, name=company):
        if isinstance(outcome, Exception):
            logger.error("%s cannot say what %r goes by", listener, company, exc_info=outcome)
        elif isinstance(outcome, KnownCompany):
            return outcome
    return KnownCompany(name=company)


def _company_query(name: str, options: Options) -> SearchQuery:
    return _query_of(known_company(name), options)


def _query_of(company: KnownCompany, options: Options) -> SearchQuery:
    return replace(_query(company.name, options, is_company=True), aliases=tuple(sorted(company.aliases)))


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
        query.aliases,
        query.sort,
        query.start,
        query.remove_duplicates,
        query.remove_duplicates and round(query.similarity_threshold, 4),
    )


def _analysis_slot(query: SearchQuery) -> Slot[Analysis]:
    revisions = engine_revisions()
    return Slot(
        kind="analysis",
        subject=query.text,
        parts=(_parts(query), current_provider().name, sorted(revisions.items())),
        type=Analysis,
        fresh_seconds=lambda analysis: (
            settings.ANALYSIS_CACHE_SECONDS if analysis.judged and analysis.is_whole else settings.EMPTY_CACHE_SECONDS
        ),
        # A model found unusable only when it was loaded leaves its word to the lexicons: not this slot's.
        belongs=lambda analysis: analysis.models == revisions,
    )


def _analysis_suffices(kept: Analysis, options: Options) -> bool:
    return _suffices(kept.found, options) and len(kept.judged) + kept.refused >= _reach(kept.found, options)


def _answer(query: SearchQuery, options: Options) -> Answer[SearchResult]:
    started = time.perf_counter()
    answer = _search(query, options)
    _count(answer, options.mode, started)
    return answer


def _search(query: SearchQuery, options: Options, *, serve_stale: bool = True) -> Answer[SearchResult]:
    """Return all known stories of a query: at least `max_results`, unless there are no more."""
    provider = current_provider()
    started = time.perf_counter()
    answer = cache.recall(
        Slot(
            kind="search" if query.is_company else "news",
            subject=query.text,
            parts=(_parts(query), provider.name),
            type=SearchResult,
            fresh_seconds=lambda found: (
                settings.SEARCH_CACHE_SECONDS if found.stories else settings.EMPTY_CACHE_SECONDS
            ),
        ),
        lambda: pipeline.find_stories(provider, query, wanted=options.max_results),
        suffices=lambda found: _suffices(found, options),
        mode=options.mode,
        serve_stale=serve_stale,
    )
    _log("search", query.text, answer, options.mode, started)
    return answer


def _analyze(
    query: SearchQuery, options: Options, *, trigger: str, asked_by: object, on_progress: Progress
) -> Analysis:
    found = _search(query, options, serve_stale=False).value
    with get_engine().pinned() as pin:  # one pair judges all of it, whatever is switched to meanwhile
        use_known = options.mode != "bypass"
        stories = found.stories[: _reach(found, options)]
        judged = pipeline.judge_stories(
            stories,
            names=(query.text, *query.aliases),
            classify=lambda texts: _classify(texts, pin, use_known=use_known, on_progress=on_progress),
        )
        revisions = pin.revisions
    collected.remember([one for one in judged if one.story.relevance.is_about])
    analysis = Analysis(
        company=query.text,
        analysis_id=None,
        analyzed_at=datetime.now(UTC),
        models=revisions,
        found=found,
        judged=judged,
        summary=pipeline.summarize(judged),
        refused=len(stories) - len(judged),
    )
    return replace(analysis, analysis_id=_announce(analysis, trigger=trigger, asked_by=asked_by))


def _suffices(found: SearchResult, options: Options) -> bool:
    """Whether the provider need not be asked; never for the sake of min_relevance."""
    return found.is_exhausted or len(found.stories) >= options.max_results


def _reach(found: SearchResult, options: Options) -> int:
    """Return how many of the first stories hold all that are to be shown."""
    places = [place for place, story in enumerate(found.stories, start=1) if options.admits(story)]
    return places[options.max_results - 1] if len(places) >= options.max_results else len(found.stories)


def _shown(analysis: Analysis, options: Options) -> Analysis:
    """Return the analysis of the stories to be shown alone; where min_relevance chose them, all of them count."""
    judged = tuple(one for one in analysis.judged if options.admits(one.story))[: options.max_results]
    counts_all = options.min_relevance is not None
    if len(judged) == len(analysis.judged) and not counts_all:
        return analysis
    return replace(analysis, judged=judged, summary=pipeline.summarize(judged, counts_all=counts_all))


def _classify(texts: Sequence[str], pin: Pin, *, use_known: bool, on_progress: Progress) -> list[Judgement | None]:
    """Classify what these revisions have not judged before, a portion at a time; the rest is remembered.

    None for a text that cannot be judged: it costs the others nothing. Raises TextRefused where it is every text.
    """
    judgements = predictions.recall(texts, pin.revisions) if use_known else {}
    if any(text not in judgements for text in texts):
        promised = pin.revisions
        pin.load()
        if use_known and pin.revisions != promised:
            judgements = predictions.recall(texts, pin.revisions)
    new = list(dict.fromkeys(text for text in texts if text not in judgements))
    refusal: TextRefused | None = None
    for start in range(0, len(new), PORTION):
        on_progress(len(judgements), len(judgements) + len(new) - start)
        portion = new[start : start + PORTION]
        outcomes = zip(portion, pin.classify(portion), strict=True)
        judged = {}
        for text, outcome in outcomes:
            if isinstance(outcome, TextRefused):
                refusal = outcome
            else:
                judged[text] = outcome
        if use_known:
            predictions.keep(judged, pin.revisions)
        judgements |= judged
    if refusal and not judgements:
        raise refusal
    on_progress(len(judgements), len(judgements))
    return [judgements.get(text) for text in texts]


def _announce(analysis: Analysis, *, trigger: str, asked_by: object) -> int | None:
    """Tell who keeps history; return the id it is kept under. A listener's failure costs the id alone."""
    ids: list[int] = []
    sent = analysis_completed.send_robust(Analysis, analysis=analysis, trigger=trigger, asked_by=asked_by)
    for listener, outcome in sent:
        if isinstance(outcome, Exception):
            logger.error("an analysis was not kept by %s", listener, exc_info=outcome)
        elif isinstance(outcome, int):
            ids.append(outcome)
    return ids[0] if ids else None


def _log(kind: str, subject: str, answer: Answer[SearchResult] | Answer[Analysis], mode: Mode, started: float) -> None:
    elapsed = 1000 * (time.perf_counter() - started)
    if mode == "use":  # any other does not look
        CACHE_LOOKS.labels(kind, "stale" if answer.is_stale else "hit" if answer.is_hit else "miss").inc()
    logger.info("%s %r cache_hit=%s stale=%s %.1f ms", kind, subject, answer.is_hit, answer.is_stale, elapsed)


def _count(answer: Answer[SearchResult] | Answer[Analysis], mode: Mode, started: float) -> None:
    """Count an answer to somebody who would have taken one from the cache: once, whatever it was made of."""
    if mode == "use":
        usage.record(is_hit=answer.is_hit, milliseconds=1000 * (time.perf_counter() - started))
