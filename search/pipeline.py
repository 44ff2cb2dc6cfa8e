"""From a provider's pages to judged stories: fetch, group, score, classify, summarise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import zip_longest

from mlcore.labels import LABELS
from mlcore.types import Axis, Judgement
from search import keywords, relevance
from search.dedup import group_stories, representative
from search.providers.base import Provider
from search.text import canonical_url
from search.types import Article, JudgedStory, Page, SearchQuery, SearchResult, Sort, Story, Summary

TOP_KEYWORDS = 10


def find_stories(provider: Provider, query: SearchQuery, *, wanted: int) -> SearchResult:
    """Walk the provider's pages until `wanted` stories are found or it has nothing more."""
    articles: list[Article] = []
    groups: list[tuple[int, ...]] = []
    seen: set[str] = set()
    total, is_exhausted = 0, False
    for page in _pages(provider, query):
        articles += _unseen(page.articles, seen)
        total, is_exhausted = page.total, page.is_last
        if is_exhausted or len(articles) >= wanted:
            groups = _group(articles, query)
            if is_exhausted or len(groups) >= wanted:
                break
    return SearchResult(
        query=query,
        provider=provider.name,
        searched_at=datetime.now(UTC),
        total_found=total,
        original_count=len(articles),
        duplicates_removed=len(articles) - len(groups),
        stories=tuple(_story(articles, group, query) for group in groups),
        is_exhausted=is_exhausted,
    )


def judge_stories(
    stories: Sequence[Story], *, names: Sequence[str], classify: Callable[[Sequence[str]], Sequence[Judgement | None]]
) -> tuple[JudgedStory, ...]:
    """Classify each story's article and name its telling nouns; paired by position, never by title.

    A story of which nothing is said is left out.
    """
    judgements = classify([story.article.text for story in stories])
    return tuple(
        JudgedStory(
            story=story,
            judgement=judgement,
            keywords=keywords.extract(story.article.text, leave_out=(*names, story.article.publisher)),
        )
        for story, judgement in zip(stories, judgements, strict=True)
        if judgement
    )


def summarize(judged: Sequence[JudgedStory], *, counts_all: bool = False) -> Summary:
    """Count labels and rank keywords of the stories about the company, or of all."""
    counted = [one for one in judged if counts_all or one.story.relevance.is_about]
    return Summary(
        total=len(counted),
        left_out=len(judged) - len(counted),
        categories=_distribution("category", [one.judgement.category.label for one in counted]),
        sentiments=_distribution("sentiment", [one.judgement.sentiment.label for one in counted]),
        top_keywords=keywords.rank([one.keywords for one in counted], limit=TOP_KEYWORDS),
    )


def _pages(provider: Provider, query: SearchQuery) -> Iterator[Page]:
    """Yield the provider's pages; where a company goes by several names, the pages for each side by side, as one.

    Total is the sum: an article that gives two names counts twice.
    """
    walks = [provider.pages(text, sort=query.sort, start=query.start) for text in query.upstream]
    if len(walks) == 1:
        yield from walks[0]
        return
    last: list[Page | None] = [None] * len(walks)
    while not all(page and page.is_last for page in last):
        new = [None if page and page.is_last else next(walk) for page, walk in zip(last, walks, strict=True)]
        last = [page or before for page, before in zip(new, last, strict=True)]
        yield Page(
            articles=_side_by_side([page.articles for page in new if page], sort=query.sort),
            total=sum(page.total for page in last if page),
            is_last=all(page and page.is_last for page in last),
        )


def _side_by_side(pages: Sequence[Sequence[Article]], *, sort: Sort) -> tuple[Article, ...]:
    """Return the articles of several lists as one: the first of each, then the second; or the newest first."""
    merged = [article for rank in zip_longest(*pages) for article in rank if article]
    if sort == "date":
        merged.sort(key=lambda article: article.published_at or datetime.min.replace(tzinfo=UTC), reverse=True)
    return tuple(merged)


def _unseen(page: Sequence[Article], seen: set[str]) -> list[Article]:
    """Leave out what an earlier page brought, pages shift while news come in; add this page to what was seen."""
    identities = [canonical_url(article.url) for article in page]
    new = [article for article, identity in zip(page, identities, strict=True) if identity not in seen]
    seen.update(identities)
    return new


def _group(articles: Sequence[Article], query: SearchQuery) -> list[tuple[int, ...]]:
    if not query.remove_duplicates:
        return [(position,) for position in range(len(articles))]
    return group_stories(articles, threshold=query.similarity_threshold)


def _story(articles: Sequence[Article], group: tuple[int, ...], query: SearchQuery) -> Story:
    article = articles[representative(articles, group)]
    return Story(article=article, mention_count=len(group), relevance=relevance.rate(article, query))


def _distribution(axis: Axis, labels: Sequence[str]) -> dict[str, int]:
    return dict.fromkeys(LABELS[axis], 0) | dict(Counter(labels))
