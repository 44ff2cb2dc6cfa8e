"""Rank keywords by how much faster they are written than before."""

from __future__ import annotations

import pytest

from search import trending


def rank(current, previous, *, hours=24, previous_hours=24, limit=10):
    return trending.rank(current, previous, hours=hours, previous_hours=previous_hours, limit=limit)


def test_a_keyword_that_rises_comes_before_one_that_is_always_there():
    ranked = rank({"실적": 40, "파업": 20}, {"실적": 40, "파업": 1})

    assert [trend.keyword for trend in ranked] == ["파업", "실적"]
    assert ranked[1].score == pytest.approx(1.0)


def test_the_rates_are_compared_not_the_counts():
    [trend] = rank({"파업": 10}, {"파업": 70}, hours=24, previous_hours=7 * 24)

    assert trend.score == pytest.approx(1.0)
    assert (trend.count, trend.previous) == (10, 70)


def test_one_article_after_silence_is_no_trend():
    ranked = rank({"낯선말": 1, "반도체": 41}, {"반도체": 12})

    assert [trend.keyword for trend in ranked] == ["반도체", "낯선말"]


def test_ties_go_to_the_higher_count_then_the_keyword():
    ranked = rank({"나": 4, "가": 4, "다": 8}, {"나": 4, "가": 4, "다": 8})

    assert [trend.keyword for trend in ranked] == ["다", "가", "나"]


def test_a_limit_is_kept_and_zero_counts_are_no_keywords():
    assert [trend.keyword for trend in rank({"가": 3, "나": 2, "다": 0}, {}, limit=1)] == ["가"]
    assert rank({"가": 3}, {}, limit=0) == []
    assert rank({"다": 0}, {}) == []


@pytest.mark.parametrize(("hours", "previous_hours"), [(0, 24), (24, 0), (-1, 24)])
def test_a_window_without_length_is_refused(hours, previous_hours):
    with pytest.raises(ValueError, match="hours"):
        rank({"가": 1}, {}, hours=hours, previous_hours=previous_hours)
