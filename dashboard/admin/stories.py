"""The stories of a run as rows to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from django.utils.safestring import SafeString

from dashboard.admin.bars import draw_label
from dashboard.models import Article, JudgedArticle
from dashboard.records import Detail
from search import types


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a revision said of an article as a search worded it, ready to show."""

    article_id: int
    article: Article | types.Article  # the row, or another wording of it
    category: SafeString
    category_confidence: float  # 0..1
    sentiment: SafeString
    sentiment_confidence: float  # 0..1
    issue: str
    reasons: tuple[str, ...]  # the words that spoke for either label
    keywords: tuple[str, ...]
    methods: tuple[str, str]  # of category and sentiment: model or keyword
    relevance: types.Relevance


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A story of a run; `judged` is None where the article was pruned or deleted."""

    judged: Judged | None
    copies: int


def rows_of(stories: Sequence[tuple[int, int]]) -> list[Row]:
    """Return stories as Analysis.stories keeps them, with their articles and labels. One query."""
    found = JudgedArticle.objects.select_related("article").in_bulk([pk for pk, _ in stories])
    judged = {pk: judged_of(row) for pk, row in found.items()}
    return [Row(judged=judged.get(pk), copies=copies) for pk, copies in stories]


def judged_of(row: JudgedArticle) -> Judged:
    detail = msgspec.convert(row.detail, Detail)
    category, sentiment = detail.judgement.category, detail.judgement.sentiment
    evidence = (*category.evidence, *sentiment.evidence)
    return Judged(
        article_id=row.article_id,
        article=detail.article or row.article,
        category=draw_label(category.label),
        category_confidence=category.confidence,
        sentiment=draw_label(sentiment.label),
        sentiment_confidence=sentiment.confidence,
        issue=category.issue.name if category.issue else "",
        reasons=tuple(dict.fromkeys(word.word for word in evidence)),
        keywords=detail.keywords,
        methods=(category.method, sentiment.method),
        relevance=detail.relevance,
    )
