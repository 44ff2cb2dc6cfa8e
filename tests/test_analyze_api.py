"""POST /search/companies/{company}/analyze as docs/api.md says it."""

from __future__ import annotations

import pytest

from tests.test_search_api import ITEM, METADATA, company_path, has_fields

CODES = {"E", "S", "G", "기타"}
SENTIMENTS = {"긍정", "중립", "부정"}


@pytest.fixture(scope="module")
def analysis(django_db_setup, django_db_blocker):
    from rest_framework.test import APIClient

    with django_db_blocker.unblock():
        return APIClient(SERVER_NAME="localhost").post(company_path("삼성전자", "/analyze")).json()


def test_an_analysis_has_every_documented_field(analysis):
    metadata = analysis["analysis_metadata"]

    assert set(metadata) >= {"company", "analysis_id", "models"}
    has_fields(
        metadata,
        {
            "analyzed_count": int,
            "analysis_time": str,
            "ml_service_status": str,
            "cache_hit": bool,
            "stale": bool,
            "processing_time_ms": float,
        },
    )
    has_fields(analysis["search_metadata"], METADATA)
    has_fields(
        analysis["deduplication"], {"original_count": int, "duplicates_removed": int, "similarity_threshold": float}
    )
    assert analysis["analyzed_news"]
    for news in analysis["analyzed_news"]:
        has_fields(news, ITEM)


def test_both_axes_speak_one_vocabulary(analysis):
    for news in analysis["analyzed_news"]:
        esg, sentiment = news["esg_classification"], news["sentiment_analysis"]
        assert esg["category"] in CODES
        assert set(esg["scores"]) == CODES
        assert sentiment["label"] in SENTIMENTS
        assert set(sentiment["scores"]) == {"positive", "neutral", "negative"}


def test_scores_sum_to_one_and_confidence_is_the_greatest(analysis):
    for news in analysis["analyzed_news"]:
        for judged in (news["esg_classification"], news["sentiment_analysis"]):
            assert sum(judged["scores"].values()) == pytest.approx(1, abs=1e-9)
            assert judged["confidence"] == max(judged["scores"].values())
            assert judged["method"] == "keyword"


def test_reasoning_names_words_of_this_article(analysis):
    reasons = 0
    for news in analysis["analyzed_news"]:
        text = f"{news['title']} {news['summary']}"
        for judged in (news["esg_classification"], news["sentiment_analysis"]):
            for evidence in judged["evidence"]:
                reasons += 1
                assert text[evidence["start"] : evidence["end"]] == evidence["word"]
                assert evidence["word"] in judged["reasoning"]
    assert reasons > len(analysis["analyzed_news"])


def test_the_summary_adds_up(analysis):
    summary = analysis["summary"]

    assert set(summary["esg_distribution"]) == CODES
    assert set(summary["sentiment_distribution"]) == SENTIMENTS
    assert sum(summary["esg_distribution"].values()) == summary["total_analyzed"]
    assert sum(summary["sentiment_distribution"].values()) == summary["total_analyzed"]
    shown = analysis["analysis_metadata"]["analyzed_count"]
    assert summary["total_analyzed"] + summary["left_out"] == shown == len(analysis["analyzed_news"])


def test_top_keywords_are_words_of_the_news_without_the_company(analysis):
    keywords = analysis["summary"]["top_keywords"]
    text = " ".join(f"{news['title']} {news['summary']}" for news in analysis["analyzed_news"])

    assert len(keywords) == 10
    assert all(keyword in text for keyword in keywords)
    assert not any("삼성전자" in keyword for keyword in keywords)


def test_who_judged_is_said(analysis):
    assert analysis["analysis_metadata"]["ml_service_status"] == "keyword_fallback"
    assert set(analysis["analysis_metadata"]["models"]) == {"category", "sentiment"}


def test_nothing_found_is_an_answer_of_zeros(client, naver):
    naver.items = []
    body = client.post(company_path("없는회사", "/analyze")).json()

    assert body["analysis_metadata"]["ml_service_status"] == "no_data"
    assert body["summary"] == {
        "total_analyzed": 0,
        "left_out": 0,
        "esg_distribution": {"E": 0, "S": 0, "G": 0, "기타": 0},
        "sentiment_distribution": {"긍정": 0, "중립": 0, "부정": 0},
        "top_keywords": [],
    }


def test_max_results_and_force_refresh_are_both_obeyed(client, naver):
    client.post(company_path("한빛전자", "/analyze"), {"max_results": 3}, format="json")
    body = client.post(
        company_path("한빛전자", "/analyze"), {"max_results": 4, "force_refresh": True}, format="json"
    ).json()

    assert body["analysis_metadata"]["analyzed_count"] == len(body["analyzed_news"]) == 4
    assert body["analysis_metadata"]["cache_hit"] is False
    assert len(naver.calls) == 2


def test_without_fallback_an_unusable_model_is_a_503(client, settings):
    settings.MLCORE_FALLBACK = False
    response = client.post(company_path("삼성전자", "/analyze"))

    assert response.status_code == 503
    assert "test123" in response.json()["message"]


def test_a_listener_that_fails_costs_the_analysis_nothing(client, naver, caplog):
    from search.signals import analysis_completed

    def fail(**kwargs):
        raise RuntimeError("the disk is full")

    analysis_completed.connect(fail)
    try:
        response = client.post(company_path("한빛전자", "/analyze"))
    finally:
        analysis_completed.disconnect(fail)

    assert response.status_code == 200
    assert response.json()["analysis_metadata"]["analysis_id"] is None
    assert "the disk is full" in caplog.text


def test_the_id_a_listener_keeps_it_under_is_told_on_hits_too(client, naver):
    from search.signals import analysis_completed

    def keep(**kwargs) -> int:
        return 318

    analysis_completed.connect(keep)
    try:
        client.post(company_path("한빛전자", "/analyze"))
    finally:
        analysis_completed.disconnect(keep)

    again = client.post(company_path("한빛전자", "/analyze")).json()
    assert again["analysis_metadata"]["cache_hit"] is True
    assert again["analysis_metadata"]["analysis_id"] == 318
