"""An analysis as rows, and rows as an analysis: the one place that knows both shapes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any
from uuid import UUID

import msgspec
from django.db.models import TextField
from django.db.models.functions import Cast

from dashboard.models import Analysis, Article, JudgedArticle, Revision
from dashboard.selectors import portions
from mlcore.types import Judgement
from search import types
from search.text import canonical_url

ARTICLE = tuple(field.name for field in fields(types.Article))  # columns of the same names hold it
SEEN_EVERY = timedelta(days=1)  # how exactly it is known when an article was seen last


class Detail(msgspec.Struct, omit_defaults=True):
    """What JudgedArticle.detail holds."""

    judgement: Judgement
    relevance: types.Relevance
    keywords: tuple[str, ...]
    article: types.Article | None = None  # as it was worded, where the article's row words it differently


def fields_of(analysis: types.Analysis) -> dict[str, Any]:
    """Return the columns of a run that hold what it found; stores articles and judgements on the way.

    Call it within a transaction.
    """
    revision, _ = Revision.objects.get_or_create(
        category=analysis.models["category"], sentiment=analysis.models["sentiment"]
    )
    judged = _keep_judged(analysis.judged, revision, now=analysis.analyzed_at)
    return {
        "provider": analysis.found.provider,
        "revision": revision,
        "found": msgspec.to_builtins(replace(analysis.found, stories=())),
        "summary": msgspec.to_builtins(analysis.summary),
        "stories": [
            [row_id, story.story.mention_count] for row_id, story in zip(judged, analysis.judged, strict=True)
        ],
    }


def analysis_of(run: Analysis) -> types.Analysis:
    """Return a finished run as search worded it. One query where company and revision are there."""
    return analyses_of([run])[0]


def analyses_of(runs: Sequence[Analysis]) -> list[types.Analysis]:
    """Return finished runs as search worded them. One query for them all, where company and revision are there.

    A story that several runs show alike is one object in all of them. The search's own stories are not kept,
    only what was judged of them; one whose article was pruned is left out. Raises ValueError for a run that
    did not succeed.
    """
    shown = {(row_id, copies) for run in runs for row_id, copies in run.stories}
    said = dict(_judged_stories({row_id for row_id, _ in shown}))
    stories = {key: _with_copies(said[key[0]], key[1]) for key in shown if key[0] in said}
    return [_analysis(run, stories) for run in runs]


def _analysis(run: Analysis, stories: dict[tuple[int, int], types.JudgedStory]) -> types.Analysis:
    if not run.revision or not run.finished_at:
        raise ValueError(f"Analysis {run.pk} did not succeed.")
    return types.Analysis(
        company=run.company.name,
        analysis_id=run.pk,
        analyzed_at=run.finished_at,
        models={"category": run.revision.category, "sentiment": run.revision.sentiment},
        found=msgspec.convert(run.found, types.SearchResult),
        judged=tuple(stories[key] for row_id, copies in run.stories if (key := (row_id, copies)) in stories),
        summary=msgspec.convert(run.summary, types.Summary),
    )


def _keep_judged(stories: Sequence[types.JudgedStory], revision: Revision, *, now: datetime) -> list[int]:
    """Store what is new of articles and judgements; return the judgements' ids, in order."""
    articles = _keep_articles([story.story.article for story in stories], now=now)
    rows = [_judged_row(story, articles[_identity(story.story.article)], revision) for story in stories]
    known = _judged_ids(rows, revision)
    new = {key: row for row in rows if (key := (row.article_id, row.content)) not in known}
    if new:
        # In one order for everybody: two runs that judge the same articles wait for, and never block, each other.
        JudgedArticle.objects.bulk_create([new[key] for key in sorted(new)], ignore_conflicts=True)
        known = _judged_ids(rows, revision)
    return [known[row.article_id, row.content] for row in rows]


def _judged_ids(rows: Sequence[JudgedArticle], revision: Revision) -> dict[tuple[int, UUID], int]:
    kept = JudgedArticle.objects.filter(article__in={row.article_id for row in rows}, revision=revision)
    return {(article, content): pk for article, content, pk in kept.values_list("article_id", "content", "pk")}


def _keep_articles(articles: Sequence[types.Article], *, now: datetime) -> dict[UUID, Article]:
    """Remember that known articles were seen, store the unknown ones; return all by identity.

    First seen, then read: what is seen can no longer be pruned in between.
    """
    by_identity = {_identity(article): article for article in articles}
    _remember_seen(list(by_identity), now=now)
    known = _articles(list(by_identity))
    new = [_article_row(identity, by_identity[identity], now) for identity in sorted(by_identity.keys() - known)]
    if new:
        Article.objects.bulk_create(new, ignore_conflicts=True)
        known = _articles(list(by_identity))
    return known


def _remember_seen(identities: Sequence[UUID], *, now: datetime) -> None:
    unseen = Article.objects.filter(identity__in=identities, last_seen_at__lt=now - SEEN_EVERY)
    ids = list(unseen.order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True))
    if ids:
        Article.objects.filter(pk__in=ids).update(last_seen_at=now)


def _articles(identities: Sequence[UUID]) -> dict[UUID, Article]:
    return Article.objects.in_bulk(identities, field_name="identity")


def _identity(article: types.Article) -> UUID:
    return _digest(canonical_url(article.url).encode())


def _digest(content: bytes) -> UUID:
    return UUID(bytes=blake2b(content, digest_size=16).digest())


def _article_row(identity: UUID, article: types.Article, now: datetime) -> Article:
    return Article(
        identity=identity,
        url=article.url,
        link=article.link,
        title=article.title,
        summary=article.summary,
        publisher=article.publisher[:200],
        published_at=article.published_at,
        last_seen_at=now,
    )


def _article(row: Article) -> types.Article:
    return types.Article(
        url=row.url,
        link=row.link,
        title=row.title,
        summary=row.summary,
        publisher=row.publisher,
        published_at=row.published_at,
    )


def _judged_row(story: types.JudgedStory, row: Article, revision: Revision) -> JudgedArticle:
    article, relevance = story.story.article, story.story.relevance
    detail = Detail(
        judgement=story.judgement,
        relevance=relevance,
        keywords=story.keywords,
        article=None if article == _article(row) else article,
    )
    content: tuple[object, ...] = (article, relevance, story.keywords)
    if not story.judgement.is_by({"category": revision.category, "sentiment": revision.sentiment}):
        content += ("keywords stood in",)  # not the row of what the model says of it another time
    return JudgedArticle(
        article=row,
        revision=revision,
        content=_digest(msgspec.json.encode(content)),
        category=story.judgement.category.label[:30],
        sentiment=story.judgement.sentiment.label,
        detail=msgspec.to_builtins(detail),
    )


def _judged_stories(ids: Iterable[int]) -> Iterator[tuple[int, types.JudgedStory]]:
    """Yield the stories that rows hold, by the rows' ids. No models' rows in between: they cost as much again."""
    for portion in portions(ids):
        rows = JudgedArticle.objects.filter(pk__in=portion)
        for pk, detail, *columns in rows.values_list(
            "pk", Cast("detail", TextField()), *(f"article__{name}" for name in ARTICLE)
        ):
            yield pk, _judged_story(msgspec.json.decode(detail, type=Detail), columns)


def _judged_story(detail: Detail, columns: Sequence[Any]) -> types.JudgedStory:
    """Return a story; `columns`: of its article's row, in the order of its fields."""
    article = detail.article or types.Article(**dict(zip(ARTICLE, columns, strict=True)))
    story = types.Story(article=article, mention_count=1, relevance=detail.relevance)
    return types.JudgedStory(story=story, judgement=detail.judgement, keywords=detail.keywords)


def _with_copies(judged: types.JudgedStory, copies: int) -> types.JudgedStory:
    if copies == judged.story.mention_count:
        return judged
    return replace(judged, story=replace(judged.story, mention_count=copies))
