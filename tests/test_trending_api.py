"""GET /search/trending: from what was judged lately, against the days before."""

from __future__ import annotations

import time

import pytest
import time_machine

from search import collected
from search.services import Options, analyze_company
from tests.stand_ins import news_item

PATH = "/api/v1/search/trending"


def test_before_anything_is_collected_nothing_trends(client):
    body = client.get(PATH).json()

    assert body["keywords"] == body["details"] == []
    assert body["category"] == "전체"


def test_what_was_judged_lately_trends(client):
    analyze_company("삼성전자", Options(max_results=50))
    body = client.get(PATH, {"limit": 5}).json()

    assert len(body["keywords"]) == 5
    assert [detail["keyword"] for detail in body["details"]] == body["keywords"]
    assert all(detail["count"] >= 1 for detail in body["details"])


def test_an_article_counts_once_however_often_it_is_judged(client, naver):
    naver.items = [news_item(1, title="한빛전자, 해상풍력 사업 진출", description="한빛전자가 밝혔다.")]
    for _ in range(3):
        analyze_company("한빛전자", Options(max_results=50, mode="refresh"))

    counts = {detail["keyword"]: detail["count"] for detail in client.get(PATH).json()["details"]}
    assert counts["해상풍력"] == 1


def test_what_is_new_outruns_what_was_always_there(client, naver):
    with time_machine.travel(time.time() - 3 * 86400, tick=True):
        naver.items = [news_item(n, title=f"한빛전자 반도체 소식 {n}", description="없음") for n in range(20)]
        analyze_company("한빛전자", Options(max_results=50, mode="refresh", remove_duplicates=False))
    naver.items = [news_item(n, title=f"한빛전자 반도체 소식 {n}", description="없음") for n in range(30, 34)]
    naver.items += [news_item(n, title=f"한빛전자 해상풍력 수주 {n}", description="없음") for n in range(40, 44)]
    analyze_company("한빛전자", Options(max_results=50, mode="refresh", remove_duplicates=False))

    details = {detail["keyword"]: detail for detail in client.get(PATH).json()["details"]}
    assert (details["반도체"]["count"], details["반도체"]["previous"]) == (4, 20)
    assert (details["해상풍력"]["count"], details["해상풍력"]["previous"]) == (4, 0)
    assert details["해상풍력"]["score"] > details["반도체"]["score"]


def test_a_category_counts_its_own_news(client, naver):
    naver.items = [
        news_item(1, title="한빛전자, 온실가스 배출 감축 탄소중립 재생에너지 전환", description="환경 오염 저감"),
        news_item(2, title="한빛전자 이사회, 사외이사 선임 지배구조 개선", description="주주총회 감사위원회"),
    ]
    analyze_company("한빛전자", Options(max_results=50))

    environment = client.get(PATH, {"category": "E"}).json()["keywords"]
    governance = client.get(PATH, {"category": "G"}).json()["keywords"]
    assert "온실가스" in " ".join(environment)
    assert "사외이사" in " ".join(governance)
    assert not set(environment) & set(governance)


@pytest.mark.parametrize(
    ("field", "value"),
    [("hours", 0), ("hours", 169), ("hours", "x"), ("limit", 0), ("limit", 101), ("category", "날씨")],
)
def test_a_parameter_out_of_bounds_is_named(client, field, value):
    response = client.get(PATH, {field: value})

    assert response.status_code == 400
    assert list(response.json()["details"]) == [field]


def test_an_hour_keeps_a_bounded_number_of_keywords(monkeypatch):
    monkeypatch.setattr(collected, "KEYWORDS_AN_HOUR", 3)
    merged = collected._merge([{"all": {f"낱말{n}": n for n in range(10)}}])

    assert list(merged["all"]) == ["낱말9", "낱말8", "낱말7"]
