"""What is not about the company: marked in every answer, not counted in an analysis, left out where asked."""

from __future__ import annotations

import pytest

from search.services import Options, analyze_company
from tests.stand_ins import news_item
from tests.test_search_api import company_path

ABOUT = [
    ("KT, 데이터센터 전력 사용량 공개", "KT가 데이터센터 전력 사용량을 처음 공개했다.", "subject"),
    ("통신 3사 요금제 개편 검토", "정부가 요금제 개편을 주문했다. 업계에서는 KT 등이 안을 마련 중이다.", "mentioned"),
]
NOT_ABOUT = [
    ("KTX 강릉선 운행 재개", "폭설로 멈췄던 KTX 열차가 다시 달린다.", "namesake"),
    ("소닉붐 감독 “수비가 이겼다”", "KT 소닉붐이 3점슛을 앞세워 홈 경기에서 이겼다.", "sports"),
    ("KT스카이라이프, 알뜰폰 요금 인하", "KT스카이라이프가 알뜰폰 요금을 내린다.", "affiliate"),
    ("가을비 내린 뒤 기온 뚝", "주말부터 쌀쌀한 날씨가 이어진다.", "unrelated"),
]


@pytest.fixture
def mixed(naver):
    """Naver with news about KT among news that only look so."""
    news = [NOT_ABOUT[0], ABOUT[0], NOT_ABOUT[1], ABOUT[1], *NOT_ABOUT[2:]]
    naver.items = [news_item(n, title=title, description=text) for n, (title, text, _) in enumerate(news)]
    return naver


def verdicts(items) -> dict[str, str]:
    return {item["title"]: item["relevance"]["verdict"] for item in items}


def analyze(client, **options) -> dict:
    return client.post(company_path("KT", "/analyze"), options, format="json").json()


def test_every_story_of_a_company_search_says_how_it_stands_to_the_company(client, mixed):
    items = client.post(company_path("KT")).json()["items"]

    assert verdicts(items) == {title: verdict for title, _, verdict in [*ABOUT, *NOT_ABOUT]}
    for item in items:
        evidence = item["relevance"]["evidence"]
        assert evidence in f"{item['title']} {item['summary']}"
        assert bool(evidence) == (item["relevance"]["verdict"] != "unrelated")


def test_a_search_by_words_says_nothing_of_a_company(client, mixed):
    items = client.post("/api/v1/search/news", {"query": "KT"}, format="json").json()["items"]

    assert items
    assert all(item["relevance"] is None for item in items)


def test_an_analysis_shows_all_and_counts_what_is_about_the_company(client, mixed):
    answer = analyze(client)
    summary = answer["summary"]

    assert set(verdicts(answer["analyzed_news"]).values()) == {
        "subject",
        "mentioned",
        "affiliate",
        "namesake",
        "sports",
        "unrelated",
    }
    assert (summary["total_analyzed"], summary["left_out"]) == (len(ABOUT), len(NOT_ABOUT))
    assert answer["analysis_metadata"]["analyzed_count"] == len(answer["analyzed_news"]) == 6
    assert answer["search_metadata"]["returned_count"] == 6
    for distribution in ("esg_distribution", "sentiment_distribution"):
        assert sum(summary[distribution].values()) == len(ABOUT)


def test_keywords_come_from_what_is_counted(client, mixed):
    keywords = set(analyze(client)["summary"]["top_keywords"])

    assert "데이터센터" in keywords
    assert not keywords & {"강릉", "강릉선", "운행", "3점슛", "알뜰폰", "날씨"}


def test_with_a_limit_of_relevance_what_is_shown_is_what_counts(client, mixed):
    answer = analyze(client, min_relevance=0.2)

    assert set(verdicts(answer["analyzed_news"]).values()) == {"subject", "mentioned", "affiliate"}
    assert answer["summary"]["total_analyzed"] == len(answer["analyzed_news"]) == 3
    assert answer["summary"]["left_out"] == 0


def test_a_limit_of_zero_counts_everything(client, mixed):
    summary = analyze(client, min_relevance=0)["summary"]

    assert (summary["total_analyzed"], summary["left_out"]) == (6, 0)


@pytest.mark.parametrize("limit", [0, 0.05, 0.1, 0.3, 0.95, 1])
def test_no_story_below_the_limit_is_shown_and_none_above_is_missing(client, mixed, limit):
    everything = client.post(company_path("KT")).json()["items"]
    expected = [item for item in everything if item["relevance_score"] >= limit]

    assert client.post(company_path("KT"), {"min_relevance": limit}, format="json").json()["items"] == expected
    shown = analyze(client, min_relevance=limit)["analyzed_news"]
    assert [news["url"] for news in shown] == [item["url"] for item in expected]


def test_a_limit_applies_to_words_too(client, mixed):
    body = {"query": "KT 요금제", "min_relevance": 0.6}
    answer = client.post("/api/v1/search/news", body, format="json").json()
    (batched,) = client.post("/api/v1/search/batch", [body], format="json").json()

    assert [item["title"] for item in answer["items"]] == ["통신 3사 요금제 개편 검토"]
    assert answer["search_metadata"]["returned_count"] == 1
    assert batched["items"] == answer["items"]


def test_one_kept_answer_serves_every_limit(client, mixed):
    for path in (company_path("KT"), company_path("KT", "/analyze")):
        client.post(path)
        for limit in (0.9, 0.3, 0):
            body = client.post(path, {"min_relevance": limit}, format="json").json()
            assert body["search_metadata"]["cache_hit"] is True
    assert len(mixed.calls) == 1


def test_the_limit_of_who_came_first_does_not_bind_the_others(client, mixed):
    assert len(analyze(client, min_relevance=0.9)["analyzed_news"]) == 1
    answer = analyze(client)

    assert (answer["summary"]["total_analyzed"], answer["summary"]["left_out"]) == (2, 4)
    assert len(mixed.calls) == 1


def test_max_results_counts_what_is_left_after_the_limit(client, mixed):
    asked = {"min_relevance": 0.3, "max_results": 2}
    items = client.post(company_path("KT"), asked, format="json").json()["items"]

    assert [item["relevance"]["verdict"] for item in items] == ["subject", "mentioned"]
    assert len(analyze(client, max_results=2)["analyzed_news"]) == 2  # kept: two stories, one of them about KT
    assert len(analyze(client, **asked)["analyzed_news"]) == 2
    assert len(mixed.calls) == 1


def test_the_counts_reconcile_whatever_is_marked(client, mixed):
    mixed.items += [news_item(50, title="(종합) KTX 강릉선 운행 재개", description=NOT_ABOUT[0][1], host="b.example")]
    answer = analyze(client)
    counts = answer["deduplication"]

    assert counts["duplicates_removed"] == 1
    assert counts["original_count"] - 1 == answer["search_metadata"]["returned_count"] == 6
    assert sum(news["mention_count"] for news in answer["analyzed_news"]) == counts["original_count"]


def test_only_news_about_the_company_trends(client, mixed):
    analyze_company("KT", Options(max_results=50))
    keywords = set(client.get("/api/v1/search/trending").json()["keywords"])

    assert "데이터센터" in keywords
    assert not keywords & {"강릉선", "3점슛", "알뜰폰", "날씨"}


@pytest.mark.parametrize("limit", ["much", "nan", None])
def test_a_limit_that_is_no_number_is_named(client, limit):
    for path in ("/api/v1/search/news", company_path("KT"), company_path("KT", "/analyze")):
        response = client.post(path, {"query": "KT", "min_relevance": limit}, format="json")
        assert response.status_code == 400
        assert list(response.json()["details"]) == ["min_relevance"]
