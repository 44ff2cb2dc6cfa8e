"""`manage.py analyze`: a table for people, JSON for programs."""

from __future__ import annotations

import json

import pytest
from django.core.management import CommandError, call_command


def test_a_table_shows_headline_publisher_labels_and_copies(capsys, naver, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    call_command("analyze", "한빛전자", "--max-results", "5")
    shown = capsys.readouterr()

    for column in ("Headline", "Publisher", "ESG", "Sentiment", "Copies"):
        assert column in shown.out
    assert '호 계약 "체결"' in shown.out
    assert "5 stories of 30 articles" in shown.out
    assert "keyword_fallback" in shown.out
    assert "[1/1] 한빛전자" in shown.err
    assert "\x1b[" not in shown.out


def test_json_is_the_answer_of_the_api(capsys, naver, client):
    call_command("analyze", "한빛전자", "--json", "--max-results", "5")
    answer = json.loads(capsys.readouterr().out)
    api = client.post("/api/v1/search/companies/한빛전자/analyze", {"max_results": 5}, format="json").json()

    assert answer["analyzed_news"] == api["analyzed_news"]
    assert answer["summary"] == api["summary"]


def test_it_goes_on_after_a_failure_and_exits_non_zero(capsys, naver):
    naver.handler = lambda exchange: (
        exchange.reply(400, {"errorCode": "SE01"})
        if "나쁜회사" in exchange.call.params["query"]
        else naver.search(exchange)
    )
    with pytest.raises(CommandError, match="1 of 3 failed"):
        call_command("analyze", "한빛전자", "나쁜회사", "다른회사", "--json")
    shown = capsys.readouterr()
    answers = [json.loads(line) for line in shown.out.splitlines()]

    assert [next(iter(answer)) for answer in answers] == ["analysis_metadata", "error", "analysis_metadata"]
    assert "PROVIDER_ERROR" in shown.err


def test_force_refresh_and_no_cache_ask_anew(capsys, naver):
    for _ in range(2):
        call_command("analyze", "한빛전자")
    assert len(naver.calls) == 1
    call_command("analyze", "한빛전자", "--force-refresh")
    call_command("analyze", "한빛전자", "--no-cache")
    assert len(naver.calls) == 3


@pytest.mark.parametrize("count", ["0", "1001", "ten", "-1"])
def test_max_results_is_checked(count):
    with pytest.raises(CommandError, match="1 to 1000"):
        call_command("analyze", "한빛전자", "--max-results", count)
