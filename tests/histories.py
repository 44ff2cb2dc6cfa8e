"""Analyses as search would hand them over, written here; and several threads at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from django.db import connection

from mlcore.types import Evidence, IssueTag, Judgement, Prediction
from search import types
from search.pipeline import summarize

LEXICONS = {"category": "keyword@1", "sentiment": "keyword@1"}
MODELS = {"category": "press@2", "sentiment": "press@2"}


def article(number: int, **changes: object) -> types.Article:
    fields = {
        "url": f"https://press.example/news/{number}",
        "link": f"https://portal.example/article/{number}",
        "title": f"새벽소프트, {number}번째 공장 폐수 정화 설비 가동",
        "summary": f"새벽소프트는 {number}일 “정화율 99%”라고 밝혔다.",
        "publisher": "가람경제",
        "published_at": datetime(2026, 11, 1, 9, tzinfo=UTC) + timedelta(minutes=number),
    }
    return types.Article(**{**fields, **changes})


def judged(
    number: int,
    *,
    copies: int = 1,
    label: str = "E",
    keywords: Sequence[str] = ("정화설비", "폐수"),
    **changes: object,
) -> types.JudgedStory:
    """A story with all that a judgement may hold."""
    shown = article(number, **changes)
    category = Prediction(
        label=label,
        scores={"E": 0.7, "S": 0.1, "G": 0.05, "none": 0.15} | {label: 0.7},
        method="keyword",
        evidence=(Evidence(word="폐수", start=12, end=14),),
        issue=IssueTag(code="SASB-140", name="물과 폐수") if label == "E" else None,
    )
    sentiment = Prediction(
        label="positive", scores={"positive": 1 / 3, "neutral": 1 / 3, "negative": 1 / 3}, method="model"
    )
    relevance = types.Relevance(score=0.85, verdict="subject", evidence="새벽소프트")
    return types.JudgedStory(
        story=types.Story(article=shown, mention_count=copies, relevance=relevance),
        judgement=Judgement(category=category, sentiment=sentiment),
        keywords=tuple(keywords),
    )


def analysis(
    stories: Sequence[types.JudgedStory],
    *,
    company: str = "새벽소프트",
    at: datetime | None = None,
    models: dict[str, str] = LEXICONS,
    analysis_id: int | None = None,
) -> types.Analysis:
    at = at or datetime.now(UTC)
    return types.Analysis(
        company=company,
        analysis_id=analysis_id,
        analyzed_at=at,
        models=models,
        found=types.SearchResult(
            query=types.SearchQuery(text=company, is_company=True, sort="date", similarity_threshold=0.7),
            provider="naver",
            searched_at=at - timedelta(seconds=2),
            total_found=1234,
            original_count=sum(one.story.mention_count for one in stories),
            duplicates_removed=sum(one.story.mention_count - 1 for one in stories),
            stories=tuple(one.story for one in stories),
            is_exhausted=True,
        ),
        judged=tuple(stories),
        summary=summarize(stories),
    )


def at_once(*works: Callable[[], object]) -> list[object]:
    """Do each in a thread of its own, started together; return what they return, raise what they raise."""
    barrier = threading.Barrier(len(works))

    def do(work: Callable[[], object]) -> object:
        try:
            barrier.wait(timeout=30)
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return [task.result() for task in [pool.submit(do, work) for work in works]]
