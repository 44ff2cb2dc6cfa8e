"""What was collected lately: keywords of judged news, counted by the hour, for `trending`.

Counted when an article is first judged, whatever its date. Kept in the cache: losing it costs a trend, no history.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from threading import Lock

from search import store, trending
from search.text import canonical_url
from search.trending import TrendingKeyword
from search.types import JudgedStory

ALL = "all"
MAX_HOURS = 168
PREVIOUS_HOURS = 168  # the days before, that the last hours are held against
KEPT_SECONDS = (MAX_HOURS + PREVIOUS_HOURS + 1) * 3600
KEYWORDS_AN_HOUR = 3000  # of one category; the rarest beyond are dropped

Counts = dict[str, dict[str, int]]  # category -> keyword -> articles

_counting = Lock()


def remember(judged: Sequence[JudgedStory]) -> None:
    """Count the keywords of the stories not seen before, under their category and under all."""
    new = _first_seen(judged)
    if not new:
        return
    bucket = _bucket(int(time.time() // 3600))
    with _counting, store.locked(bucket):
        counts = _merge([store.get(bucket, Counts) or {}, *map(_counts, new)])
        store.put(bucket, counts, seconds=KEPT_SECONDS)


def rank(*, category: str | None, hours: int, limit: int) -> list[TrendingKeyword]:
    """Rank the keywords of the last `hours` (1..MAX_HOURS) against the PREVIOUS_HOURS before them."""
    now = int(time.time() // 3600)
    current = _merge(_read(now - hours + 1, now))
    previous = _merge(_read(now - hours - PREVIOUS_HOURS + 1, now - hours))
    return trending.rank(
        current.get(category or ALL, {}),
        previous.get(category or ALL, {}),
        hours=hours,
        previous_hours=PREVIOUS_HOURS,
        limit=limit,
    )


def _first_seen(judged: Sequence[JudgedStory]) -> list[JudgedStory]:
    by_key = {_seen_key(story): story for story in judged}
    known = store.get_many(list(by_key), bool)
    new = {key: story for key, story in by_key.items() if key not in known}
    store.put_many(dict.fromkeys(new, True), seconds=KEPT_SECONDS)
    return list(new.values())


def _counts(judged: JudgedStory) -> Counts:
    once = dict.fromkeys(judged.keywords, 1)
    return {ALL: once, judged.judgement.category.label: once}


def _merge(parts: Iterable[Mapping[str, Mapping[str, int]]]) -> Counts:
    total: dict[str, Counter[str]] = {}
    for part in parts:
        for category, counts in part.items():
            total.setdefault(category, Counter()).update(counts)
    return {category: dict(counter.most_common(KEYWORDS_AN_HOUR)) for category, counter in total.items()}


def _read(first: int, last: int) -> list[Counts]:
    buckets = [_bucket(hour) for hour in range(first, last + 1)]
    return list(store.get_many(buckets, Counts).values())


def _bucket(hour: int) -> str:
    return f"collected:{hour}"


def _seen_key(judged: JudgedStory) -> str:
    identity = canonical_url(judged.story.article.url)
    return f"seen:{blake2b(identity.encode(), digest_size=12).hexdigest()}"
