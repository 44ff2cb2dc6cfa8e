"""POST /search/batch: concurrent, in order, each failing in its own place."""

from __future__ import annotations

import time

import pytest

PATH = "/api/v1/search/batch"


def test_answers_come_in_the_order_of_the_questions(client, naver):
    queries = [f"한빛전자 {number}" for number in range(10)]
    body = client.post(PATH, [{"query": query} for query in queries], format="json").json()

    assert [answer["search_metadata"]["query"] for answer in body] == queries


def test_searches_run_at_once(client, naver):
    naver.delay = 2
    started = time.monotonic()
    client.post(PATH, [{"query": f"한빛전자 {number}"} for number in range(10)], format="json")

    # One after the other they would take twenty seconds.
    assert time.monotonic() - started < 15
    assert len(naver.calls) == 10


def test_one_that_fails_says_so_in_its_place(client, naver):
    naver.handler = lambda exchange: (
        exchange.reply(400, {"errorCode": "SE01", "errorMessage": "no"})
        if exchange.call.params["query"] == "나쁜말"
        else naver.search(exchange)
    )
    body = client.post(PATH, [{"query": "한빛"}, {"query": "나쁜말"}, {"query": "전자"}], format="json").json()

    assert [next(iter(answer)) for answer in body] == ["search_metadata", "error", "search_metadata"]
    assert body[1]["error"]["error_code"] == "PROVIDER_ERROR"
    assert body[1]["query"] == "나쁜말"


def test_one_that_is_not_valid_says_so_in_its_place(client, naver):
    body = client.post(PATH, [{"query": "한빛"}, {"query": "x", "max_results": 0}, {}], format="json").json()

    assert "items" in body[0]
    assert list(body[1]["error"]["details"]) == ["max_results"]
    assert body[1]["query"] == "x"
    assert list(body[2]["error"]["details"]) == ["query"]
    assert body[2]["query"] is None


@pytest.mark.parametrize("body", [[], [{"query": "x"}] * 11, {"query": "x"}, "x", ["x", 1], [None], [[]]])
def test_what_is_no_batch_is_refused_whole(client, naver, body):
    response = client.post(PATH, body, format="json")

    assert response.status_code == 400
    assert response.json()["error_code"] == "VALIDATION_ERROR"
    assert naver.calls == []


def test_the_same_question_ten_times_is_asked_once(client, naver):
    naver.delay = 0.1
    body = client.post(PATH, [{"query": "한빛전자"}] * 10, format="json").json()

    assert len(body) == 10
    assert len(naver.calls) == 1
