"""Answers in the shape of docs/api.md. Plain functions: a serializer would cost more than the cached answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from mlcore.labels import KOREAN, LABELS, korean
from mlcore.types import Axis, Prediction, method_of
from newsservice.api import domain_error_envelope
from newsservice.errors import DomainError
from search.cache import Answer
from search.services import Options, Outcome
from search.trending import TrendingKeyword
from search.types import Analysis, JudgedStory, SearchResult, Story, Summary

SEOUL = ZoneInfo("Asia/Seoul")

Json = dict[str, object]


def present_search(answer: Answer[SearchResult], *, options: Options, elapsed_ms: float) -> Json:
    stories = list(filter(options.admits, answer.value.stories))[: options.max_results]
    return {
        "search_metadata": _search_metadata(answer, returned=len(stories), elapsed_ms=elapsed_ms),
        "items": [_story(story) for story in stories],
        "deduplication": _deduplication(answer.value),
    }


def present_analysis(
    answer: Answer[Analysis], *, elapsed_ms: float, stories: Mapping[int, object] | None = None
) -> Json:
    """`stories`: its judged stories, presented or even written already, by the identity of the object."""
    analysis = answer.value
    stories = present_stories([analysis]) if stories is None else stories
    found = Answer(value=analysis.found, is_hit=answer.is_hit, is_stale=answer.is_stale)
    return {
        "analysis_metadata": {
            "company": analysis.company,
            "analysis_id": analysis.analysis_id,
            "analyzed_count": len(analysis.judged),
            "analysis_time": analysis.analyzed_at,
            "ml_service_status": service_status(analysis.models.values(), judged=len(analysis.judged)),
            "cache_hit": answer.is_hit,
            "stale": answer.is_stale,
            "processing_time_ms": elapsed_ms,
            "models": analysis.models,
        },
        "analyzed_news": [stories[id(judged)] for judged in analysis.judged],
        "summary": present_summary(analysis.summary),
        "search_metadata": _search_metadata(found, returned=len(analysis.judged), elapsed_ms=elapsed_ms),
        "deduplication": _deduplication(analysis.found),
    }


def present_stories(analyses: Iterable[Analysis]) -> dict[int, Json]:
    """Present every judged story once, however many of the analyses share it; by the identity of the object."""
    shown = {id(judged): judged for analysis in analyses for judged in analysis.judged}
    return {key: _judged_story(judged) for key, judged in shown.items()}


def present_summary(summary: Summary) -> Json:
    return {
        "total_analyzed": summary.total,
        "left_out": summary.left_out,
        "esg_distribution": _in_korean(summary.categories),
        "sentiment_distribution": _in_korean(summary.sentiments),
        "top_keywords": summary.top_keywords,
    }


def present_batch_item(outcome: Outcome, *, query: str, options: Options, elapsed_ms: float) -> Json:
    if isinstance(outcome, DomainError):
        return present_failure(outcome, query=query)
    return present_search(outcome, options=options, elapsed_ms=elapsed_ms)


def present_failure(error: DomainError, *, query: str) -> Json:
    """Present one of several questions that failed, where the others may have answers."""
    return {"error": domain_error_envelope(error), "query": query}


def present_trending(keywords: list[TrendingKeyword], *, category: str, at: datetime) -> Json:
    return {
        "keywords": [trend.keyword for trend in keywords],
        "details": [
            {
                "keyword": trend.keyword,
                "count": trend.count,
                "previous": trend.previous,
                "score": round(trend.score, 2),
            }
            for trend in keywords
        ],
        "category": category,
        "last_updated": at,
    }


def service_status(revisions: Iterable[str], *, judged: int) -> str:
    """Say who judged them: `local_model` (both axes by model), `partial_fallback`, `keyword_fallback`, `no_data`."""
    if not judged:
        return "no_data"
    by_model = [method_of(revision) == "model" for revision in revisions]
    return "local_model" if all(by_model) else "partial_fallback" if any(by_model) else "keyword_fallback"


def _search_metadata(answer: Answer[SearchResult], *, returned: int, elapsed_ms: float) -> Json:
    found = answer.value
    company = {"company": found.query.text} if found.query.is_company else {}
    return {
        **company,
        "query": " | ".join(found.query.upstream),
        "total_found": found.total_found,
        "returned_count": returned,
        "cache_hit": answer.is_hit,
        "stale": answer.is_stale,
        "response_time_ms": elapsed_ms,
        "search_time": found.searched_at,
        "provider": found.provider,
    }


def _deduplication(found: SearchResult) -> Json:
    return {
        "original_count": found.original_count,
        "duplicates_removed": found.duplicates_removed,
        "similarity_threshold": found.query.similarity_threshold,
    }


def _story(story: Story) -> Json:
    article, relevance = story.article, story.relevance
    return {
        "title": article.title,
        "url": article.url,
        "link": article.link,
        "summary": article.summary,
        "published_date": article.published_at and article.published_at.astimezone(SEOUL),
        "news_source": article.publisher,
        "relevance_score": relevance.score,
        "relevance": relevance.verdict and {"verdict": relevance.verdict, "evidence": relevance.evidence},
        "mention_count": story.mention_count,
    }


def _judged_story(judged: JudgedStory) -> Json:
    category, sentiment = judged.judgement.category, judged.judgement.sentiment
    return {
        **_story(judged.story),
        "esg_classification": {
            "category": korean(category.label),
            **_prediction(category, scores=_in_korean(_rounded(category, axis="category"))),
            "issue": category.issue and {"code": category.issue.code, "name": category.issue.name},
        },
        "sentiment_analysis": {
            "label": korean(sentiment.label),
            **_prediction(sentiment, scores=_rounded(sentiment, axis="sentiment")),
        },
    }


def _prediction(prediction: Prediction, *, scores: dict[str, float]) -> Json:
    """Present what both axes share; the places of evidence are in `title + " " + summary`."""
    return {
        "confidence": max(scores.values()),
        "scores": scores,
        "reasoning": ", ".join(dict.fromkeys(evidence.word for evidence in prediction.evidence)),
        "method": prediction.method,
        "evidence": [
            {"word": evidence.word, "start": evidence.start, "end": evidence.end} for evidence in prediction.evidence
        ],
    }


def _rounded(prediction: Prediction, *, axis: Axis) -> dict[str, float]:
    """Return every label's score to four digits, still summing to 1: the label shown takes the difference."""
    scores = {label: round(prediction.scores.get(label, 0.0), 4) for label in LABELS[axis]}
    scores |= {label: round(score, 4) for label, score in prediction.scores.items()}
    scores[prediction.label] = round(scores[prediction.label] + 1 - sum(scores.values()), 4)
    return scores


def _in_korean(values: Mapping[str, float]) -> dict[str, float]:
    return {KOREAN.get(code, code): value for code, value in values.items()}
