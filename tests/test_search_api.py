"""The search API as docs/api.md says it, over the sample archive and over a stand-in for Naver."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import quote

import pytest

from tests.stand_ins import news_item

METADATA = {
    "query": str,
    "total_found": int,
    "returned_count": int,
    "cache_hit": bool,
    "stale": bool,
    "response_time_ms": float,
    "search_time": str,
    "provider": str,
}
ITEM = {
    "title": str,
    "url": str,
    "link": str,
    "summary": str,
    "published_date": str,
    "news_source": str,
    "relevance_score": float,
    "mention_count": int,
}


def company_path(company: str, end: str = "") -> str:
    return f"/api/v1/search/companies/{quote(company, safe='')}{end}"


def has_fields(value: dict, fields: dict[str, type]) -> None:
    for name, kind in fields.items():
        assert isinstance(value[name], kind), f"{name}={value[name]!r} is no {kind.__name__}"


def test_a_search_has_every_documented_field(client):
    body = client.post("/api/v1/search/news", {"query": "삼성전자", "max_results": 5}, format="json").json()

    has_fields(body["search_metadata"], METADATA)
    assert "company" not in body["search_metadata"]
    assert body["search_metadata"]["provider"] == "archive (sample)"
    assert body["search_metadata"]["returned_count"] == len(body["items"]) == 5
    for item in body["items"]:
        has_fields(item, ITEM)
        assert datetime.fromisoformat(item["published_date"]).utcoffset() is not None
        assert 0 <= item["relevance_score"] <= 1
        assert item["relevance"] is None


def test_a_company_search_takes_an_empty_body(client):
    body = client.post(company_path("삼성전자")).json()

    assert body["search_metadata"]["company"] == "삼성전자"
    assert body["search_metadata"]["query"] == '"삼성전자"'


def test_the_counts_reconcile(client):
    body = client.post(company_path("삼성전자"), {"max_results": 1000}, format="json").json()
    counts = body["deduplication"]

    assert counts["duplicates_removed"] > 0
    assert counts["original_count"] - counts["duplicates_removed"] == body["search_metadata"]["returned_count"]
    assert sum(item["mention_count"] for item in body["items"]) == counts["original_count"]


def test_duplicates_stay_if_asked(client):
    body = client.post(
        company_path("삼성전자"), {"remove_duplicates": False, "max_results": 1000}, format="json"
    ).json()

    assert body["deduplication"]["duplicates_removed"] == 0
    assert {item["mention_count"] for item in body["items"]} == {1}


def test_max_results_counts_what_is_left_after_duplicates(client, naver):
    wire = [
        news_item(1, title=f"한빛전자, 태양광 5천억 수주…창사 최대 ({n}보)", host=f"p{n}.example") for n in range(90)
    ]
    naver.items = wire + [news_item(number) for number in range(100, 260)]
    body = client.post(company_path("한빛전자"), {"max_results": 40}, format="json").json()

    assert body["search_metadata"]["returned_count"] == 40
    assert len(naver.calls) == 2


def test_display_and_accuracy_are_other_names(client, naver):
    client.post("/api/v1/search/news", {"query": "한빛전자", "display": 3, "sort": "accuracy"}, format="json")
    body = client.post("/api/v1/search/news", {"query": "한빛전자", "max_results": 3}, format="json").json()

    assert naver.calls[0].params["sort"] == "sim"
    assert body["search_metadata"]["cache_hit"] is True
    assert body["search_metadata"]["returned_count"] == 3


def test_the_order_of_the_provider_survives(client, naver):
    body = client.post(
        "/api/v1/search/news", {"query": "x", "max_results": 30, "remove_duplicates": False}, format="json"
    ).json()

    assert [item["url"] for item in body["items"]] == [item["originallink"] for item in naver.items]


def test_search_time_is_when_the_provider_was_asked(client, naver):
    first = client.post(company_path("한빛전자")).json()["search_metadata"]
    second = client.post(company_path("한빛전자")).json()["search_metadata"]

    assert (first["cache_hit"], second["cache_hit"]) == (False, True)
    assert first["search_time"] == second["search_time"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_results", 0),
        ("max_results", 1001),
        ("max_results", "ten"),
        ("max_results", -5),
        ("max_results", 1.5),
        ("max_results", None),
        ("display", 1001),
        ("start", 0),
        ("start", 1001),
        ("sort", "newest"),
        ("similarity_threshold", 1.1),
        ("similarity_threshold", -0.1),
        ("similarity_threshold", "much"),
        ("min_relevance", 1.1),
        ("min_relevance", -0.1),
        ("remove_duplicates", "perhaps"),
        ("force_refresh", "perhaps"),
    ],
)
def test_a_field_out_of_bounds_is_named(client, field, value):
    paths = ("/api/v1/search/news", company_path("한빛전자"), company_path("한빛전자", "/analyze"))
    for path in paths:
        response = client.post(path, {"query": "한빛전자", field: value}, format="json")
        assert response.status_code == 400
        assert list(response.json()["details"]) == [field]


@pytest.mark.parametrize("query", ["", "   ", "가" * 101, "한빛\x00전자", "한빛\n전자\x1b", None, ["한빛"], "\u200b"])
def test_a_bad_query_is_named(client, query):
    response = client.post("/api/v1/search/news", {"query": query}, format="json")

    assert response.status_code == 400
    assert list(response.json()["details"]) == ["query"]


def test_a_missing_query_is_named(client):
    assert "query" in client.post("/api/v1/search/news", {}, format="json").json()["details"]


@pytest.mark.parametrize("company", [" ", "가" * 51, "한빛\x01전자", "한빛\n전자", '"', '" "', "\u200b"])
def test_a_bad_company_is_named(client, naver, company):
    for end in ("", "/analyze"):
        response = client.post(company_path(company, end))
        assert response.status_code == 400, response.content
        assert list(response.json()["details"]) == ["company"]
    assert naver.calls == []


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("한빛전자", '"한빛전자"'),
        ("  한빛   전자 ", '"한빛 전자"'),
        ("ＬＧ전자", '"LG전자"'),
        ("\u1112\u1161\u11ab\u1107\u1175\u11be", '"한빛"'),
        ('한빛"전자', '"한빛전자"'),
        ("AT/T", '"AT/T"'),
        ("S&P", '"S&P"'),
        ("100%", '"100%"'),
        ("%ED%95%9C", '"%ED%95%9C"'),
        ("한빛🚀", '"한빛🚀"'),
        ("L'Oréal; DROP TABLE", '"L\'Oréal; DROP TABLE"'),
        ("../../etc", '"../../etc"'),
        ("<b>한빛</b>", '"<b>한빛</b>"'),
    ],
)
def test_a_name_however_written_reaches_the_provider_whole(client, naver, written, asked):
    response = client.post(company_path(written))

    assert response.status_code == 200, response.content
    assert naver.calls[0].params["query"] == asked
    assert response.json()["search_metadata"]["query"] == asked


def test_two_forms_of_a_name_are_one_company(client, naver):
    client.post(company_path("한빛전자"))
    again = client.post(company_path("\u1112\u1161\u11ab\u1107\u1175\u11be전자"))

    assert again.json()["search_metadata"]["cache_hit"] is True


def test_nothing_found_is_an_answer(client, naver):
    naver.items = []
    body = client.post(company_path("없는회사")).json()

    assert body["items"] == []
    assert body["deduplication"]["original_count"] == 0


def test_unknown_fields_are_tolerated(client):
    assert client.post(company_path("삼성전자"), {"colour": "blue"}, format="json").status_code == 200
