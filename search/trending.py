"""What is being written about more than before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# Articles added to both sides of the ratio: one article after a silent week is no trend, forty are.
SMOOTHING = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendingKeyword:
    """A keyword, how often it was written now and before, and how much faster that is."""

    keyword: str
    count: int  # articles in the current window
    previous: int  # articles in the window before
    score: float  # over 1: rising


def rank(
    current: Mapping[str, int], previous: Mapping[str, int], *, hours: int, previous_hours: int, limit: int
) -> list[TrendingKeyword]:
    """Return at most `limit` keywords of `current`, the fastest rising first.

    score = (count + s) / (expected + s), where expected = previous x hours / previous_hours is what the
    rate of the window before would have brought in this one, and s = SMOOTHING. Ties: the higher count,
    then the keyword. Counts of zero and below are no keywords.

    Raises ValueError where a window has no length.
    """
    if hours <= 0 or previous_hours <= 0:
        raise ValueError(f"A window of {hours} hours after one of {previous_hours} has no rate.")
    share = hours / previous_hours
    trends = [
        TrendingKeyword(
            keyword=keyword,
            count=count,
            previous=previous.get(keyword, 0),
            score=(count + SMOOTHING) / (previous.get(keyword, 0) * share + SMOOTHING),
        )
        for keyword, count in current.items()
        if count > 0
    ]
    trends.sort(key=lambda trend: (-trend.score, -trend.count, trend.keyword))
    return trends[: max(limit, 0)]
