"""How the cache did in the last 24 hours, over all processes."""

from __future__ import annotations

import time
from dataclasses import dataclass

from search import store

HOURS = 24
KEPT_SECONDS = (HOURS + 1) * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    hits: int
    misses: int
    average_ms: float  # of an answer, hit or miss

    @property
    def hit_rate(self) -> float:
        """Hits among all answers, 0..1; 0 where there were none."""
        return self.hits / (self.hits + self.misses) if self.hits else 0.0


def record(*, is_hit: bool, milliseconds: float) -> None:
    """Count an answer in the current hour."""
    hour = int(time.time() // 3600)
    store.count(f"usage:{hour}:{'hits' if is_hit else 'misses'}", seconds=KEPT_SECONDS)
    store.count(f"usage:{hour}:microseconds", by=round(1000 * milliseconds), seconds=KEPT_SECONDS)


def last_day() -> Usage:
    now = int(time.time() // 3600)
    names = [f"usage:{hour}:{what}" for hour in range(now - HOURS + 1, now + 1) for what in _COUNTERS]
    found = store.counters(names)
    total = {what: sum(count for name, count in found.items() if name.endswith(f":{what}")) for what in _COUNTERS}
    answers = total["hits"] + total["misses"]
    return Usage(
        hits=total["hits"],
        misses=total["misses"],
        average_ms=round(total["microseconds"] / answers / 1000, 2) if answers else 0.0,
    )


_COUNTERS = ("hits", "misses", "microseconds")
